from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from lmmix.errors import MissingDependencyError, SettingError
from lmmix.metrics.metric import make_metric
from lmmix.metrics.normalise import Normaliser

SCORERS = {
    "bleu": BLEU(),
    "bleu:char": BLEU(tokenize="char"),
    "bleu:none": BLEU(tokenize="none"),
    "chrf": CHRF(),
    "chrf++": CHRF(word_order=2),
    "ter": TER(),
}
METRICS = {name: make_metric(name) for name in SCORERS}
each_metric = pytest.mark.parametrize("name", SCORERS)
FEWER = settings(max_examples=40)

words = st.sampled_from(["the", "cat", "sat", "on", "a", "mat", ",", "it's", "(sat)", "Ünal", "中文"])
texts = st.lists(words, max_size=10).map(" ".join)


@st.composite
def corpora(draw):
    """(references of each sentence, several each; texts)."""
    n, several = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    sentences = st.lists(texts, min_size=several, max_size=several)
    return draw(st.lists(sentences, min_size=n, max_size=n)), draw(st.lists(texts, min_size=n, max_size=n))


def statistics_of(metric, references, given):
    return np.concatenate([metric.statistics(refs, [text]) for refs, text in zip(references, given)])


@each_metric
@FEWER
@given(corpora())
@example(([[""]], [""]))
@example(([["a cat"]], [""]))
@example(([[""]], ["a cat"]))
@example(([["the cat sat on"]], ["a mat it's ,"]))
@example(([["the cat", "a cat sat on the mat"], ["sat", ""]], ["the cat sat", "on"]))
def test_values_are_those_of_sacrebleu(name, corpus):
    references, given = corpus
    metric = METRICS[name]
    sums = statistics_of(metric, references, given).sum(axis=0)
    streams = [list(stream) for stream in zip(*references)]
    expected = SCORERS[name].corpus_score(given, streams).score
    assert float(metric.value(sums)) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert len(sums) == len(metric.columns)


@each_metric
@FEWER
@given(corpora())
def test_values_of_many_sums_are_those_of_each(name, corpus):
    rows = statistics_of(METRICS[name], *corpus)
    together = METRICS[name].value(np.stack([rows, 2 * rows]))
    assert together.shape == (2, len(rows))
    assert together.tolist() == [[float(METRICS[name].value(row)) for row in one] for one in (rows, 2 * rows)]


@each_metric
@FEWER
@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, max_size=5))
def test_references_of_a_sentence_serve_all_its_hypotheses(name, references, given):
    together = METRICS[name].statistics(references, given)
    assert together.shape == (len(given), len(METRICS[name].columns)) and together.dtype == np.float64
    assert together.tolist() == [METRICS[name].statistics(references, [text])[0].tolist() for text in given]


@pytest.mark.parametrize(
    ("name", "scorer"), [("bleu", BLEU(effective_order=True)), ("chrf", CHRF()), ("chrf++", CHRF(word_order=2))]
)
@FEWER
@given(st.lists(texts, min_size=1, max_size=2), texts)
@example(["a cat"], "a cat")
def test_loss_of_a_sentence_is_minus_the_score_of_sacrebleu(name, scorer, references, text):
    loss = METRICS[name].sentence_loss(METRICS[name].statistics(references, [text]))
    assert loss.tolist() == [pytest.approx(-scorer.sentence_score(text, references).score, rel=1e-9, abs=1e-9)]


@given(texts, texts)
def test_edits_are_the_loss_of_a_sentence_under_ter(reference, text):
    rows = METRICS["ter"].statistics([reference], [text])
    assert METRICS["ter"].linear and METRICS["ter"].sentence_loss(rows).tolist() == [rows[0, 0]]


def test_texts_are_rewritten_before_all_else():
    metric = make_metric("bleu", Normaliser(["lower", "nopunct"]))
    rows = metric.statistics(["The cat, sat on: a mat!"], ["the CAT sat on a mat"])
    assert metric.value(rows).tolist() == [pytest.approx(100.0)]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("bleu", ["bleu", "norm:lower", "tok:13a", "smooth:exp", "version:", "|lmmix:"]),
        ("bleu:zh", ["bleu:zh", "tok:zh"]),
        ("chrf++", ["chrf++", "nc:6", "nw:2"]),
        ("ter", ["ter", "tok:tercom"]),
    ],
)
def test_signature_says_what_sacrebleu_does_and_what_was_rewritten(name, parts):
    metric = make_metric(name, Normaliser(["lower"]))
    before = metric.signature
    assert all(part in before for part in parts) and "nrefs" not in before
    metric.statistics(["a", "b"], ["a"])
    assert metric.signature == before


def test_default_tokeniser_has_one_name():
    assert make_metric("bleu:13a").name == make_metric("bleu").name == "bleu"


def test_tokenisers_that_are_not_there_are_refused(monkeypatch, tmp_path):
    with pytest.raises(SettingError, match="no tokeniser 'x' for BLEU; it has 13a, char, "):
        make_metric("bleu:x")
    monkeypatch.setattr("lmmix.metrics.translation.SACREBLEU_DIR", str(tmp_path))
    for name in ("spm", "flores101", "flores200"):
        with pytest.raises(SettingError, match=f"bleu:{name} needs the file {tmp_path}.*which is not there"):
            make_metric(f"bleu:{name}")


def test_tokeniser_with_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    with pytest.raises(SettingError, match=r"pip install 'sacrebleu\[ja\]'$"):
        make_metric("bleu:ja-mecab")


def test_rouge_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lmmix\[rouge\]'"):
        make_metric("rouge1")


ROUGE = ("rouge1", "rouge2", "rougeL")


@pytest.mark.parametrize("name", ROUGE)
@FEWER
@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=4))
def test_rouge_is_the_mean_over_sentences_of_the_best_reference(name, references, given):
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer([name])
    metric = make_metric(name)
    rows = metric.statistics(references, given)
    scores = [max(scorer.score(reference, text)[name].fmeasure for reference in references) for text in given]
    assert rows[:, 0].tolist() == scores and metric.sentence_loss(rows).tolist() == [-one for one in scores]
    assert float(metric.value(rows.sum(axis=0))) == pytest.approx(np.mean(scores))
    assert np.isnan(metric.value(np.zeros(2)))


def test_rouge_of_known_sentences():
    pytest.importorskip("rouge_score")
    reference, text = "police killed the gunman", "police kill the gunman"
    # Lin (2004), section 3: three of four words in order, and one of three pairs.
    values = [float(make_metric(name).value(make_metric(name).statistics([reference], [text])[0])) for name in ROUGE]
    assert values == [pytest.approx(0.75), pytest.approx(1 / 3), pytest.approx(0.75)]
    assert "stemmer:no|rouge-score:" in make_metric("rougeL").signature
