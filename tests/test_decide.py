from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import sacrebleu
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_decide import naive_mbr, naive_posteriors
from naive_nbest import make_lists
from naive_text import naive_word_errors

from lmmix.errors import InputError, SettingError
from lmmix.metrics.metric import make_metric
from lmmix.nbest.decide.decision import RULES, DecisionSettings, decide
from lmmix.nbest.decide.pairwise import LOSSES, bleu_loss, character_edits, chrf_loss, word_edits
from lmmix.nbest.decide.posteriors import HEARD, ballot, heard, posteriors
from lmmix.nbest.decide.shared_ngrams import shared_ngrams
from lmmix.nbest.decide.temperature import GRID, find_temperature

FEWER = settings(max_examples=40)
texts = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(" ".join)
nbest = st.lists(st.tuples(texts, st.integers(-2, 2)), min_size=1, max_size=6)
WORDS = ["a", "b", "B", "it's", "end.", "1,000", "&quot;", "ß", "日本", "x-y", "!", "the\u00a0cat"]
sentences = st.lists(st.lists(st.sampled_from(WORDS), max_size=6), min_size=1, max_size=4)


def one_list(hyps):
    """Lists of one utterance from (text, power), with totals power · ln 2."""
    lists = make_lists([("a", [(text, {"am": power * math.log(2)}) for text, power in hyps])])
    return lists, lists.features["am"]


def chosen(hyps, **given):
    """(place, text) that a rule chooses from one list of (text, power)."""
    lists, total = one_list(hyps)
    decision = decide(lists, total, DecisionSettings(**given))
    return int(decision.best[0]), decision.texts[0]


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=8))
def test_posteriors_equal_exact_fractions(powers):
    [found] = posteriors(np.array(powers) * math.log(2), np.ones(1))
    np.testing.assert_allclose(found, np.array(naive_posteriors(powers), float), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 1e300])
def test_posteriors_of_any_size_are_finite_and_sum_to_one(scale):
    found = posteriors(np.array([1e300, -1e300, 0.0, 1e300]), np.array([scale, 1.0]))
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found[1].tolist() == [0.5, 0.0, 0.0, 0.5]


def test_masses_of_equal_texts_add_up():
    votes = ballot(["a b", "c", "a  b"], np.log([1.0, 2.0, 3.0]), np.ones(1))
    assert votes.words == [["a", "b"], ["c"]] and votes.place.tolist() == [0, 1]
    np.testing.assert_allclose(votes.masses, [[4 / 6, 2 / 6]])


def test_texts_beyond_the_share_that_is_heard_have_no_say():
    masses = np.array([[0.5, 0.0006, 0.4988, 0.0006], [0.0, 0.0, 0.0, 1.0]])
    assert heard(masses).tolist() == [[0.5, 0.0006, 0.4988, 0.0], [0.0, 0.0, 0.0, 1.0]]
    assert heard(masses)[0].sum() > HEARD


@FEWER
@given(nbest)
@example([("", 0), ("a", 0)])
def test_mbr_equals_the_double_loop(hyps):
    expected = naive_mbr(*zip(*hyps), naive_word_errors)
    assert chosen(hyps, rule="mbr") == (expected, hyps[expected][0])


@FEWER
@given(nbest)
def test_mbr_of_characters_equals_the_double_loop(hyps):
    def edits(left, right):
        return naive_word_errors(" ".join(left.replace(" ", "_")), " ".join(right.replace(" ", "_")))

    expected = naive_mbr(*zip(*hyps), edits)
    assert chosen(hyps, rule="mbr", loss="cer") == (expected, hyps[expected][0])


def test_mbr_prefers_what_many_agree_on_to_the_most_probable():
    hyps = [("x y z", 2), ("a b c", 1), ("a b d", 1), ("a b e", 1)]
    assert chosen(hyps, rule="best")[0] == 0 and chosen(hyps, rule="mbr")[0] == 1


@FEWER
@given(sentences, st.sets(st.integers(0, 3)))
@example([[], ["a"]], {0, 1})
def test_losses_of_bleu_and_chrf_are_sacrebleus_sentence_scores(texts, some):
    heard = np.array([i for i in range(len(texts)) if i in some], np.int64)
    for loss, score in ((bleu_loss, sacrebleu.sentence_bleu), (chrf_loss, sacrebleu.sentence_chrf)):
        expected = [[-score(" ".join(one), [" ".join(texts[i])]).score for i in heard] for one in texts]
        np.testing.assert_allclose(loss(texts, heard), expected, rtol=1e-9, atol=1e-9)


def test_shared_ngrams_of_many_texts_go_through_several_matrices():
    """More n-grams than one matrix has columns."""
    rng = np.random.default_rng(1)
    many = [list(map(str, rng.integers(0, 3000, 1500))) for _ in range(5)]
    for order, one in enumerate(shared_ngrams(many, np.arange(2, 5), 2), 1):
        grams = [[tuple(text[i : i + order]) for i in range(len(text) - order + 1)] for text in many]
        counts = [Counter(one) for one in grams]
        expected = [[sum((left & right).values()) for right in counts[2:]] for left in counts]
        assert one.matches.tolist() == expected and one.counts.tolist() == [len(grams[0])] * 5


@FEWER
@given(sentences, st.sets(st.integers(0, 3)))
def test_edits_are_those_of_the_table(texts, some):
    heard = np.array([i for i in range(len(texts)) if i in some], np.int64)
    numbers = [[str(WORDS.index(word)) for word in text] for text in texts]
    expected = [[naive_word_errors(" ".join(one), " ".join(numbers[i])) for i in heard] for one in numbers]
    assert word_edits(texts, heard).tolist() == expected
    assert character_edits([["ab", "c"], ["abc"]], np.arange(2)).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize("rule, loss", [("mbr", name) for name in LOSSES] + [("vote", "wer")])
class TestEveryRule:
    @FEWER
    @given(hyps=nbest)
    def test_cold_posteriors_choose_the_highest_total(self, rule, loss, hyps):
        place, text = chosen(hyps, rule=rule, loss=loss, temperature=1e-9)
        best = chosen(hyps, rule="best")[0]
        highest = {one.split() == text.split() for one, power in hyps if power == hyps[best][1]}
        tied = {" ".join(one.split()) for one, power in hyps if power == hyps[best][1]}
        if len(tied) == 1:
            assert highest == {True} and hyps[place][0] == text

    @FEWER
    @given(hyps=nbest, shift=st.integers(-40, 40))
    def test_a_constant_changes_nothing(self, rule, loss, hyps, shift):
        moved = [(text, power + shift) for text, power in hyps]
        assert chosen(hyps, rule=rule, loss=loss) == chosen(moved, rule=rule, loss=loss)

    @given(text=texts, copies=st.integers(1, 4))
    def test_equal_texts_give_themselves(self, rule, loss, text, copies):
        assert chosen([(text, -k) for k in range(copies)], rule=rule, loss=loss) == (0, text)

    def test_empty_hypotheses(self, rule, loss):
        assert chosen([("", 0), ("", 1)], rule=rule, loss=loss) == (0, "")
        # To sacrebleu even two empty texts have nothing in common, so only the cold choose them.
        assert chosen([("a", 0), ("", 5)], rule=rule, loss=loss, temperature=0.01) == (1, "")

    def test_each_list_by_itself(self, rule, loss):
        lists = make_lists([("a", [("x", {"am": 0.0}), ("a", {"am": 9.0})]), ("b", [("b", {"am": -99.0})])])
        decision = decide(lists, lists.features["am"], DecisionSettings(rule=rule, loss=loss))
        assert decision.best.tolist() == [1, 2] and decision.texts == ["a", "b"]


def test_no_lists_at_all():
    for rule in RULES:
        assert decide(make_lists([]), np.zeros(0), DecisionSettings(rule=rule)).texts == []


@pytest.mark.parametrize(
    "given, message",
    [
        ({"rule": "coin"}, "no rule 'coin'.*best, mbr, vote"),
        ({"loss": "ter"}, "no risk of 'ter'.*wer, cer, bleu, chrf"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"temperature": math.nan}, "temperature is nan"),
    ],
)
def test_settings_that_cannot_be(given, message):
    with pytest.raises(SettingError, match=message):
        DecisionSettings(**given)


def random_lists(seed, utterances=12, hypotheses=6):
    """Lists with normally distributed scores and noisy copies of their references."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(utterances):
        ref = rng.choice(list("abcde"), 5)
        noisy = [np.where(rng.random(5) < 0.4, rng.choice(list("xyz"), 5), ref) for _ in range(hypotheses)]
        made.append((" ".join(ref), [(" ".join(one), {"am": 3.0 * rng.normal()}) for one in noisy]))
    return make_lists(made)


@pytest.mark.parametrize("rule", ["mbr", "vote"])
@pytest.mark.parametrize("seed", range(4))
def test_temperature_has_the_least_loss_of_the_grid(rule, seed):
    lists, metric = random_lists(seed), make_metric("wer")
    total = lists.features["am"]
    spread = np.mean([total[lo:hi].std() for lo, hi in zip(lists.offsets, lists.offsets[1:])])
    found, least = find_temperature(lists, total, metric, DecisionSettings(rule=rule))
    losses = []
    for temperature in GRID * spread:
        decision = decide(lists, total, DecisionSettings(rule=rule, temperature=float(temperature)))
        counts = [metric.statistics(one.refs, [text])[0] for one, text in zip(lists.utterances, decision.texts)]
        losses.append(metric.value(np.sum(counts, axis=0)))
    assert least == min(losses)
    assert losses[int(np.argmin(np.abs(GRID * spread - found)))] == least


def test_temperature_of_totals_that_do_not_vary_is_in_the_middle_of_the_grid():
    lists = make_lists([("a", [("a", {"am": 1.0})]), ("b", [("b", {"am": 2.0}), ("b", {"am": 2.0})])])
    found = find_temperature(lists, lists.features["am"], make_metric("wer"), DecisionSettings(rule="mbr"))
    assert found == (1.0, 0.0)


def test_temperature_needs_references_and_a_rule_with_posteriors():
    lists = make_lists([(None, [("a", {"am": 1.0})])])
    with pytest.raises(SettingError, match="'best' has no temperature; mbr, vote have"):
        find_temperature(lists, lists.features["am"], make_metric("wer"), DecisionSettings())
    with pytest.raises(InputError, match="no reference"):
        find_temperature(lists, lists.features["am"], make_metric("wer"), DecisionSettings(rule="vote"))
