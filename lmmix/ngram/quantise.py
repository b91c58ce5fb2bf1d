"""Quantisation: numbers as codes of a few bits into a short table (Whittaker & Raj 2001; Federico & Bertoldi 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmmix.errors import SettingError

FEWEST_BITS, MOST_BITS = 2, 16


@dataclass(frozen=True)
class Codebook:
    """What the 2^bits codes mean; numbers and bins ascend with the code.

    Attributes
    ----------
    values : (2^bits,) float32
        The number that stands for each bin: the mean of what fell into it.
    largest : (bins,) float32
        Largest number of each bin that is used; a number belongs to the first bin whose largest is not below it.
    """

    values: np.ndarray
    largest: np.ndarray


def check_bits(bits: int | None) -> None:
    """Raise SettingError unless `bits` is None (float32) or a number of bits that codes may have."""
    if bits is not None and not FEWEST_BITS <= bits <= MOST_BITS:
        raise SettingError(f"quantised to {bits} bits: codes have from {FEWEST_BITS} to {MOST_BITS} bits; 8 is usual")


def make_codebook(numbers: np.ndarray, bits: int) -> Codebook:
    """Bins of equal population over `numbers` (n,) float, in float32; equal numbers are never parted.

    -inf and 0 are kept exactly, and so is everything where there are no more different numbers than codes.
    Raises SettingError for `bits` out of range.
    """
    check_bits(bits)
    ordered = np.sort(numbers.astype(np.float32))
    values = np.zeros(1 << bits, np.float32)
    if not len(ordered):
        return Codebook(values, values[:1])
    ends = _bin_ends(ordered, 1 << bits)
    starts = np.append(0, ends[:-1])
    largest = ordered[ends - 1]
    means = np.add.reduceat(ordered, starts, dtype=np.float64) / (ends - starts)
    # The mean of equal numbers is rounded; the number itself is not.
    values[: len(ends)] = np.where(ordered[starts] == largest, largest, means)
    return Codebook(values, largest)


def _bin_ends(ordered: np.ndarray, most: int) -> np.ndarray:
    """(bins,) int64: where each of at most `most` bins of the ascending numbers ends."""
    changes = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(ordered))
    if len(changes) <= most:
        return changes
    # -inf, the negative numbers, 0 and the positive ones do not mix.
    zero = np.float32(0)
    cuts = [np.isneginf(ordered).sum(), np.searchsorted(ordered, zero), np.searchsorted(ordered, zero, "right")]
    segments = np.unique([*cuts, len(ordered)])
    segments = segments[segments > 0]
    ends: list[int] = []
    start = 0
    for others, stop in zip(range(len(segments) - 1, -1, -1), segments.tolist()):
        while start < stop:
            start = _bin_end(ordered, start, stop, most - len(ends), others)
            ends.append(start)
    return np.array(ends, np.int64)


def _bin_end(ordered: np.ndarray, start: int, stop: int, codes: int, others: int) -> int:
    """Where the bin that begins at `start` ends, with so many codes left and so many segments behind this one."""
    end = start + -(-(len(ordered) - start) // codes)
    if codes == others + 1 or end >= stop:
        return stop
    return int(np.searchsorted(ordered, ordered[end - 1], "right"))
