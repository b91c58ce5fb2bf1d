"""A linear mixture of linear mixtures is a linear mixture of all their members."""

from __future__ import annotations

from lmmix.errors import SettingError
from lmmix.lm import LanguageModel
from lmmix.mix.linear import LinearMixture
from lmmix.mix.mixture import Mixture


def flattened(model: LanguageModel, name: str) -> tuple[list[LanguageModel], list[float], list[str]]:
    """(members, their weights, their names) of a linear mixture, members that are mixtures taken apart in turn.

    Weights are multiplied on the way down. A model that is no mixture is its own member; `name` is what to call it,
    members are called as their mixture calls them. Raises SettingError for a mixture that is not linear.
    """
    if not isinstance(model, Mixture):
        return [model], [1.0], [name]
    if not isinstance(model, LinearMixture):
        raise SettingError(
            f"{name} is a mixture of another kind ({model.combination}); only linear ones have one weight a model: "
            "lmmix mix --method em finds them"
        )
    members: list[LanguageModel] = []
    weights: list[float] = []
    names: list[str] = []
    for member, weight, called in zip(model.members, model.weights, model.names):
        inner, shares, parts = flattened(member, called)
        members += inner
        weights += [float(weight) * share for share in shares]
        names += parts
    return members, weights, names
