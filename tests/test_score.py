"""Perplexity in the conventions of SRILM and KenLM, and event by event."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from conftest import LINES

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.mix.linear import LinearMixture
from lmmix.ngram.estimate import train_ngram
from lmmix.score import perplexity, token_scores


def test_conventions(corpus: Corpus) -> None:
    """Two sentences, 4 + 2 words, one OOV: 8 events with </s>, 7 without the OOV, 5 of them words."""
    model = train_ngram(corpus, 2)
    text = corpus_from_lines(["the zebra sat on", "a cat"])
    logp = model.score(text)
    report = perplexity(model, text)
    assert (report.sentences, report.words, report.oov, report.zeroprob) == (2, 6, 1, 0)
    assert report.logp == pytest.approx(logp.sum())
    assert report.ppl == pytest.approx(math.exp(-logp.sum() / 8))
    known = logp.sum() - logp[1]
    assert report.ppl_no_oov == pytest.approx(math.exp(-known / 7))
    assert report.ppl1 == pytest.approx(math.exp(-known / 5))
    assert report.bits_per_char == pytest.approx(-logp.sum() / math.log(2) / len("the zebra sat on\na cat\n"))


def test_zero_probabilities_are_counted_and_make_the_whole_infinite(corpus: Corpus) -> None:
    model = train_ngram(corpus, 1)
    model.logp[1] = model.logp[1 + corpus.vocab.id("cat")] = -np.inf
    report = perplexity(model, corpus_from_lines(["the cat zebra"]))
    assert (report.oov, report.zeroprob) == (1, 1)
    assert report.ppl == math.inf and math.isfinite(report.ppl_no_oov)
    as_json = json.dumps(report.as_json(), allow_nan=False)
    assert json.loads(as_json)["ppl"] is None


def test_tokens_keep_the_spelling_of_oovs_and_sum_to_the_report(corpus: Corpus) -> None:
    model = train_ngram(corpus, 3)
    text = corpus_from_lines(["the cat zebra sat", "mat"])
    tokens = list(token_scores(model, text))
    assert [token.word for token in tokens] == ["the", "cat", "zebra", "sat", "</s>", "mat", "</s>"]
    assert [token.oov for token in tokens] == [False, False, True, False, False, False, False]
    assert [token.sentence for token in tokens] == [1] * 5 + [2] * 2
    assert [token.hits for token in tokens] == [[2], [3], [1], [1], [2], [2], [3]]
    assert sum(token.logp for token in tokens) == pytest.approx(perplexity(model, text).logp)


def test_tokens_of_a_mixture_have_shares(corpus: Corpus) -> None:
    members = [train_ngram(corpus, 1), train_ngram(corpus, 3)]
    tokens = list(token_scores(LinearMixture(members, [0.3, 0.7]), corpus_from_lines(LINES[:2])))
    for token in tokens:
        assert sum(token.shares) == pytest.approx(1) and len(token.hits) == 2 and token.hits[0] == 1


def test_characters_have_their_own_event_space() -> None:
    corpus = corpus_from_lines(["ab ba", "aab"], tokenizer="chars")
    model = train_ngram(corpus, 2)
    report = perplexity(model, corpus)
    assert report.words == 8 and report.signature.startswith("order:2") and "tokens:chars" in report.signature
