"""Little n-best lists in files, written and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lmmix.errors import LmmixError
from lmmix.nbest.formats.folder import MARKER
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import nbest_writer, read_nbest
from lmmix.nbest.utterance import Rescored, Utterance


def put(folder: Path, **files: str) -> Path:
    """A folder with these files; `__` in a name stands for `/`, `_dot_` for a dot."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """All files of a folder but lmmix's mark."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def copied(source: Path, target: Path, form: str, options: ReadOptions | None = None) -> Path:
    with nbest_writer(target, form) as write:
        for utterance in read_nbest(source, None, options):
            write(Rescored(utterance))
    return target


def rescored(utterance: Utterance, best: int | None = 0) -> Rescored:
    """With a feature ``lm:mix`` of 0.1, 1.1, … and totals of -1, -2, …."""
    n = len(utterance.texts)
    text = "made of several" if best is None else utterance.texts[best]
    return Rescored(utterance, {"lm:mix": np.arange(n) + 0.1}, -1.0 - np.arange(n), best, text)


def write_rescored(source: Path, target: Path, form: str, options: ReadOptions | None = None) -> list[Utterance]:
    with nbest_writer(target, form) as write:
        for utterance in read_nbest(source, None, options):
            write(rescored(utterance))
    return list(read_nbest(target, form if form == "nemo" else None, options))


def refused(path: Path, message: str, form: str | None = None, options: ReadOptions | None = None) -> None:
    with pytest.raises(LmmixError) as caught:
        list(read_nbest(path, form, options))
    assert message in str(caught.value) and "\n" not in str(caught.value)
