from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nbest import make_lists, naive_best

from lmmix.corpus import Corpus
from lmmix.errors import FormatError, InputError, SettingError
from lmmix.lm import LanguageModel
from lmmix.metrics.metric import make_metric
from lmmix.mix.linear import LinearMixture
from lmmix.nbest.decide.decision import DecisionSettings
from lmmix.nbest.features import ZERO_BELOW, add_counts, add_folded_lm_features, add_lm_features
from lmmix.nbest.lists import NbestLists, blocks
from lmmix.nbest.members import with_members
from lmmix.nbest.rescore import Rescoring, rescore
from lmmix.nbest.tuning.tune import TuneSettings
from lmmix.nbest.weights import Weights, load_weights
from lmmix.vocab import Vocab

LAW = settings(deadline=None, derandomize=True, max_examples=50)
WER = make_metric("wer")


class WordScores:
    """A language model in which every word has its own ln p, whatever stands before it."""

    signature = "words"

    def __init__(self, logp: dict[str, float], unk: float = -5.0, end: float = -1.0) -> None:
        self.vocab = Vocab.from_words(logp)
        self.logp = np.array([unk, -math.inf, end, *logp.values()])
        self.scored = 0

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        assert corpus.vocab == self.vocab
        self.scored += corpus.n_sentences
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


def error_counts(lists):
    """(H,) errors of all hypotheses."""
    return WER.sentence_loss(lists.statistics(WER))


lists_with_refs = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=5)), min_size=1, max_size=6).map(
    lambda utterances: make_lists([ranked(ref, hyps) for ref, hyps in utterances])
)
with_words = lists_with_refs.filter(lambda lists: any(one.refs[0] for one in lists.utterances))


def error_rate(lists, chosen) -> float:
    return float(WER.value(lists.statistics(WER)[chosen].sum(axis=0)))


def test_stub_is_a_language_model():
    assert isinstance(MODEL, LanguageModel)


@LAW
@given(lists_with_refs, st.floats(0.01, 100))
def test_weight_on_the_first_score_alone_keeps_the_order_of_the_recogniser(lists, scale):
    rescored, report = rescore(lists, {"m": MODEL}, weights={"am": scale, "lm:m": 0.0, "words": 0.0})
    for lo, hi in pairwise(lists.offsets):
        assert np.argsort(-rescored.total[lo:hi], kind="stable").tolist() == list(range(hi - lo))
    np.testing.assert_equal(report.value("wer"), report.value("wer", "first"))


@LAW
@given(lists_with_refs, st.tuples(*[st.integers(-3, 3)] * 5))
def test_given_weights_are_applied_to_all_features(lists, weights):
    am, lm, words, oov, rank = weights
    given = {"words": words, "am": am, "lm:m": lm, "oov:m": oov, "rank": rank}
    rescored, report = rescore(lists, {"m": MODEL}, weights=given)
    scores = {"a": -1, "b": -2, "x": -5}
    expected = [
        am * lists.features["am"][i]
        + lm * (sum(scores[w] for w in text.split()) - 1)
        + words * len(text.split())
        + oov * text.count("x")
        + rank * np.log(1 + i - lists.offsets[lists.owner[i]])
        for i, text in enumerate(lists.texts)
    ]
    np.testing.assert_allclose(rescored.total, expected, rtol=0, atol=1e-12)
    expected = rescored.total.tolist()
    assert report.tuned is False
    chosen = [lo + naive_best(expected[lo:hi]) for lo, hi in pairwise(lists.offsets)]
    assert rescored.decision.texts == [lists.texts[i] for i in chosen]
    if any(one.refs[0] for one in lists.utterances):
        assert report.value("wer") == pytest.approx(error_rate(lists, chosen))
        assert report.value("wer", "first") == pytest.approx(error_rate(lists, lists.offsets[:-1]))


def test_features_without_a_weight_do_not_count():
    lists = make_lists([ranked("a", ["b", "a"])])
    rescored, report = rescore(lists, {"m": MODEL}, weights={"lm:m": 1.0})
    assert list(rescored.lists.features) == ["am", "lm:m", "oov:m"] and list(lists.features) == ["am"]
    assert rescored.total.tolist() == [-3.0, -2.0] and report.weights.values == {"lm:m": 1.0}


with_a_choice = with_words.filter(lambda lists: len(set(zip(lists.owner, error_counts(lists)))) > len(lists))


@LAW
@given(with_a_choice)
def test_tuning_lies_between_the_oracle_and_the_recogniser(lists):
    _, report = rescore(lists, {"m": MODEL}, tune=TuneSettings(restarts=2))
    values = report.scores["wer"].values()
    assert values["oracle"] <= values[""] <= values["first"] <= values["worst"]
    assert report.tuned and set(report.weights.values) - {"oov:m"} == {"am", "lm:m", "words"}
    errors = error_counts(lists)
    for what, extreme in (("oracle", np.argmin), ("worst", np.argmax)):
        chosen = [lo + int(extreme(errors[lo:hi])) for lo, hi in pairwise(lists.offsets)]
        assert values[what] == pytest.approx(error_rate(lists, chosen))


@LAW
@given(with_a_choice)
def test_tuned_weights_given_back_choose_the_same(lists):
    tuned, report = rescore(lists, {"m": MODEL}, tune=TuneSettings(restarts=1))
    again, report_again = rescore(lists, {"m": MODEL}, weights=report.weights)
    assert again.total.tolist() == tuned.total.tolist() and report_again.value("wer") == report.value("wer")


@LAW
@given(with_words, st.integers(1, 7))
def test_lists_in_blocks_give_what_they_give_at_once(lists, size):
    weights = Weights({"am": 1.0, "lm:m": 0.5, "oov:m": -1.0, "words": 0.25})
    _, whole = rescore(lists, {"m": MODEL}, weights=weights)
    run = Rescoring({"m": MODEL}, [WER])
    totals = []
    for block in blocks(lists.utterances, size):
        run.add_weighed_features(block, weights)
        totals += run.apply(block, weights).total.tolist()
    report = run.report(weights)
    assert totals == rescore(lists, {"m": MODEL}, weights=weights)[0].total.tolist()
    ours, theirs = ({**one.as_json(), "seconds": 0} for one in (report, whole))
    assert ours == theirs


def test_weight_that_is_known_stays_and_is_found_by_the_kind_of_its_feature():
    lists = make_lists([ranked("a", ["b", "a"]), ranked("b a", ["b", "b a", "x"])])
    _, report = rescore(lists, {"m": MODEL}, tune=TuneSettings(fixed={"lm": 0.5}, restarts=2))
    assert report.weights.values["lm:m"] == 0.5


def test_report_without_references_has_no_error_rates():
    lists = make_lists([ranked("a", ["a"]), ranked(None, ["b", "c"])])
    _, report = rescore(lists, {}, weights={"am": 1.0})
    assert report.scores == {} and report.without == {} and report.better == []
    assert (report.utterances, report.hypotheses) == (2, 3)


def test_metric_that_is_asked_for_needs_references():
    lists = make_lists([ranked("a", ["a"]), ranked(None, ["b", "c"])])
    with pytest.raises(InputError, match="utterance 'u1' has no reference"):
        rescore(lists, {}, weights={"am": 1.0}, metrics=["cer"])


@pytest.mark.parametrize("ref", ["a", "", None])
def test_report_is_strict_json(ref):
    lists = make_lists([ranked(ref, ["a", "x"])])
    content = rescore(lists, {"m": MODEL}, weights={"am": 1.0})[1].as_json()
    assert json.loads(json.dumps(content, allow_nan=False))["coverage"]["lm:m"]["oov"] == 1


def test_report_says_what_each_feature_is_worth_and_what_changed_most():
    lists = make_lists([
        ranked("a b", ["x x", "a b"]),
        ranked("x", ["x", "a"]),
        ranked("a", ["x", "a"]),
        ranked("b", ["b", "b"]),
    ])  # fmt: skip
    _, report = rescore(lists, {"m": MODEL}, weights={"am": 0.1, "lm:m": 1.0})
    assert report.value("wer", "first") == 3 / 5 and report.value("wer") == 1 / 5
    assert report.without == {"am": 1 / 5, "lm:m": 3 / 5}
    assert [(one.id, one.first, one.chosen, one.gain) for one in report.better] == [
        ("u0", "x x", "a b", 2.0),
        ("u2", "x", "a", 1.0),
    ]
    assert [(one.id, one.chosen, one.gain) for one in report.worse] == [("u1", "a", -1.0)]


def test_coverage_counts_words_oovs_and_hypotheses_of_probability_zero():
    lists = make_lists([ranked("a", ["a x", "a never"]), ranked("a", ["x y a", "never never"])])
    rescored, report = rescore(lists, {"m": MODEL}, weights={"am": 1.0})
    coverage = report.coverage["lm:m"]
    assert (coverage.words, coverage.oov, coverage.oov_hypotheses, coverage.zeroprob_hypotheses) == (9, 3, 2, 2)
    assert rescored.lists.features["lm:m"].tolist() == [-7.0, -7.0 - ZERO_BELOW, -12.0, -12.0 - ZERO_BELOW]
    assert rescored.lists.features["oov:m"].tolist() == [1, 0, 2, 0]


def test_equal_hypotheses_are_scored_once_and_counted_each_time():
    model = WordScores({"a": -1.0, "never": -math.inf})
    lists = make_lists([ranked("a", ["x never", "x never"]), ranked("a", ["x never"])])
    coverage = rescore(lists, {"m": model}, weights={"am": 1.0})[1].coverage["lm:m"]
    assert (coverage.words, coverage.oov, coverage.zeroprob_hypotheses) == (6, 3, 3)
    assert model.scored == 1


def test_improbable_hypothesis_keeps_its_log_probability():
    lists = make_lists([ranked("a", ["b " * 6000, "b " * 7000])])
    add_lm_features(lists, lists.texts, MODEL, "m")
    assert lists.features["lm:m"].tolist() == [-12001.0, -14001.0]


def test_each_fold_is_scored_by_its_own_model():
    lists = make_lists([ranked("a", ["a", "b"]), ranked("a", ["a"]), ranked("a", ["a b"])])
    coverage = add_folded_lm_features(lists, lists.texts, [MODEL, WordScores({"b": -7.0})], "m")
    assert lists.features["lm:m"].tolist() == [-2.0, -3.0, -6.0, -4.0]
    assert lists.features["oov:m"].tolist() == [0, 0, 1, 0] and (coverage.words, coverage.oov) == (5, 1)


def test_equal_numbers_of_oovs_are_weighed_once_and_none_at_all_never():
    lists = make_lists([ranked("a", ["a", "b x"]), ranked("b", ["b"])])
    models = {"m": MODEL, "n": WordScores({"a": -1.0, "b": -1.0}), "all": WordScores({"a": -1.0, "b": -1.0, "x": -9.0})}
    _, report = rescore(lists, models, tune=TuneSettings(restarts=0))
    assert list(report.weights.values) == ["am", "lm:m", "oov:m", "lm:n", "lm:all", "words"]


def test_lists_without_scores_are_weighed_by_rank():
    lists = make_lists([("a", [("b", {}), ("a", {})])])
    _, report = rescore(lists, {}, tune="wer")
    assert set(report.weights.values) == {"words", "rank"}


def test_counts_are_those_of_words_and_of_characters_without_space():
    lists = make_lists([ranked("a", ["ab  c", "", "中文 \t d"])])
    add_counts(lists, lists.texts, ("words", "chars", "rank"))
    assert [lists.features[name].tolist() for name in ("words", "chars", "rank")] == [
        [2, 0, 2],
        [3, 0, 3],
        [0, math.log(2), math.log(3)],
    ]


def test_members_of_a_mixture_become_features():
    vocab = Vocab.from_words(["a", "b"])
    members = [WordScores({"a": -1.0, "b": -2.0}), WordScores({"a": -3.0, "b": -1.0})]
    assert all(member.vocab == vocab for member in members)
    mixture = LinearMixture(members, [0.5, 0.5], ["x/one.arpa", "y/two.lmx"])
    assert with_members({"mix": mixture, "m": MODEL}) == {"mix.one": members[0], "mix.two": members[1], "m": MODEL}
    same = LinearMixture(members, [0.5, 0.5], ["x/one.arpa", "y/one.lmx"])
    assert list(with_members({"mix": same})) == ["mix.1", "mix.2"]
    with pytest.raises(SettingError, match="no model is a mixture.*: m"):
        with_members({"m": MODEL})


def test_empty_hypothesis_is_scored_as_the_end_alone():
    lists = make_lists([ranked("a", ["", "a", ""])])
    rescored, _ = rescore(lists, {"m": MODEL}, weights={"am": 1.0, "words": 0.0})
    assert rescored.lists.features["lm:m"].tolist() == [-1.0, -2.0, -1.0]
    assert rescored.lists.features["words"].tolist() == [0, 1, 0]


def test_score_of_the_recogniser_is_not_overwritten_by_a_feature_of_the_same_name():
    rescored, _ = rescore(make_lists([("a", [("a", {"words": 7.0})])]), {}, weights={"words": 1.0})
    assert rescored.total.tolist() == [7.0]
    with pytest.raises(InputError, match="has a score 'lm:m' already"):
        rescore(make_lists([("a", [("a", {"lm:m": 7.0})])]), {"m": MODEL}, weights={"words": 1.0})


def test_model_that_remembers_is_refused():
    model = WordScores({"a": -1.0})
    model.signature = "words|memory:document|eos:yes"
    with pytest.raises(SettingError, match="m remembers what it reads.*use a model without memory"):
        rescore(make_lists([ranked("a", ["a"])]), {"m": model}, weights={"am": 1.0})


@pytest.mark.parametrize("arguments", [{}, {"weights": {}}, {"weights": {"am": 1.0}, "tune": "wer"}])
def test_neither_or_both_of_weights_and_tuning_are_refused(arguments):
    with pytest.raises(SettingError, match=r"either weights .* or a goal"):
        rescore(make_lists([ranked("a", ["a"])]), {}, **arguments)


@pytest.mark.parametrize(
    ("tune", "message"),
    [("per", "no metric 'per'; there are wer, cer"), (TuneSettings(fixed={"lm": 1.0}), "no feature 'lm'")],
)
def test_unknown_goals_and_features_are_refused(tune, message):
    with pytest.raises(SettingError, match=message):
        rescore(make_lists([ranked("a", ["a"])]), {}, tune=tune)


def test_tuning_without_a_reference_names_the_utterance():
    with pytest.raises(InputError, match="utterance 'u1' has no reference"):
        rescore(make_lists([ranked("a", ["a"]), ranked(None, ["a"])]), {}, tune="wer")


def test_weight_of_a_missing_feature_is_refused_by_name():
    with pytest.raises(InputError, match="a weight for 'lm:other', but no such model: give --lm other=MODEL"):
        rescore(make_lists([ranked("a", ["a"])]), {"m": MODEL}, weights={"lm:other": 1.0})


def test_no_lists_give_no_block():
    assert list(blocks([])) == [] and len(NbestLists([])) == 0


def test_saved_weights_are_loaded_as_they_were(tmp_path):
    _, report = rescore(
        make_lists([ranked("a", ["b", "a"])]),
        {"ü": MODEL},
        tune=TuneSettings(restarts=1),
        decision=DecisionSettings(temperature=0.5),
    )
    report.weights.save(tmp_path / "weights.json")
    assert load_weights(tmp_path / "weights.json") == report.weights


HEAD = '{"kind": "rescore-weights", "version": 2, "weights": '


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid JSON"),
        ("[]", "not a file of rescoring weights"),
        ('{"weights": {}}', "not a file of rescoring weights"),
        ('{"kind": "mixture", "weights": {"am": 1}}', "not a file of rescoring weights"),
        ('{"kind": "rescore-weights"}', "version None"),
        (HEAD + "[1]}", "not an object of names and finite numbers"),
        (HEAD + "{}}", "not an object of names and finite numbers"),
        (HEAD + '{"am": "1"}}', "not an object of names and finite numbers"),
        (HEAD + '{"am": null}}', "not an object of names and finite numbers"),
        (HEAD + '{"am": true}}', ""),
        (HEAD + '{"am": NaN}}', ""),
        (HEAD + '{"am": 1' + "0" * 400 + "}}", ""),
        (HEAD + '{"am": 1}, "decision": []}', '"decision"'),
        (HEAD + '{"am": 1}, "decision": {"rule": "guess"}}', "there is no rule 'guess'"),
        (HEAD + '{"am": 1}, "decision": {"rule": 1}}', '"decision"'),
        (HEAD + '{"am": 1}, "decision": {"temperature": "hot"}}', '"decision"'),
        (HEAD + '{"am": 1}, "decision": {"loss": "pain"}}', '"decision"'),
        (HEAD.replace("2", "1") + '{"am": 1}}', "version 1; this lmmix reads version 2"),
    ],
)
def test_file_that_holds_no_weights_is_refused(tmp_path, content, message):
    path = tmp_path / "weights.json"
    path.write_text(content)
    with pytest.raises(FormatError) as caught:
        load_weights(path)
    assert str(caught.value).startswith(f"{path}:") and message in str(caught.value)
