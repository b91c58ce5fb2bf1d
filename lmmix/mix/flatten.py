"""A linear mixture of linear mixtures is a linear mixture of all their members."""

from __future__ import annotations

from collections.abc import Sequence

from lmmix.lm import LanguageModel
from lmmix.mix.mixture import Mixture


def flattened(model: LanguageModel, name: str) -> tuple[list[LanguageModel], list[float], list[str]]:
    """(members, their weights, their names) of a linear mixture, members that are mixtures taken apart in turn.

    Weights are multiplied on the way down. A model that is no mixture is its own member; `name` is what to call it,
    members are called by their files.
    """
    if not isinstance(model, Mixture):
        return [model], [1.0], [name]
    members: list[LanguageModel] = []
    weights: list[float] = []
    names: list[str] = []
    paths: Sequence[object] = model.paths or [f"model {k} of {name}" for k in range(1, len(model.members) + 1)]
    for member, weight, path in zip(model.members, model.weights, paths):
        inner, shares, called = flattened(member, str(path))
        members += inner
        weights += [float(weight) * share for share in shares]
        names += called
    return members, weights, names
