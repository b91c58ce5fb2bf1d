"""Lists that are a folder of text files: the files of scores by name, and writing them all or none."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from lmmix.errors import InputError
from lmmix.fileio import COMPRESSED, PathLike, atomic_folder, explain_errors, write_json

MARKER = "lmmix-nbest.json"
"""The file that says that lmmix made a folder, and may replace it."""

_LINES = 100_000
"""Lines that wait in memory, so that there may be more files than a process can have open."""


def file_of(name: str, reserved: Collection[str] = ()) -> str:
    """The file, or folder, for the score `name`: letters that file names may lack as %XX, as in URLs (``lm%3Amix``).

    So is one letter of a name that is `reserved` for something else, hidden, or the name of a compressed file. Kaldi
    would take a colon with a number behind it as a place in a file.
    """
    if not name:
        raise InputError("a score without a name cannot be a file; use the format jsonl")
    file = quote(name, safe="")
    if file in reserved or file.startswith("."):
        return f"%{ord(file[0]):02X}{file[1:]}"
    for suffix in COMPRESSED:
        if file.endswith(suffix):
            return f"{file.removesuffix(suffix)}%2E{suffix[1:]}"
    return file


def name_of(file: PathLike) -> str:
    """The name of the score in such a file, which may be compressed, or folder."""
    path = Path(file)
    return unquote(path.stem if path.suffix in COMPRESSED else path.name)


class FolderFiles:
    """The files of a new folder, to which lines are added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, list[str]] = {}
        self._lines = 0

    def add(self, file: str, line: str) -> None:
        """Add text, whole lines, to a file in the folder or in one inside it; one called *.gz is compressed."""
        self._waiting.setdefault(file, []).append(line)
        self._lines += 1
        if self._lines >= _LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for file, lines in self._waiting.items():
            path = self._folder / file
            content = "".join(lines).encode()
            with explain_errors(path, "write"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "ab") as stream:
                    # Files that are compressed one after the other are one such file.
                    stream.write(gzip.compress(content, 6, mtime=0) if path.suffix == ".gz" else content)
        self._waiting, self._lines = {}, 0


@contextmanager
def written_folder(path: PathLike, form: str) -> Iterator[FolderFiles]:
    """The files of a folder that appears when the block ends, and never if it fails. Raises InputError."""
    with atomic_folder(path, MARKER) as folder:
        write_json(folder / MARKER, {"n-best lists": form})
        files = FolderFiles(folder)
        yield files
        files.flush()
