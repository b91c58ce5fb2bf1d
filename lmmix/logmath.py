"""Logarithms: natural inside lmmix, base 10 where ARPA and KenLM speak, base 2 in reports only."""

from __future__ import annotations

import math

LN10 = math.log(10.0)
LN2 = math.log(2.0)

ARPA_LOG_ZERO = -99.0
"""What ARPA files write for log10(0)."""


def perplexity(logp: float, events: float) -> float:
    """exp of the mean negative log-probability; nan without events, inf where it overflows.

    `logp` is a sum of natural logarithms over `events` events.
    """
    if events <= 0:
        return math.nan
    try:
        return math.exp(-logp / events)
    except OverflowError:
        return math.inf
