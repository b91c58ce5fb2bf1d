"""OpenFst text: the path of a sentence costs what the model says."""

from __future__ import annotations

import gzip
import math
import random as randomness
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_packed import Fst
from odd_models import odd_model
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import SettingError
from lmmix.ngram import _fst_kernels as kernels
from lmmix.ngram import fst_write
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.fst_write import write_fst


def check_costs(model: BackoffModel, path: Path, label: str, random, odd: bool = False) -> None:
    write_fst(model, path, label, 1)
    fst = Fst(path.read_text(), label)
    states = {state for arcs in fst.arcs.values() for state, _ in arcs.values()} | set(fst.final) | {fst.start}
    assert states <= set(range(len(states) + 1))
    words = [word for word in model.vocab.words if word not in ("<unk>", "<s>", "</s>")]
    sentences = [[random.choice(words) for _ in range(random.randrange(1, 9))] for _ in range(8)] if words else []
    for sentence in sentences:
        logp = model.score(corpus_from_lines([" ".join(sentence)], model.vocab))
        costs = fst.costs(sentence)
        # The back-offs of histories without a state stand on the arcs that lead there: a word early, in odd models.
        np.testing.assert_allclose(sum(costs), -logp.sum(), atol=1e-5)
        if not odd:
            np.testing.assert_allclose(costs, -logp, atol=1e-6)


@settings(max_examples=40)
@given(TEXTS, st.integers(1, 5), st.sampled_from(["<eps>", "#0"]), st.randoms())
def test_paths_cost_what_the_model_says(tmp_path_factory, sentences, order: int, label: str, random) -> None:
    corpus = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    path = tmp_path_factory.getbasetemp() / "model.fst.txt"
    check_costs(train_ngram(corpus, order), path, label, random)


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 4), st.randoms())
def test_odd_models(tmp_path_factory, sentences, order: int, random) -> None:
    model = odd_model(sentences, order, random)
    # A `</s>` of probability 0 in some contexts only is what OpenFst text cannot say.
    ends = model.tree.word == 2
    model.logp[ends] = np.maximum(model.logp[ends], -9.0)
    check_costs(model, tmp_path_factory.getbasetemp() / "odd.fst.txt", "<eps>", random, odd=True)


@given(st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 1e-9, -1e-9, 9.99999999, 1e12, math.inf])))
def test_costs_are_written_with_seven_decimals(cost: float) -> None:
    out = np.zeros(64, np.uint8)
    text = out[: kernels._write_cost(cost, out, 0)].tobytes().decode()
    assert float(text) == pytest.approx(min(cost, 1e9) if cost < math.inf else cost, abs=5.1e-8)
    assert "." not in text or not text.endswith((".", "0"))


def test_symbols_and_compression(corpus: Corpus, tmp_path: Path) -> None:
    model = train_ngram(corpus, 3)
    write_fst(model, tmp_path / "m.fst.txt.gz", "#0")
    symbols = (tmp_path / "m.fst.txt.gz.syms").read_text().splitlines()
    assert symbols[:2] == ["<eps>\t0", "<unk>\t1"] and symbols[-1] == f"#0\t{len(model.vocab) + 1}"
    text = gzip.decompress((tmp_path / "m.fst.txt.gz").read_bytes()).decode()
    known = {symbol.split("\t")[0] for symbol in symbols}
    assert {line.split("\t")[2] for line in text.splitlines() if line.count("\t") == 4} <= known
    assert "<s>" not in text


def test_small_buffers_and_threads_change_nothing(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train_ngram(corpus, 3)
    write_fst(model, tmp_path / "a.fst.txt", threads=1)
    monkeypatch.setattr(fst_write, "BUFFER_BYTES", 16)
    monkeypatch.setattr(fst_write, "PIECE_NODES", 3)
    write_fst(model, tmp_path / "b.fst.txt", threads=3)
    # Contexts come in other pieces, but in the same sequence.
    assert (tmp_path / "a.fst.txt").read_bytes() == (tmp_path / "b.fst.txt").read_bytes()


@pytest.mark.parametrize(("label", "what"), [("cat", "cat is a word"), ("", "no symbol"), ("a b", "no symbol")])
def test_labels_that_would_mislead_are_refused(corpus: Corpus, tmp_path: Path, label: str, what: str) -> None:
    with pytest.raises(SettingError, match=what):
        write_fst(train_ngram(corpus, 2), tmp_path / "m.fst.txt", label)
    assert not list(tmp_path.iterdir())


def test_command(corpus: Corpus, tmp_path: Path) -> None:
    from lmmix.cli import group

    model = train_ngram(corpus, 3)
    model.save(tmp_path / "m.lmx")
    group(
        ["convert", str(tmp_path / "m.lmx"), str(tmp_path / "m.fst.txt"), "--backoff-label", "#0"],
        standalone_mode=False,
    )
    check_costs(model, tmp_path / "again.fst.txt", "#0", randomness.Random(1))
    assert (tmp_path / "again.fst.txt").read_bytes() == (tmp_path / "m.fst.txt").read_bytes()
