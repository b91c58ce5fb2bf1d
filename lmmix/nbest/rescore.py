"""Rescoring n-best lists: recogniser scores, language models and word count, weighted and summed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from lmmix.errors import FormatError, SettingError
from lmmix.fileio import PathLike, json_ready, read_json, write_json
from lmmix.lm import LanguageModel
from lmmix.metrics import ErrorCount, errors_of_lists, words_of
from lmmix.nbest.features import LmCoverage, add_lm_feature, add_word_count
from lmmix.nbest.lists import NbestLists, is_finite_number
from lmmix.nbest.tune import tune_weights

WEIGHTS_KIND = "rescore-weights"
WEIGHTS_VERSION = 1


@dataclass(frozen=True)
class RescoreReport:
    """What rescoring did; the error rates are None without references.

    Attributes
    ----------
    utterances, hypotheses : int
    wer_first : float or None
        Of the hypotheses that the recogniser puts first.
    wer : float or None
        Of those with the highest weighted sum.
    wer_oracle : float or None
        Of the best hypothesis of each list.
    weights : dict of feature to float
    tuned : bool
        Whether the weights were found on these very lists, so that `wer` is optimistic.
    coverage : dict of language model feature to words, OOVs and hypotheses of probability 0
    seconds : float
    lists : NbestLists
        The lists with all features.
    total : (H,) float64
        Weighted sum of each hypothesis.
    """

    utterances: int
    hypotheses: int
    wer_first: float | None
    wer: float | None
    wer_oracle: float | None
    weights: dict[str, float]
    tuned: bool
    coverage: dict[str, LmCoverage]
    seconds: float
    lists: NbestLists = field(repr=False, compare=False)
    total: np.ndarray = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The fields but the scores of the hypotheses."""
        values = {key: value for key, value in self.__dict__.items() if key not in ("lists", "total", "coverage")}
        return json_ready({**values, "coverage": {name: asdict(one) for name, one in self.coverage.items()}})


def rescore(
    lists: NbestLists,
    models: dict[str, LanguageModel],
    *,
    weights: dict[str, float] | None = None,
    tune: str | None = None,
    restarts: int = 10,
    seed: int = 1,
) -> RescoreReport:
    """Give hypotheses more features and choose by their weighted sum; `lists` itself stays as it is.

    Features are the list's own scores, for each of `models` the log-probability of the hypothesis as
    ``lm:NAME``, and ``words``, the word count.

    Parameters
    ----------
    lists : NbestLists
    models : dict of name to LanguageModel
    weights : dict of feature to float, optional
        Given weights; features that it does not name do not count.
    tune : {"wer"}, optional
        Find the weights that give the lowest word error rate on these lists, which need references.
    restarts, seed : int
        For tuning, see `tune_weights`.

    Raises SettingError unless exactly one of `weights` and `tune` is given, InputError for missing references or
    features.
    """
    started = time.perf_counter()
    if (not weights) == (tune is None):
        raise SettingError("rescoring needs either weights (--weights FILE) or a goal to tune them to (--tune wer)")
    if tune not in (None, "wer"):
        raise SettingError(f"tune is {tune!r}; there is 'wer'")
    if tune:
        lists.references()
    lists = replace(lists, features=dict(lists.features))
    coverage = {f"lm:{name}": add_lm_feature(lists, model, f"lm:{name}") for name, model in models.items()}
    add_word_count(lists)
    errors = _errors(lists)
    if not weights:
        names = list(lists.features)
        found = tune_weights(lists.matrix(names), lists.offsets, errors, restarts=restarts, seed=seed)
        weights = {name: float(weight) for name, weight in zip(names, found.weights)}
    total = lists.matrix(list(weights)) @ np.array(list(weights.values()))
    wer_first, wer, wer_oracle = _rates(lists, errors, total)
    return RescoreReport(
        utterances=len(lists),
        hypotheses=len(lists.texts),
        wer_first=wer_first,
        wer=wer,
        wer_oracle=wer_oracle,
        weights=weights,
        tuned=tune is not None,
        coverage=coverage,
        seconds=time.perf_counter() - started,
        lists=lists,
        total=total,
    )


def _errors(lists: NbestLists) -> np.ndarray:
    """(H,) word errors of each hypothesis; (0,) unless all utterances have a reference."""
    if any(ref is None for ref in lists.refs):
        return np.zeros(0, np.int64)
    texts = (lists.hypotheses(u) for u in range(len(lists)))
    return np.concatenate(errors_of_lists(lists.references(), texts))


def _rates(
    lists: NbestLists, errors: np.ndarray, total: np.ndarray
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Error rates of the first, the chosen and the best hypotheses."""
    if not len(errors):
        return None, None, None
    words = sum(len(words_of(ref)) for ref in lists.references())
    first, chosen = lists.offsets[:-1], lists.best(total)
    oracle = np.minimum.reduceat(errors, lists.offsets[:-1])
    counts: Sequence[int] = [int(errors[first].sum()), int(errors[chosen].sum()), int(oracle.sum())]
    rates = [ErrorCount(count, words).rate for count in counts]
    return rates[0], rates[1], rates[2]


def save_weights(report: RescoreReport, path: PathLike) -> None:
    """Write the weights with what they were found on, as JSON."""
    tuning = {"utterances": report.utterances, "wer_first": report.wer_first, "wer": report.wer}
    write_json(path, {"kind": WEIGHTS_KIND, "version": WEIGHTS_VERSION, "weights": report.weights, "tuning": tuning})


def load_weights(path: PathLike) -> dict[str, float]:
    """Weights written by `save_weights`. Raises FormatError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != WEIGHTS_KIND:
        raise FormatError(f"{path}: not a file of rescoring weights (its kind is not {WEIGHTS_KIND!r})")
    if content.get("version") != WEIGHTS_VERSION:
        raise FormatError(f"{path}: version {content.get('version')!r}; this lmmix reads version {WEIGHTS_VERSION}")
    weights = content.get("weights")
    if not isinstance(weights, dict) or not all(is_finite_number(value) for value in weights.values()):
        raise FormatError(f'{path}: "weights" is not an object of names and finite numbers')
    return {name: float(value) for name, value in weights.items()}
