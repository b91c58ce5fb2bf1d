from __future__ import annotations

import json
import logging
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nbest import make_lists, naive_best
from naive_text import naive_word_errors

from lmmix.corpus import Corpus
from lmmix.errors import FormatError, InputError, SettingError
from lmmix.lm import LanguageModel
from lmmix.nbest.features import LM_FLOOR, add_lm_feature
from lmmix.nbest.rescore import load_weights, rescore, save_weights
from lmmix.vocab import Vocab

LAW = settings(deadline=None, derandomize=True, max_examples=50)


class WordScores:
    """A language model in which every word has its own ln p, whatever stands before it."""

    signature = "words"

    def __init__(self, logp: dict[str, float], unk: float = -5.0, end: float = -1.0) -> None:
        self.vocab = Vocab.from_words(logp)
        self.logp = np.array([unk, -math.inf, end, *logp.values()])

    def score(self, corpus: Corpus) -> np.ndarray:
        assert corpus.vocab == self.vocab
        return self.logp[corpus.ids]

    def start(self, n):
        return n

    def advance(self, state, words):
        return self.logp[words], state

    def distribution(self, state):
        return np.tile(np.exp(self.logp), (state, 1))


MODEL = WordScores({"a": -1.0, "b": -2.0, "never": -math.inf})
texts = st.lists(st.sampled_from(["a", "b", "x"]), max_size=5).map(" ".join)


def ranked(ref, texts):
    """One utterance whose recogniser score falls from rank to rank."""
    return ref, [(text, {"am": -float(rank)}) for rank, text in enumerate(texts)]


lists_with_refs = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=5)), min_size=1, max_size=6).map(
    lambda utterances: make_lists([ranked(ref, hyps) for ref, hyps in utterances])
)


def error_rate(lists, chosen) -> float:
    words = sum(len(ref.split()) for ref in lists.refs)
    owner = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    return sum(naive_word_errors(lists.refs[owner[i]], lists.texts[i]) for i in chosen) / words


def test_stub_is_a_language_model():
    assert isinstance(MODEL, LanguageModel)


@LAW
@given(lists_with_refs, st.floats(0.01, 100))
def test_weight_on_the_first_score_alone_keeps_the_order_of_the_recogniser(lists, scale):
    report = rescore(lists, {"m": MODEL}, weights={"am": scale, "lm:m": 0.0, "words": 0.0})
    for lo, hi in pairwise(lists.offsets):
        assert np.argsort(-report.total[lo:hi], kind="stable").tolist() == list(range(hi - lo))
    np.testing.assert_equal(report.wer, report.wer_first)


@LAW
@given(lists_with_refs, st.tuples(*[st.integers(-3, 3)] * 3))
def test_given_weights_are_applied_to_all_features(lists, weights):
    am, lm, words = weights
    report = rescore(lists, {"m": MODEL}, weights={"words": words, "am": am, "lm:m": lm})
    scores = {"a": -1, "b": -2, "x": -5}
    expected = [
        am * lists.features["am"][i] + lm * (sum(scores[w] for w in text.split()) - 1) + words * len(text.split())
        for i, text in enumerate(lists.texts)
    ]
    assert report.total.tolist() == expected and report.tuned is False
    if any(lists.refs):
        chosen = [lo + naive_best(expected[lo:hi]) for lo, hi in pairwise(lists.offsets)]
        assert report.wer == pytest.approx(error_rate(lists, chosen))
        assert report.wer_first == pytest.approx(error_rate(lists, lists.offsets[:-1]))


def test_features_without_a_weight_do_not_count():
    lists = make_lists([ranked("a", ["b", "a"])])
    report = rescore(lists, {"m": MODEL}, weights={"lm:m": 1.0})
    assert list(report.lists.features) == ["am", "lm:m", "words"]
    assert report.total.tolist() == [-3.0, -2.0] and report.weights == {"lm:m": 1.0}


@LAW
@given(lists_with_refs.filter(lambda lists: any(lists.refs)))
def test_tuning_lies_between_the_oracle_and_the_recogniser(lists):
    report = rescore(lists, {"m": MODEL}, tune="wer", restarts=2)
    assert report.wer_oracle <= report.wer <= report.wer_first
    assert report.tuned and set(report.weights) == {"am", "lm:m", "words"}
    oracle = [
        min(range(lo, hi), key=lambda i, ref=ref: naive_word_errors(ref, lists.texts[i]))
        for ref, (lo, hi) in zip(lists.refs, pairwise(lists.offsets))
    ]
    assert report.wer_oracle == pytest.approx(error_rate(lists, oracle))


@LAW
@given(lists_with_refs.filter(lambda lists: any(lists.refs)))
def test_tuned_weights_given_back_choose_the_same(lists):
    tuned = rescore(lists, {"m": MODEL}, tune="wer", restarts=1)
    again = rescore(lists, {"m": MODEL}, weights=tuned.weights)
    assert again.total.tolist() == tuned.total.tolist() and again.wer == tuned.wer


def test_report_without_references_has_no_error_rates():
    lists = make_lists([ranked("a", ["a"]), ranked(None, ["b", "c"])])
    report = rescore(lists, {}, weights={"am": 1.0})
    assert (report.wer_first, report.wer, report.wer_oracle) == (None, None, None)
    assert (report.utterances, report.hypotheses) == (2, 3)


@pytest.mark.parametrize("ref", ["a", "", None])
def test_report_is_strict_json(ref):
    lists = make_lists([ranked(ref, ["a", "x"])])
    content = rescore(lists, {"m": MODEL}, weights={"am": 1.0}).as_json()
    assert json.loads(json.dumps(content, allow_nan=False))["coverage"]["lm:m"]["oov"] == 1


def test_coverage_counts_words_oovs_and_hypotheses_of_probability_zero(caplog):
    lists = make_lists([ranked("a", ["a x", "a never"]), ranked("a", ["x y a", "never never"])])
    with caplog.at_level(logging.WARNING, "lmmix"):
        report = rescore(lists, {"m": MODEL}, weights={"am": 1.0})
    coverage = report.coverage["lm:m"]
    assert (coverage.words, coverage.oov, coverage.zeroprob_hypotheses) == (9, 3, 2)
    assert "lm:m gives 2 of 4 hypotheses probability 0" in caplog.text
    assert report.lists.features["lm:m"].tolist() == [-7.0, LM_FLOOR, -12.0, LM_FLOOR]


def test_coverage_counts_equal_hypotheses_each_time(caplog):
    lists = make_lists([ranked("a", ["x never", "x never"]), ranked("a", ["x never"])])
    coverage = rescore(lists, {"m": MODEL}, weights={"am": 1.0}).coverage["lm:m"]
    assert (coverage.words, coverage.oov, coverage.zeroprob_hypotheses) == (6, 3, 3)


def test_improbable_hypothesis_keeps_its_log_probability():
    lists = make_lists([ranked("a", ["b " * 6000, "b " * 7000])])
    add_lm_feature(lists, MODEL, "lm")
    assert lists.features["lm"].tolist() == [-12001.0, -14001.0]


def test_empty_hypothesis_is_scored_as_the_end_alone():
    lists = make_lists([ranked("a", ["", "a", ""])])
    report = rescore(lists, {"m": MODEL}, weights={"am": 1.0})
    assert report.lists.features["lm:m"].tolist() == [-1.0, -2.0, -1.0]
    assert report.lists.features["words"].tolist() == [0, 1, 0]


def test_score_of_the_recogniser_is_not_overwritten_by_a_feature_of_the_same_name():
    lists = make_lists([("a", [("a", {"words": 7.0})])])
    try:
        rescore(lists, {}, weights={"words": 1.0})
    except (InputError, SettingError):
        return
    assert lists.features["words"].tolist() == [7.0]


def test_sentence_mark_in_a_hypothesis_is_refused_with_its_utterance():
    with pytest.raises(InputError, match="u1.*</s>"):
        rescore(make_lists([ranked("a", ["a"]), ranked("a", ["a </s>"])]), {"m": MODEL}, weights={"am": 1.0})


def test_model_that_remembers_is_refused():
    model = WordScores({"a": -1.0})
    model.signature = "words|memory:document|eos:yes"
    with pytest.raises(SettingError, match="lm:m remembers what it reads.*use a model without memory"):
        rescore(make_lists([ranked("a", ["a"])]), {"m": model}, weights={"am": 1.0})


@pytest.mark.parametrize("arguments", [{}, {"weights": {}}, {"weights": {"am": 1.0}, "tune": "wer"}])
def test_neither_or_both_of_weights_and_tuning_are_refused(arguments):
    with pytest.raises(SettingError, match=r"either weights .* or a goal"):
        rescore(make_lists([ranked("a", ["a"])]), {}, **arguments)


def test_unknown_goal_is_refused():
    with pytest.raises(SettingError, match="tune is 'cer'; there is 'wer'"):
        rescore(make_lists([ranked("a", ["a"])]), {}, tune="cer")


def test_tuning_without_a_reference_names_the_utterance():
    with pytest.raises(InputError, match="utterance 'u1' has no reference"):
        rescore(make_lists([ranked("a", ["a"]), ranked(None, ["a"])]), {}, tune="wer")


def test_weight_of_a_missing_feature_is_refused_by_name():
    with pytest.raises(InputError, match="no score 'lm:other'; it has am, lm:m, words"):
        rescore(make_lists([ranked("a", ["a"])]), {"m": MODEL}, weights={"lm:other": 1.0})


def test_saved_weights_are_loaded_as_they_were(tmp_path):
    report = rescore(make_lists([ranked("a", ["b", "a"])]), {"ü": MODEL}, tune="wer", restarts=1)
    save_weights(report, tmp_path / "weights.json")
    assert load_weights(tmp_path / "weights.json") == report.weights


HEAD = '{"kind": "rescore-weights", "version": 1, "weights": '


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid JSON"),
        ("[]", "not a file of rescoring weights"),
        ('{"weights": {}}', "not a file of rescoring weights"),
        ('{"kind": "mixture", "weights": {"am": 1}}', "not a file of rescoring weights"),
        ('{"kind": "rescore-weights"}', "version None"),
        (HEAD + "[1]}", "not an object of names and finite numbers"),
        (HEAD + '{"am": "1"}}', "not an object of names and finite numbers"),
        (HEAD + '{"am": null}}', "not an object of names and finite numbers"),
        (HEAD + '{"am": true}}', ""),
        (HEAD + '{"am": NaN}}', ""),
        (HEAD + '{"am": 1' + "0" * 400 + "}}", ""),
        (HEAD.replace("1", "2") + '{"am": 1}}', "version"),
    ],
)
def test_file_that_holds_no_weights_is_refused(tmp_path, content, message):
    path = tmp_path / "weights.json"
    path.write_text(content)
    with pytest.raises(FormatError) as caught:
        load_weights(path)
    assert str(caught.value).startswith(f"{path}:") and message in str(caught.value)
