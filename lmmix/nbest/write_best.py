"""The chosen texts alone, as lines `id word word …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lmmix.fileio import PathLike, atomic_write
from lmmix.nbest.formats.interface import Write
from lmmix.nbest.utterance import Rescored
from lmmix.vocab import SPACE, words_of


@contextmanager
def best_writer(path: PathLike) -> Iterator[Write]:
    """A function that takes one list after the other. An id with spaces is parted from its text by a tab."""
    with atomic_write(path) as stream:

        def write(rescored: Rescored) -> None:
            stream.write(best_line(rescored).encode())

        yield write


def best_line(rescored: Rescored) -> str:
    """The line of one list."""
    name = rescored.utterance.id
    words = " ".join(words_of(rescored.text or ""))
    parted = "\t" if SPACE.search(name) else " " if words else ""
    return f"{name}{parted}{words}\n"
