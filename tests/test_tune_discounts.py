"""Tuned discounts: the objective is the perplexity of the model, its gradient that of finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from test_counts import TEXTS
from test_smoothing import FEW, ZIPF

from lmmix.corpus import corpus_from_lines
from lmmix.errors import SettingError
from lmmix.ngram.counts import count_ngrams
from lmmix.ngram.estimate import _orders, train_ngram
from lmmix.ngram.held_out import HeldOut
from lmmix.ngram.settings import SmoothingSettings
from lmmix.ngram.tune_discounts import Objective, gather
from lmmix.scratch import IN_MEMORY

DEV = ["a b c d", "a a b", "c b a q", "d d e a b b c", "b"]


@FEW
@given(
    TEXTS,
    st.integers(1, 4),
    st.sampled_from(["mkn", "kn", "abs"]),
    st.sampled_from([(1,), (1, 2)]),
    st.lists(st.floats(0.05, 0.95), min_size=12, max_size=12),
)
def test_objective_and_gradient(
    sentences: list[list[str]], order: int, name: str, min_counts: tuple[int, ...], values: list[float]
) -> None:
    text = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    min_counts = min_counts[:order]
    settings = SmoothingSettings(name, min_counts=min_counts)
    counted = count_ngrams(text, order)
    orders = _orders(counted, settings.smoothings(order), min_counts, len(text.vocab) - 1, None, IN_MEMORY)
    dev = corpus_from_lines(DEV, text.vocab)
    k = 3 if name == "mkn" else 1
    held_out = HeldOut(counted.tree, dev, 1.0 / (len(text.vocab) - 1))
    assert (held_out.ngram[0] == 1 + dev.ids).all()
    objective = Objective([gather(each, k, held_out) for each in orders], held_out.prob)
    tables = np.array(values[: len(orders) * k]).reshape(-1, k) * np.arange(1, k + 1)
    value, gradient = objective(tables.ravel())
    expected = approx_fprime(tables.ravel(), lambda x: objective(x)[0], 1e-7)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)
    names = ",".join(f"{name}:{'/'.join(map(repr, row))}" for row in tables.tolist())
    model = train_ngram(text, order, SmoothingSettings(names, min_counts=min_counts))
    assert value == pytest.approx(-model.score(dev).mean(), rel=1e-12)


@pytest.mark.parametrize("name", ["mkn", "kn", "abs"])
def test_tuned_discounts_are_no_worse_on_the_held_out_text(name: str) -> None:
    text, dev = corpus_from_lines(ZIPF[:40]), corpus_from_lines(ZIPF[40:])
    before = train_ngram(text, 3, name)
    after = train_ngram(text, 3, SmoothingSettings(name, tune_discounts=dev))
    assert after.score(dev).mean() > before.score(dev).mean()
    assert "discounts:tuned" in after.signature
    for found in after.parameters:
        assert all(0 < value <= r for r, value in enumerate(found["discounts"], 1))


@pytest.mark.parametrize("closed", [True, False])
def test_unknown_words_are_no_evidence(closed: bool) -> None:
    text = corpus_from_lines(ZIPF)
    with_oov, without = (corpus_from_lines([line], text.vocab) for line in ("a b c never", "a b c"))
    found = [train_ngram(text, 1, SmoothingSettings(tune_discounts=dev, closed=closed)) for dev in (with_oov, without)]
    np.testing.assert_allclose(found[0].parameters[0]["discounts"], found[1].parameters[0]["discounts"], rtol=1e-3)
    assert np.isneginf(found[0].score(with_oov)).tolist() == [False, False, False, closed, False]


@pytest.mark.parametrize(
    "settings", [SmoothingSettings("wb"), SmoothingSettings("mkn,kn"), SmoothingSettings("mkn", interpolated=False)]
)
def test_what_has_no_discounts_to_tune_is_refused(settings: SmoothingSettings) -> None:
    text = corpus_from_lines(ZIPF)
    with pytest.raises(SettingError, match="discounts"):
        train_ngram(text, 2, SmoothingSettings(settings.smoothing, settings.interpolated, tune_discounts=text))


@pytest.mark.slow
def test_penn_treebank(shared_data) -> None:
    from lmmix.corpus import read_corpus
    from lmmix.score import perplexity

    train = read_corpus(shared_data / "ptb" / "train.txt.gz")
    valid, test = (read_corpus(shared_data / "ptb" / f"{part}.txt.gz", train.vocab) for part in ("valid", "test"))
    model = train_ngram(train, 5, SmoothingSettings(tune_discounts=valid))
    assert perplexity(model, test).ppl <= 140.658  # MITLM with discounts tuned on the same text
