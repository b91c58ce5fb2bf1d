"""How a network scores a text: every sentence, or once all that sentences have in common at their beginnings."""

from __future__ import annotations

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.backend import ids_on, torch
from lmmix.neural.networks.network import Network, taken
from lmmix.neural.prefixes import SharedPrefixes
from lmmix.neural.reading import READ_TOKENS, Advance, map_batches, read_batch, read_text

Tensor = torch.Tensor

LABEL = "scoring with a neural model"

SHARING_PAYS = 0.67
"""Part of the events up to which it is faster to read every prefix once than every sentence as it is."""

CELLS = 1 << 20
"""Probabilities of sets of events are summed up from about so many at a time: 8 MB."""


def score_text(network: Network, corpus: Corpus, context: str, threads: int | None) -> np.ndarray:
    """(T,) float64 ln p of the events of `corpus`, which is in the words of `network`.

    `context` is "sentence" or "document". `threads` are those of a CPU, by default as many as torch has.
    """
    notes = _Notes(network, corpus)
    shared = None if context == "document" else SharedPrefixes.of(corpus)
    if shared is None or shared.events > SHARING_PAYS * len(corpus.ids):
        read_text(network, corpus, context, notes.note, threads, LABEL)
        return notes.logp

    def read(group: np.ndarray, advance: Advance) -> None:
        _read_shared(notes, shared, group)
        advance(len(group))

    different = sum(len(group) for group in shared.groups)
    map_batches(read, shared.groups, network.device, threads, LABEL, different)
    shared.spread(notes.logp)
    return notes.logp


def score_with_mass(
    network: Network, corpus: Corpus, context: str, sets: np.ndarray, which: np.ndarray, threads: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """(T,) ln p of each event, and (T,) ln of the probability that the event were in a set of events.

    The set at event t is ``sets[which[t]]``, `sets` being (K, V) bool; where `which` (T,) is negative, nobody asks, and
    the answer is 0.
    """
    notes, masses = _Notes(network, corpus), np.zeros(len(corpus.ids))
    members = torch.from_numpy(sets.T.astype(np.float64)).to(network.device)
    step = max(1, CELLS // len(corpus.vocab))

    def look(features: Tensor, places: np.ndarray) -> None:
        notes.note(features, places)
        asked = np.flatnonzero(which[places] >= 0)
        for start in range(0, len(asked), step):
            rows = asked[start : start + step]
            found = network.distribution(features[notes.tensor(rows)]) @ members
            chosen = notes.tensor(which[places[rows], None])
            masses[places[rows]] = found.gather(1, chosen).log()[:, 0].cpu().numpy()

    read_text(network, corpus, context, look, threads, LABEL)
    return notes.logp, masses


class _Notes:
    """ln p of the events of a text, as far as they were read."""

    def __init__(self, network: Network, corpus: Corpus) -> None:
        self.network, self.ids = network, corpus.ids
        self.logp = np.empty(len(corpus.ids))

    def note(self, features: Tensor, places: np.ndarray, rows: np.ndarray | None = None) -> None:
        """ln p of the events at `places` (m,), each behind one of `features` (n, embedding), those of `rows`."""
        chosen = None if rows is None else self.tensor(rows)
        self.logp[places] = self.network.event_logp(features, self.tensor(self.ids[places]), chosen).cpu().numpy()

    def tensor(self, ids: np.ndarray) -> Tensor:
        """Whole numbers where the network computes."""
        return ids_on(self.network.device, ids)


def _read_shared(notes: _Notes, shared: SharedPrefixes, group: np.ndarray) -> None:
    """A group of sentences, every prefix once."""
    network = notes.network
    with torch.inference_mode():
        memory = network.start(1)
        for depth in shared.depths(group):
            features, memory = network(notes.tensor(depth.inputs[:, None]), taken(memory, notes.tensor(depth.parents)))
            notes.note(features[:, 0], depth.places, depth.rows)
            for chosen in depth.runs.batches(READ_TOKENS) if len(depth.run_rows) else []:
                rows = notes.tensor(depth.run_rows[chosen])
                for found, places in read_batch(network, depth.runs.padded(chosen), taken(memory, rows)):
                    notes.note(found, places)
