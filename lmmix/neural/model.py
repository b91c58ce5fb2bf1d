"""`NeuralModel`: a trained network as a language model."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import REMEMBERS
from lmmix.neural.backend import choose_device, torch, torch_threads
from lmmix.neural.batches import PADDING, Batch, Pieces, whole_text
from lmmix.neural.networks.network import Memory, Network, forgotten, taken
from lmmix.parallel import thread_map
from lmmix.progress import task
from lmmix.vocab import BOS, EOS, Vocab

Tensor = torch.Tensor

SCORE_TOKENS = 4096
"""Places of a batch in scoring."""

ONE_THREAD = 1 << 28
"""Multiplications of one step below which a second thread costs more than it gains."""

SLAB = 256
"""Events of a sentence that the network reads at a time, so that memory does not grow with its length."""

CELLS = 1 << 20
"""Probabilities of sets of events are summed up from about so many at a time: 8 MB."""

Look = Callable[[Tensor, np.ndarray], None]


class NeuralState(NamedTuple):
    """Histories as the network remembers them: features (n, embedding) of what comes next, and its memory."""

    features: Tensor
    memory: Memory


class NeuralModel:
    """A network with its vocabulary; implements `lmmix.lm.LanguageModel`.

    The network computes in float32.

    Attributes
    ----------
    vocab : Vocab
        The event space; row i of the embedding is word i.
    signature : str
        Architecture, vocabulary and the digest of the weights.
    network : Network
        On the device where it computes.
    context : {"sentence", "document"}
        Whether each sentence starts from nothing, or the network remembers the text before it.
    training : dict
        How it was trained: settings, seed, epochs and their perplexities.
    """

    def __init__(
        self, network: Network, vocab: Vocab, context: str = "sentence", training: dict[str, Any] | None = None
    ) -> None:
        self.network = network.eval()
        self.vocab = vocab
        self.context = context
        self.training = training or {}
        self.device = network.device
        shape = "|".join(f"{name}:{value}" for name, value in asdict(network.settings).items())
        self.signature = (
            f"arch:{network.arch}|{shape}|weights:{weights_digest(network)}|{self._memory_sign()}"
            f"tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}|eos:yes|dtype:float32|lmmix:{__version__}"
        )

    def _memory_sign(self) -> str:
        return f"{REMEMBERS}|" if self.context == "document" else ""

    def to(self, device: str) -> NeuralModel:
        """This model, moved to `device` (`cpu`, `cuda`, `cuda:1`). Raises SettingError."""
        self.device = choose_device(device)
        self.network.to(self.device)
        return self

    def save(self, path: PathLike) -> None:
        """Write the model as a folder; see `lmmix.neural.store`. Raises InputError."""
        from lmmix.neural.store import save_neural

        save_neural(self, path)

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p(event | events before it); unknown words count as `<unk>`."""
        corpus = corpus.recode(self.vocab)
        logp = np.empty(len(corpus.ids), np.float64)

        def look(features: Tensor, places: np.ndarray) -> None:
            logp[places] = self._event_logp(features, corpus.ids[places])

        self._read(corpus, look, threads)
        return logp

    def score_with_mass(
        self, corpus: Corpus, sets: np.ndarray, which: np.ndarray, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(T,) ln p of each event, and (T,) ln of the probability that the event were in a set of events.

        The set at event t is ``sets[which[t]]``, `sets` being (K, V) bool; where `which` (T,) is negative, nobody asks,
        and the answer is 0.
        """
        corpus = corpus.recode(self.vocab)
        logp, masses = np.empty(len(corpus.ids)), np.zeros(len(corpus.ids))
        members = torch.from_numpy(sets.T.astype(np.float64)).to(self.device)

        def look(features: Tensor, places: np.ndarray) -> None:
            logp[places] = self._event_logp(features, corpus.ids[places])
            asked = np.flatnonzero(which[places] >= 0)
            step = max(1, CELLS // len(self.vocab))
            for start in range(0, len(asked), step):
                rows = asked[start : start + step]
                found = self.network.distribution(features[self._tensor(rows)]) @ members
                masses[places[rows]] = (
                    found.gather(1, self._tensor(which[places[rows], None])).log()[:, 0].cpu().numpy()
                )

        self._read(corpus, look, threads)
        return logp, masses

    def _event_logp(self, features: Tensor, events: np.ndarray) -> np.ndarray:
        return self.network.event_logp(features, self._tensor(events)).cpu().numpy()

    def _read(self, corpus: Corpus, look: Look, threads: int | None) -> None:
        """Read a text in the ids of this model, showing `look` the features before events, and the events' places."""
        if not len(corpus.ids):
            return
        # A thread a batch and not torch's own threads: those spin while they wait for one another at every
        # product, which on a busy machine is slower than one thread by far.
        if threads is None or self.device.type != "cpu":
            threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        with task("scoring with a neural model", len(corpus.ids)) as progress, torch_threads(1):

            def read_batch(batch: Batch) -> None:
                with torch.inference_mode():
                    for features, places in self._read_batch(batch):
                        look(features, places)
                        progress(len(places))

            if self.context == "document":
                read_batch(whole_text(corpus))
            else:
                pieces = Pieces.of(corpus)
                handles = pieces.batches(SCORE_TOKENS)
                thread_map(lambda chosen: read_batch(pieces.padded(chosen)), handles, threads)

    def _read_batch(self, batch: Batch) -> Iterator[tuple[Tensor, np.ndarray]]:
        """The features before events and their places, a slab of the texts of a batch at a time."""
        memory = self.network.start(len(batch.inputs))
        for start in range(0, batch.inputs.shape[1], SLAB):
            inputs, events, places = (array[:, start : start + SLAB] for array in batch[:3])
            features, memory = self.network(self._tensor(inputs), memory)
            real = events != PADDING
            yield features[torch.from_numpy(real)], places[real]

    def start(self, n: int) -> NeuralState:
        """`n` states before the first word of a sentence."""
        with torch.inference_mode(), self._threads(n):
            return self._step(np.full(n, BOS), self.network.start(n))

    def advance(self, state: NeuralState, words: np.ndarray) -> tuple[np.ndarray, NeuralState]:
        """(n,) float64 ln p of `words` (n,) after each history, and the state behind them, the start behind `</s>`.

        Raises SettingError unless `words` are n ids of the vocabulary.
        """
        words = np.asarray(words)
        n = len(state.features)
        if words.shape != (n,) or (n and not (words.min() >= 0 and words.max() < len(self.vocab))):
            raise SettingError(f"words must be {n} ids from 0 to {len(self.vocab) - 1}; they are {words!r:.100}")
        with torch.inference_mode(), self._threads(n):
            logp = self.network.event_logp(state.features, self._tensor(words))
            ended, memory = words == EOS, state.memory
            if self.context == "sentence" and ended.any():
                memory = forgotten(memory, torch.from_numpy(ended).to(self.device))
            return logp.cpu().numpy(), self._step(np.where(ended, BOS, words), memory)

    def distribution(self, state: NeuralState) -> np.ndarray:
        """(n, V) float64 probabilities of every next event; rows sum to 1, `<s>` has 0."""
        with torch.inference_mode(), self._threads(len(state.features)):
            return self.network.distribution(state.features).cpu().numpy()

    def take(self, state: NeuralState, rows: np.ndarray) -> NeuralState:
        """The states of some histories, `rows` (m,), each any number of times."""
        chosen = torch.from_numpy(np.asarray(rows, np.int64)).to(self.device)
        return NeuralState(state.features[chosen], taken(state.memory, chosen))

    def _threads(self, n: int) -> contextlib.AbstractContextManager[None]:
        """One thread for steps so small that threads would mostly wait for each other."""
        small = n * self.network.embedding.weight.numel() < ONE_THREAD
        return torch_threads(1) if small else contextlib.nullcontext()

    def _step(self, words: np.ndarray, memory: Memory) -> NeuralState:
        if len(words) == 0:
            return NeuralState(self.network.embedding.weight.new_empty((0, self.network.settings.embedding)), memory)
        features, memory = self.network(self._tensor(words[:, None]), memory)
        return NeuralState(features[:, 0], memory)

    def _tensor(self, ids: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(ids, np.int64)).to(self.device)


def weights_digest(network: Network) -> str:
    """16 hexadecimal digits of the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
