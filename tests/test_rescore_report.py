"""Rescoring keeps its word: sums, ties, what is measured by which rule, and errors that say what is wrong."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nbest import make_lists
from test_rescore import MODEL, WER, WordScores, ranked

from lmmix.errors import InputError, SettingError
from lmmix.evaluate import Texts, evaluate, write_alignments
from lmmix.metrics import significance
from lmmix.metrics.metric import make_metric
from lmmix.metrics.significance import confidence_interval, paired_bootstrap, resampled
from lmmix.mix.linear import LinearMixture
from lmmix.nbest.decide.decision import DecisionSettings, decide
from lmmix.nbest.decide.temperature import find_temperature
from lmmix.nbest.evaluation import Gain, chosen_statistics
from lmmix.nbest.features import ZERO_BELOW, add_lm_features
from lmmix.nbest.lists import NbestLists, blocks
from lmmix.nbest.members import with_members
from lmmix.nbest.references import with_references
from lmmix.nbest.rescore import Rescoring, rescore
from lmmix.nbest.tuned import names_to_weigh
from lmmix.nbest.tuning.tune import TuneSettings
from lmmix.nbest.utterance import Utterance
from lmmix.nbest.weights import Weights, load_weights
from lmmix.vocab import Vocab


def noisy_lists(seed: int, utterances: int = 40, refs: int = 1) -> NbestLists:
    """Lists with two scores that know something of the errors."""
    rng = np.random.default_rng(seed)
    made = []
    for u in range(utterances):
        wrong = rng.integers(0, 4, 6)
        texts = [" ".join(["x"] * k + ["a", "b", "c", "d", "e"][k:]) for k in wrong]
        scores = {name: (-wrong + rng.normal(size=6) * 1.5).tolist() for name in ("am", "other")}
        made.append(Utterance(f"u{u}", texts, scores, ("a b c d e",) * refs))
    return NbestLists(made)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_equal_hypotheses_have_equal_sums_wherever_they_stand(size):
    rng = np.random.default_rng(0)
    names = [f"f{k}" for k in range(16)]
    weights = dict(zip(names, rng.normal(size=16).tolist()))
    made = []
    for u in range(50):
        row = rng.normal(size=16) * rng.choice([1, 100, 1e4], 16)
        scores = {name: [float(x)] * (5 + u % 7) for name, x in zip(names, row)}
        made.append(Utterance(str(u), ["right", *["wrong"] * (4 + u % 7)], scores, ("right",)))
    whole = NbestLists(made).totals(weights)
    parts = [block.totals(weights) for block in blocks(made, size)]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert rescore(NbestLists(made), {}, weights=weights)[1].value("wer") == 0.0


def test_feature_left_out_leaves_ties_as_they_are():
    rng = np.random.default_rng(1)
    scores = [{"am": (rng.normal(size=3) * 1000 - 5000).tolist(), "words": [2.0] * 3} for _ in range(300)]
    lists = NbestLists([Utterance(str(u), ["a b", "c d", "e f"], one, ("a b",)) for u, one in enumerate(scores)])
    _, report = rescore(lists, {}, weights={"am": 0.7, "words": 0.31})
    assert report.without["am"] == report.value("wer", "first") == 0.0
    assert report.highest_sum == report.without["words"] == report.value("wer")


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-2, 2), min_size=1, max_size=5), max_size=6))
def test_best_is_the_first_of_the_highest(lists):
    made = NbestLists([Utterance(str(u), ["a"] * len(one)) for u, one in enumerate(lists)])
    total = np.array([value for one in lists for value in one], float)
    expected = [int(lo) + one.index(max(one)) for lo, one in zip(made.offsets, lists)]
    assert made.best(total).tolist() == expected


def test_equal_texts_are_measured_once():
    seen = []

    class Counting:
        def __init__(self) -> None:
            self.__dict__.update(name="wer", signature="w", columns=WER.columns, normaliser=WER.normaliser)

        def statistics(self, references, texts):
            seen.extend(texts)
            return WER.statistics(references, texts)

    lists = make_lists([("a", [("b", {}), ("a", {}), ("b", {})])])
    assert lists.statistics(Counting()).tolist() == lists.statistics(WER).tolist()  # type: ignore[arg-type]
    assert seen == ["b", "a"]


def test_probability_zero_stands_below_the_others_of_its_list_in_each_block():
    first, others = ranked("a", ["never", "b b", "a"]), [ranked("a", ["b " * 7000]), ranked("a", ["never"] * 2)]
    apart, together = make_lists([first]), make_lists([first, *others])
    for lists in (apart, together):
        add_lm_features(lists, lists.texts, MODEL, "m")
    assert apart.features["lm:m"].tolist() == [-5.0 - ZERO_BELOW, -5.0, -2.0]
    assert together.features["lm:m"].tolist() == [*apart.features["lm:m"], -14001.0, 0.0, 0.0]


def test_one_pass_of_draws_gives_what_each_gives_by_itself():
    rng = np.random.default_rng(2)
    systems = [np.column_stack([rng.integers(0, 3, (30, 3)), np.full(30, 7)]).astype(float) for _ in range(3)]
    drawn = resampled(WER, systems, 80, 5)
    for s, one in enumerate(systems):
        assert drawn.interval(s) == confidence_interval(WER, one, 80, 5)
        if s:
            assert drawn.comparison(0, s) == paired_bootstrap(WER, systems[0], one, 80, 5)


def test_report_draws_once_for_interval_and_difference(monkeypatch):
    _, report = rescore(noisy_lists(1), {}, weights={"am": 1.0})
    passes = []
    real = significance._pieces
    monkeypatch.setattr(significance, "_pieces", lambda *given: passes.append(given) or real(*given))
    report.as_json()
    assert [total for total, *_ in passes] == [significance.SAMPLES, significance.TRIALS]


# What is open, and what is given


@pytest.mark.parametrize(
    ("metric", "loss"), [("wer", "wer"), ("bleu", "bleu"), ("chrf", "chrf"), ("chrf++", "chrf"), ("cer", "cer")]
)
def test_risk_is_that_of_tuning(metric, loss, caplog):
    _, report = rescore(
        noisy_lists(3, 8), {}, tune=TuneSettings(metric, restarts=0), decision=DecisionSettings("mbr"), counts=()
    )
    assert report.weights.decision.loss == loss and report.weights.decision.temperature is not None
    assert "minimum Bayes risk" not in caplog.text


@pytest.mark.parametrize(("metric", "loss"), [("ter", None), ("bleu:char", "bleu"), ("ser", None)])
def test_risk_that_is_another_than_that_of_tuning_is_told(metric, loss, caplog):
    settings = TuneSettings(metric, restarts=0)
    _, report = rescore(noisy_lists(3, 8), {}, tune=settings, decision=DecisionSettings("mbr"), counts=())
    assert report.weights.decision.loss == loss
    assert f"expects no {metric}; it expects the least {loss or 'wer'} (--risk takes another one)" in caplog.text


def test_risk_and_temperature_that_are_given_stay():
    given = DecisionSettings("mbr", temperature=3.0, loss="cer")
    _, report = rescore(noisy_lists(4), {}, tune="wer", decision=given, counts=())
    assert report.weights.decision == given


@pytest.mark.parametrize("rule", ["mbr", "vote"])
def test_temperature_that_nobody_found_is_told(rule, caplog):
    weights = Weights({"am": 1.0}, decision=DecisionSettings(rule))
    rescore(noisy_lists(5, 3), {}, weights=weights)
    assert f"{rule} decides with posteriors of temperature 1" in caplog.text
    caplog.clear()
    rescore(noisy_lists(5, 3), {}, weights=replace(weights, decision=DecisionSettings(rule, 2.0)))
    assert caplog.text == ""


# Which rule the numbers belong to


def naive_cross_validation(lists, names, folds, rule):
    """Statistics of what the rule chooses in each fold with what was found on the others."""
    statistics = np.empty((len(lists), 4))
    for k in range(folds):
        others = NbestLists([one for u, one in enumerate(lists.utterances) if u % folds != k])
        own = NbestLists([one for u, one in enumerate(lists.utterances) if u % folds == k])
        weights = rescore(others, {}, tune=TuneSettings(restarts=1), counts=())[1].weights.values
        decision = DecisionSettings(rule)
        if rule != "best":
            total = others.totals(weights)
            decision = replace(decision, temperature=find_temperature(others, total, WER, decision)[0])
        statistics[k::folds] = chosen_statistics(own, WER, decide(own, own.totals(weights), decision))
    return statistics


@pytest.mark.parametrize("rule", ["best", "mbr", "vote"])
def test_cross_validated_value_is_that_of_the_rule(rule):
    lists = noisy_lists(6, 24)
    settings = TuneSettings(restarts=1, folds=3)
    _, report = rescore(lists, {}, tune=settings, decision=DecisionSettings(rule), counts=())
    expected = naive_cross_validation(lists, ["am", "other"], 3, rule)
    assert report.held_out is not None and report.held_out.chosen.tolist() == expected.tolist()
    first = lists.statistics(WER)[lists.offsets[:-1]]
    assert report.cross_validated() == Gain(WER, first, expected).difference
    tuning = report.weights.tuning
    assert tuning["cross_validated"] == WER.value(expected.sum(axis=0)) and tuning["value"] == report.value("wer")
    assert report.as_json()["cross_validated"]["value"] == tuning["cross_validated"]


@pytest.mark.parametrize("rule", ["best", "mbr"])
def test_values_without_features_are_those_of_the_highest_sum(rule):
    lists = noisy_lists(7)
    decision = DecisionSettings(rule)
    _, tuned = rescore(lists, {}, tune=TuneSettings(restarts=2), decision=decision, counts=())
    highest = lists.statistics(WER)[lists.best(lists.totals(tuned.weights.values))].sum(axis=0)
    assert tuned.highest_sum == WER.value(highest)
    for name, other in (("am", "other"), ("other", "am")):
        alone = rescore(lists, {}, tune=TuneSettings(restarts=0, fixed={name: 0.0}), counts=())[1]
        assert tuned.without[name] == alone.highest_sum
        given = rescore(lists, {}, weights=replace(tuned.weights, decision=DecisionSettings(rule, 2.0)))[1]
        sums = lists.totals({other: tuned.weights.values[other]})
        assert given.without[name] == WER.value(lists.statistics(WER)[lists.best(sums)].sum(axis=0))


@pytest.mark.parametrize("metric", ["bleu", "wer"])
def test_file_of_weights_knows_how_well_they_did_in_the_sign_of_the_metric(metric, tmp_path):
    lists = noisy_lists(8)
    settings = TuneSettings(metric, restarts=0, folds=2)
    _, report = rescore(lists, {}, tune=settings, counts=(), normalise=("lower",))
    report.weights.save(tmp_path / "w.json")
    loaded = load_weights(tmp_path / "w.json")
    assert loaded == report.weights and loaded.tuned_for == (metric, ("lower",))
    assert loaded.tuning["value"] == report.value(metric) > 0 and loaded.tuning["cross_validated"] > 0
    # What was tuned for is measured, and as it was then.
    again = rescore(lists, {}, weights=loaded)[1]
    assert again.value(metric) == report.value(metric) and "norm:lower" in again.metric.signature
    assert "norm:none" in rescore(lists, {}, weights=loaded, normalise=())[1].metric.signature


def test_lists_that_were_not_tuned_on_are_not_called_so():
    lists, others = noisy_lists(9), noisy_lists(10, 12)
    run = Rescoring({}, [WER])
    weights = run.tune(lists, TuneSettings(restarts=0, folds=2))
    tuned = run.report(weights)
    assert tuned.scores == {} and tuned.tuned and tuned.cross_validated().value < 0
    run.apply(others, weights)
    report = run.report(weights)
    assert not report.tuned and report.cross_validated() == tuned.cross_validated()
    assert report.value("wer") == rescore(others, {}, weights=weights)[1].value("wer")
    assert report.without == rescore(others, {}, weights=weights)[1].without


def test_report_has_the_kinds_of_errors():
    lists = make_lists([ranked("a b", ["a x x", "a b"]), ranked("a", ["", "a"])])
    content = rescore(lists, {}, weights={"am": -1.0}, metrics=["wer", "ser"])[1].as_json()
    names = ("substitutions", "insertions", "deletions", "reference")
    assert content["wer_sums"] == {
        "first": dict(zip(names, [1, 1, 1, 3])),
        "chosen": dict(zip(names, [0, 0, 0, 3])),
    }
    assert (content["ser_first"], content["ser"]) == (1.0, 0.0)


def test_sentence_error_rate_takes_any_of_the_references():
    metric = make_metric("ser")
    assert metric.statistics(["a b", "c"], ["a  b", "c", "b"]).tolist() == [[0, 1], [0, 1], [1, 1]]
    assert metric.value(np.array([[1.0, 4.0], [0.0, 0.0]])).tolist()[0] == 0.25 and metric.linear
    assert math.isnan(metric.value(np.zeros(2)))


# What is measured where nobody asked


def test_nothing_is_measured_where_it_cannot_be_and_nobody_asked(caplog):
    two = noisy_lists(11, 6, refs=2)
    _, report = rescore(two, {}, weights={"am": 1.0})
    assert report.scores == {} and report.highest_sum is None
    assert "nothing is measured, though 6 of 6 utterances have references: wer compares with one" in caplog.text
    with pytest.raises(InputError, match="wer compares with one reference"):
        rescore(two, {}, weights={"am": 1.0}, metrics=["wer"])
    _, tuned = rescore(two, {}, tune=TuneSettings("bleu", restarts=0), counts=())
    assert set(rescore(two, {}, weights=tuned.weights)[1].scores) == {"bleu"}


def test_reference_that_is_missing_is_told(caplog):
    lists = noisy_lists(12, 4)
    lists.utterances[2] = replace(lists.utterances[2], refs=())
    assert rescore(lists, {}, weights={"am": 1.0})[1].scores == {}
    assert "though 3 of 4 utterances have references: utterance 'u2' has no reference" in caplog.text


def test_references_that_nobody_has_are_no_news(caplog):
    with caplog.at_level(logging.WARNING):
        rescore(make_lists([ranked(None, ["a"])]), {}, weights={"am": 1.0})
    assert caplog.text == ""


# What is refused


def test_features_that_are_limited_stay_among_those_to_weigh():
    lists = make_lists([ranked("a", ["b", "a"]), ranked("b", ["a", "b"])])
    models = {"m": MODEL, "n": WordScores({"a": -1.0, "b": -3.0})}
    for fixed in ({"oov:n": -1.0}, {"oov:m": -1.0, "oov:n": -2.0}):
        _, report = rescore(lists, models, tune=TuneSettings(restarts=0, fixed=fixed))
        assert {name: w for name, w in report.weights.values.items() if name.startswith("oov:")} == fixed
    _, report = rescore(lists, {"m": MODEL}, tune=TuneSettings(restarts=0, fixed={"oov": -1.0}))
    assert report.weights.values["oov:m"] == -1.0
    lists.features["oov:x"] = np.zeros(len(lists.texts))
    assert names_to_weigh(lists, TuneSettings()) == ["am"]


def test_lists_that_cannot_be_are_refused():
    one = Utterance("u", ["a"], {"am": [1.0]}, ("a",))
    for others, message in (
        ([Utterance("v", [], {"am": []})], "utterance 'v' has no hypotheses"),
        ([Utterance("v", ["a"], {"lm": [1.0]})], "utterance 'v' has the scores lm, the first one has am"),
        ([Utterance("v", ["a", "b"], {"am": [1.0]})], "utterance 'v': 2 hypotheses have 1 scores 'am'"),
    ):
        with pytest.raises(InputError, match=message):
            NbestLists([one, *others])
    for how in ({"tune": "wer"}, {"weights": {"am": 1.0}}):
        with pytest.raises(InputError, match="there are no n-best lists"):
            rescore(NbestLists([]), {}, **how)


def test_numbers_that_are_none_are_refused():
    lists = make_lists([("a", [("a", {"am": 1.0}), ("b", {"am": math.inf})])])
    with pytest.raises(SettingError, match="the weight of 'am' is nan; it must be a finite number"):
        rescore(lists, {}, weights={"am": math.nan})
    with pytest.raises(InputError, match="utterance 'u0': a weighted sum is not finite"):
        rescore(lists, {}, weights={"am": 1.0})


def test_changes_pictures_and_folds_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(SettingError, match="changes is -1"):
        Rescoring({}, [WER], changes=-1)
    run = Rescoring({}, [WER])
    with pytest.raises(SettingError, match="a picture is of tuning"):
        run.draw(tmp_path / "a.png")
    weights = run.tune(noisy_lists(13), TuneSettings(restarts=0))
    with pytest.raises(SettingError, match="nothing was cross-validated"):
        run.report(weights).cross_validated()


def test_references_for_two_lists_of_one_id_are_refused(tmp_path):
    (tmp_path / "refs").write_text("u a\n")
    with pytest.raises(InputError, match="the id 'u' stands twice among the lists"):
        list(with_references([Utterance("u", ["a"])] * 2, [tmp_path / "refs"]))


def test_line_of_control_characters_is_an_empty_one(tmp_path):
    (tmp_path / "refs").write_bytes(b"\0\nu a\n\0 \0\n")
    [one] = with_references([Utterance("u", ["a"])], [tmp_path / "refs"])
    assert one.refs == ("a",)


def test_texts_that_cannot_be_evaluated_are_refused(tmp_path):
    for texts in (Texts([], [], [[]]), Texts(["1"], [("a",)], [])):
        with pytest.raises(InputError, match="there is nothing to evaluate"):
            evaluate(texts, WER)
    with pytest.raises(InputError, match="sentence 1: alignments are with one reference, not with 2"):
        write_alignments(tmp_path / "out", Texts(["1"], [("a", "b")], [["a"]]), ["s"], [WER])
    assert not (tmp_path / "out").exists()


def test_member_that_is_called_like_a_model_is_refused():
    vocab = Vocab.from_words(["a", "b"])
    member = WordScores({"a": -1.0, "b": -2.0})
    assert member.vocab == vocab
    mixture = LinearMixture([member, member], [0.5, 0.5], ["x/one.arpa", "y/two.lmx"])
    for models in ({"mix.one": MODEL, "mix": mixture}, {"mix": mixture, "mix.one": MODEL}):
        with pytest.raises(SettingError, match=r"a member of 'mix' and another model are both called 'mix.one'"):
            with_members(models)


@pytest.mark.parametrize(
    ("tuning", "message"),
    [({"metric": 1}, 'the "metric" of "tuning" is not a name'), ({"normalise": ["x"]}, "no normalisation 'x'")],
)
def test_file_of_weights_that_were_tuned_for_nothing_known_is_refused(tmp_path, tuning, message):
    content = {"kind": "rescore-weights", "version": 2, "weights": {"am": 1.0}, "tuning": tuning}
    (tmp_path / "w.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_weights(tmp_path / "w.json")
