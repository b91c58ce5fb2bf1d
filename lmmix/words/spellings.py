"""How a model of pieces spells the words of a vocabulary, and which pieces begin a word."""

from __future__ import annotations

import logging
from itertools import chain

import numpy as np

from lmmix.errors import EventSpaceError, SettingError
from lmmix.tokenize import SPACE_MARK, tokenizer
from lmmix.vocab import BOS, EOS, SPECIALS, UNK, Vocab
from lmmix.words.trie import Trie

logger = logging.getLogger("lmmix")

REST, END = 0, 1
"""The spellings of `<unk>`, with words that the pieces cannot spell, and of `</s>`."""

START, INSIDE = 0, 1
"""Where a word stands: at the beginning of its sentence, or behind another word."""


Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""The pieces of a word at `START` and `INSIDE`."""


class Spellings:
    """The words of a vocabulary in the pieces of a model.

    A word is spelled as the tokeniser spells it at the beginning of a sentence and behind another word. A piece that
    begins with `▁` begins a word, or is the space before it: characters and bytes have that as a piece of its own.

    Words that have the same pieces, because a piece is unknown or the tokeniser changes letters, share the
    probability of their spelling in equal parts. Words that have no pieces, or those of several words (`▁` or a space
    of Unicode within), share that of `<unk>` with it.

    Attributes
    ----------
    of_word : (V,) int64
        The spelling of each word, a number from 0 to S − 1; that of `<s>`, which is no event, means nothing.
    log_share : (V,) float64
        ln of each word's share of the probability of its spelling; −inf for `<s>`.
    begin, length : (2, S) int64
        Where the pieces of each spelling are at `START` and at `INSIDE`; those of `REST` are those of the word
        `<unk>`, as which histories read all words of this spelling.
    pieces : (·,) int32
        Spelling s is ``pieces[begin[place, s]:begin[place, s] + length[place, s]]``.
    opens : (2, pieces) bool
        The pieces that may come at `START` and at `INSIDE`, where a word ends: those that begin a word, and `</s>`.
    tries : two of Trie
        The spellings but `REST`, at `START` and at `INSIDE`.

    Raises EventSpaceError for a vocabulary or a model whose tokens are not what this takes, SettingError for pieces
    that hold `▁` behind other characters.
    """

    def __init__(self, words: Vocab, pieces: Vocab) -> None:
        _check_tokens(words, pieces)
        self.opens = _opening(pieces)
        spelled = _spelled(words, pieces)
        # As which histories read `<unk>`; where the word has no pieces that is the unknown piece.
        strings: list[Pair] = [(spelled[UNK][START] or (UNK,), spelled[UNK][INSIDE] or (UNK,)), ((EOS,), (EOS,))]
        numbers: dict[Pair, int] = {}
        self.of_word = np.full(len(words), REST)
        for word, pair in enumerate(spelled):
            if word not in (UNK, BOS, EOS) and _is_one_word(pair, self.opens):
                self.of_word[word] = numbers.setdefault(pair, len(strings) + len(numbers))
        self.of_word[EOS] = END
        strings += numbers
        self._store(strings)
        members = np.bincount(np.delete(self.of_word, BOS), minlength=len(strings))
        self.log_share = -np.log(members)[self.of_word]
        self.log_share[BOS] = -np.inf
        if members[REST] > 1:
            example = words.words[len(SPECIALS) + np.flatnonzero(self.of_word[len(SPECIALS) :] == REST)[0]]
            logger.warning(
                "the pieces cannot spell %d words, as %r: they share the probability of <unk>",
                members[REST] - 1, example,
            )  # fmt: skip

    def _store(self, strings: list[Pair]) -> None:
        by_place = list(zip(*strings))
        rows = [string for place in by_place for string in place]
        lengths = np.array([len(row) for row in rows])
        self.pieces = np.fromiter(chain.from_iterable(rows), np.int32, lengths.sum())
        self.length = lengths.reshape(2, -1)
        self.begin = (np.cumsum(lengths) - lengths).reshape(2, -1)
        self.tries = [Trie(place[END:], END) for place in by_place]


def _check_tokens(words: Vocab, pieces: Vocab) -> None:
    if words.tokenizer != "whitespace":
        raise EventSpaceError(
            f"the vocabulary has tokens made by {words.tokenizer!r}; it must be one of words (whitespace)"
        )
    if pieces.tokenizer == "whitespace":
        raise EventSpaceError(
            "the model is one of words already; this takes models of pieces: chars, bytes or sentencepiece:MODEL"
        )
    for piece in pieces.words:
        if SPACE_MARK in piece.lstrip(SPACE_MARK):
            raise SettingError(
                f"the piece {piece!r} has {SPACE_MARK} behind other characters; pieces must begin words with it and "
                "not span them (lmmix pieces makes such models)"
            )


def _opening(pieces: Vocab) -> np.ndarray:
    """(2, pieces) bool: see `Spellings.opens`."""
    marked = np.array([piece.startswith(SPACE_MARK) for piece in pieces.words])
    first = tokenizer(pieces.tokenizer).transform(b"a\n").decode()
    opens = np.stack([marked if first.startswith(SPACE_MARK) else ~marked, marked])
    opens[:, BOS], opens[:, EOS] = False, True
    return opens


def _spelled(words: Vocab, pieces: Vocab) -> list[Pair]:
    """The pieces of each word at `START` and `INSIDE`; none where they cannot be told apart, and of `<s>`, `</s>`."""
    rewrite = tokenizer(pieces.tokenizer).transform
    alone, twice = (
        rewrite("".join(f"{text}\n" for text in texts).encode()).decode().split("\n")
        for texts in (words.words, (f"{word} {word}" for word in words.words))
    )
    out: list[Pair] = []
    for one, both in zip(alone, twice[: len(words)]):
        first, pair = (tuple(map(pieces.id, text.split(" "))) if text else () for text in (one, both))
        out.append((first, pair[len(first) :]) if pair[: len(first)] == first else ((), ()))
    out[BOS] = out[EOS] = ((), ())
    return out


def _is_one_word(pair: Pair, opens: np.ndarray) -> bool:
    """Whether pieces are those of one word wherever it stands: they begin as a word does, and none does behind."""
    return all(
        len(string) > 0
        and string[0] != EOS
        and opens[place, string[0]]
        and not any(opens[INSIDE, piece] or piece == BOS for piece in string[1:])
        for place, string in enumerate(pair)
    )
