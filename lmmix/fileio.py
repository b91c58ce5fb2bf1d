"""Reading and writing files: compression by suffix, `-` for standard streams, all-or-nothing writes."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import hashlib
import io
import json
import lzma
import math
import os
import secrets
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from lmmix.errors import FormatError, InputError, MissingDependencyError

PathLike = str | os.PathLike[str]

CHUNK_BYTES = 1 << 22
"""What is read, and worked on by one thread, at a time."""

SMALL_CHUNK_BYTES = 1 << 16
"""The same for files of which there are many."""

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
"""Suffixes of compressed files."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise MissingDependencyError("zstandard", "a .zst file", "zstd") from None
    return zstandard


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextlib.contextmanager
def explain_errors(path: PathLike, verb: str) -> Iterator[None]:
    """Turn what the operating system and the decompressors raise into an `InputError` that names the file."""
    try:
        yield
    except BrokenPipeError:
        raise
    except EOFError:
        raise InputError(f"{path}: cannot {verb}: the compressed data ends too early (truncated file?)") from None
    except (OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path}: cannot {verb}: {_reason(error)}") from None


@contextlib.contextmanager
def open_read(path: PathLike) -> Iterator[BinaryIO]:
    """A binary stream over the (decompressed) content of `path`; `-` is standard input.

    Compression goes by suffix: .gz, .bz2, .xz, .zst. Raises InputError.
    """
    name = os.fspath(path)
    if name == "-":
        if sys.stdin is None:
            raise InputError("-: cannot read: standard input is closed")
        with explain_errors("standard input", "read"):
            yield sys.stdin.buffer
        return
    with explain_errors(name, "read"), _opened(name) as stream:
        yield stream


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    with open(name, "rb") as raw:
        if name.endswith(".gz"):
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        elif name.endswith(".bz2"):
            yield cast(BinaryIO, bz2.BZ2File(raw))
        elif name.endswith(".xz"):
            yield cast(BinaryIO, lzma.LZMAFile(raw))  # noqa: SIM115 (`raw` is closed)
        elif name.endswith(".zst"):
            zstandard = _zstandard()
            try:
                yield cast(BinaryIO, io.BufferedReader(_ZstdReader(raw, zstandard.ZstdDecompressor())))
            except zstandard.ZstdError as error:
                raise InputError(f"{name}: cannot read: {error}") from None
        else:
            yield raw


class _ZstdReader(io.RawIOBase):
    """Decompressed .zst data; unlike the stream reader of zstandard it notices that the data ends too early."""

    def __init__(self, raw: BinaryIO, decompressor: Any) -> None:
        self._raw, self._decompressor = raw, decompressor
        self._frame = decompressor.decompressobj()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            block = self._frame.unused_data if self._frame.eof else b""
            block = block or self._raw.read(1 << 17)
            if not block:
                if not self._frame.eof:
                    raise EOFError
                return 0
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._ready = self._frame.decompress(block)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def read_line_chunks(path: PathLike, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The content of `path` in chunks of whole lines, see `line_chunks`."""
    with open_read(path) as stream:
        yield from line_chunks(stream.read, chunk_bytes)


def line_chunks(read: Callable[[int], bytes], chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """What `read` gives in chunks of whole lines, each ending in a newline (the last gets one if it lacks it).

    A byte-order mark at the very start is dropped. A line longer than `chunk_bytes` makes a longer chunk.
    """
    rest = read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while block := read(chunk_bytes):
        if b"\n" in rest:
            block, rest = rest + block, b""
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest += block
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def read_text_lines(path: PathLike, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a UTF-8 file; raises InputError at the first bad byte.

    Many small files need small chunks.
    """
    return text_lines(read_line_chunks(path, chunk_bytes), path)


def text_lines(chunks: Iterable[bytes], path: PathLike) -> Iterator[tuple[int, str]]:
    """The same of chunks of whole lines that `path` has."""
    number = 0
    for chunk in chunks:
        text = decode_utf8(chunk, path, number + 1)
        for line in text.split("\n")[:-1]:
            number += 1
            yield number, line.rstrip("\r")


def decode_utf8(chunk: bytes, path: PathLike, first_line: int) -> str:
    """`chunk` as text; an InputError names file, line and column (in bytes, from 1) of a byte that is not UTF-8."""
    try:
        return chunk.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + chunk.count(b"\n", 0, error.start)
        column = error.start - (chunk.rfind(b"\n", 0, error.start) + 1) + 1
        value = chunk[error.start]
        raise InputError(
            f"{path}:{line}:{column}: byte 0x{value:02x} is not valid UTF-8; convert the file, or use --errors replace"
        ) from None


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """A binary stream whose content becomes `path` when the block ends, and is discarded when it fails.

    The data is written beside the target and renamed into place, so readers see the old file or the new
    one, never half. Compression goes by suffix; `-` is standard output. Raises InputError.
    """
    name = os.fspath(path)
    if name == "-":
        with explain_errors("standard output", "write"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    # A link stays a link: what it points to is replaced.
    target = os.path.realpath(name)
    with explain_errors(name, "write"):
        if os.path.isdir(target):
            raise InputError(f"{name}: cannot write: it is a folder")
        if os.path.exists(target) and not os.path.isfile(target):
            # A pipe or a device such as /dev/null is written to, never replaced.
            with open(target, "wb") as device, _compressing(name, device) as stream:
                yield stream
            return
        with _replacing(target) as raw, _compressing(name, raw) as stream:
            yield stream


@contextlib.contextmanager
def _replacing(target: str) -> Iterator[BinaryIO]:
    """A new file that takes the place of `target` when the block ends and vanishes when it fails.

    Where the file system can, the file has no name until then, so that even a killed process leaves nothing.
    """
    from lmmix.mapped_writer import MappedWriter

    folder, base = os.path.split(os.path.abspath(target))
    temporary = os.path.join(folder, f".{base}.{secrets.token_hex(4)}.part")
    handle, named = _new_file(folder, temporary)
    try:
        with os.fdopen(handle, "r+b", buffering=0):
            with MappedWriter(handle) as raw:
                yield cast(BinaryIO, raw)
            if not named:
                _give_name(handle, folder, temporary)
                named = True
        os.replace(temporary, target)
    except BaseException:
        if named:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise


def _new_file(folder: str, name: str) -> tuple[int, bool]:
    """(descriptor of a new file in `folder`, whether it had to be given its name already)."""
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), False
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    return os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666), True


def _give_name(handle: int, folder: str, name: str) -> None:
    at = os.open(folder, os.O_RDONLY)
    try:
        # Given a folder's descriptor, link() follows the symbolic link in /proc to the file.
        os.link(f"/proc/self/fd/{handle}", os.path.basename(name), dst_dir_fd=at)
    finally:
        os.close(at)


@contextlib.contextmanager
def _compressing(name: str, raw: BinaryIO) -> Iterator[BinaryIO]:
    if name.endswith(".gz"):
        # mtime and name stay out of the header: the same content gives the same bytes.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    elif name.endswith(".bz2"):
        with bz2.BZ2File(raw, "wb") as stream:
            yield cast(BinaryIO, stream)
    elif name.endswith(".xz"):
        with lzma.LZMAFile(raw, "wb") as stream:
            yield cast(BinaryIO, stream)
    elif name.endswith(".zst"):
        with _zstandard().ZstdCompressor().stream_writer(raw, closefd=False) as stream:
            yield stream
    else:
        yield raw


def check_folder_target(path: PathLike, marker: str) -> None:
    """Raise InputError unless a folder may be made at `path`, or the one there is ours to replace.

    Ours is a folder that is empty or holds a file called `marker`.
    """
    target = Path(path).resolve()
    if os.fspath(path) == "-":
        raise InputError("-: cannot write: the result is a folder; give it a name")
    with explain_errors(path, "write"):
        if not target.parent.is_dir():
            raise InputError(f"{path}: cannot write: there is no folder {target.parent}")
        if target.is_dir() and any(target.iterdir()) and not (target / marker).is_file():
            raise InputError(f"{path}: cannot write: the folder is not empty and holds no {marker}; it stays as it is")
        if target.exists() and not target.is_dir():
            raise InputError(f"{path}: cannot write: it is a file, and a folder is needed")


@contextlib.contextmanager
def atomic_folder(path: PathLike, marker: str) -> Iterator[Path]:
    """A fresh folder that becomes `path` when the block ends, and vanishes when it fails.

    An existing folder is replaced only by the rename at the end, and only if it is empty or holds a file called
    `marker`. Raises InputError.
    """
    check_folder_target(path, marker)
    target = Path(path).resolve()
    with explain_errors(path, "write"):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        try:
            temporary.chmod(0o755)
            yield temporary
            if target.exists():
                old = temporary.with_suffix(".old")
                target.rename(old)
                temporary.rename(target)
                shutil.rmtree(old)
            else:
                temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def write_json(path: PathLike, value: Any) -> None:
    """Write `value` as indented JSON, atomically; see `json_ready`."""
    with atomic_write(path) as stream:
        stream.write((json.dumps(json_ready(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def json_ready(value: Any) -> Any:
    """`value` with null for numbers that are infinite or undefined, which JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    return value


def read_json(path: PathLike) -> Any:
    """Read one JSON document; raises FormatError with line and column."""
    with open_read(path) as stream:
        content = stream.read()
    try:
        return parse_json(content.decode())
    except json.JSONDecodeError as error:
        raise FormatError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not valid JSON: the file is not UTF-8") from None


def parse_json(text: str) -> Any:
    """The JSON in `text`. Whatever is wrong with it raises JSONDecodeError, endless nesting and numbers included."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("brackets nested too deep", text, 0) from None
    except ValueError as error:
        raise json.JSONDecodeError(str(error), text, 0) from None


def file_fingerprint(path: PathLike) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file, or of the files of a folder in order of name."""
    digest = hashlib.sha256()
    root = Path(path)
    with explain_errors(path, "read"):
        for file in sorted(file for file in root.iterdir() if file.is_file()) if root.is_dir() else [root]:
            with open(file, "rb") as stream:
                while block := stream.read(CHUNK_BYTES):
                    digest.update(block)
    return digest.hexdigest()[:16]


def file_entry(file: Path, folder: Path) -> dict[str, Any]:
    """How a file in `folder` names another one."""
    return {"path": os.path.relpath(file.absolute(), folder), "fingerprint": file_fingerprint(file)}


def find_entered(entry: dict[str, Any], folder: Path, user: str, remedy: str) -> Path:
    """The file that `file_entry` named; `user` is what needs it, `remedy` what to do if it has changed.

    Raises InputError if it is not there, FormatError if it is another one.
    """
    name = str(entry["path"])
    file = folder / name
    with explain_errors(folder, f"use the file {name[:80]}"):
        if not file.exists():
            raise InputError(f"{file} is not there, which {user} needs")
    if file_fingerprint(file) != entry["fingerprint"]:
        raise FormatError(f"{file} has changed since {user} was made; {remedy}")
    return file
