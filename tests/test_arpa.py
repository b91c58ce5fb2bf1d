"""ARPA: writing and reading are inverse, other writers' habits are understood, faults are named."""

from __future__ import annotations

import gzip
import math
import random
import re
import tempfile
import tracemalloc
from pathlib import Path

import naive_ngram
import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import InputError, LmmixError
from lmmix.lm import load
from lmmix.ngram import _arpa_kernels, _arpa_write_kernels, arpa_write
from lmmix.ngram.arpa import read_arpa
from lmmix.ngram.arpa_write import write_arpa
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram

SMALL = """\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.5
-0.9\t</s>
-0.7\ta\t-0.25
-0.4\tb\t0.125

\\2-grams:
-0.3\t<s> a\t-0.1
-0.6\ta b\t-0.2
-0.8\ta </s>
-0.2\tb a

\\3-grams:
-0.05\t<s> a b
-0.15\ta b a

\\end\\
"""


def written(text: str, folder: Path, name: str = "model.arpa") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def logp_of(model: BackoffModel) -> np.ndarray:
    return model.score(corpus_from_lines(["a b"]))


def trained(order: int = 3) -> BackoffModel:
    return train_ngram(corpus_from_lines(LINES), order)


def test_scores_equal_a_dictionary_of_the_file(tmp_path: Path) -> None:
    model, twin = read_arpa(written(SMALL, tmp_path)), naive_ngram.Arpa(SMALL)
    sentences = ["a b a", "a a b", "b b", "z a", "a b a b a", "b"]
    corpus = corpus_from_lines(sentences, model.vocab)
    logp, hits = model.score(corpus), model.hit_lengths(corpus)
    at = 0
    for sentence in sentences:
        words = ["<s>", *(word if word in "ab" else "<unk>" for word in sentence.split()), "</s>"]
        for i in range(1, len(words)):
            expected, length = twin.score(words[i], tuple(words[max(0, i - 2) : i]))
            assert logp[at] == pytest.approx(expected * math.log(10), rel=1e-12)
            assert hits[at] == length
            at += 1


@given(TEXTS, st.integers(1, 4))
def test_reading_what_was_written_is_the_identity(sentences: list[list[str]], order: int) -> None:
    model = train_ngram(corpus_from_lines([" ".join(words) for words in sentences]), order)
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "a.arpa"), Path(folder, "b.arpa")
        write_arpa(model, first)
        again = read_arpa(first)
        write_arpa(again, second)
        assert first.read_bytes() == second.read_bytes()
    for name in ("level", "word", "begin", "suffix"):
        np.testing.assert_array_equal(getattr(again.tree, name), getattr(model.tree, name))
    np.testing.assert_allclose(again.logp[2:], model.logp[2:], rtol=0, atol=1.2e-7)


def test_model_read_back_conforms(corpus: Corpus, tmp_path: Path) -> None:
    for name in ("m.arpa", "m.arpa.gz", "m.arpa.bz2", "m.arpa.xz"):
        trained().save(tmp_path / name)
        check_language_model(load(tmp_path / name), corpus, tolerance=1e-6)


def test_lmx_gives_the_same_numbers_and_conforms(corpus: Corpus, tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "m.lmx")
    again = load(tmp_path / "m.lmx")
    np.testing.assert_array_equal(again.score(corpus), model.score(corpus))
    assert again.signature == model.signature and again.vocab == model.vocab
    check_language_model(again, corpus)


def test_output_does_not_depend_on_threads_or_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(4)
    write_arpa(model, tmp_path / "a.arpa", threads=1)
    monkeypatch.setattr("lmmix.ngram.arpa_write.PIECE_NODES", 7)
    monkeypatch.setattr("lmmix.ngram.arpa_write.BUFFER_BYTES", 80)
    write_arpa(model, tmp_path / "b.arpa", threads=3)
    assert (tmp_path / "a.arpa").read_bytes() == (tmp_path / "b.arpa").read_bytes()


@given(TEXTS, st.integers(2, 4), st.randoms(use_true_random=False), st.integers(1, 90), st.integers(1, 3))
def test_any_order_of_lines_any_chunks_any_threads_give_the_same_model(
    sentences: list[list[str]], order: int, rng: random.Random, chunk_bytes: int, threads: int
) -> None:
    model = train_ngram(corpus_from_lines([" ".join(words) for words in sentences]), order)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "a.arpa")
        write_arpa(model, path)
        plain = read_arpa(path, threads=1)
        head, *sections = re.split(r"(?m)^(?=\\\d-grams:)", path.read_text())
        for n, section in enumerate(sections[1:], 1):
            marker, *lines = section.removesuffix("\\end\\\n").splitlines()
            rng.shuffle(lines)
            sections[n] = "\n".join([rng.choice(["", " "]) + marker, *lines, ""])
        path.write_text(head + "".join(sections) + "\\end\\\n")
        patch.setattr("lmmix.ngram.arpa_text.CHUNK_BYTES", chunk_bytes)
        patch.setattr("lmmix.ngram.tree_builder.PIECE_NODES", 3)
        again = read_arpa(path, threads=threads)
    for name in ("level", "word", "begin", "suffix"):
        np.testing.assert_array_equal(getattr(again.tree, name), getattr(plain.tree, name))
    np.testing.assert_array_equal(again.logp, plain.logp)
    np.testing.assert_array_equal(again.backoff, plain.backoff)


def test_what_is_read_ahead_fails_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A faulty line is named although the file turns out to be cut off, or not to be UTF-8, a little further on."""
    monkeypatch.setattr("lmmix.ngram.arpa_text.CHUNK_BYTES", 16)
    content = SMALL.replace("-0.6\ta b", "-0.6\ta q").replace("-0.2\tb a", "-0.2\tb ß").encode("latin-1")
    plain, cut_off = tmp_path / "model.arpa", tmp_path / "model.arpa.gz"
    plain.write_bytes(content)
    cut_off.write_bytes(gzip.compress(content)[:-20])
    for path in (plain, cut_off):
        with pytest.raises(LmmixError, match=r":15: the word 'q' is no unigram"):
            read_arpa(path)
    plain.write_bytes(content.replace(b"q", b"b"))
    with pytest.raises(InputError, match=r"model.arpa:17:8: byte 0xdf"):
        read_arpa(plain, repair=True)


@given(st.floats(-98.9, 98.9))
def test_numbers_are_written_with_seven_decimals(value: float) -> None:
    out = np.zeros(32, np.uint8)
    text = out[: _arpa_write_kernels._write_number(value, arpa_write._DIGITS, out, 0)].tobytes().decode()
    assert float(text) == pytest.approx(value, abs=0.50001e-7)
    assert re.fullmatch(r"-?\d{1,2}(\.\d{0,6}[1-9])?", text) and text != "-0"


@given(st.one_of(st.floats(-1e6, 1e6).map(repr), st.floats(-99, 0).map("{:.6g}".format), st.text("0123456789.-+eE")))
def test_numbers_are_read_as_python_reads_them(text: str) -> None:
    data = np.frombuffer(bytearray((text + "\n").encode()), np.uint8)
    value, good = _arpa_kernels._parse_number(data, 0, len(text))
    try:
        expected = float(text)
    except ValueError:
        assert not good
    else:
        assert good and value == pytest.approx(expected, rel=1e-14, abs=1e-300)


class TestHabitsOfOtherWriters:
    """Every one of these has the numbers of SMALL."""

    @pytest.mark.parametrize(
        "text",
        [
            SMALL.replace("\t", " "),
            SMALL.replace("\n", "\r\n"),
            SMALL.replace("\n-", "\n\n-"),
            "a comment\n\n" + SMALL,
            SMALL.replace("<unk>", "<UNK>"),
            SMALL.replace("-99\t", "-inf\t"),
            SMALL.replace("-99\t", "0\t"),
            SMALL.replace("-0.3\t", "-3e-1\t").replace("-0.8\t", "-.8\t"),
            SMALL.replace("-0.2\tb a", "-0.2\tb a\t0"),
            SMALL.removesuffix("\n"),
            SMALL + "trailing text\n",
            "\ufeff" + SMALL,
            SMALL.replace("-99\t", "-1e308\t"),
            SMALL.replace("ngram 1=5", "ngram\t01 = 0005"),
        ],
        ids="blanks crlf empty-lines comment UNK inf bos0 exponents bow newline trailer bom lowest zeros".split(),
    )
    def test_same_numbers(self, text: str, tmp_path: Path) -> None:
        model, plain = read_arpa(written(text, tmp_path)), read_arpa(written(SMALL, tmp_path, "plain.arpa"))
        corpus = corpus_from_lines(["a b a", "b b z", "a"], plain.vocab)
        np.testing.assert_array_equal(model.score(corpus), plain.score(corpus))

    def test_mitlm_style(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """`</s>` and `<s>` first, no `<unk>`, other order of words, an empty line on top, `-99` for `<s>`."""
        lines = SMALL.replace("-1.5\t<unk>\n", "").replace("ngram 1=5", "ngram 1=4")
        lines = lines.replace("-99\t<s>\t-0.5\n-0.9\t</s>\n", "-0.9\t</s>\n-99\t<s>\t-0.5\n")
        lines = lines.replace("-0.7\ta\t-0.25\n-0.4\tb\t0.125", "-0.4\tb\t0.125\n-0.7\ta\t-0.25")
        lines = lines.replace("-0.3\t<s> a\t-0.1\n-0.6\ta b\t-0.2\n", "-0.6\ta b\t-0.2\n-0.3\t<s> a\t-0.1\n")
        model, plain = read_arpa(written("\n" + lines, tmp_path)), read_arpa(written(SMALL, tmp_path, "plain.arpa"))
        corpus = corpus_from_lines(["a b a", "b b", "a", "b a b a"], plain.vocab)
        np.testing.assert_array_equal(model.score(corpus), plain.score(corpus))
        assert "<unk> is missing" in caplog.text
        assert model.score(corpus_from_lines(["z"], model.vocab))[0] == -np.inf

    def test_long_lines_and_long_words(self, tmp_path: Path) -> None:
        word = "x" * 100_000
        model = train_ngram(corpus_from_lines([f"{word} a {word}"] * 3), 3)
        write_arpa(model, tmp_path / "long.arpa")
        assert read_arpa(tmp_path / "long.arpa").tree.counts() == model.tree.counts()

    def test_unk_in_capitals_inside_ngrams(self, tmp_path: Path) -> None:
        text = SMALL.replace("-0.2\tb a", "-0.2\tb a\n-0.1\t<unk> a").replace("2=4", "2=5")
        text = text.replace("<unk>\n", "<unk>\t-0.3\n")
        model = read_arpa(written(text.replace("<unk>", "<UNK>"), tmp_path))
        plain = read_arpa(written(text, tmp_path, "plain.arpa"))
        corpus = corpus_from_lines(["a z a", "z a b"], plain.vocab)
        np.testing.assert_array_equal(model.score(corpus), plain.score(corpus))
        assert model.hit_lengths(corpus)[2] == 2

    def test_bos_has_no_probability_wherever_it_stands(self, tmp_path: Path) -> None:
        model = read_arpa(written(SMALL.replace("-0.2\tb a", "-0.2\tb <s>"), tmp_path, "m.arpa"), repair=True)
        _, state = model.advance(model.start(1), np.array([model.vocab.id("b")], np.int32))
        assert model.distribution(state)[0, 1] == 0

    def test_high_orders_take_no_memory(self, tmp_path: Path) -> None:
        """A parser that made room for 1000 words in every line would ask for gigabytes."""
        sections = "".join(f"\\{n}-grams:\n" for n in range(2, 1001))
        counts = "".join(f"ngram {n}=0\n" for n in range(2, 1001))
        text = f"\\data\\\nngram 1=1\n{counts}\n\\1-grams:\n-1\ta\n{sections}\\end\\\n" + "\n" * 100_000
        tracemalloc.start()
        assert read_arpa(written(text, tmp_path)).order == 1000
        assert tracemalloc.get_traced_memory()[1] < 100e6
        tracemalloc.stop()

    def test_eos_inside_an_ngram_is_harmless(self, tmp_path: Path) -> None:
        text = SMALL.replace("ngram 2=4", "ngram 2=5").replace("-0.9\t</s>", "-0.9\t</s>\t0")
        text = text.replace("-0.2\tb a", "-0.2\tb a\n-1\t</s> a")
        assert read_arpa(written(text, tmp_path)).tree.counts() == [5, 5, 2]


FAULTS = {
    "header-count": (SMALL.replace("ngram 2=4", "ngram 2=7"), r"ngram 2=7, but there are 4"),
    "positive": (SMALL.replace("-0.6\ta b", "0.6\ta b"), r":15: .*0.6 is positive"),
    "nan": (SMALL.replace("-0.6\ta b", "nan\ta b"), r":15: .*nan"),
    "nan-backoff": (SMALL.replace("a b\t-0.2", "a b\tnan"), r":15: .*back-off is nan"),
    "missing-backoff": (SMALL.replace("a b\t-0.2", "a b"), r":15: .*has no back-off"),
    "missing-backoff-of-unk": (
        SMALL.replace("-1.5\t<unk>\n", "")
        .replace("1=5", "1=4")
        .replace("-0.2\tb a", "-0.2\tb a\n-1\t<unk> a")
        .replace("2=4", "2=5"),
        r":17: '<unk>' is the context of longer n-grams, but has no back-off",
    ),
    "large-backoff": (SMALL.replace("a b\t-0.2", "a b\t99.5"), r":15: the back-off is nan, infinite or above 99"),
    "missing-context": (
        SMALL.replace("ngram 2=4", "ngram 2=3").replace("-0.3\t<s> a\t-0.1\n", ""),
        r":19: .*not its context",
    ),
    "repeated": (SMALL.replace("-0.2\tb a", "-0.2\tb a\n-0.3\tb a").replace("2=4", "2=5"), r":18: .*twice"),
    "no-end": (SMALL.replace("\\end\\\n", ""), r":\d+: \\end\\ is missing"),
    "unknown-word": (SMALL.replace("-0.2\tb a", "-0.2\tb q"), r":17: the word 'q' is no unigram"),
}
HOPELESS = {
    "empty": ("", r"empty"),
    "no-data": ("hello\nworld\n", r"not an ARPA file: .*'hello'"),
    "no-header": ("\\data\\\n\\1-grams:\n-1 a\n\\end\\\n", r":2: the header announces no n-grams"),
    "bad-header": (SMALL.replace("ngram 2=4", "ngram two=4"), r":3: 'ngram two=4'"),
    "huge-count": (
        SMALL.replace("ngram 2=4", "ngram 2=1000000000000000"),
        r":3: the header announces order 2 and 1000",
    ),
    "endless-count": (SMALL.replace("ngram 2=4", "ngram 2=" + "9" * 5000), r":3: 'ngram 2=9+' is not 'ngram 2=COUNT'"),
    "arabic-count": (SMALL.replace("ngram 2=4", "ngram 2=٤"), r":3: 'ngram 2=٤' is not 'ngram 2=COUNT'"),
    "many-orders": (
        SMALL.replace("\n\n\\1", "\n" + "".join(f"ngram {n}=0\n" for n in range(4, 1002)) + "\n\\1", 1),
        r":1002: the header announces order 1001 and 11 n-grams; a model can hold order 1000",
    ),
    "UNK-twice": (
        SMALL.replace("<unk>", "<UNK>").replace("-0.4\tb\t", "-0.4\t<UNK>\t"),
        r":11: the word '<UNK>' is there twice",
    ),
    "bad-number": (SMALL.replace("-0.6\ta b", "-0.6x\ta b"), r":15: .*is not 'log10p 2 words"),
    "few-words": (SMALL.replace("-0.6\ta b\t-0.2", "-0.6\ta"), r":15: .*is not 'log10p 2 words"),
    "many-words": (SMALL.replace("-0.6\ta b\t", "-0.6\ta b b\t"), r":15: .*is not 'log10p 2 words"),
    "missing-section": (SMALL.replace("\\2-grams:", "\\3-grams:"), r":13: expected \\2-grams:"),
    "repeated-unigram": (SMALL.replace("-0.4\tb\t", "-0.4\ta\t"), r":11: the word 'a' is there twice"),
}


class TestFaults:
    @pytest.mark.parametrize("name", [*FAULTS, *HOPELESS])
    def test_is_refused_with_its_place(self, name: str, tmp_path: Path) -> None:
        text, message = {**FAULTS, **HOPELESS}[name]
        path = written(text, tmp_path)
        with pytest.raises(LmmixError, match=message) as caught:
            load(path)
        assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", FAULTS)
    def test_is_repaired_on_request_and_logged(
        self, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = read_arpa(written(FAULTS[name][0], tmp_path), repair=True)
        assert "repaired" in caplog.text
        logp = model.score(corpus_from_lines(["a b a", "b a b"], model.vocab))
        assert (logp <= 0).all() and np.isfinite(logp).sum() >= len(logp) - 1
        model.save(tmp_path / "repaired.lmx")
        np.testing.assert_array_equal(load(tmp_path / "repaired.lmx").score(corpus_from_lines(["a b"])), logp_of(model))

    @pytest.mark.parametrize("name", HOPELESS)
    def test_is_refused_even_when_repairing(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(LmmixError):
            read_arpa(written(HOPELESS[name][0], tmp_path), repair=True)

    def test_truncated_gz(self, tmp_path: Path) -> None:
        path = tmp_path / "model.arpa.gz"
        path.write_bytes(gzip.compress(SMALL.encode())[:-20])
        with pytest.raises(InputError, match="truncated"):
            read_arpa(path)

    def test_truncated_anywhere(self, tmp_path: Path) -> None:
        for length in range(len(SMALL) - len("\\end\\\n")):
            with pytest.raises(LmmixError):
                read_arpa(written(SMALL[:length], tmp_path))

    def test_damage_behind_the_end_of_compressed_data(self, tmp_path: Path) -> None:
        path = tmp_path / "model.arpa.gz"
        content = bytearray(gzip.compress((SMALL + "\n" * 2**23).encode()))
        content[-6] ^= 1
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot read: CRC check failed"):
            read_arpa(path)

    def test_bad_byte(self, tmp_path: Path) -> None:
        path = tmp_path / "model.arpa"
        path.write_bytes(SMALL.replace("-0.4\tb", "-0.4\tß").encode("latin-1"))
        with pytest.raises(InputError, match=r"model.arpa:\d+:\d+: byte 0xdf"):
            read_arpa(path)


class TestMissingSuffix:
    """An n-gram whose suffix is not there backs off to the longest suffix that is (as KenLM does)."""

    def test_scores_equal_a_dictionary_of_the_file(self, tmp_path: Path) -> None:
        text = SMALL.replace("ngram 2=4", "ngram 2=3").replace("-0.2\tb a\n", "")
        model, twin = read_arpa(written(text, tmp_path)), naive_ngram.Arpa(text)
        corpus = corpus_from_lines(["a b a b"], model.vocab)
        words = ["<s>", "a", "b", "a", "b", "</s>"]
        expected = [twin.score(words[i], tuple(words[max(0, i - 2) : i]))[0] for i in range(1, 6)]
        np.testing.assert_allclose(model.score(corpus), np.array(expected) * math.log(10), rtol=1e-12)
