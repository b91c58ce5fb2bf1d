"""Perplexity of a model on a text, in the conventions of SRILM and KenLM, and event by event."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.fileio import json_ready
from lmmix.lm import LanguageModel, is_distribution, score_with_lengths
from lmmix.logmath import LN2
from lmmix.logmath import perplexity as perplexity_of
from lmmix.mix.interpolated import InterpolatedMixture
from lmmix.mix.mixture import Mixture

logger = logging.getLogger("lmmix")


@dataclass(frozen=True)
class ScoreReport:
    """What a model says of a text.

    Attributes
    ----------
    sentences, words : int
        Sentences that are not empty; words with OOVs, without `</s>`.
    empty_lines : int
        Lines left out because they hold no word.
    oov : int
        Words that the model's vocabulary lacks.
    zeroprob : int
        Other events with probability 0.
    logp : float
        Sum of natural log-probabilities of all events but those of probability 0.
    ppl : float
        Over all events, OOVs as `<unk>` ("including OOVs" of KenLM); inf if one has probability 0.
    ppl_no_oov : float
        Without OOVs and zero probabilities ("excluding OOVs" of KenLM, `ppl` of SRILM).
    ppl1 : float
        As `ppl_no_oov`, but per word: `</s>` does not count as an event (`ppl1` of SRILM).
    bits_per_char : float
        Over all events; a space or line end counts as a character behind each word.
    seconds : float
        Time of scoring.
    signature : str
        Of the model.
    """

    sentences: int
    words: int
    empty_lines: int
    oov: int
    zeroprob: int
    logp: float
    ppl: float
    ppl_no_oov: float
    ppl1: float
    bits_per_char: float
    seconds: float
    signature: str

    def as_json(self) -> dict[str, Any]:
        """The fields, with null for numbers that are infinite or undefined, which JSON cannot hold."""
        return json_ready(asdict(self))


def perplexity(model: LanguageModel, corpus: Corpus, threads: int | None = None) -> ScoreReport:
    """Score `corpus` with `model` and sum up; warns of a model that is no distribution."""
    if not is_distribution(model):
        logger.warning("the model gives scores, not probabilities: its perplexity does not compare with others")
    started = time.perf_counter()
    corpus = corpus.recode(model.vocab)
    logp = model.score(corpus, threads)
    return _summary(logp, corpus, model.signature, time.perf_counter() - started)


def _summary(logp: np.ndarray, corpus: Corpus, signature: str, seconds: float) -> ScoreReport:
    oov = np.zeros(len(logp), bool)
    oov[corpus.oov_at] = True
    zero = logp == -np.inf
    total = float(logp[~zero].sum())
    known = ~(oov | zero)
    known_logp = float(logp[known].sum())
    all_logp = -math.inf if zero.any() else total
    return ScoreReport(
        sentences=corpus.n_sentences,
        words=corpus.n_words,
        empty_lines=corpus.empty_lines,
        oov=len(corpus.oov_at),
        zeroprob=int((zero & ~oov).sum()),
        logp=total,
        ppl=perplexity_of(all_logp, len(logp)),
        ppl_no_oov=perplexity_of(known_logp, int(known.sum())),
        ppl1=perplexity_of(known_logp, int(known.sum()) - corpus.n_sentences),
        bits_per_char=-all_logp / LN2 / corpus.chars if corpus.chars else math.nan,
        seconds=seconds,
        signature=signature,
    )


@dataclass(frozen=True)
class TokenScore:
    """One event: the word as written, ln p, the length of the n-gram hit, each member's share of p.

    `hits` has a number for each back-off model (a mixture has one for each member that is one); `shares` is
    empty unless the model is a mixture that weighs probabilities.
    """

    sentence: int
    word: str
    oov: bool
    logp: float
    hits: list[int]
    shares: list[float]


def token_scores(model: LanguageModel, corpus: Corpus, threads: int | None = None) -> Iterator[TokenScore]:
    """Every event of a text in its own vocabulary, so that OOVs keep their spelling."""
    known = corpus.recode(model.vocab)
    members = model.members if isinstance(model, Mixture) else [model]
    scored = [score_with_lengths(member, known, threads) for member in members]
    hits = [lengths for _, lengths in scored if lengths is not None]
    logp, shares = scored[0][0], np.zeros((len(corpus.ids), 0))
    if isinstance(model, Mixture):
        member_logp = np.stack([one for one, _ in scored], axis=1)
        logp = model.combine(known, member_logp, threads)
        if isinstance(model, InterpolatedMixture):
            shares = model.shares(known, member_logp, threads)
    oov = set(known.oov_at.tolist())
    for t, sentence in enumerate(corpus.sentence_of().tolist()):
        yield TokenScore(
            sentence + 1,
            corpus.vocab.words[corpus.ids[t]],
            t in oov,
            float(logp[t]),
            [int(length[t]) for length in hits],
            shares[t].tolist(),
        )
