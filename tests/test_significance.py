from __future__ import annotations

import random
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from lmmix.errors import InputError, SettingError
from lmmix.metrics import significance
from lmmix.metrics.metric import make_metric
from lmmix.metrics.significance import confidence_interval, paired_bootstrap, paired_randomisation

WER, BLEU_METRIC = make_metric("wer"), make_metric("bleu")


def noisy(text: str, rng: random.Random, rate: float) -> str:
    return " ".join(rng.choice("abcdef") if rng.random() < rate else word for word in text.split())


@pytest.fixture(scope="module")
def systems():
    """(references, texts of the baseline, texts of a slightly better system)."""
    rng = random.Random(5)
    references = [" ".join(rng.choices("abcdefgh", k=rng.randint(1, 15))) for _ in range(150)]
    return references, [noisy(t, rng, 0.3) for t in references], [noisy(t, rng, 0.27) for t in references]


@pytest.fixture(scope="module")
def statistics(systems):
    references, *texts = systems
    return [
        np.concatenate([BLEU_METRIC.statistics([ref], [text]) for ref, text in zip(references, one)]) for one in texts
    ]


@pytest.mark.parametrize("piece", [1 << 21, 5000, 1])
def test_same_seed_gives_the_numbers_of_sacrebleu(systems, statistics, monkeypatch, piece):
    # However the draws are cut into pieces.
    monkeypatch.setattr(significance, "_PIECE", piece)
    monkeypatch.setenv("SACREBLEU_SEED", "77")
    references, *texts = systems
    named = [("baseline", texts[0]), ("system", texts[1])]

    def theirs(kind, samples):
        return PairedTest(named, {"BLEU": BLEU()}, [references], kind, n_samples=samples)()[1]["BLEU"]

    first, second = theirs("bs", 300)
    mine = paired_bootstrap(BLEU_METRIC, *statistics, samples=300, seed=77)
    assert mine.p == second.p_value and mine.value == pytest.approx(second.score - first.score)
    for one, result in zip(statistics, (first, second)):
        interval = confidence_interval(BLEU_METRIC, one, samples=300, seed=77)
        assert interval.value == pytest.approx(result.score)
        assert (interval.high - interval.low) / 2 == pytest.approx(result.ci)

    assert paired_randomisation(BLEU_METRIC, *statistics, trials=333, seed=77) == theirs("ar", 333)[1].p_value


def errors(*counts: int) -> np.ndarray:
    """Statistics of sentences of ten words with so many substitutions."""
    return np.array([[count, 0, 0, 10] for count in counts], float)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=7))
def test_randomisation_estimates_the_share_of_all_exchanges(pairs):
    baseline, system = errors(*(a for a, _ in pairs)), errors(*(b for _, b in pairs))
    found = abs(sum(b - a for a, b in pairs))
    as_large = [
        abs(sum(sign * (b - a) for sign, (a, b) in zip(signs, pairs))) >= found
        for signs in product((1, -1), repeat=len(pairs))
    ]
    p = paired_randomisation(WER, baseline, system, trials=4000)
    assert p == pytest.approx(float(Fraction(sum(as_large), len(as_large))), abs=0.04)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20))
def test_system_is_no_better_than_itself(counts):
    one = errors(*counts)
    assert paired_randomisation(WER, one, one, trials=50) == 1.0
    comparison = paired_bootstrap(WER, one, one, samples=50)
    assert (comparison.value, comparison.low, comparison.high, comparison.p) == (0.0, 0.0, 0.0, 1.0)


def test_one_sentence_says_nothing_of_chance():
    comparison = paired_bootstrap(WER, errors(3), errors(1))
    assert comparison.value == pytest.approx(-0.2) and np.isnan(comparison.p)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 9))
def test_interval_lies_between_the_best_and_the_worst_sentence(counts, seed):
    interval = confidence_interval(WER, errors(*counts), samples=60, seed=seed)
    assert min(counts) / 10 <= interval.low <= interval.high <= max(counts) / 10
    assert interval == confidence_interval(WER, errors(*counts), samples=60, seed=seed)


def test_interval_of_a_mean_is_that_of_statistics():
    # 400 sentences, errors 0 or 1 of ten words: standard error of the rate 0.05 · 1 / √400.
    interval = confidence_interval(WER, errors(*[0, 1] * 200), samples=4000)
    assert interval.value == 0.05
    assert interval.low == pytest.approx(0.05 - 1.96 * 0.0025, abs=2e-4)
    assert interval.high == pytest.approx(0.05 + 1.96 * 0.0025, abs=2e-4)


def test_clear_difference_has_the_least_p_value():
    baseline, system = errors(*[3] * 50), errors(*[1] * 50)
    assert paired_randomisation(WER, baseline, system, trials=999) == 1 / 1000
    comparison = paired_bootstrap(WER, baseline, system, samples=999)
    assert comparison.p == 1 / 1000 and comparison.value == pytest.approx(-0.2)
    assert comparison.low == comparison.high == pytest.approx(-0.2)


def test_samples_without_reference_words_are_passed_over():
    sparse = np.array([[1.0, 0, 0, 4], [0, 2, 0, 0]])
    interval = confidence_interval(WER, sparse, samples=200)
    assert interval.value == 0.75 and np.isfinite([interval.low, interval.high]).all()
    nothing = np.array([[0.0, 2, 0, 0]])
    assert np.isnan(confidence_interval(WER, nothing, samples=20).low)
    assert np.isnan(paired_bootstrap(WER, nothing, nothing, samples=20).p)
    assert np.isnan(paired_randomisation(WER, nothing, nothing, trials=20))


def test_what_cannot_be_drawn_from_is_refused():
    with pytest.raises(InputError, match="no sentences"):
        confidence_interval(WER, np.zeros((0, 4)))
    with pytest.raises(InputError, match="have 1, 2 sentences"):
        paired_bootstrap(WER, errors(1), errors(1, 2))
    with pytest.raises(InputError, match="have 2, 1 sentences"):
        paired_randomisation(WER, errors(1, 2), errors(1))
    with pytest.raises(SettingError, match="samples is 0"):
        confidence_interval(WER, errors(1), samples=0)
    with pytest.raises(SettingError, match="seed is -1"):
        confidence_interval(WER, errors(1), seed=-1)
