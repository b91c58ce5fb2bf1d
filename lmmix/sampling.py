"""Sentences drawn from a language model, and the likeliest next events."""

from __future__ import annotations

import math

import numpy as np

from lmmix.corpus import corpus_from_lines
from lmmix.errors import InputError, SettingError
from lmmix.lm import LanguageModel, State, can_take, taken
from lmmix.progress import task
from lmmix.tokenize import tokenizer
from lmmix.vocab import BOS, EOS, UNK, Vocab

BATCH_CELLS = 1 << 24
"""Probabilities held at a time: sentences are drawn in batches of this many, divided by the size of the vocabulary."""


def top_k(model: LanguageModel, state: State, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k likeliest next events of each history: (n, k) int64 ids and (n, k) float64 probabilities.

    Descending; of equally likely ones the lower id comes first. Raises SettingError unless k is from 1 to V.
    """
    if not 1 <= k <= len(model.vocab):
        raise SettingError(f"k is {k}; it must be from 1 to {len(model.vocab)}, the size of the vocabulary")
    probabilities = model.distribution(state)
    ids = _largest(probabilities, k)
    values = np.take_along_axis(probabilities, ids, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """(n, k) the places of the k largest of each row, ascending; of equal ones the first count."""
    rows, size = values.shape
    threshold = np.partition(values, size - k, axis=1)[:, size - k, None]
    above, equal = values > threshold, values == threshold
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (equal & (np.cumsum(equal, axis=1) <= room))
    return np.nonzero(chosen)[1].reshape(rows, k)


def sample(
    model: LanguageModel,
    n: int = 1,
    prefix: str = "",
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 1,
    max_words: int = 200,
    unk: bool = False,
) -> list[str]:
    """Draw n sentences from `model`, word by word until `</s>`.

    Parameters
    ----------
    model : LanguageModel
        N-gram, network or mixture.
    n : int
        Sentences. The first ones are the same whatever n is: each has a random generator of its own.
    prefix : str
        Words that every sentence begins with.
    temperature : float
        Log-probabilities are divided by it and renormalised: below 1 likely words become likelier, towards 0 always
        the likeliest is drawn.
    top_k : int, optional
        Draw from the k likeliest events only (Fan, Lewis & Dauphin 2018).
    seed : int
        Of all randomness.
    max_words : int
        A sentence ends without `</s>` after this many words behind the prefix.
    unk : bool
        Whether `<unk>` may be drawn. `<s>` never is.

    Raises
    ------
    SettingError
        A setting that is not allowed.
    InputError
        A word of the prefix that the vocabulary lacks, or a history after which no event has a probability.
    """
    _check_settings(n, temperature, top_k, seed, max_words)
    start = _prefix_ids(prefix, model.vocab)
    generators = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(n)]
    batch = max(1, BATCH_CELLS // len(model.vocab))
    drawn: list[list[int]] = []
    with task("sampling", n) as advance:
        for first in range(0, n, batch):
            some = generators[first : first + batch]
            drawn += _draw_batch(model, start, some, temperature, top_k, max_words, unk)
            advance(len(some))
    words, join = model.vocab.words, tokenizer(model.vocab.tokenizer).detokenize
    return [join([words[i] for i in [*start, *ids]]) for ids in drawn]


def _check_settings(n: int, temperature: float, top_k: int | None, seed: int, max_words: int) -> None:
    if not 0 < temperature < math.inf:
        raise SettingError(f"temperature is {temperature}; it must be a number above 0")
    if seed < 0:
        raise SettingError(f"seed is {seed}; it must be 0 or more")
    for name, value in (("n", n), ("top_k", top_k), ("max_words", max_words)):
        if value is not None and value < 1:
            raise SettingError(f"{name} is {value}; it must be 1 or more")


def _prefix_ids(prefix: str, vocab: Vocab) -> list[int]:
    """The ids of the words of the prefix."""
    try:
        text = corpus_from_lines([prefix], tokenizer=vocab.tokenizer)
    except UnicodeEncodeError:
        raise InputError(f"the prefix {prefix!r} is not text in UTF-8") from None
    known = text.recode(vocab)
    if len(known.oov_at):
        word = text.vocab.words[text.ids[known.oov_at[0]]]
        raise InputError(f"the word {word!r} of the prefix is not in the vocabulary; begin with words that are")
    return known.ids[:-1].tolist()


def _draw_batch(
    model: LanguageModel,
    start: list[int],
    generators: list[np.random.Generator],
    temperature: float,
    top_k: int | None,
    max_words: int,
    unk: bool,
) -> list[list[int]]:
    """The ids drawn behind the prefix `start`, without `</s>`: a sentence for each generator."""
    state = model.start(len(generators))
    for word in start:
        _, state = model.advance(state, np.full(len(generators), word, np.int32))
    sentences: list[list[int]] = [[] for _ in generators]
    whose = np.arange(len(generators))
    going = whose
    cut = can_take(model)
    for _ in range(max_words):
        weights = _weights(model.distribution(state)[going], temperature, top_k, unk)
        # Where states cannot be cut, sentences that have ended go along with </s> until the last one ends.
        words = np.full(len(whose), EOS, np.int32)
        words[going] = draw(weights, np.array([generators[i].random() for i in whose[going]]))
        going = np.flatnonzero(words != EOS)
        for i, word in zip(whose[going].tolist(), words[going].tolist()):
            sentences[i].append(word)
        if not len(going):
            break
        if cut and len(going) < len(whose):
            state, whose, words = taken(model, state, going), whose[going], words[going]
            going = np.arange(len(whose))
        _, state = model.advance(state, words)
    return sentences


def _weights(probabilities: np.ndarray, temperature: float, top_k: int | None, unk: bool) -> np.ndarray:
    """(n, V) what each next event is drawn in proportion to; the largest of each row is 1."""
    weights = probabilities.copy()
    weights[:, BOS] = 0.0
    if not unk:
        weights[:, UNK] = 0.0
    largest = weights.max(axis=1, keepdims=True)
    if not (largest > 0).all():
        raise InputError("after some history no event but <unk> has a probability; allow <unk> (--unk)")
    weights /= largest
    if temperature != 1.0:
        with np.errstate(divide="ignore", under="ignore", over="ignore"):
            weights = np.exp(np.log(weights) / temperature)
    if top_k is not None and top_k < weights.shape[1]:
        kept = np.zeros_like(weights)
        ids = _largest(weights, top_k)
        np.put_along_axis(kept, ids, np.take_along_axis(weights, ids, axis=1), axis=1)
        weights = kept
    return weights


def draw(p: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """(n,) int32 an id for each row of p (n, V), in proportion to its numbers; `uniform` is (n,) in [0, 1).

    Where the sum passes the share `uniform` of the whole is looked for among sums of blocks of √V words, then within
    the block.
    """
    size = p.shape[1]
    width = math.isqrt(size)
    sums = np.add.reduceat(p, np.arange(0, size, width), axis=1)
    block, rest = _passed(sums, uniform * sums.sum(axis=1))
    words = block[:, None] * width + np.arange(width)
    inside = np.where(words < size, np.take_along_axis(p, np.minimum(words, size - 1), axis=1), 0.0)
    return (block * width + _passed(inside, rest)[0]).astype(np.int32)


def _passed(weights: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the first column up to which the sum of a row passes its target, and what of the target falls to it.

    Never a column of weight 0: a target beyond the whole sum, by rounding, is brought just below it.
    """
    sums = np.cumsum(weights, axis=1)
    target = np.minimum(target, np.nextafter(sums[:, -1], 0.0))
    column = (sums > target[:, None]).argmax(axis=1)
    row = np.arange(len(weights))
    return column, np.maximum(target - (sums[row, column] - weights[row, column]), 0.0)
