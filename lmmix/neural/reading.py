"""How a network reads a text: sentences of one length side by side, or the whole text as one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.backend import ids_on, torch, torch_threads
from lmmix.neural.batches import PADDING, Batch, Pieces, whole_text
from lmmix.neural.networks.network import Memory, Network
from lmmix.parallel import thread_map
from lmmix.progress import task

Tensor = torch.Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")

Advance = Callable[[float], None]
"""Tells how much more is done."""

Look = Callable[[Tensor, np.ndarray], None]
"""What is done with features (n, embedding) and the places (n,) in the text of the events behind them."""

READ_TOKENS = 4096
"""Places of a batch."""

SLAB = 256
"""Events of a sentence that the network reads at a time, so that memory does not grow with its length."""


def read_text(network: Network, corpus: Corpus, context: str, look: Look, threads: int | None, label: str) -> None:
    """Read a text in the words of `network` once, showing `look` what it says before each event.

    `context` is "sentence" or "document"; `threads` as in `map_batches`; `label` says what the work is.
    """
    if context == "document":
        batches = [partial(whole_text, corpus)]
    else:
        pieces = Pieces.of(corpus)
        batches = [partial(pieces.padded, chosen) for chosen in pieces.batches(READ_TOKENS)]

    def read(make_batch: Callable[[], Batch], advance: Advance) -> None:
        batch = make_batch()
        with torch.inference_mode():
            for features, places in read_batch(network, batch, network.start(len(batch.inputs))):
                look(features, places)
                advance(len(places))

    map_batches(read, batches, network.device, threads, label, len(corpus.ids))


def read_batch(network: Network, batch: Batch, memory: Memory) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Features (n, embedding) and places (n,) of the events of texts that go on from `memory`, a slab at a time."""
    for start in range(0, batch.inputs.shape[1], SLAB):
        inputs, events, places = (array[:, start : start + SLAB] for array in batch[:3])
        features, memory = network(ids_on(network.device, inputs), memory)
        real = events != PADDING
        yield features[torch.from_numpy(real).to(network.device)], places[real]


def map_batches(
    read: Callable[[Item, Advance], Result],
    batches: Iterable[Item],
    device: torch.device,
    threads: int | None,
    label: str,
    total: float,
) -> list[Result]:
    """What `read` makes of each of `batches`, in that order; it is also given what to tell how much of `total` is done.

    On a CPU `threads` are read at a time, by default as many as torch has threads, and one on a GPU. A thread a batch
    and not torch's own threads: those spin while they wait for one another at every product, which on a busy machine
    is slower than one thread by far.
    """
    if device.type != "cpu":
        threads = 1
    elif threads is None:
        threads = torch.get_num_threads()
    with task(label, total) as advance, torch_threads(1):
        return thread_map(lambda batch: read(batch, advance), batches, threads)
