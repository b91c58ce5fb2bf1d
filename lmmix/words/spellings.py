"""How a model of pieces spells the words of a vocabulary, and which pieces begin a word."""

from __future__ import annotations

import logging
from itertools import chain

import numpy as np

from lmmix.errors import EventSpaceError, SettingError
from lmmix.hf_tokenizer import BYTE_SPACE_MARK
from lmmix.tokenize import tokenizer
from lmmix.vocab import BOS, EOS, SPECIALS, UNK, Vocab
from lmmix.words.trie import Trie

logger = logging.getLogger("lmmix")

REST, END = 0, 1
"""The spellings of `<unk>`, with words that the pieces cannot spell, and of `</s>`."""

START, INSIDE = 0, 1
"""Where a word stands: at the beginning of its sentence, or behind another word."""

BLANKS = "\u0109\u010a\u010b\u010c\u010d"
"""Tabs, ends of lines and their like in byte-level BPE, which has pieces of these and spaces in any order."""

Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""The pieces of a word at `START` and `INSIDE`."""


class Spellings:
    """The words of a vocabulary in the pieces of a model.

    A word is spelled as the tokeniser spells it at the beginning of a sentence and behind another word. A piece that
    begins with the tokeniser's mark of a space (`▁`, or `Ġ` in byte-level BPE) begins a word, or is the space before
    it: characters and bytes have that as a piece of its own.

    Words that have the same pieces, because a piece is unknown or the tokeniser changes letters, share the
    probability of their spelling in equal parts. Words that have no pieces, or those of several words (the mark or a
    space of Unicode within), share that of `<unk>` with it.

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
    unspelled : tuple of str
        The words that share the probability of `<unk>`.

    Raises EventSpaceError for a vocabulary or a model whose tokens are not what this takes, or where no word has
    pieces; SettingError for pieces that hold the mark behind other characters.
    """

    def __init__(self, words: Vocab, pieces: Vocab) -> None:
        mark = _check_tokens(words, pieces)
        self.opens = _opening(pieces, mark)
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
        if not any(UNK not in first + later for first, later in numbers):
            raise EventSpaceError(
                f"the pieces of the model spell none of the {len(words) - len(SPECIALS)} words of the vocabulary, such "
                f"as {words.words[-1]!r}; take the vocabulary of a text like the model's"
            )
        members = np.bincount(np.delete(self.of_word, BOS), minlength=len(strings))
        self.log_share = -np.log(members)[self.of_word]
        self.log_share[BOS] = -np.inf
        rest = len(SPECIALS) + np.flatnonzero(self.of_word[len(SPECIALS) :] == REST)
        self.unspelled = tuple(words.words[int(word)] for word in rest)
        if self.unspelled:
            logger.info("%s", self.loss())

    def loss(self) -> str:
        """What to tell of `unspelled`, of which there must be one."""
        return (
            f"the pieces cannot spell {len(self.unspelled)} words, as {self.unspelled[0]!r}: they share the "
            "probability of <unk>"
        )

    def _store(self, strings: list[Pair]) -> None:
        by_place = list(zip(*strings))
        rows = [string for place in by_place for string in place]
        lengths = np.array([len(row) for row in rows])
        self.pieces = np.fromiter(chain.from_iterable(rows), np.int32, lengths.sum())
        self.length = lengths.reshape(2, -1)
        self.begin = (np.cumsum(lengths) - lengths).reshape(2, -1)
        self.tries = [Trie(place[END:], END) for place in by_place]


def _check_tokens(words: Vocab, pieces: Vocab) -> str:
    """The mark of a space in the pieces. Raises what `Spellings` raises."""
    if words.tokenizer != "whitespace":
        raise EventSpaceError(
            f"the vocabulary has tokens made by {words.tokenizer!r}; it must be one of words (whitespace)"
        )
    if pieces.tokenizer == "whitespace":
        raise EventSpaceError(
            "the model is one of words already; this takes models of pieces: chars, bytes, sentencepiece:MODEL or "
            "hf:FOLDER"
        )
    mark = tokenizer(pieces.tokenizer).space_mark
    if mark is None or not any(piece.startswith(mark) for piece in pieces.words):
        raise EventSpaceError(
            f"no piece of {pieces.tokenizer!r} begins a word: none begins with the mark of a space, which WordPiece "
            "(##), for one, does not have; without it words do not end"
        )
    blanks = mark + BLANKS if mark == BYTE_SPACE_MARK else mark
    for piece in pieces.words:
        if mark in piece.lstrip(blanks):
            raise SettingError(
                f"the piece {piece!r} has {mark} behind other characters; pieces must begin words with it and "
                "not span them (lmmix pieces makes such models)"
            )
    return mark


def _opening(pieces: Vocab, mark: str) -> np.ndarray:
    """(2, pieces) bool: see `Spellings.opens`."""
    marked = np.array([piece.startswith(mark) for piece in pieces.words])
    first = tokenizer(pieces.tokenizer).transform(b"a\n").decode()
    opens = np.stack([marked if first.startswith(mark) else ~marked, marked])
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
