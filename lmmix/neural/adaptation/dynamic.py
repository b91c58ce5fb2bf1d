"""A network that learns from the text that it reads: Krause, Kahembwe, Murray & Renals (2018), "Dynamic evaluation of
neural sequence models"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.adaptation.adapted import AdaptedModel
from lmmix.neural.allowed import COUNT, NOT_NEGATIVE
from lmmix.neural.backend import ids_on, torch, torch_threads
from lmmix.neural.batches import words_before
from lmmix.neural.model import NeuralModel, checked_words
from lmmix.neural.networks.network import Memory, Network, detached
from lmmix.progress import task
from lmmix.vocab import BOS, EOS

Tensor = torch.Tensor
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class DynamicSettings:
    """How a network learns while it reads.

    Attributes
    ----------
    learning_rate : float
        About the length of a weight's step; 0 is the network as it is.
    decay : float
        Part of the way back to the trained weight at each step, for a weight with gradients of middling size.
    segment : int
        Events between two steps.
    """

    learning_rate: float = 1e-3
    decay: float = 1e-3
    segment: int = 20


ALLOWED = {"learning_rate": NOT_NEGATIVE, "decay": NOT_NEGATIVE, "segment": COUNT}


class Learned(NamedTuple):
    """What a network has learned from a text: its weights, the sums of the squares of their gradients, its steps."""

    weights: Tensors
    squares: Tensors
    steps: int


class History(NamedTuple):
    """One text so far.

    Attributes
    ----------
    learned : Learned
        From the segments that are complete.
    begin : Memory
        Of the network before the first of `inputs`.
    inputs, events : tuple of int
        Of the segment under way: what the network has read, one more than the events that came.
    memory : Memory
        Behind the last of `inputs`.
    features : Tensor
        (1, embedding) of the next event.
    """

    learned: Learned
    begin: Memory
    inputs: tuple[int, ...]
    events: tuple[int, ...]
    memory: Memory
    features: Tensor


class DynamicEvaluation(AdaptedModel):
    """A network whose weights follow the text; a `LanguageModel`.

    Behind every `segment` events of a text, `</s>` included, the weights w take a step against the gradient g of the
    segment's loss, and one back to the trained weights w°::

        w ← w − learning_rate · g / (r + R) + min(1, decay · r / mean r) · (w° − w)

    with r the root of the mean square of g over all segments so far, this one included, for each weight, and R the same
    for the whole tensor. Krause et al. take r from the training text; a running mean needs no other text than the one
    that is read, and R keeps rare words from long steps. What the network remembers is carried on as it was. A history
    owns its weights, so that many at a time need much memory. Not to be used by several threads at once.
    """

    kind = "dynamic"
    settings_class = DynamicSettings
    allowed = ALLOWED

    def __init__(self, model: NeuralModel, **settings: Any) -> None:
        super().__init__(model, **settings)
        self._asked = _Asked(model.network)
        self._trained = {name: tensor.detach() for name, tensor in self._asked.named_parameters()}

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p of each event of `corpus`, given all events before it; on one thread."""
        ids = corpus.recode(self.vocab).ids
        inputs, logp = words_before(ids), np.empty(len(ids))
        learned, memory = Learned(self._trained, {}, 0), self.model.network.start(1)
        with torch_threads(1), task("scoring with dynamic evaluation", len(ids)) as progress:
            for start in range(0, len(ids), self.settings.segment):
                here = slice(start, start + self.settings.segment)
                found, memory, learned = self._segment(learned, memory, inputs[here], ids[here])
                logp[here] = found.cpu().numpy()
                progress(len(found))
        return logp

    def start(self, n: int) -> list[History]:
        """`n` histories before the first word of a text, which share their weights as long as these are the trained."""
        with torch.no_grad():
            begin = self.model.network.start(1)
            return [self._read(Learned(self._trained, {}, 0), begin, (), (), BOS, begin)] * n

    def advance(self, state: list[History], words: np.ndarray) -> tuple[np.ndarray, list[History]]:
        """((n,) float64 ln p of `words` after each history, the state behind them).

        Raises SettingError unless `words` are n ids of the vocabulary.
        """
        words = checked_words(words, len(state), self.vocab)
        logp, behind = np.empty(len(state)), []
        with torch_threads(1):
            for number, (history, word) in enumerate(zip(state, words.tolist())):
                logp[number], after = self._advance(history, word)
                behind.append(after)
        return logp, behind

    def distribution(self, state: list[History]) -> np.ndarray:
        """(n, V) float64 probabilities of every next event; rows sum to 1."""
        found = np.empty((len(state), len(self.vocab)))
        with torch.no_grad():
            for number, history in enumerate(state):
                found[number] = self._probabilities(history)
        return found

    def take(self, state: list[History], rows: np.ndarray) -> list[History]:
        """The states of some histories, `rows` (m,), each any number of times."""
        return [state[row] for row in np.asarray(rows).tolist()]

    def _probabilities(self, history: History) -> np.ndarray:
        return self._with(history.learned, lambda net: net.distribution(history.features))[0].cpu().numpy()

    def _advance(self, history: History, word: int) -> tuple[float, History]:
        learned, begin, inputs, events = history.learned, history.begin, history.inputs, (*history.events, word)
        with torch.no_grad():
            wanted = torch.tensor([word], device=self.model.device)
            logp = self._with(learned, lambda net: net.event_logp(history.features, wanted))
        if len(events) == self.settings.segment:
            _, _, learned = self._segment(learned, begin, np.array(inputs), np.array(events))
            begin, inputs, events = history.memory, (), ()
        with torch.no_grad():
            following = BOS if word == EOS else word
            return float(logp[0]), self._read(learned, begin, inputs, events, following, history.memory)

    def _read(
        self,
        learned: Learned,
        begin: Memory,
        inputs: tuple[int, ...],
        events: tuple[int, ...],
        word: int,
        memory: Memory,
    ) -> History:
        """The history when the network has read one more word behind `memory`."""
        read = torch.tensor([[word]], device=self.model.device)
        features, memory = self._with(learned, lambda net: net(read, self._before(word, memory)))
        return History(learned, begin, (*inputs, word), events, memory, features[0])

    def _before(self, word: int, memory: Memory) -> Memory:
        """What the network remembers in front of an input: nothing at the start of a sentence that stands alone."""
        return self.model.network.start(1) if word == BOS and self.model.context == "sentence" else memory

    def _segment(
        self, learned: Learned, memory: Memory, inputs: np.ndarray, events: np.ndarray
    ) -> tuple[Tensor, Memory, Learned]:
        """(m,) ln p of the events of a segment, the memory behind it, and what was learned if it is complete."""
        words, wanted = (ids_on(self.model.device, ids) for ids in (inputs, events))
        starts = inputs[1:] == BOS if self.model.context == "sentence" else np.zeros(len(inputs) - 1, bool)

        def read(network: Network) -> tuple[Tensor, Memory]:
            found, behind = [], memory
            for part in words.tensor_split((np.flatnonzero(starts) + 1).tolist()):
                features, behind = network(part[None], self._before(int(part[0]), behind))
                found.append(features[0])
            return network.event_logp(torch.cat(found), wanted), behind

        weights = {name: tensor.requires_grad_() for name, tensor in learned.weights.items()}
        # cuDNN has no slopes of recurrent networks that are not in training (not tried on a GPU).
        with torch.backends.cudnn.flags(enabled=False):
            logp, behind = self._with(learned._replace(weights=weights), read)
            if len(events) == self.settings.segment:
                loss = -logp[wanted != BOS].sum()  # `<s>` is no event
                slopes = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
                learned = self._step(learned, dict(zip(weights, slopes)))
        return logp.detach(), detached(behind), learned

    @torch.no_grad()
    def _step(self, learned: Learned, slopes: Tensors) -> Learned:
        """What is known after one more step."""
        steps, weights, squares = learned.steps + 1, {}, {}
        for name, weight in learned.weights.items():
            slope = slopes[name]
            squares[name] = slope.square() + learned.squares.get(name, 0.0)
            root = (squares[name] / steps).sqrt()
            whole = (squares[name].mean() / steps).sqrt()
            back = (self.settings.decay * root / root.mean().clamp(min=torch.finfo(root.dtype).tiny)).clamp(max=1.0)
            move = self.settings.learning_rate * slope / (root + whole).clamp(min=torch.finfo(root.dtype).tiny)
            weights[name] = weight - move + back * (self._trained[name] - weight)
        return Learned(weights, squares, steps)

    def _with(self, learned: Learned, ask: Callable[[Network], Any]) -> Any:
        """What `ask` says of the network with the weights that were learned."""
        return torch.func.functional_call(self._asked, learned.weights, (ask,))


class _Asked(torch.nn.Module):
    """A network that can be asked anything through `functional_call`, which only calls modules."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, ask: Callable[[Network], Any]) -> Any:
        return ask(self.network)
