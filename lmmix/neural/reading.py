"""How a network reads a text: sentences of one length side by side, or the whole text as one row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.backend import torch, torch_threads
from lmmix.neural.batches import PADDING, Batch, Pieces, whole_text
from lmmix.neural.networks.network import Memory, Network
from lmmix.parallel import thread_map
from lmmix.progress import task

Tensor = torch.Tensor

Look = Callable[[Tensor, np.ndarray], None]
"""What is done with features (n, embedding) and the places (n,) in the text of the events behind them."""

READ_TOKENS = 4096
"""Places of a batch."""

SLAB = 256
"""Events of a sentence that the network reads at a time, so that memory does not grow with its length."""


def read_text(network: Network, corpus: Corpus, context: str, look: Look, threads: int | None, label: str) -> None:
    """Read a text in the words of `network` once, showing `look` what it says before each event.

    `context` is "sentence" or "document"; `threads` as in `reading_threads`; `label` says what the work is.
    """
    with task(label, len(corpus.ids)) as progress, torch_threads(1):

        def read(batch: Batch) -> None:
            with torch.inference_mode():
                for features, places in read_batch(network, batch, network.start(len(batch.inputs))):
                    look(features, places)
                    progress(len(places))

        if context == "document":
            read(whole_text(corpus))
            return
        pieces = Pieces.of(corpus)
        threads = reading_threads(network.device, threads)
        thread_map(lambda chosen: read(pieces.padded(chosen)), pieces.batches(READ_TOKENS), threads)


def read_batch(network: Network, batch: Batch, memory: Memory) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Features (n, embedding) and places (n,) of the events of texts that go on from `memory`, a slab at a time."""
    for start in range(0, batch.inputs.shape[1], SLAB):
        inputs, events, places = (array[:, start : start + SLAB] for array in batch[:3])
        words = torch.from_numpy(np.ascontiguousarray(inputs)).to(network.device)
        features, memory = network(words, memory)
        real = events != PADDING
        yield features[torch.from_numpy(real).to(network.device)], places[real]


def reading_threads(device: torch.device, threads: int | None) -> int:
    """How many batches are read at a time: `threads`, or as many as torch would use, and one on a GPU.

    A thread a batch and not torch's own threads: those spin while they wait for one another at every product, which
    on a busy machine is slower than one thread by far.
    """
    if device.type != "cpu":
        return 1
    return torch.get_num_threads() if threads is None else threads
