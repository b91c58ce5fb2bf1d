"""References from files beside the lists: lines with ids, or a line for each list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lmmix.errors import FormatError, InputError
from lmmix.fileio import PathLike, read_text_lines
from lmmix.nbest.utterance import Utterance
from lmmix.vocab import words_of


def with_references(
    utterances: Iterable[Utterance], paths: Sequence[PathLike], by_line: bool = False
) -> Iterator[Utterance]:
    """The lists with the references of `paths`, one reference from each file, instead of their own.

    A file has lines ``id word word …``, of which each must be for one of the lists; or, `by_line`, plain texts,
    of which line n (from 0) is for the list with the id n, or for the nth list if ids are no numbers.
    Raises FormatError for an id that is unknown or comes twice, InputError for a list without reference, and for two
    of the same id.
    """
    files = [_Lines(path) if by_line else _ById(path) for path in paths]
    for place, utterance in enumerate(utterances):
        yield replace(utterance, refs=tuple(file.of(utterance.id, place) for file in files))
    for file in files:
        file.finish()


class _ById:
    """Lines `id word word …`."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.texts = texts_by_id(path)
        self.taken: set[str] = set()

    def of(self, name: str, place: int) -> str:
        if name not in self.texts:
            raise InputError(f"{self.path}: there is no reference for the utterance {name!r}")
        if name in self.taken:
            raise InputError(f"the id {name!r} stands twice among the lists, so references cannot be told apart")
        self.taken.add(name)
        return self.texts[name][1]

    def finish(self) -> None:
        for name, (number, _) in self.texts.items():
            if name not in self.taken:
                raise FormatError(f"{self.path}:{number}: a reference for {name!r}, which is not in the n-best list")


def texts_by_id(path: PathLike) -> dict[str, tuple[int, str]]:
    """The line number and the text of each id in a file of lines ``id word word …``.

    An id that holds spaces is parted from its words by a tab. Lines without words are passed over. Raises FormatError
    for an id that comes twice.
    """
    found: dict[str, tuple[int, str]] = {}
    for number, line in read_text_lines(path):
        words = words_of(line)
        if not words:
            continue
        name, tab, text = line.partition("\t")
        name, words = (name, words_of(text)) if tab else (words[0], words[1:])
        if name in found:
            raise FormatError(f"{path}:{number}: a second text for {name!r} (the first is in line {found[name][0]})")
        found[name] = number, " ".join(words)
    return found


class _Lines:
    """A text a line."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.texts = [line.rstrip("\r") for _, line in read_text_lines(path)]

    def of(self, name: str, place: int) -> str:
        line = int(name) if name.isascii() and name.isdigit() else place
        if line >= len(self.texts):
            raise InputError(
                f"{self.path}: has {len(self.texts)} lines; the reference of the list {name!r} would be line {line + 1}"
            )
        return self.texts[line]

    def finish(self) -> None:
        """More lines than lists are no error: a list may be missing where nothing was found."""
