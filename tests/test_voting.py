from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_decide import naive_elected, naive_network
from naive_nbest import make_lists

from lmmix.nbest.decide.confusion import confusion_network
from lmmix.nbest.decide.decision import DecisionSettings, decide

WORDS = ["a", "b", "c"]
weighed_texts = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), max_size=5), st.sampled_from([0, 1, 1, 2, 3, 8])), min_size=1, max_size=6
).filter(lambda texts: any(mass for _, mass in texts))


def network(*texts, masses=None):
    return confusion_network([text.split() for text in texts], np.array(masses or [1.0] * len(texts), float))


def voted(*texts, masses=None):
    return " ".join(network(*texts, masses=masses).best())


@settings(max_examples=150)
@given(weighed_texts)
@example([(["a", "b"], 1), ([], 1), (["b", "a"], 1)])
def test_network_equals_its_slow_twin(texts):
    words, masses = zip(*texts)
    found = confusion_network(words, np.array(masses, float))
    kept = [(one, Fraction(mass)) for one, mass in texts if mass]
    slots = naive_network(*zip(*kept))
    assert found.best() == naive_elected(slots)
    expected = [{word: mass / sum(slot.values()) for word, mass in slot.items()} for slot in slots]
    assert [dict(sorted(slot.items())) for slot in found.slots()] == [
        {word: pytest.approx(float(share)) for word, share in sorted(slot.items())} for slot in expected
    ]


@given(weighed_texts)
def test_every_text_gives_its_mass_to_every_slot(texts):
    words, masses = zip(*texts)
    found = confusion_network(words, np.array(masses, float))
    np.testing.assert_allclose(found.masses.sum(axis=1), sum(masses))
    assert len(found.masses) >= max(len(one) for one, mass in texts if mass)


@given(weighed_texts)
def test_more_than_half_of_the_mass_wins(texts):
    words, masses = zip(*texts)
    heavy = np.array(masses, float)
    heavy[0] = heavy.sum() + 1.0
    assert confusion_network(words, heavy).best() == list(words[0])


def test_two_of_three_repair_each_word():
    assert voted("the cat sat on mats", "the rat sat on a mat", "a cat sat in a mat") == "the cat sat on a mat"


def test_empty_words_win_where_most_have_none():
    assert voted("a x b", "a b", "a b") == "a b"
    assert voted("a b", "a x b", "a x b") == "a x b"


def test_ties_go_to_the_heavier_text_and_then_to_the_first():
    assert voted("a b", "a c") == "a b" and voted("a c", "a b") == "a c"
    assert voted("a", "a b") == "a" and voted("a b", "a") == "a b"
    assert voted("x", "y", "z", masses=[1, 2, 1]) == "y"
    # 0.1 + 0.2 is a rounding error more than 0.3.
    assert voted("x", "y", "y", masses=[0.3, 0.1, 0.2]) == "x"


def test_slots_show_words_with_posteriors():
    slots = network("a b", "a c", "a c d", masses=[2.0, 1.0, 1.0]).slots()
    assert slots == [{"a": 1.0}, {"b": 0.5, "c": 0.5}, {"": 0.75, "d": 0.25}]


def test_texts_without_words():
    assert network("", "").best() == [] and network("", "").slots() == []
    assert voted("", "a") == "" and voted("", "a", "a") == "a"


def test_alternatives_at_one_place_share_a_slot():
    """The example of Fiscus (1997): a b c d, b z d e and b c d e f, aligned one after the other."""
    slots = network("a b c d", "b z d e", "b c d e f").slots()
    assert [set(slot) for slot in slots] == [{"a", ""}, {"b"}, {"c", "z"}, {"d"}, {"e", ""}, {"f", ""}]
    assert voted("a b c d", "b z d e", "b c d e f") == "b c d e"


def test_a_vote_may_choose_what_is_in_no_list():
    lists = make_lists([("a b c", [(text, {"am": 0.0}) for text in ("a b x", "y b c", "a z c")])])
    decision = decide(lists, lists.features["am"], DecisionSettings(rule="vote"))
    assert decision.best.tolist() == [-1] and decision.texts == ["a b c"]


def test_a_text_of_the_list_stays_as_it_is_written():
    scores = [("b", 0.0), ("a  b", math.log(3)), ("a b", math.log(3))]
    lists = make_lists([("a b", [(text, {"am": score}) for text, score in scores])])
    decision = decide(lists, lists.features["am"], DecisionSettings(rule="vote"))
    assert decision.best.tolist() == [1] and decision.texts == ["a  b"]
