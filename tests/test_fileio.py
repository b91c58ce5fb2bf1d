from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_text import BOM, naive_lines

from lmmix.errors import FormatError, InputError, MissingDependencyError
from lmmix.fileio import (
    atomic_folder,
    atomic_write,
    decode_utf8,
    file_fingerprint,
    open_read,
    read_json,
    read_line_chunks,
    read_text_lines,
    write_json,
)

MARKER = "marker.json"

LAW = settings(deadline=None, derandomize=True)
COMPRESSORS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
}
TEXT = "".join(f"línea {i} {i * i % 997}\n" for i in range(3000)).encode()

compressions = pytest.mark.parametrize("suffix", COMPRESSORS)


def write(path: Path, content: bytes) -> Path:
    with atomic_write(path) as stream:
        stream.write(content)
    return path


def read(path: Path) -> bytes:
    with open_read(path) as stream:
        return stream.read()


def refusal(path: Path, action=read) -> str:
    """The one line in which lmmix refuses the file."""
    with pytest.raises(InputError) as caught:
        action(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


@pytest.mark.parametrize("suffix", ["", *COMPRESSORS])
@pytest.mark.parametrize("content", [b"", b"\0\xff", TEXT], ids=["empty", "bytes", "text"])
def test_what_is_written_is_read_back(tmp_path, suffix, content):
    assert read(write(tmp_path / f"file{suffix}", content)) == content


@compressions
def test_files_of_other_programs_are_read(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(COMPRESSORS[suffix](TEXT))
    assert read(path) == TEXT


@compressions
def test_all_streams_of_a_concatenated_file_are_read(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(COMPRESSORS[suffix](TEXT) + COMPRESSORS[suffix](b"the end\n"))
    assert read(path) == TEXT + b"the end\n"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_same_content_gives_same_bytes(tmp_path, suffix):
    one, two = write(tmp_path / f"one{suffix}", TEXT), write(tmp_path / f"two{suffix}", TEXT)
    assert one.read_bytes() == two.read_bytes()


def test_gzip_header_holds_no_time(tmp_path):
    assert write(tmp_path / "file.gz", TEXT).read_bytes()[4:8] == b"\0\0\0\0"


@compressions
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path, suffix, kept):
    path = tmp_path / f"file{suffix}"
    content = COMPRESSORS[suffix](TEXT)
    path.write_bytes(content[: int(len(content) * kept)])
    refusal(path)


@compressions
def test_truncated_file_is_refused_while_its_lines_are_read(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(COMPRESSORS[suffix](TEXT)[:-9])
    refusal(path, lambda path: list(read_line_chunks(path, 100)))


@compressions
def test_garbage_is_refused(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(b"this is no compressed file\n" * 9)
    refusal(path)


def test_damaged_gzip_is_refused(tmp_path):
    path = write(tmp_path / "file.gz", TEXT)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refusal(path)


def test_missing_zstandard_is_named_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "file.zst").write_bytes(b"")
    with pytest.raises(MissingDependencyError, match=r"pip install 'lmmix\[zstd\]'"):
        read(tmp_path / "file.zst")


def test_missing_file_and_folder_are_refused_as_source(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.txt")
    assert "directory" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["missing/file", "plain/file"])
def test_target_without_a_folder_is_refused(tmp_path, name):
    (tmp_path / "plain").write_bytes(b"a file")
    refusal(tmp_path / name, lambda path: write(path, b"x"))
    with pytest.raises(InputError, match="cannot write"), atomic_folder(tmp_path / name, MARKER):
        pass
    assert os.listdir(tmp_path) == ["plain"]


def test_folder_as_target_of_a_file_and_file_as_target_of_a_folder_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    assert "it is a folder" in refusal(tmp_path / "folder", lambda path: write(path, b"x"))
    with pytest.raises(InputError, match="it is a file"), atomic_folder(tmp_path / "file", MARKER):
        pass
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("suffix", ["", *COMPRESSORS])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, InputError])
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, suffix, error):
    path = write(tmp_path / f"file{suffix}", b"old")
    with pytest.raises(error), atomic_write(path) as stream:
        stream.write(TEXT)
        raise error("stop")
    assert read(path) == b"old"
    assert os.listdir(tmp_path) == [path.name]


def test_failed_first_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "file"):
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_target_keeps_its_old_content_until_the_block_ends(tmp_path):
    path = write(tmp_path / "file", b"old")
    with atomic_write(path) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_killed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    code = (
        "import os, signal, sys; from lmmix.fileio import atomic_write\n"
        "with atomic_write(sys.argv[1]) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "old")])
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_file_system_without_nameless_files(tmp_path, monkeypatch):
    def opened(path, flags, *arguments, plain=os.open):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return plain(path, flags, *arguments)

    monkeypatch.setattr(os, "open", opened)
    with atomic_write(tmp_path / "new") as stream:
        stream.write(b"content")
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    with pytest.raises(KeyError), atomic_write(tmp_path / "new") as stream:
        raise KeyError
    assert (tmp_path / "new").read_bytes() == b"content" and len(list(tmp_path.iterdir())) == 1


def test_written_file_has_the_mode_of_any_new_file(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    path = write(tmp_path / "file", b"x")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_special_file_such_as_dev_null_is_not_replaced_by_a_plain_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    with contextlib.closing(os.fdopen(reader, "rb", buffering=0)):
        with contextlib.suppress(InputError):
            write(tmp_path / "pipe", b"x")
        assert (tmp_path / "pipe").is_fifo()


def test_folder_is_replaced_as_a_whole(tmp_path):
    for name in ("old", "new"):
        with atomic_folder(tmp_path / "model", MARKER) as folder:
            (folder / name).write_text(name)
            (folder / MARKER).write_text("{}")
    assert os.listdir(tmp_path) == ["model"]
    assert sorted(os.listdir(tmp_path / "model")) == [MARKER, "new"]


def test_folder_of_somebody_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis" / "chapters").mkdir(parents=True)
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(InputError, match="not empty and holds no marker.json"),
        atomic_folder(tmp_path / "thesis", MARKER),
    ):
        pytest.fail("the block must not be entered")
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years of work"
    with pytest.raises(InputError, match="give it a name"), atomic_folder("-", MARKER):
        pass


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, InputError])
@pytest.mark.parametrize("before", [True, False])
def test_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path, error, before):
    if before:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / MARKER).write_text("old")
    with pytest.raises(error), atomic_folder(tmp_path / "model", MARKER) as folder:
        (folder / "new").write_text("new")
        raise error("stop")
    assert (
        sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["model", f"model/{MARKER}"] * before
    )


def test_folder_behind_a_symbolic_link_can_be_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_folder(tmp_path / "link", MARKER) as folder:
        (folder / "new").write_text("new")
    assert (tmp_path / "link" / "new").read_text() == "new"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_minus_is_standard_input_and_output(monkeypatch):
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb")))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output))
    assert b"".join(read_line_chunks("-")) == b"a\nb\n"
    write("-", b"out")  # type: ignore[arg-type]
    assert output.getvalue() == b"out"


pieces = st.sampled_from([b"\n", b"\r\n", BOM, b"a", b"bc ", b"\0", b"\xff", "é".encode()])


@LAW
@given(st.lists(pieces, max_size=12).map(b"".join), st.integers(1, 20))
@example(BOM + b"a\n" + BOM + b"b", 3)
@example(BOM + b"a", 1)
def test_chunks_are_the_lines_of_the_file(tmp_path_factory, content, chunk_bytes):
    path = tmp_path_factory.getbasetemp() / "chunks"
    path.write_bytes(content)
    chunks = list(read_line_chunks(path, chunk_bytes))
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert b"".join(chunks).split(b"\n")[:-1] == naive_lines(content)


def test_lines_have_numbers_and_no_ends(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(BOM + "é\r\n\r\nb\u2028c\x85d\n\ufefflast".encode())
    assert list(read_text_lines(path)) == [(1, "é"), (2, ""), (3, "b\u2028c\x85d"), (4, "\ufefflast")]


@pytest.mark.parametrize(
    ("content", "place", "byte"),
    [(b"\xff", "1:1", "ff"), (b"ab\n\nxy\x80z\n", "3:3", "80"), ("é\né".encode() + b"\xc3\n", "2:3", "c3")],
)
def test_bad_byte_is_named_with_line_and_column(tmp_path, content, place, byte):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}:{place}: byte 0x{byte} is not valid UTF-8"):
        list(read_text_lines(path))


def test_bad_byte_counts_from_the_first_line_of_its_chunk():
    with pytest.raises(InputError, match="^file:12:2: "):
        decode_utf8(b"fine\na\xfe\n", "file", 11)


def test_json_round_trip_and_errors_with_line_and_column(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"ключ": [1, 0.5, None, "é"]})
    assert read_json(path) == {"ключ": [1, 0.5, None, "é"]}
    path.write_bytes(b'{"a": 1,\n "b" 2}')
    with pytest.raises(FormatError, match=f"^{path}:2:6: not valid JSON"):
        read_json(path)
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(FormatError, match=f"^{path}: not valid JSON: the file is not UTF-8"):
        read_json(path)


def test_fingerprint_depends_on_content_alone(tmp_path):
    for folder, names in (("one", "ab"), ("two", "ba")):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(f"content of {name}")
    one, two = file_fingerprint(tmp_path / "one"), file_fingerprint(tmp_path / "two")
    assert one == two and len(one) == 16
    (tmp_path / "two" / "a").write_text("other")
    assert file_fingerprint(tmp_path / "two") != one
    refusal(tmp_path / "three", file_fingerprint)
