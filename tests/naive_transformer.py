"""A Transformer decoder in float64, word by word and head by head, as the papers describe it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def norm(x, gain):
    """Zhang & Sennrich (2019), equation 4, with 1e-5 added to the mean square."""
    return x / math.sqrt(sum(v * v for v in x) / len(x) + 1e-5) * gain


def turn(x, position):
    """Su et al. (2021), equation 15: pair i is turned by position · 10000^(−2i/d)."""
    out = np.empty_like(x)
    for i in range(len(x) // 2):
        angle = position * 10000.0 ** (-2 * i / len(x))
        c, s = math.cos(angle), math.sin(angle)
        out[2 * i] = c * x[2 * i] - s * x[2 * i + 1]
        out[2 * i + 1] = s * x[2 * i] + c * x[2 * i + 1]
    return out


def attend(stream, w, heads, kv_heads, window):
    """What each place gets from the last `window` places, itself included."""
    units = len(stream[0]) // heads
    queries, keys, values = ([w[name] @ x for x in stream] for name in ("wq", "wk", "wv"))
    out = []
    for t in range(len(stream)):
        found = []
        for head in range(heads):
            mine = slice(head * units, (head + 1) * units)
            group = head // (heads // kv_heads)
            shared = slice(group * units, (group + 1) * units)
            seen = range(max(0, t - window + 1), t + 1)
            scores = [turn(queries[t][mine], t) @ turn(keys[s][shared], s) / math.sqrt(units) for s in seen]
            chances = np.exp(np.array(scores) - max(scores))
            chances /= chances.sum()
            found.append(sum(p * values[s][shared] for p, s in zip(chances, seen)))
        out.append(w["wo"] @ np.concatenate(found))
    return out


def swiglu(x, w):
    """Shazeer (2020), equation 6."""
    gate = w["w1"] @ x
    return w["w2"] @ (gate / (1.0 + np.exp(-gate)) * (w["w3"] @ x))


def features(words: list[int], w: dict[str, Any], heads: int, kv_heads: int, window: int) -> np.ndarray:
    """(T, embedding) behind each word; `w` has token_embedding, rms_final and layers with llama2.c's names."""
    stream = [w["token_embedding"][word].astype(float) for word in words]
    for layer in w["layers"]:
        found = attend([norm(x, layer["rms_att"]) for x in stream], layer, heads, kv_heads, window)
        stream = [x + y for x, y in zip(stream, found)]
        stream = [x + swiglu(norm(x, layer["rms_ffn"]), layer) for x in stream]
    return np.array([norm(x, w["rms_final"]) for x in stream])


def log_softmax(logits):
    """ln p of each row."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
