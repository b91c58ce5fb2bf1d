"""The formats of n-best lists by name: which one a file has, reading it, writing it.

A format is a module with three functions: `recognises(path, head)` for a file or folder whose first line that is not
blank is `head` (empty for a folder), `read(path, options)`, which gives one `Utterance` after the other, and
`writer(path)`, a context in which a function takes one `Rescored` after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.nbest.formats.check import checked
from lmmix.nbest.formats.head import head_of
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.utterance import Rescored, Utterance


@dataclass(frozen=True)
class Format:
    """A format: its module, which `ReadOptions` it takes, whether references go by line instead of by id, and whether
    what is written is a folder."""

    module: str
    options: tuple[str, ...] = ()
    refs_by_line: bool = False
    writes_folder: bool = False


FORMATS = {
    "jsonl": Format("lmmix.nbest.formats.jsonl"),
    "hyporadise": Format("lmmix.nbest.formats.hyporadise"),
    "nemo": Format("lmmix.nbest.formats.nemo", options=("manifest",)),
    "espnet": Format("lmmix.nbest.formats.espnet", writes_folder=True),
    "kaldi": Format("lmmix.nbest.formats.kaldi", options=("scores",), writes_folder=True),
    "tsv": Format("lmmix.nbest.formats.tsv"),
    "moses": Format("lmmix.nbest.formats.moses", refs_by_line=True),
    "srilm": Format("lmmix.nbest.formats.srilm", options=("scores",), writes_folder=True),
}
"""All formats, in the order in which a file is tried."""


def read_nbest(path: PathLike, name: str | None = None, options: ReadOptions | None = None) -> Iterator[Utterance]:
    """The n-best lists in `path`, one by one, in the format called `name` or the one that the content shows.

    All have the same scores, finite numbers, and different ids. Raises InputError, FormatError with file and line,
    SettingError for options that the format does not take.
    """
    options = options or ReadOptions()
    name = name or recognised(path)
    form = FORMATS[known(name)]
    for option in ("scores", "manifest"):
        if getattr(options, option) and option not in form.options:
            takers = [other for other in FORMATS if option in FORMATS[other].options]
            raise SettingError(f"--{option} is for the format {' or '.join(takers)}; {path} is read as {name}")
    return checked(_module(name).read(path, options), path)


def nbest_writer(path: PathLike, name: str = "jsonl") -> AbstractContextManager[Write]:
    """A context with a function that writes one list after the other to `path`; the file appears when it ends well."""
    return _module(known(name)).writer(path)


def check_can_hold(lists: Iterable[Rescored], name: str) -> None:
    """Raise InputError if the format cannot hold these lists: write them into a folder that vanishes."""
    with TemporaryDirectory() as folder, nbest_writer(Path(folder) / "lists", name) as write:
        for one in lists:
            write(one)


def recognised(path: PathLike) -> str:
    """The name of the format of a file or folder. Raises FormatError, InputError."""
    is_folder = Path(path).is_dir()
    head = "" if is_folder else head_of(path)
    if not head and not is_folder:
        raise InputError(f"{path}: there are no n-best lists: the file is empty")
    for name in FORMATS:
        if _module(name).recognises(Path(path), head):
            return name
    raise FormatError(f"{path}: not n-best lists in a format that lmmix knows ({', '.join(FORMATS)}): {head:.60}")


def known(name: str) -> str:
    """The name if it is that of a format. Raises SettingError."""
    if name not in FORMATS:
        raise SettingError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return name


def _module(name: str) -> Any:
    return import_module(FORMATS[name].module)
