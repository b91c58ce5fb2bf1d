"""Cut-offs leave out rare n-grams and nothing else: their mass goes to the back-offs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import naive_ngram
import numpy as np
import pytest
from conformance import check_language_model
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS
from test_smoothing import BOTH_FORMS, FEW, ZIPF, check_against_naive

from lmmix.corpus import corpus_from_lines, read_corpus
from lmmix.errors import SettingError
from lmmix.ngram.counts import count_ngrams
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.settings import SmoothingSettings

CUTOFFS = st.sampled_from([(1, 2), (1, 1, 2), (1, 2, 3)])


@FEW
@given(TEXTS, st.integers(3, 5), st.sampled_from(BOTH_FORMS), st.booleans(), CUTOFFS)
def test_probabilities_equal_naive(
    sentences: list[list[str]], order: int, smoothing: str, interpolated: bool, min_counts: tuple[int, ...]
) -> None:
    check_against_naive(sentences, order, SmoothingSettings(smoothing, interpolated, min_counts), ("x",))


@pytest.mark.parametrize("interpolated", [True, False])
@pytest.mark.parametrize("smoothing", ["mkn", "wb"])
def test_only_frequent_ngrams_stay_and_sums_stay_one(smoothing: str, interpolated: bool) -> None:
    text = corpus_from_lines(ZIPF)
    model = train_ngram(text, 4, SmoothingSettings(smoothing, interpolated, (1, 2, 4)))
    counted = count_ngrams(text, 4)
    expected = [int((counted.count[counted.tree.nodes(n)] >= least).sum()) for n, least in ((2, 2), (3, 4), (4, 4))]
    assert model.tree.counts()[1:] == expected
    assert "min-counts:1,2,4" in model.signature
    check_language_model(model, text)


def test_cut_off_that_nothing_reaches_leaves_the_unigrams() -> None:
    text = corpus_from_lines(ZIPF)
    model = train_ngram(text, 3, SmoothingSettings(min_counts=(1, 10**6)))
    assert model.tree.counts() == [len(text.vocab), 0, 0]
    np.testing.assert_array_equal(model.backoff[1:], 0.0)
    check_language_model(model, text)


@pytest.mark.parametrize("min_counts", [(2,), (1, 3, 2), (1, 1, 1, 1), (), (0, 1)])
def test_cut_offs_that_would_tear_the_tree_are_refused(min_counts: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="minimum counts"):
        train_ngram(corpus_from_lines(ZIPF), 3, SmoothingSettings(min_counts=min_counts))


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="needs KenLM's lmplz")
@pytest.mark.parametrize("min_counts", [(1, 1, 2), (1, 2, 3)])
def test_equals_lmplz(shared_data: Path, tmp_path: Path, min_counts: tuple[int, ...]) -> None:
    text = read_corpus(shared_data / "earnest" / "earnest.txt.gz")
    words, lines = text.vocab.words, []
    for lo, hi in zip(text.offsets[:-1], text.offsets[1:]):
        lines.append(" ".join(words[i] for i in text.ids[lo : hi - 1]) + "\n")
    thresholds = [str(count - 1) for count in min_counts]
    command = ["lmplz", "-o", "3", "--prune", *thresholds, "-S", "100M", "-T", str(tmp_path / "tmp")]
    theirs = subprocess.run(command, input="".join(lines), capture_output=True, text=True, check=True).stdout
    train_ngram(text, 3, SmoothingSettings(min_counts=min_counts)).save(tmp_path / "ours.arpa")
    expected, found = naive_ngram.Arpa(theirs), naive_ngram.Arpa((tmp_path / "ours.arpa").read_text())
    expected.logp[("<s>",)] = found.logp[("<s>",)]
    assert found.logp == pytest.approx(expected.logp, abs=1e-5)
    assert {key: found.backoff[key] for key in expected.backoff} == pytest.approx(expected.backoff, abs=1e-5)
