"""How the events of a vocabulary of pieces stand among the outputs of a network."""

from __future__ import annotations

import numpy as np

from lmmix.neural.backend import torch
from lmmix.vocab import BOS

Tensor = torch.Tensor

CELLS = 1 << 24
"""Logits of a batch in scoring, about: 64 MB in float32."""

SLAB = 1 << 20
"""Logits that are float64 at a time, about."""


class PieceEvents:
    """The softmax over the events of a vocabulary.

    Outputs that are no event have no part in it: the beginning of a sentence, unless it is the end as well, and the
    rows by which many models fill up their matrix. A word without an id, which `<unk>` is where every text has pieces,
    has probability 0 and is read as the end of a sentence.

    Attributes
    ----------
    inputs : (V,) int64
        What the network reads for each word.
    outputs : int
        Outputs of the network.
    """

    def __init__(self, ids: np.ndarray, end: int, outputs: int) -> None:
        self.outputs = outputs
        self.inputs = torch.from_numpy(np.where(ids < 0, end, ids))
        never = ids < 0
        never[BOS] = True
        self._never = torch.from_numpy(never)
        self._no_event = torch.ones(outputs, dtype=torch.bool)
        self._no_event[self.inputs[~self._never]] = False

    def to(self, device: torch.device) -> None:
        """Move to where the network computes."""
        for name in ("inputs", "_never", "_no_event"):
            setattr(self, name, getattr(self, name).to(device))

    def event_logp(self, logits: Tensor, events: Tensor) -> Tensor:
        """(n,) float64 ln p of `events` (n,) from `logits` (n, outputs)."""
        logp = torch.empty(len(events), dtype=torch.float64, device=logits.device)
        step = max(1, SLAB // self.outputs)
        for start in range(0, len(events), step):
            here = slice(start, start + step)
            values = logits[here].double().masked_fill(self._no_event, -torch.inf)
            chosen = values.gather(1, self.inputs[events[here], None])[:, 0]
            logp[here] = chosen - torch.logsumexp(values, 1)
        return logp.masked_fill(self._never[events], -torch.inf)

    def distribution(self, logits: Tensor) -> Tensor:
        """(n, V) float64 probabilities from `logits` (n, outputs)."""
        values = logits.double()[:, self.inputs].masked_fill(self._never, -torch.inf)
        return torch.softmax(values, 1)
