"""Texts for cross-fitting: what models may learn from when their scores are to be tuned on the same sentences.

A model that has read the references of a list scores them far too well, so weights tuned with it trust it too much.
Utterance u belongs to fold u modulo K; the model of fold k learns from the references of all other folds, and gives the
features of fold k (`features.add_folded_lm_features`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike, atomic_folder, explain_errors, write_json
from lmmix.metrics.normalise import Normaliser
from lmmix.nbest.utterance import Utterance

ALL = "all.txt"
MARKER = "lmmix-folds.json"
"""The file that says that lmmix made a folder, and may replace it."""

_OURS = re.compile(rf"{re.escape(MARKER)}|{re.escape(ALL)}|[0-9]+(\.held)?\.txt")
"""Names of the files that are written."""


def write_fold_texts(
    utterances: Sequence[Utterance], folds: int, path: PathLike, normaliser: Normaliser | None = None
) -> None:
    """Write a folder with ``all.txt``, all references, and for each fold k ``k.txt``, those of the other folds.

    What is left out, the references of the fold itself, is ``k.held.txt``: held-out text for stopping and mixing. A
    reference a line, rewritten by `normaliser`. An existing folder is replaced if it is empty, or holds texts that this
    function wrote and nothing else. Raises SettingError, InputError for an utterance without reference, or a folder
    with other files.
    """
    if not 2 <= folds <= len(utterances):
        raise SettingError(f"folds is {folds}; it must be from 2 to the number of utterances, {len(utterances)}")
    for one in utterances:
        if not one.refs:
            raise InputError(f"utterance {one.id!r} has no reference: put one into the list or give --ref FILE")
    rewritten = normaliser or Normaliser()
    texts = ["".join(f"{rewritten(ref)}\n" for ref in one.refs) for one in utterances]
    check_nothing_else(path)
    with atomic_folder(path, MARKER) as folder:
        write_json(folder / MARKER, {"folds": folds})
        _write(texts, folder / ALL)
        for k in range(folds):
            _write([text for u, text in enumerate(texts) if u % folds != k], folder / f"{k}.txt")
            _write(texts[k::folds], folder / f"{k}.held.txt")


def check_nothing_else(path: PathLike) -> None:
    """Raise InputError if the folder `path` is there and holds anything that `write_fold_texts` does not write."""
    with explain_errors(path, "write"):
        files = sorted(Path(path).iterdir()) if Path(path).is_dir() else []
    for file in files:
        if not (_OURS.fullmatch(file.name) and file.is_file()):
            raise InputError(
                f"{path}: cannot write: the folder holds {file.name}, which is no text of folds; choose another folder"
            )


def _write(texts: Sequence[str], path: Path) -> None:
    path.write_text("".join(texts), encoding="utf-8")
