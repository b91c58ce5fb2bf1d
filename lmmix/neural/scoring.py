"""How a network scores a text: batches by length, or once for all sentences that begin alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.backend import torch, torch_threads
from lmmix.neural.batches import PADDING, Batch, Pieces, whole_text
from lmmix.neural.networks.network import Memory, Network, taken
from lmmix.neural.prefixes import SharedPrefixes
from lmmix.parallel import thread_map
from lmmix.progress import task

Tensor = torch.Tensor

SCORE_TOKENS = 4096
"""Places of a batch in scoring."""

SLAB = 256
"""Events of a sentence that the network reads at a time, so that memory does not grow with its length."""

SHARING_PAYS = 0.67
"""Part of the events up to which it is faster to read every prefix once than every sentence as it is."""


def score_text(network: Network, corpus: Corpus, context: str, threads: int | None) -> np.ndarray:
    """(T,) float64 ln p of the events of `corpus`, which is in the words of `network`.

    `context` is "sentence" or "document". `threads` are those of a CPU, by default as many as torch has.
    """
    scorer = Scorer(network, corpus)
    # A thread a batch and not torch's own threads: those spin while they wait for one another at every
    # product, which on a busy machine is slower than one thread by far.
    if threads is None or network.device.type != "cpu":
        threads = torch.get_num_threads() if network.device.type == "cpu" else 1
    label = "scoring with a neural model"
    shared = None if context == "document" else SharedPrefixes.of(corpus)
    if shared is not None and shared.events <= SHARING_PAYS * len(corpus.ids):
        with task(label, shared.events) as scorer.progress, torch_threads(1):
            thread_map(lambda group: scorer.read_shared(shared, group), shared.groups, threads)
        shared.spread(scorer.logp)
        return scorer.logp
    with task(label, len(corpus.ids)) as scorer.progress, torch_threads(1):
        if context == "document":
            scorer.read_batch(whole_text(corpus), network.start(1))
        else:
            pieces = Pieces.of(corpus)
            thread_map(lambda chosen: scorer.read_pieces(pieces, chosen), pieces.batches(SCORE_TOKENS), threads)
    return scorer.logp


class Scorer:
    """A network that reads parts of a text and notes ln p of their events.

    Attributes
    ----------
    logp : (T,) float64
        Of the events of the corpus, as far as they were read.
    progress : function
        Told how many events were scored.
    """

    def __init__(self, network: Network, corpus: Corpus) -> None:
        self.network, self.ids = network, corpus.ids
        self.logp = np.empty(len(corpus.ids))
        self.progress: Callable[[float], None] = lambda amount: None

    def read_pieces(self, pieces: Pieces, chosen: np.ndarray) -> None:
        """Sentences from their start on."""
        with torch.inference_mode():
            self.read_batch(pieces.padded(chosen), self.network.start(len(chosen)))

    def read_batch(self, batch: Batch, memory: Memory) -> None:
        """Texts side by side, a slab at a time, which go on from `memory`."""
        with torch.inference_mode():
            for features, places in read_slabs(self.network, batch, memory):
                self._note(features, places)

    def read_shared(self, shared: SharedPrefixes, group: np.ndarray) -> None:
        """A group of sentences, every prefix once."""
        with torch.inference_mode():
            memory = self.network.start(1)
            for depth in shared.depths(group):
                features, memory = self.network(
                    self._tensor(depth.inputs[:, None]), taken(memory, self._tensor(depth.parents))
                )
                self._note(features[:, 0], depth.places, depth.rows)
                for chosen in depth.runs.batches(SCORE_TOKENS) if len(depth.run_rows) else []:
                    rows = self._tensor(depth.run_rows[chosen])
                    self.read_batch(depth.runs.padded(chosen), taken(memory, rows))

    def _note(self, features: Tensor, places: np.ndarray, rows: np.ndarray | None = None) -> None:
        """ln p of the events at `places` (m,), each behind one of `features` (n, embedding), those of `rows`."""
        chosen = None if rows is None else self._tensor(rows)
        found = self.network.event_logp(features, self._tensor(self.ids[places]), chosen)
        self.logp[places] = found.cpu().numpy()
        self.progress(len(places))

    def _tensor(self, ids: np.ndarray) -> Tensor:
        return _tensor(ids, self.network)


def read_slabs(network: Network, batch: Batch, memory: Memory) -> Iterator[tuple[Tensor, np.ndarray]]:
    """The features (m, embedding) in front of the events of a batch, and their places (m,), a slab at a time."""
    for start in range(0, batch.inputs.shape[1], SLAB):
        inputs, events, places = (array[:, start : start + SLAB] for array in batch[:3])
        features, memory = network(_tensor(inputs, network), memory)
        real = events != PADDING
        yield features[torch.from_numpy(real)], places[real]


def _tensor(ids: np.ndarray, network: Network) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(ids, np.int64)).to(network.device)
