"""What causal and masked models of transformers have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.lm import NO_DISTRIBUTION, SEES_AHEAD
from lmmix.neural.backend import choose_device, ids_on, torch, torch_threads
from lmmix.neural.hf.events import PieceEvents
from lmmix.neural.model import ONE_THREAD
from lmmix.neural.reading import Advance, map_batches
from lmmix.vocab import Vocab

Model = TypeVar("Model", bound="HfModel")


class HfModel:
    """A network of transformers over the pieces of its own tokeniser. It computes in float32, each sentence on its own.

    Attributes
    ----------
    vocab : Vocab
        The pieces, see `lmmix.hf_tokenizer`.
    signature : str
        Kind, class, digest of the files, and the longest context.
    network : torch.nn.Module
        The model of transformers.
    events : PieceEvents
        What its inputs and outputs mean.
    limit : int or None
        Pieces that it reads at most, `<s>` among them.
    """

    kind: ClassVar[str]
    is_distribution: ClassVar[bool]

    def __init__(self, network: Any, vocab: Vocab, events: PieceEvents, limit: int | None, digest: str) -> None:
        self.network = network.eval()
        self.vocab = vocab
        self.events = events
        self.limit = limit
        self.device = choose_device("cpu")
        sums = "" if self.is_distribution else f"{SEES_AHEAD}|{NO_DISTRIBUTION}|"
        self.signature = (
            f"hf:{self.kind}|class:{type(network).__name__}|files:{digest}|limit:{limit}|{sums}"
            f"tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}|eos:yes|dtype:float32|lmmix:{__version__}"
        )

    def to(self: Model, device: str) -> Model:
        """This model, moved to `device` (`cpu`, `cuda`, `cuda:1`). Raises SettingError."""
        self.device = choose_device(device)
        self.network.to(self.device)
        self.events.to(self.device)
        return self

    def _threads(self, n: int) -> contextlib.AbstractContextManager[None]:
        """One thread for steps of `n` pieces that are so small that threads would mostly wait for each other."""
        return torch_threads(1) if n * self.network.num_parameters() < ONE_THREAD else contextlib.nullcontext()

    def _read(self, words: np.ndarray, **more: Any) -> Any:
        """What the network gives for `words` (B, L) of the vocabulary."""
        return self.network(input_ids=self.events.inputs[ids_on(self.device, words)], **more)

    def _score_batches(
        self,
        corpus: Corpus,
        batches: list[Any],
        score: Callable[[Any], tuple[np.ndarray, np.ndarray]],
        threads: int | None,
    ) -> np.ndarray:
        """(T,) ln p from `score`, which gives the places of the events of a batch and their ln p; a thread a batch."""
        logp = np.empty(len(corpus.ids), np.float64)

        def score_batch(batch: Any, advance: Advance) -> None:
            with torch.inference_mode():
                places, found = score(batch)
            logp[places] = found
            advance(len(found))

        map_batches(score_batch, batches, self.device, threads, "scoring with a Hugging Face model", len(logp))
        return logp
