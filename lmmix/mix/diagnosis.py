"""What a matrix of log-probabilities and the weights of a mixture tell about its members.

All of it is array code. Each result has a `table` for people, a header and rows of text that belong into aligned
columns, and `as_json` for machines. `names` are those of the members; where columns stand for members they have
numbers, from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.errors import SettingError
from lmmix.parallel import cut, thread_map

PIECE_EVENTS = 1 << 16

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""


@dataclass(frozen=True)
class SharesReport:
    """How the events of a text divide among the members of a mixture.

    Attributes
    ----------
    share : (K,) float64
        Mean share of each member in the probability of an event; in a linear mixture with the best weights, these.
    leads : (K,) float64
        Fraction of the events in which no member has a larger share; of equal ones the first counts.
    effective : float
        exp of the mean entropy of the shares of an event: how many members it comes from, 1 to K.
    events : int
        Events that have a probability.
    """

    share: np.ndarray
    leads: np.ndarray
    effective: float
    events: int

    def table(self, names: Sequence[str]) -> Table:
        """A row a member."""
        rows = [[name, f"{share:.4f}", f"{lead:.4f}"] for name, share, lead in zip(names, self.share, self.leads)]
        return ["model", "share", "leads"], rows

    def as_json(self) -> dict[str, Any]:
        """The same numbers; lists are by member."""
        lists = {"share": self.share.tolist(), "leads": self.leads.tolist()}
        return {**lists, "effective": self.effective, "events": self.events}


def member_shares(logp: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """(T, K) each member's part w_k p_k / Σ_j w_j p_j of the probability of each event; nan where that is 0.

    `logp` is (T, K), `log_weights` (K,) or, for weights that depend on context, (T, K); natural logarithms.
    """
    parts = logp + log_weights
    with np.errstate(invalid="ignore"):
        parts -= parts.max(axis=1, keepdims=True)
    np.exp(parts, out=parts)
    parts /= parts.sum(axis=1, keepdims=True)
    return parts


def shares_report(shares: np.ndarray) -> SharesReport:
    """Sum up the (T, K) shares of members in events; events without (nan) are left out."""
    kept = shares[~np.isnan(shares).any(axis=1)]
    events, members = kept.shape
    if not events:
        nothing = np.full(members, np.nan)
        return SharesReport(nothing, nothing, np.nan, 0)
    # 0 · ln 0 counts as 0.
    entropy = -(kept * np.log(np.where(kept > 0, kept, 1.0))).sum(axis=1)
    leads = np.bincount(kept.argmax(axis=1), minlength=members) / events
    return SharesReport(kept.mean(axis=0), leads, float(np.exp(entropy.mean())), events)


@dataclass(frozen=True)
class Overlap:
    """How alike the probabilities of each pair of members are; see `overlap`."""

    matrix: np.ndarray

    def table(self, names: Sequence[str]) -> Table:
        """A row and a column a member."""
        header = ["overlap", *(str(k) for k in range(1, len(names) + 1))]
        rows = [
            [f"{k} {name}", *(f"{value:.3f}" for value in row)]
            for k, (name, row) in enumerate(zip(names, self.matrix), 1)
        ]
        return header, rows

    def as_json(self) -> list[list[float]]:
        """The matrix, row by row."""
        return self.matrix.tolist()


def overlap(logp: np.ndarray, threads: int | None = None) -> Overlap:
    """(K, K) for each pair the mean over events of 2 min(p_j, p_k) / (p_j + p_k).

    1: the same probabilities; 0: each is good only where the other is not. Events to which both give 0 are left out
    (nan if there are no others). `logp` is (T, K), natural logarithms.
    """
    members = logp.shape[1]
    pieces = cut(len(logp), PIECE_EVENTS)
    parts = thread_map(lambda piece: _overlap_sums(logp[piece[0] : piece[1]]), pieces, threads)
    total = sum((part[0] for part in parts), np.zeros((members, members)))
    events = sum((part[1] for part in parts), np.zeros((members, members)))
    with np.errstate(invalid="ignore"):
        return Overlap(total / events)


def _overlap_sums(logp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, K) sums over events, and their numbers."""
    members = logp.shape[1]
    total, events = np.zeros((members, members)), np.zeros((members, members))
    columns = np.ascontiguousarray(logp.T)
    for j in range(members):
        for k in range(j, members):
            with np.errstate(invalid="ignore"):
                apart = np.abs(columns[j] - columns[k])
            both_zero = (columns[j] == -np.inf) & (columns[k] == -np.inf)
            # 2 min / (p + q) = 2 / (1 + e^apart), written so that nothing overflows.
            ratio = np.exp(-apart[~both_zero])
            total[j, k] = total[k, j] = (2.0 * ratio / (1.0 + ratio)).sum()
            events[j, k] = events[k, j] = len(ratio)
    return total, events


@dataclass(frozen=True)
class BucketReport:
    """Weights of a mixture by kinds of events.

    Attributes
    ----------
    buckets : (B,) int64
        The kinds that occur, ascending.
    events : (B,) int64
        Events of each.
    weight : (B, K) float64
        Mean weight of each member before the event is known.
    share : (B, K) float64
        Mean share in the probability of the events that have one; nan if none has.
    """

    buckets: np.ndarray
    events: np.ndarray
    weight: np.ndarray
    share: np.ndarray

    def table(self, labels: Mapping[int, str] | None = None) -> Table:
        """A row a bucket; `labels` say what the buckets mean."""
        labels = labels or {}
        columns = [f"{what} {k}" for what in ("weight", "share") for k in range(1, self.weight.shape[1] + 1)]
        rows = [
            [labels.get(bucket, str(bucket)), str(events), *(f"{value:.4f}" for value in (*weight, *share))]
            for bucket, events, weight, share in self._rows()
        ]
        return ["bucket", "events", *columns], rows

    def as_json(self) -> list[dict[str, Any]]:
        """A dictionary a bucket; lists are by member."""
        return [
            {"bucket": bucket, "events": events, "weight": weight, "share": share}
            for bucket, events, weight, share in self._rows()
        ]

    def _rows(self) -> Iterable[tuple[int, int, list[float], list[float]]]:
        return zip(self.buckets.tolist(), self.events.tolist(), self.weight.tolist(), self.share.tolist())


def weights_by_bucket(logp: np.ndarray, log_weights: np.ndarray, bucket: np.ndarray) -> BucketReport:
    """Mean weights and shares of the members among the events of each kind.

    Parameters
    ----------
    logp : (T, K) float64
        ln p of each event under each member.
    log_weights : (T, K) or (K,) float64
        ln of the weights at each event, or everywhere.
    bucket : (T,) integers
        The kind of each event: the length of the context hit, a class of words, a part of the text.

    Raises SettingError for shapes that do not fit.
    """
    if bucket.shape != (len(logp),) or log_weights.shape not in (logp.shape, logp.shape[1:]):
        raise SettingError(
            f"buckets {bucket.shape} and log-weights {log_weights.shape} do not fit a matrix {logp.shape} of events"
        )
    kinds, place, events = np.unique(bucket, return_inverse=True, return_counts=True)
    shares = member_shares(logp, log_weights)
    has_share = ~np.isnan(shares).any(axis=1)
    weight = _means(np.exp(np.broadcast_to(log_weights, logp.shape)), place, len(kinds))
    share = _means(shares[has_share], place[has_share], len(kinds))
    return BucketReport(kinds, events, weight, share)


def _means(values: np.ndarray, place: np.ndarray, kinds: int) -> np.ndarray:
    """(kinds, K) mean of the rows of each kind; nan for one without rows."""
    number = np.bincount(place, minlength=kinds)
    sums = np.stack([np.bincount(place, column, kinds) for column in values.T], axis=1)
    with np.errstate(invalid="ignore"):
        return sums / number[:, None]


def curve_table(curve: Sequence[Mapping[str, float]], most: int = 12) -> Table:
    """The passes of a fit, each with the numbers that it has by name (perplexity and, where there is one, gap).

    Of a long curve the first and the last and some between are shown, at most `most`.
    """
    shown = sorted({round(i) for i in np.linspace(0, len(curve) - 1, min(most, len(curve)))})
    rows = [[str(i + 1), *(f"{value:.6g}" for value in curve[i].values())] for i in shown]
    return ["pass", *(curve[0] if curve else ())], rows
