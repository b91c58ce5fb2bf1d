"""The probabilities of a text event by event, as SRILM's ``ngram -ppl TEXT -debug 2`` prints them.

So what reads the output of SRILM (`compute-best-mix`, `compare-ppls`, `lmmix.dumps`) reads that of any model. The
conventions are SRILM's: a word is OOV if it is `<unk>` and `<unk>` has probability 0; other events of probability 0
are zeroprobs; neither counts in the sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel, score_with_lengths
from lmmix.logmath import LN10, perplexity
from lmmix.vocab import SPECIALS, UNK

UNKNOWN = SPECIALS[UNK]


@dataclass
class _Sums:
    """What SRILM counts in a sentence or a file; `log10p` is without OOVs and zeroprobs."""

    sentences: int = 0
    words: int = 0
    oovs: int = 0
    zeroprobs: int = 0
    log10p: float = 0.0

    def add(self, other: _Sums) -> None:
        self.sentences += other.sentences
        self.words += other.words
        self.oovs += other.oovs
        self.zeroprobs += other.zeroprobs
        self.log10p += other.log10p

    def lines(self) -> list[str]:
        words = self.words - self.oovs - self.zeroprobs
        ppl, ppl1 = (_perplexity(self.log10p, events) for events in (words + self.sentences, words))
        return [
            f"{self.sentences} sentences, {self.words} words, {self.oovs} OOVs",
            f"{self.zeroprobs} zeroprobs, logprob= {self.log10p:g} ppl= {ppl} ppl1= {ppl1}",
        ]


def _perplexity(log10p: float, events: int) -> str:
    return f"{perplexity(log10p * LN10, events):g}" if events > 0 else "undefined"


def dump_lines(model: LanguageModel, corpus: Corpus, name: str, threads: int | None = None) -> Iterator[str]:
    """The lines, without their ends, for a text in its own vocabulary, so that OOVs keep their spelling.

    `name` is that of the text. In place of the length of the n-gram hit, models that know of none have `[lm]`.
    """
    known = corpus.recode(model.vocab)
    logp, lengths = score_with_lengths(model, known, threads)
    hits = ["[lm]"] * len(known.ids) if lengths is None else [f"[{length}gram]" for length in lengths.tolist()]
    log10p = (logp / LN10).tolist()
    spelt = [corpus.vocab.words[i] for i in corpus.ids.tolist()]
    words = [model.vocab.words[i] for i in known.ids.tolist()]
    total = _Sums()
    for lo, hi in zip(corpus.offsets[:-1].tolist(), corpus.offsets[1:].tolist()):
        yield " ".join(spelt[lo : hi - 1])
        yield from _events(words[lo:hi], hits[lo:hi], log10p[lo:hi])
        sums = _sums(words[lo:hi], log10p[lo:hi])
        yield from [*sums.lines(), ""]
        total.add(sums)
    first, second = total.lines()
    yield from [f"file {name}: {first}", second]


def _events(words: list[str], hits: list[str], log10p: list[float]) -> Iterator[str]:
    before, dots = "<s>", " "
    for word, hit, value in zip(words, hits, log10p):
        hit = "[OOV]" if word == UNKNOWN and value == -math.inf else hit
        # %g gives as many digits as C++ streams do.
        yield f"\tp( {word} | {before}{dots}) \t= {hit} {10**value:g} [ {value:g} ]"
        before, dots = word, " ..."


def _sums(words: list[str], log10p: list[float]) -> _Sums:
    """The sums of a sentence, whose last event is `</s>`."""
    impossible = [word for word, value in zip(words, log10p) if value == -math.inf]
    oovs = impossible.count(UNKNOWN)
    possible = sum(value for value in log10p if value > -math.inf)
    return _Sums(1, len(words) - 1, oovs, len(impossible) - oovs, possible)
