"""Any language model as a back-off n-gram model.

`approximate` draws a text from the model and trains an n-gram model on it: the longer the text, the nearer it comes to
that n-gram model which has the least KL divergence from the model (Deoras, Mikolov, Kombrink, Karafiát & Khudanpur
2011, "Variational approximation of long-span language models for LVCSR").

`convert_ngrams` takes the n-grams of a back-off model and gives them the probabilities of the model (Arısoy, Chen,
Ramabhadran & Sethy 2014, "Converting neural network language models into back-off language models for efficient
decoding in automatic speech recognition"). There the network knows no more than n − 1 words; here, where it may know
all, its probabilities behind the histories of a text are averaged.
"""

from __future__ import annotations

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.lm import LanguageModel, is_distribution
from lmmix.mix.expectations import Block, Expectations
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.renormalise import normalised
from lmmix.ngram.settings import SmoothingSettings
from lmmix.sampled_text import check_sampling, sample_text


def approximate(
    model: LanguageModel,
    order: int = 3,
    sentences: int = 100_000,
    smoothing: str | SmoothingSettings = "mkn",
    *,
    seed: int = 1,
    max_words: int = 1000,
    threads: int | None = None,
) -> BackoffModel:
    """An n-gram model trained on sentences drawn from `model`.

    Parameters
    ----------
    model : LanguageModel
        Network, n-gram model or mixture; its vocabulary becomes that of the result.
    order : int
        Length of the longest n-grams.
    sentences : int
        How many to draw; several times as many as the model was trained on.
    smoothing : str or SmoothingSettings
        As in `lmmix.train_ngram`.
    seed : int
        Of all randomness.
    max_words : int
        Where a sentence ends if the model does not end it.
    threads : int, optional
        Of the n-gram training; default: all cores. The result does not depend on it.

    Raises SettingError for settings that cannot be, or a model that gives scores.
    """
    settings = SmoothingSettings(smoothing) if isinstance(smoothing, str) else smoothing
    check_approximation(order, sentences, settings, seed, max_words)
    text = sample_text(model, sentences, seed, max_words)
    result = train_ngram(text, order, settings, threads)
    result.signature += f"|sampled:{sentences},seed:{seed},from:{_quoted(model)}"
    return result


def check_approximation(order: int, sentences: int, settings: SmoothingSettings, seed: int, max_words: int) -> None:
    """Raise SettingError for what `approximate` does not take, before the model is loaded or asked."""
    if order < 1:
        raise SettingError(f"order is {order}; it must be 1 or more")
    settings.smoothings(order)
    check_sampling(sentences, seed, max_words)


def convert_ngrams(
    model: LanguageModel, ngrams: BackoffModel, text: Corpus, threads: int | None = None
) -> BackoffModel:
    """The n-grams of `ngrams` with the probabilities of `model`, back-offs computed anew.

    p(w | h) is the mean of what `model` gives w behind the histories of `text` that end in h, for every h whose n-grams
    are there; contexts that do not occur keep the probabilities that `ngrams` gives. It is the text that `ngrams` was
    trained on, as a rule.

    Raises SettingError for models that give scores, EventSpaceError for different vocabularies.
    """
    ngrams.vocab.check_same_events(model.vocab, "the n-gram model", "the model")
    if not is_distribution(ngrams):
        raise SettingError("the n-gram model gives scores; make them probabilities first: lmmix prune --renormalise")
    expectations = Expectations([model], text)
    sums = _Sums(ngrams, model)
    contexts = ngrams.contexts(text.recode(ngrams.vocab), threads)
    for block in expectations.blocks():
        sums.add(contexts[block.places], block)
    logp = sums.means(ngrams.logp)
    signature = f"{ngrams.signature}|converted:{_quoted(model)}"
    result = BackoffModel(ngrams.tree, logp, np.zeros_like(ngrams.backoff), ngrams.vocab, signature)
    return normalised(result, threads)[0]


class _Sums:
    """What a model expected behind each context of a tree, summed over the times that the context occurred."""

    def __init__(self, ngrams: BackoffModel, model: LanguageModel) -> None:
        self.tree = ngrams.tree
        self.words = ngrams.vocab.translation(model.vocab)[self.tree.word]
        self.times = np.zeros(len(self.tree.begin) - 1, np.int64)
        self.total = np.zeros(self.tree.size)

    def add(self, contexts: np.ndarray, block: Block) -> None:
        """Take in the distributions of a block behind the longest known contexts (n,), and behind all shorter ones."""
        begin, suffix = self.tree.begin, self.tree.suffix
        rows, nodes = np.arange(len(contexts)), contexts.astype(np.int64)
        while len(rows):
            self.times += np.bincount(nodes, minlength=len(self.times))
            children = begin[nodes + 1] - begin[nodes]
            child = np.repeat(begin[nodes] - np.cumsum(children) + children, children) + np.arange(children.sum())
            np.add.at(self.total, child, block.p[0, np.repeat(rows, children), self.words[child]])
            longer = nodes > 0
            rows, nodes = rows[longer], suffix[nodes[longer]].astype(np.int64)

    def means(self, logp: np.ndarray) -> np.ndarray:
        """(M,) ln of the mean of each n-gram whose context occurred; `logp` of the others."""
        times = np.repeat(self.times, np.diff(self.tree.begin))
        found = logp.astype(np.float64)
        with np.errstate(divide="ignore"):
            found[1:] = np.where(times > 0, np.log(self.total[1:] / np.maximum(times, 1)), found[1:])
        return found


def _quoted(model: LanguageModel) -> str:
    """A signature inside another, whose parts are not its own."""
    return f"({model.signature.replace('|', ';')})"
