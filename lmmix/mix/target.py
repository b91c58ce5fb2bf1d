"""Weights that bring a mixture of small models as near to a big one as it gets, in its whole distributions.

What is minimised is Σ_h KL(p_target(·|h) ‖ Σ_k w_k p_k(·|h)) over the histories h of a text. That is maximum likelihood
for events (h, v) that occur p_target(v|h) times, so EM finds the weights and its certificate holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from lmmix.corpus import Corpus
from lmmix.errors import InputError
from lmmix.lm import LanguageModel
from lmmix.mix.em import maximise
from lmmix.mix.events import Events, MatrixEvents, Sums
from lmmix.mix.expectations import Block, Expectations
from lmmix.mix.goal import WeightsFit, check_tolerance, goal_for

KEEP_NUMBERS = 1 << 24
"""Distributions of all histories are kept in memory if they are so many numbers or fewer, and else computed anew."""

SAMPLE_EVENTS = 1 << 16


@dataclass(frozen=True)
class TargetFit:
    """A mixture near a target model.

    Attributes
    ----------
    fit : WeightsFit
        Its `logp` is Σ_h Σ_v p_target(v|h) ln p_mix(v|h), its `events` the number of histories.
    divergence : float
        Mean Kullback–Leibler divergence from the target to the mixture, nats per history.
    entropy : float
        Mean entropy of the target's distributions, nats per history.
    """

    fit: WeightsFit
    divergence: float
    entropy: float


def fit_to_target(
    models: Sequence[LanguageModel],
    corpus: Corpus,
    target: LanguageModel,
    *,
    histories: int | None = None,
    seed: int = 0,
    prior: float | Sequence[float] | np.ndarray = 1.0,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> TargetFit:
    """The weights of `models` whose linear mixture is nearest to `target` behind the histories of `corpus`.

    The words that came do not count, only what the models expect. `histories` looks at so many of them, or a few more,
    drawn with `seed`; by default at all, which takes a distribution over the whole vocabulary for every event, model
    and pass. `prior`, `tolerance` (nats per history) and `max_iterations` are those of `lmmix.mix.em.fit_em`.

    Raises EventSpaceError for different vocabularies, SettingError for bad settings, InputError for a word that the
    target expects somewhere and no model does.
    """
    check_tolerance(tolerance)
    events = TargetEvents(Expectations([*models, target], corpus, histories, seed))
    fit = maximise(goal_for(events, prior), tolerance=tolerance, max_iterations=max_iterations)
    return TargetFit(fit, -events.entropy - fit.logp / events.total, events.entropy)


class TargetEvents(Events):
    """Events (h, v) that occur p_target(v|h) times; the target is the last model of `histories`.

    `entropy` is known after the first pass.
    """

    def __init__(self, histories: Expectations) -> None:
        self.histories = histories
        self.members, self.total = len(histories.models) - 1, histories.total
        self.entropy = np.nan
        numbers = histories.total * len(histories.corpus.vocab) * len(histories.models)
        self._kept = list(histories.blocks()) if numbers <= KEEP_NUMBERS else None

    def _blocks(self) -> Iterator[Block]:
        return iter(self._kept) if self._kept is not None else self.histories.blocks()

    def sums(self, weights: np.ndarray, curvature: bool = False) -> Sums:
        """See `lmmix.mix.events.Events`. Raises InputError for an event that has no probability in any model."""
        parts, information = [], 0.0
        for block in self._blocks():
            expected = block.p[-1].ravel()
            rows = np.flatnonzero(expected > 0)
            counts = expected[rows]
            p = np.ascontiguousarray(block.p[:-1].reshape(self.members, -1)[:, rows])
            impossible = ~p.any(axis=0)
            if impossible.any():
                self._refuse(block, int(rows[impossible.argmax()]))
            information += float(xlogy(counts, counts).sum())
            parts.append(Sums.of(p, counts, weights, curvature))
        self.entropy = -information / self.total
        return Sums.total(parts)

    def sample(self) -> MatrixEvents | None:
        """Words drawn from the target behind each history: a text as the target would have written it."""
        if self._kept is not None:
            return None
        rng = np.random.default_rng(0)
        draws = -(-SAMPLE_EVENTS // int(self.total))
        rows = []
        for block in self._blocks():
            until = np.cumsum(block.p[-1], axis=1)
            wanted = rng.random((len(until), draws)) * until[:, -1:]
            words = np.stack([np.searchsorted(line, want, side="right") for line, want in zip(until, wanted)])
            found = block.p[:-1, np.arange(len(until))[:, None], np.minimum(words, until.shape[1] - 1)]
            rows.append(found.reshape(self.members, -1).T)
        p = np.concatenate(rows)
        with np.errstate(divide="ignore"):
            return MatrixEvents(np.log(p[p.any(axis=1)]))

    def _refuse(self, block: Block, row: int) -> None:
        history, word = divmod(row, block.p.shape[2])
        name = self.histories.corpus.vocab.words[word]
        where = self.histories.describe(int(block.places[history]))
        raise InputError(
            f"in {where} the target expects {name!r} with probability {block.p[-1, history, word]:g} and no model "
            "does: the mixture is infinitely far from it"
        )
