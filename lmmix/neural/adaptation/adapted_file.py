"""Networks that adapt, as files: JSON that names the network by relative path and fingerprint."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.fileio import PathLike, file_entry, find_entered, read_json, write_json
from lmmix.neural.adaptation.continuous_cache import ContinuousCache
from lmmix.neural.adaptation.dynamic import DynamicEvaluation
from lmmix.neural.adaptation.features import check_adaptable
from lmmix.neural.store import load_neural

VERSION = 1

Adapted = ContinuousCache | DynamicEvaluation

_KINDS: dict[str, type[Adapted]] = {kind.kind: kind for kind in (ContinuousCache, DynamicEvaluation)}


def save_adapted(model: Adapted, path: PathLike, network: PathLike, tuning: dict[str, Any] | None = None) -> None:
    """Write `model`, whose network is in the folder `network`; `tuning` says how its settings were found.

    Raises InputError.
    """
    content = {
        "kind": model.kind,
        "version": VERSION,
        "network": file_entry(Path(network), Path(path).absolute().parent),
        "settings": asdict(model.settings),
    }
    write_json(path, {**content, "tuning": tuning or {}})


def load_adapted(path: PathLike) -> Adapted:
    """The model that `save_adapted` wrote, with its network.

    Raises FormatError for a file that lacks something, and for a network that has changed, InputError for one that is
    not there.
    """
    kind, entry, settings = _read(path)
    try:
        network = find_entered(entry, Path(path).absolute().parent, "the adapted network", "use lmmix adapt again")
        return kind(check_adaptable(load_neural(network)), **settings)
    except (InputError, SettingError) as error:
        raised = InputError if type(error) is InputError else FormatError
        raise raised(f"{path}: {error}") from None


def _read(path: PathLike) -> tuple[type[Adapted], dict[str, str], dict[str, Any]]:
    """The kind of model, the entry of its network, and its settings. Raises FormatError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") not in list(_KINDS):
        raise FormatError(f'{path}: not an adapted network (no "kind" that is {" or ".join(_KINDS)})')
    if content.get("version") != VERSION:
        raise FormatError(f"{path}: version {content.get('version')!r}; this lmmix reads version {VERSION}")
    kind, parts = _KINDS[content["kind"]], []
    for name, wanted in (
        ("network", {"path", "fingerprint"}),
        ("settings", {f.name for f in fields(kind.settings_class)}),
    ):
        part = content.get(name)
        if not isinstance(part, dict) or part.keys() != wanted:
            raise FormatError(f"{path}: not a complete adapted network: {name!r} must hold {', '.join(sorted(wanted))}")
        parts.append(part)
    if not all(isinstance(value, str) for value in parts[0].values()):
        raise FormatError(f"{path}: not a complete adapted network: path and fingerprint of 'network' must be text")
    return kind, parts[0], parts[1]
