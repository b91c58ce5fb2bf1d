"""Mixtures as files: JSON that names the members by relative path and fingerprint and holds the parameters."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import PathLike, file_entry, find_entered, read_json, write_json
from lmmix.lm import LanguageModel, described, load
from lmmix.mix.mixture import Mixture
from lmmix.mix.union import WidenedModel, one_event_space

KIND = "mixture"
VERSION = 2

_COMBINATIONS = {
    "linear": "lmmix.mix.linear:LinearMixture",
    "context": "lmmix.mix.context:ContextMixture",
    "loglinear": "lmmix.mix.loglinear:LogLinearMixture",
    "online": "lmmix.mix.online:OnlineMixture",
}


def save_mixture(mixture: Mixture, path: PathLike, tuning: dict[str, Any] | None = None) -> None:
    """Write `mixture`; `tuning`, which says how its parameters were found, is kept with it.

    Raises SettingError for members that neither are in files nor describe themselves.
    """
    folder = Path(path).absolute().parent
    paths = mixture.paths or [None] * len(mixture.members)
    content = {
        "kind": KIND,
        "version": VERSION,
        "combination": mixture.combination,
        "vocab": mixture.vocab.fingerprint,
        "spread": next((member.spread for member in mixture.members if isinstance(member, WidenedModel)), None),
        "members": [_member_entry(member, file, folder) for member, file in zip(mixture.members, paths)],
        "parameters": mixture.parameters(folder),
    }
    write_json(path, {**content, "tuning": tuning or {}})


def _member_entry(member: LanguageModel, file: Path | None, folder: Path) -> dict[str, Any]:
    if file is None:
        describe = getattr(member, "description", None)
        if describe is None:
            raise SettingError("a mixture can be saved only if its members have files: give their paths")
        return {"description": describe(), "signature": member.signature}
    # Some files cannot say what made their tokens.
    return {**file_entry(file, folder), "tokenizer": member.vocab.tokenizer, "signature": member.signature}


def entered_file(entry: dict[str, Any], folder: Path) -> Path:
    """The file that `file_entry` named. Raises InputError if it is not there, FormatError if it is another one."""
    return find_entered(entry, folder, "the mixture", "find the weights again with lmmix mix")


def load_mixture(path: PathLike, threads: int | None = None) -> Mixture:
    """The mixture that `path` describes, with its members from their files, which `threads` read (default: all cores).

    Raises FormatError for a file that lacks something, for a member that is not the one the weights were found for,
    InputError for one that is not there.
    """
    content = read_json(path)
    try:
        return _made(content, Path(path).absolute().parent, threads)
    except (InputError, SettingError, EventSpaceError) as error:
        kind = InputError if type(error) is InputError else FormatError
        raise kind(f"{path}: {error}") from None
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise FormatError(f"{path}: not a complete mixture: {type(error).__name__} {error}") from None


def _made(content: dict[str, Any], folder: Path, threads: int | None) -> Mixture:
    """The mixture in a file in `folder`. What is wrong with `content` may raise anything that `load_mixture` knows."""
    if content["version"] != VERSION:
        raise FormatError(f"mixture version {content['version']!r}; this lmmix reads version {VERSION}")
    if content["combination"] not in _COMBINATIONS:
        raise FormatError(f"a {content['combination']!r} mixture; this lmmix reads {', '.join(_COMBINATIONS)}")
    members, files = _load_members([dict(row) for row in content["members"]], folder, content["spread"], threads)
    module, name = _COMBINATIONS[content["combination"]].split(":")
    combination = getattr(import_module(module), name)
    try:
        mixture: Mixture = combination.from_parameters(members, content["parameters"], files, folder)
    except SettingError as error:
        raise FormatError(f"its parameters do not fit the {len(members)} members that it names: {error}") from None
    if content["vocab"] != mixture.vocab.fingerprint:
        raise FormatError("its members have another vocabulary than the one it was made for")
    return mixture


def _load_members(
    rows: list[dict[str, Any]], folder: Path, spread: str | None, threads: int | None
) -> tuple[list[LanguageModel], list[Path | None]]:
    """The members with their files, widened as they were; those only described get the vocabulary of the others."""
    files = [None if "description" in row else entered_file(row, folder) for row in rows]
    if not any(files):
        raise FormatError("none of its members has a file, so there is no vocabulary")
    loaded = [load(file, row["tokenizer"], threads) for file, row in zip(files, rows) if file is not None]
    filed = iter(one_event_space(loaded, spread, [str(file) for file in files if file is not None]))
    members = [None if file is None else next(filed) for file in files]
    vocab = next(member.vocab for member in members if member is not None)
    return [described(row["description"], vocab) if m is None else m for m, row in zip(members, rows)], files
