"""Names of models in features, and members of mixtures as features of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.mix.mixture import Mixture

_SUFFIXES = re.compile(r"\.(arpa|lmx|lmi|json|gz|bz2|xz|zst)(?=\.|$)")


def model_name(path: PathLike) -> str:
    """What a model is called in features: its file or folder without suffixes."""
    return _SUFFIXES.sub("", Path(path).resolve().name)


def with_members(models: Mapping[str, LanguageModel]) -> dict[str, LanguageModel]:
    """The models, each mixture NAME replaced by its members ``NAME.MEMBER``, or ``NAME.1``, … where names repeat.

    The weights of their sentence scores then make a log-linear combination. Raises SettingError if none is a mixture,
    or two features would have the same name.
    """
    taken: dict[str, LanguageModel] = {}
    for name, model in models.items():
        if not isinstance(model, Mixture):
            taken[name] = model
            continue
        names = [model_name(member) for member in model.names]
        if len(set(names)) < len(names):
            names = [str(k + 1) for k in range(len(names))]
        called = [f"{name}.{one}" for one in names]
        for one in called:
            if one in models or one in taken:
                raise SettingError(
                    f"a member of {name!r} and another model are both called {one!r}; rename one of them"
                )
        taken |= dict(zip(called, model.members))
    if taken.keys() == models.keys():
        raise SettingError(
            f"no model is a mixture, whose members could be weighed: {', '.join(models) or 'none given'}"
        )
    return taken
