"""`WordModel`: a language model over words, made of one over pieces of words.

Pimentel & Meister (2024), "How to compute the probability of a word". A piece that begins a word also ends the word
before, so the product of the pieces of a word is the probability that a text *begins* with these pieces, whatever
word they become: "the" has that of "then" and "there" too, and products do not sum to 1 over words. The probability
of a word needs the end of the word::

    p(w | h)    = Π p(piece | h …) · p(B | h w) / p(B | h)
    p(</s> | h) = p(</s> | h) / p(B | h)

B are the pieces that begin a word, or the space where that is a piece, and `</s>`; before the first word of a sentence
B are the pieces with which sentences begin. Over the words of a sentence the factors cancel out but for p(B | <s>).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel, State, is_distribution, taken
from lmmix.progress import task
from lmmix.vocab import EOS, Vocab
from lmmix.words.masses import CELLS, log_masses, score_with_mass, states_before
from lmmix.words.spellings import END, INSIDE, REST, START, Spellings
from lmmix.words.walk import string_probabilities

FLOOR = 1e-12
"""The least probability of `<unk>` with the words that share it: what rounding leaves of 1 − Σ may be 0 or less."""


class Part(NamedTuple):
    """Some of n histories: `rows` (m,) says which, `state` is that of the model of pieces.

    `place` (m,) says whether the next word begins a sentence, `log_mass` (m,) is ln p(B | h).
    """

    rows: np.ndarray
    state: State
    place: np.ndarray
    log_mass: np.ndarray


class WordState(NamedTuple):
    """n histories in parts: those whose last words had equally many pieces are together."""

    n: int
    parts: list[Part]


class WordModel:
    """A `LanguageModel` over the words of `vocab`, made of a model of pieces as the module says.

    A word has the pieces that the tokeniser gives it; the same letters in other pieces are no word. So what the words
    of the vocabulary, each in its own pieces, leave of 1 is the probability of `<unk>`: of other words, and of other
    pieces. It is computed only where it is asked for, at `<unk>` and in distributions, for it takes a step of the model
    for each word of the vocabulary. Histories read `<unk>` as the word `<unk>`, as some texts have it for rare words.
    See `Spellings` for words that have pieces in common or none.

    What is left is exact to about 1e-12 for models in float64; the rounding of networks in float32 changes it, as all
    probabilities, by a millionth of its value. It is never less than `FLOOR`, if the histories can be at all.
    Behind a history that the model of pieces rules out (p(B | h) = 0) all is left to `<unk>`.

    Attributes
    ----------
    model : LanguageModel
        Over pieces: characters, bytes or SentencePiece.
    spellings : Spellings
    vocab, signature
        See `lmmix.lm.LanguageModel`.

    Raises EventSpaceError for a model over words or a vocabulary of pieces, SettingError for a model that gives no
    probabilities, or cannot go on from one history in several ways.
    """

    def __init__(self, model: LanguageModel, vocab: Vocab) -> None:
        if not is_distribution(model):
            raise SettingError("a model of scores that do not sum to 1 gives no word probabilities")
        self.model = model
        self.vocab = vocab
        self.spellings = Spellings(vocab, model.vocab)
        taken(model, model.start(1), np.zeros(1, np.int64))
        self.signature = (
            f"words|tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}|eos:yes|lmmix:{__version__}|"
            f"pieces:[{model.signature}]"
        )

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p(event | events before it); the pieces of the whole text are scored in one call."""
        corpus = corpus.recode(self.vocab)
        if not len(corpus.ids):
            return np.zeros(0)
        place = np.full(len(corpus.ids), INSIDE)
        place[corpus.offsets[:-1]] = START
        pieces, begin = self._in_pieces(corpus, place)
        which = np.full(len(pieces.ids), -1)
        which[begin] = place
        of_pieces, masses = score_with_mass(self.model, pieces, self.spellings.opens, which, threads)
        before = masses[begin]
        behind = np.where(corpus.ids == EOS, 0.0, np.append(before[1:], 0.0))
        logp = _corrected(np.add.reduceat(of_pieces, begin), before, behind)
        rest = np.flatnonzero(self.spellings.of_word[corpus.ids] == REST)
        if len(rest):
            logp[rest] = self._rest_at(pieces, begin, place, rest, before)
        return logp + self.spellings.log_share[corpus.ids]

    def start(self, n: int) -> WordState:
        """The states before the first word of `n` sentences."""
        state, place = self.model.start(n), np.full(n, START)
        return WordState(
            n, [Part(np.arange(n), state, place, log_masses(self.model, state, self.spellings.opens, place))]
        )

    def advance(self, state: WordState, words: np.ndarray) -> tuple[np.ndarray, WordState]:
        """((n,) ln p of `words` (n,) after each history, the states behind them)."""
        words = np.asarray(words)
        logp, parts = np.empty(state.n), []
        for part in state.parts:
            spelling = self.spellings.of_word[words[part.rows]]
            product = np.zeros(len(part.rows))
            behind = np.zeros(len(part.rows))
            for rows, found, after in self._read(part, spelling):
                place = np.where(spelling[rows] == END, START, INSIDE)
                log_mass = log_masses(self.model, after, self.spellings.opens, place)
                product[rows], behind[rows] = found, np.where(place == START, 0.0, log_mass)
                parts.append(Part(part.rows[rows], after, place, log_mass))
            found = _corrected(product, part.log_mass, behind)
            rest = np.flatnonzero(spelling == REST)
            if len(rest):
                found[rest] = np.log(self._distribution(_taken_part(self.model, part, rest))[:, REST])
            logp[part.rows] = found
        return logp + self.spellings.log_share[words], WordState(state.n, parts)

    def distribution(self, state: WordState) -> np.ndarray:
        """(n, V) probability of each next event; takes a step of the model of pieces for each word."""
        out = np.empty((state.n, len(self.vocab)))
        share = np.exp(self.spellings.log_share)
        for part in state.parts:
            out[part.rows] = self._distribution(part)[:, self.spellings.of_word] * share
        return out

    def take(self, state: WordState, rows: np.ndarray) -> WordState:
        """The states of some histories, `rows` (m,), each any number of times."""
        parts = []
        for part in state.parts:
            within = np.full(state.n, -1)
            within[part.rows] = np.arange(len(part.rows))
            mine = np.flatnonzero(within[rows] >= 0)
            if len(mine):
                parts.append(_taken_part(self.model, part, within[rows][mine])._replace(rows=mine))
        return WordState(len(rows), parts)

    def save(self, path: PathLike, model: PathLike, vocab: PathLike | None = None) -> None:
        """Write a file that names those of the model and of the vocabulary; see `lmmix.words.words_file`."""
        from lmmix.words.words_file import save_words

        save_words(self, path, model, vocab)

    def _in_pieces(self, corpus: Corpus, place: np.ndarray) -> tuple[Corpus, np.ndarray]:
        """The text in pieces, and (T,) where the pieces of each event begin."""
        spelling = self.spellings.of_word[corpus.ids]
        length, source = self.spellings.length[place, spelling], self.spellings.begin[place, spelling]
        begin = np.cumsum(length) - length
        ids = self.spellings.pieces[np.repeat(source - begin, length) + np.arange(length.sum())]
        return Corpus(ids, np.append(begin, len(ids))[corpus.offsets], self.model.vocab), begin

    def _read(self, part: Part, spelling: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, State]]:
        """Let histories read words: the rows in `part` of those read, ln p of their pieces, the states behind."""
        begin = self.spellings.begin[part.place, spelling]
        length = self.spellings.length[part.place, spelling]
        rows, state, logp = np.arange(len(spelling)), part.state, np.zeros(len(spelling))
        for step in range(int(length.max(initial=0))):
            found, state = self.model.advance(state, self.spellings.pieces[begin[rows] + step])
            logp[rows] += found
            done = length[rows] == step + 1
            if done.any():
                yield rows[done], logp[rows[done]], taken(self.model, state, np.flatnonzero(done))
                state, rows = taken(self.model, state, np.flatnonzero(~done)), rows[~done]

    def _distribution(self, part: Part) -> np.ndarray:
        """(m, S) probability of each spelling after each history, that of `REST` what the others leave."""
        out = np.zeros((len(part.rows), self.spellings.begin.shape[1]))
        for place, trie in enumerate(self.spellings.tries):
            here = np.flatnonzero(part.place == place)
            if len(here):
                state = taken(self.model, part.state, here)
                closing = self.spellings.opens[INSIDE]
                out[here] = string_probabilities(self.model, state, len(here), trie, closing)
        possible = part.log_mass > -np.inf
        out[possible] /= np.exp(part.log_mass[possible])[:, None]
        out[:, REST] = np.maximum(1.0 - out.sum(axis=1), FLOOR)
        return out

    def _rest_at(
        self, pieces: Corpus, begin: np.ndarray, place: np.ndarray, rest: np.ndarray, log_mass: np.ndarray
    ) -> np.ndarray:
        """(len(rest),) ln p of `REST` at some events of a text."""
        event_at = np.full(len(pieces.ids), -1)
        event_at[begin[rest]] = rest
        found = np.empty(len(begin))
        step = max(1, CELLS // self.spellings.begin.shape[1])
        with task("summing up words", len(rest)) as progress:
            for places, state in states_before(self.model, pieces, begin[rest]):
                events = event_at[places]
                part = Part(events, state, place[events], log_mass[events])
                for start in range(0, len(events), step):
                    rows = np.arange(start, min(start + step, len(events)))
                    found[events[rows]] = np.log(self._distribution(_taken_part(self.model, part, rows))[:, REST])
                    progress(len(rows))
        return found[rest]


def _taken_part(model: LanguageModel, part: Part, rows: np.ndarray) -> Part:
    return Part(part.rows[rows], taken(model, part.state, rows), part.place[rows], part.log_mass[rows])


def _corrected(product: np.ndarray, before: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """ln p of words from that of their pieces and ln p(B) before and behind them; −inf behind what cannot be."""
    with np.errstate(invalid="ignore"):
        return np.where(before > -np.inf, np.minimum(product + behind - before, 0.0), -np.inf)
