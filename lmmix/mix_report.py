"""What a mixture makes of its members on the held-out text: shares, overlap, weights by context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.mix.diagnosis import (
    BucketReport,
    Overlap,
    SharesReport,
    member_shares,
    overlap,
    shares_report,
    weights_by_bucket,
)
from lmmix.mix.histories import Historian
from lmmix.mix.interpolated import InterpolatedMixture
from lmmix.mixing import MixtureFit

MOST_EVENTS = 1 << 18
"""Of a longer text, so many events in equal distances are looked at."""


@dataclass(frozen=True)
class MixReport:
    """How the members of a mixture share the events of its held-out text.

    Attributes
    ----------
    overlap : Overlap
        How alike each pair of members is.
    shares : SharesReport or None
        Who contributes to the probability of the events; None for mixtures that do not add probabilities.
    contexts : BucketReport or None
        Weights by the words of the history that the best-informed member knows; None likewise, or if no member has
        contexts.
    """

    overlap: Overlap
    shares: SharesReport | None
    contexts: BucketReport | None

    def as_json(self) -> dict[str, Any]:
        """All of it; lists are by member."""
        found: dict[str, Any] = {"overlap": self.overlap.as_json()}
        if self.shares is not None:
            found["shares"] = self.shares.as_json()
        if self.contexts is not None:
            found["weights_by_context"] = self.contexts.as_json()
        return found


def mix_report(fit: MixtureFit, threads: int | None = None) -> MixReport:
    """Look at the events that counted when `fit` was made."""
    held, mixture = fit.held, fit.mixture
    rows = held.kept[:: max(1, -(-len(held.kept) // MOST_EVENTS))]
    logp = held.logp[rows]
    alike = overlap(logp, threads)
    if not isinstance(mixture, InterpolatedMixture):
        return MixReport(alike, None, None)
    log_weights = np.broadcast_to(mixture.log_weights(held.corpus, held.logp, threads), held.logp.shape)[rows]
    shares = shares_report(member_shares(logp, log_weights))
    if not any(hasattr(member, "contexts") for member in held.members):
        return MixReport(alike, shares, None)
    histories = Historian(held.members, kinds=("length",)).of_text(held.corpus, held.logp, threads)
    return MixReport(alike, shares, weights_by_bucket(logp, log_weights, histories.lengths.max(axis=1)[rows]))
