"""The kernel of caches."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel


@kernel("void(i8[::1], b1[::1], f8, f8[::1], i8[::1], f8[::1])")
def _decayed_counts(keys, counted, half_life, count, last, out):
    """out[t] = Σ 2^(−(t − 1 − i) / half_life) over the events i < t that are counted and have the key of t.

    `count` and `last` have a place for each key: its sum as it was at the event `last`, zeros at first. A sum decays
    when its key comes up, so an event costs the same whatever stands between, and nothing can overflow.
    """
    decay = np.exp2(-1.0 / half_life)
    for t in range(keys.size):
        key = np.uint64(keys[t])
        out[t] = count[key] * np.exp2((last[key] - t + 1) / half_life) if count[key] > 0.0 else 0.0
        count[key] = out[t] * decay + (1.0 if counted[t] else 0.0)
        last[key] = t
