"""`NeuralModel`: a trained network as a language model."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any, NamedTuple

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.neural.backend import choose_device, torch, torch_threads
from lmmix.neural.batches import PADDING, Pieces
from lmmix.neural.lstm import LstmNetwork, LstmState
from lmmix.neural.softmax import event_logp
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


class NeuralState(NamedTuple):
    """Histories as the network remembers them: features (n, embedding) of what comes next, and its state."""

    features: Tensor
    memory: LstmState


class NeuralModel:
    """A network with its vocabulary; implements `lmmix.lm.LanguageModel`.

    The network computes in float32. Sentences are independent: each starts from the zero state with `<s>`.

    Attributes
    ----------
    vocab : Vocab
        The event space; row i of the embedding is word i.
    signature : str
        Architecture, vocabulary and the digest of the weights.
    network : LstmNetwork
        On the device where it computes.
    training : dict
        How it was trained: settings, seed, epochs and their perplexities.
    """

    def __init__(self, network: LstmNetwork, vocab: Vocab, training: dict[str, Any] | None = None) -> None:
        self.network = network.eval()
        self.vocab = vocab
        self.training = training or {}
        self.device = network.bias.device
        settings = network.settings
        self.signature = (
            f"arch:lstm|layers:{settings.layers}|embedding:{settings.embedding}|hidden:{settings.hidden}|tied:yes|"
            f"weights:{weights_digest(network)}|tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}|eos:yes|dtype:float32|lmmix:{__version__}"
        )

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
        """(T,) float64 ln p(event | events before it in its sentence); unknown words count as `<unk>`."""
        corpus = corpus.recode(self.vocab)
        logp = np.empty(len(corpus.ids), np.float64)
        pieces = Pieces.of(corpus)
        batches = pieces.batches(SCORE_TOKENS) if len(corpus.ids) else []
        # A thread a batch and not torch's own threads: those spin while they wait for one another at every
        # product, which on a busy machine is slower than one thread by far.
        if threads is None or self.device.type != "cpu":
            threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        with task("scoring with a neural model", len(corpus.ids)) as progress, torch_threads(1):

            def score_batch(chosen: np.ndarray) -> None:
                self._score_batch(pieces, chosen, logp)
                progress(int((pieces.end - pieces.begin)[chosen].sum()))

            thread_map(score_batch, batches, threads)
        return logp

    def _score_batch(self, pieces: Pieces, chosen: np.ndarray, logp: np.ndarray) -> None:
        """Put ln p of the events of the `chosen` sentences into their places in `logp`."""
        inputs, events, places = pieces.padded(chosen)
        with torch.inference_mode():
            weights, bias = self.network.output_weights()
            memory = self.network.start(len(chosen))
            for start in range(0, inputs.shape[1], SLAB):
                part = slice(start, start + SLAB)
                features, memory = self.network(self._tensor(inputs[:, part]), memory)
                real = events[:, part] != PADDING
                ids = self._tensor(events[:, part][real])
                found = event_logp(features[torch.from_numpy(real)], ids, weights, bias)
                logp[places[:, part][real]] = found.cpu().numpy()

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
            logp = event_logp(state.features, self._tensor(words), *self.network.output_weights())
            ended = words == EOS
            return logp.cpu().numpy(), self._step(np.where(ended, BOS, words), self._forget(state.memory, ended))

    def distribution(self, state: NeuralState) -> np.ndarray:
        """(n, V) float64 probabilities of every next event; rows sum to 1, `<s>` has 0."""
        with torch.inference_mode(), self._threads(len(state.features)):
            weights, bias = self.network.output_weights()
            logits = torch.addmm(bias, state.features, weights.t())
            return torch.softmax(logits.double(), 1).cpu().numpy()

    def _threads(self, n: int) -> contextlib.AbstractContextManager[None]:
        """One thread for steps so small that threads would mostly wait for each other."""
        small = n * self.network.embedding.weight.numel() < ONE_THREAD
        return torch_threads(1) if small else contextlib.nullcontext()

    def _forget(self, memory: LstmState, rows: np.ndarray) -> LstmState:
        """`memory` with the zero state, from which sentences start, in some rows."""
        if not rows.any():
            return memory
        where = torch.from_numpy(rows).to(self.device)[:, None]
        return memory[0].masked_fill(where, 0.0), memory[1].masked_fill(where, 0.0)

    def _step(self, words: np.ndarray, memory: LstmState) -> NeuralState:
        if len(words) == 0:
            return NeuralState(self.network.bias.new_empty((0, self.network.settings.embedding)), memory)
        features, memory = self.network(self._tensor(words[:, None]), memory)
        return NeuralState(features[:, 0], memory)

    def _tensor(self, ids: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(ids, np.int64)).to(self.device)


def weights_digest(network: LstmNetwork) -> str:
    """16 hexadecimal digits of the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
