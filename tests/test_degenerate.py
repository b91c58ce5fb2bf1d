"""Corpora and orders at the edges: nothing may crash, warn like NumPy, or take for ever."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conformance import check_language_model
from conftest import LINES

from lmmix.cli import group
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.lm import load
from lmmix.logmath import LN10
from lmmix.ngram.estimate import train_ngram

TEXTS = {
    "one-word": ["a"],
    "one-word-often": ["a"] * 50,
    "one-word-in-long-lines": ["a a a a a a a a a a a a a"] * 3,
    "one-sentence-repeated": ["the cat sat on the mat"] * 100,
    "two-lengths": ["a", "a a", "a a a"],
    "unk-in-text": ["<unk> a <unk>", "a <unk>"],
    "all-different": [f"w{3 * i} w{3 * i + 1} w{3 * i + 2}" for i in range(200)],
    "chinese": ["迈向 充满 希望 的 新 世纪", "新 世纪 的 希望", "（ 附 图片 １ 张 ）"],
    "odd-characters": ["\u00a0 \u200b \u2028 é e\u0301 🐎", "\ufeff \x7f \x1b[0m \\data\\ \\end\\ -1.5 0 # ;"],
}


def run(*arguments: object) -> str:
    """The output of a command that must succeed."""
    result = CliRunner().invoke(group, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("order", [1, 2, 5, 12])
def test_odd_corpora_train_save_load_and_conform(name: str, order: int, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TEXTS[name]) + "\n")
    corpus = corpus_from_lines(TEXTS[name])
    found = []
    for suffix in ("arpa", "lmx"):
        run("ngram", text, "-o", tmp_path / f"m.{suffix}", "--order", order)
        model = load(tmp_path / f"m.{suffix}")
        check_language_model(model, corpus, tolerance=1e-9 if suffix == "lmx" else 2e-6)
        report = json.loads(run("ppl", tmp_path / f"m.{suffix}", text, "--json").split("\n")[0])
        assert 1 <= report["ppl"] < 1e6 and report["zeroprob"] == 0
        found.append(model.score(corpus))
    np.testing.assert_allclose(*found, rtol=0, atol=5e-6)


@pytest.mark.parametrize("order", range(1, 13))
def test_every_order_from_1_to_12(order: int, corpus: Corpus, tmp_path: Path) -> None:
    model = train_ngram(corpus, order)
    check_language_model(model, corpus)
    for name in ("m.arpa", "m.lmx"):
        model.save(tmp_path / name)
        again = load(tmp_path / name)
        assert again.tree.counts() == model.tree.counts()
        check_language_model(again, corpus, tolerance=1e-6)
        np.testing.assert_allclose(again.score(corpus), model.score(corpus), rtol=0, atol=5e-6)
    np.testing.assert_array_equal(load(tmp_path / "m.lmx").score(corpus), model.score(corpus))


@pytest.mark.parametrize("order", range(2, 7))
@pytest.mark.parametrize("name", ["one-word", "one-sentence-repeated", "all-different", "chinese"])
def test_kenlm_reads_them_to_the_same_numbers(name: str, order: int, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    model = train_ngram(corpus_from_lines(TEXTS[name]), order)
    model.save(tmp_path / "m.arpa")
    config = kenlm.Config()
    config.show_progress = False
    other = kenlm.Model(str(tmp_path / "m.arpa"), config)
    for line in dict.fromkeys([*TEXTS[name], *LINES]):
        logp = model.score(corpus_from_lines([line], model.vocab))
        expected = [log10p * LN10 for log10p, _, _ in other.full_scores(line)]
        np.testing.assert_allclose(logp, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("order", [0, -1, 1001, 10**20])
def test_impossible_orders_are_refused_on_one_line(order: int, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a b\n")
    result = CliRunner().invoke(group, ["ngram", str(tmp_path / "text.txt"), "-o", "x.arpa", "--order", str(order)])
    assert str(result.exception) == f"order is {order}; it must be from 1 to 1000"


@pytest.mark.slow
def test_a_million_different_words(tmp_path: Path) -> None:
    """Each step takes seconds; anything quadratic would take hours."""
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(f"w{10 * i + j}" for j in range(10)) + "\n" for i in range(100_000)))
    run("ngram", text, "-o", tmp_path / "m.arpa", "--order", 3)
    run("convert", tmp_path / "m.arpa", tmp_path / "m.lmx")
    run("vocab", text, "-o", tmp_path / "words.txt")
    run("ngram", text, "-o", tmp_path / "again.lmx", "--order", 2, "--vocab", tmp_path / "words.txt")
    reports = [json.loads(run("ppl", tmp_path / f"m.{suffix}", text, "--json")) for suffix in ("arpa", "lmx")]
    assert reports[0]["logp"] == pytest.approx(reports[1]["logp"], rel=1e-9)
    assert json.loads(run("info", tmp_path / "m.lmx", "--json"))["ngrams"] == [1_000_003, 1_100_000, 1_000_000]


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer, order, size", [("whitespace", 5, 55_000), ("chars", 6, 4_500)])
def test_chinese_text(shared_data: Path, tokenizer: str, order: int, size: int, tmp_path: Path) -> None:
    """The People's Daily of January 1998 as words and as characters: train on all but the last lines, score those."""
    lines = gzip.decompress((shared_data / "zh" / "pd199801.seg.txt.gz").read_bytes()).decode().splitlines()
    for name, part in (("train", lines[:-1000]), ("test", lines[-1000:])):
        spaced = part if tokenizer == "whitespace" else ["".join(line.split()) for line in part]
        (tmp_path / name).write_text("\n".join(spaced) + "\n")
    run("ngram", tmp_path / "train", "-o", tmp_path / "m.lmx", "--order", order, "--tokenizer", tokenizer)
    model = load(tmp_path / "m.lmx")
    assert 0.8 * size < len(model.vocab) < 1.25 * size
    report = json.loads(run("ppl", tmp_path / "m.lmx", tmp_path / "test", "--json"))
    assert report["zeroprob"] == 0 and 10 < report["ppl"] < 1000
    run("convert", tmp_path / "m.lmx", tmp_path / "m.arpa.gz")
    again = json.loads(run("ppl", tmp_path / "m.arpa.gz", tmp_path / "test", "--tokenizer", tokenizer, "--json"))
    assert again["logp"] == pytest.approx(report["logp"], rel=1e-6)
    sample = corpus_from_lines((tmp_path / "test").read_text().splitlines()[:20], model.vocab, tokenizer)
    check_language_model(model, sample)
