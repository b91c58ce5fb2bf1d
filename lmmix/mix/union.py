"""Models of different vocabularies, brought into one event space.

Probabilities compare only if they are those of the same events. Over the union U of the vocabularies each model is
widened: what it gives `<unk>`, which stands for all words that it lacks, is spread over those of them that are in U
and over the `<unk>` that remains, which stands for all words outside U::

    p(w | h) = p_k(<unk> | h) · q_k(w)      w in U but not in V_k, or <unk>;   q_k sums to 1
    p(w | h) = p_k(w | h)                   w in V_k, but <unk>

So each member is a distribution over U, and so is any mixture of them. Kaldi's `unk.probs` and the `--shortlist` of
TheanoLM do the same for one network.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import EventSpaceError, SettingError
from lmmix.lm import LanguageModel, State, taken
from lmmix.tokenize import same_tokens
from lmmix.vocab import UNK, Vocab

logger = logging.getLogger("lmmix")

SPREADS = ("uniform", "unigram", "chars")
"""Ways to spread the probability of `<unk>`; see `spread_shares`."""

_OF_HISTORIES = ("contexts", "context_lengths", "context_backoffs", "longest_context")
"""Optional methods of models that tell of histories, which a wider vocabulary does not change."""


def union_vocab(vocabs: Sequence[Vocab]) -> Vocab:
    """The words of all vocabularies: those of the first in their order, then what the second adds, and so on.

    Raises SettingError without a vocabulary, EventSpaceError if their tokens are made by different tokenisers.
    """
    if not vocabs:
        raise SettingError("the union of no vocabularies has no words")
    first = vocabs[0]
    for number, other in enumerate(vocabs[1:], 2):
        if not same_tokens(first.tokenizer, other.tokenizer):
            raise EventSpaceError(
                f"vocabulary 1 has tokens made by {first.tokenizer!r}, vocabulary {number} by {other.tokenizer!r}: "
                "their words are different things and have no union; train all models with one --tokenizer"
            )
    words = list(dict.fromkeys(word for vocab in vocabs for word in vocab.words))
    return first if len(words) == len(first) else Vocab.from_words(words, first.tokenizer)


class WidenedModel:
    """A `LanguageModel` over a larger vocabulary, as the module says; its states are those of the model inside.

    Attributes
    ----------
    model : LanguageModel
        The model inside. It reads each word that it lacks as `<unk>`, in histories too.
    lacking : int
        Words of the larger vocabulary that it lacks.
    spread : str
        How its `<unk>` is spread over them; see `spread_shares`.
    vocab, signature
        See `lmmix.lm.LanguageModel`.
    """

    def __init__(
        self, model: LanguageModel, vocab: Vocab, shares: np.ndarray, spread: str, name: str = "the model"
    ) -> None:
        """Widen `model` to `vocab`, which must hold all its words.

        `shares` (|vocab|,) says in what proportion the words that the model lacks and `<unk>` have its probability of
        `<unk>`; the entries of other words are not used. `spread` names the way they were found in the signature,
        `name` the model in messages. Warns of a model with a closed vocabulary, which gives the words it lacks 0.

        Raises EventSpaceError for a vocabulary that lacks a word of the model, SettingError for impossible shares.
        """
        lost = np.flatnonzero(model.vocab.translation(vocab)[UNK + 1 :] == UNK)
        if len(lost):
            word = model.vocab.words[UNK + 1 + lost[0]]
            raise EventSpaceError(f"{name} cannot be widened to a vocabulary that lacks its word {word!r}; use a union")
        self.model = model
        self.vocab = vocab
        self.spread = spread
        self._ids = vocab.translation(model.vocab)
        spread_over = self._ids == UNK
        self.lacking = int(spread_over.sum()) - 1
        self._log_share = _log_shares(shares, spread_over, name)
        self._share = np.exp(self._log_share)
        digest = hashlib.sha256(self._log_share.astype(np.float32).tobytes()).hexdigest()[:16]
        self.signature = (
            f"widened:{spread}|lacking:{self.lacking}|shares:{digest}|tokens:{vocab.tokenizer}|"
            f"vocab:{vocab.fingerprint}|model:[{model.signature}]"
        )
        if self.lacking and _is_closed(model):
            logger.warning(
                "%s has a closed vocabulary (its <unk> has probability 0): the %d words that it lacks get 0 from it",
                name, self.lacking,
            )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        """What the model inside tells of histories, if it does; so features of a mixture's members see it."""
        if name in _OF_HISTORIES:
            return getattr(self.model, name)
        if name == "score_with_lengths" and hasattr(self.model, name):
            return self._score_with_lengths
        raise AttributeError(f"a widened model has no {name!r}")

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`."""
        corpus = corpus.recode(self.vocab)
        return self.model.score(corpus.recode(self.model.vocab), threads) + self._log_share[corpus.ids]

    def _score_with_lengths(self, corpus: Corpus, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """`score`, with the words in the n-grams of the model inside."""
        corpus = corpus.recode(self.vocab)
        logp, lengths = self.model.score_with_lengths(corpus.recode(self.model.vocab), threads)  # type: ignore[attr-defined]
        return logp + self._log_share[corpus.ids], lengths

    def start(self, n: int) -> State:
        """The state of the model inside before the first word of n sentences."""
        return self.model.start(n)

    def advance(self, state: State, words: np.ndarray) -> tuple[np.ndarray, State]:
        """((n,) ln p of `words`, the state behind them)."""
        logp, after = self.model.advance(state, self._ids[words])
        return logp + self._log_share[words], after

    def distribution(self, state: State) -> np.ndarray:
        """(n, |U|) probability of each next event."""
        return self.model.distribution(state)[:, self._ids] * self._share

    def take(self, state: State, rows: np.ndarray) -> State:
        """The state of some histories of the model inside, `rows` (m,), each any number of times."""
        return taken(self.model, state, rows)


def _log_shares(shares: np.ndarray, spread_over: np.ndarray, name: str) -> np.ndarray:
    """(|U|,) ln q of the words that share `<unk>`, 0 for the others, whose probability stays as it is."""
    shares = np.asarray(shares, np.float64)
    if shares.shape != spread_over.shape:
        raise SettingError(f"shares have shape {shares.shape}; there must be one for each of {len(spread_over)} words")
    chosen = shares[spread_over]
    if not (np.isfinite(chosen) & (chosen >= 0)).all():
        raise SettingError("the shares of <unk> must be numbers, none negative")
    out = np.zeros(len(shares))
    if len(chosen) == 1:
        return out
    if not chosen.sum() > 0:
        raise SettingError(f"none of the words that {name} lacks has a share of its <unk>; spread it uniformly")
    with np.errstate(divide="ignore"):
        out[spread_over] = np.log(chosen / chosen.sum())
    return out


def _is_closed(model: LanguageModel) -> bool:
    """Whether `<unk>` has probability 0 at the start of a sentence and, as far as the model knows, without context."""
    if hasattr(model, "unigram") and model.unigram()[UNK] > 0:
        return False
    return bool(model.advance(model.start(1), np.array([UNK], np.int32))[0][0] == -np.inf)


def spread_shares(spread: str, models: Sequence[LanguageModel], vocab: Vocab) -> np.ndarray:
    """(|U|,) in what proportion words of the union U share the `<unk>` of a model that lacks them.

    Parameters
    ----------
    spread : {"uniform", "unigram", "chars"}
        `uniform`: all alike, `<unk>` too. `unigram`: each word has its mean probability without context in those
        models that know it, `<unk>` the mean of its own. `chars`: each word has the probability of its spelling under
        a character n-gram model of the spellings in U, `<unk>` what that leaves for all other spellings.
    models : sequence of LanguageModel
        `unigram` asks those that have a method ``unigram() -> (V,)``, as n-gram models do.
    vocab : Vocab
        The union U.

    Raises SettingError for another name, or a word that only models without `unigram` know.
    """
    if spread == "uniform":
        return np.ones(len(vocab))
    if spread == "unigram":
        return _mean_unigrams(models, vocab)
    if spread == "chars":
        from lmmix.spelling import spelling_shares

        return spelling_shares(vocab)
    raise SettingError(f"{spread!r} is no way to spread the probability of <unk>; there are {', '.join(SPREADS)}")


def _mean_unigrams(models: Sequence[LanguageModel], vocab: Vocab) -> np.ndarray:
    total, models_with = np.zeros(len(vocab)), np.zeros(len(vocab), np.int64)
    for model in models:
        if hasattr(model, "unigram"):
            ids = model.vocab.translation(vocab)
            total[ids] += model.unigram()
            models_with[ids] += 1
    if not models_with.all():
        word = vocab.words[int(np.argmin(models_with))]
        raise SettingError(
            f"the word {word!r} is in no model that knows the probabilities of words without context (n-gram models "
            "do); spread <unk> uniformly or by chars"
        )
    return total / models_with


def one_event_space(
    models: Sequence[LanguageModel], spread: str | None = None, names: Sequence[str] | None = None
) -> list[LanguageModel]:
    """The models, ready to be mixed: all over one vocabulary, in the ids that each has.

    With `spread` (see `spread_shares`) models of a smaller vocabulary than the union of all are widened to it; without,
    they stay as they are. Models that hold the numbers of one text only and so know no vocabulary of their own (those
    with a method ``over(vocab)``) are taken as models over that of the others, or over the union of theirs.
    `names` are for messages. Raises EventSpaceError, SettingError.
    """
    names = names or [f"model {k + 1}" for k in range(len(models))]
    with_vocab = [model for model in models if not hasattr(model, "over")]
    if spread is None:
        vocab = with_vocab[0].vocab if with_vocab else union_vocab([model.vocab for model in models])
        return [model.over(vocab) if hasattr(model, "over") else model for model in models]
    vocab = union_vocab([model.vocab for model in with_vocab or models])
    smaller = any(model.vocab.fingerprint != vocab.fingerprint for model in with_vocab)
    shares = spread_shares(spread, with_vocab, vocab) if smaller else np.ones(len(vocab))
    out: list[LanguageModel] = []
    for name, model in zip(names, models):
        if hasattr(model, "over"):
            out.append(model.over(vocab))
        elif model.vocab.fingerprint == vocab.fingerprint:
            out.append(model)
        else:
            out.append(WidenedModel(model, vocab, shares, spread, name))
    return out
