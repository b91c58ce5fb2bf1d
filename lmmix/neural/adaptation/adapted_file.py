"""Networks that adapt, as files: JSON that names the network by relative path and fingerprint."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.fileio import PathLike, file_entry, find_entered, read_json, write_json
from lmmix.neural.adaptation.continuous_cache import ContinuousCache
from lmmix.neural.adaptation.dynamic import DynamicEvaluation
from lmmix.neural.adaptation.features import check_network
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
    content = read_json(path)
    try:
        if content["version"] != VERSION:
            raise FormatError(f"version {content['version']!r}; this lmmix reads version {VERSION}")
        folder = Path(path).absolute().parent
        network = find_entered(content["network"], folder, "the adapted network", "use lmmix adapt again")
        return _KINDS[content["kind"]](check_network(load_neural(network)), **content["settings"])
    except (InputError, SettingError) as error:
        kind = InputError if type(error) is InputError else FormatError
        raise kind(f"{path}: {error}") from None
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{path}: not a complete adapted network: {type(error).__name__} {error}") from None
