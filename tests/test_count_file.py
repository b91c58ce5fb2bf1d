"""Count files come back as they went, add up like texts, and are refused with file and line if they cannot be right."""

from __future__ import annotations

import gzip
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import naive_counts
import naive_ngram
import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from test_counts import TEXTS, ngrams_of

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, FormatError, InputError, LmmixError, SettingError
from lmmix.ngram import count_file, count_write
from lmmix.ngram.count_file import read_counts
from lmmix.ngram.count_write import write_counts
from lmmix.ngram.counts import NgramCounts, count_ngrams
from lmmix.ngram.cutoffs import cut_off
from lmmix.ngram.estimate import estimate
from lmmix.vocab import Vocab

Sentences = list[list[str]]
WORDS = st.sampled_from(["a", "b", "c", "3", "é", "x<s>"])
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=7), min_size=1, max_size=9)


def corpus_of(sentences: Sentences, vocab: Vocab | None = None) -> Corpus:
    return corpus_from_lines([" ".join(sentence) for sentence in sentences], vocab)


def counts_of(counts: NgramCounts, vocab: Vocab) -> dict[tuple[str, ...], float]:
    """By n-gram, those of count 0 left out."""
    ngrams = ngrams_of(counts, Corpus(np.zeros(0, np.int32), np.zeros(1, np.int64), vocab))
    return {ngram: count for ngram, count in zip(ngrams, counts.count.tolist()) if count}


def check_same(one: tuple[NgramCounts, Vocab], other: tuple[NgramCounts, Vocab]) -> None:
    """To the last byte."""
    assert one[1] == other[1]
    for name in ("level", "word", "begin", "suffix"):
        np.testing.assert_array_equal(getattr(one[0].tree, name), getattr(other[0].tree, name), strict=True)
    np.testing.assert_array_equal(one[0].count, other[0].count, strict=True)


def write_text(text: str | bytes, name: str = "c.txt") -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def written(counts: NgramCounts, vocab: Vocab, name: str = "c.txt", **options: Any) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    write_counts(counts, vocab, path, **options)
    return path


class TestRoundTrip:
    @settings(max_examples=40)
    @given(SENTENCES, st.integers(1, 5), st.sampled_from(["c.txt", "c.lmc"]))
    def test_reading_what_was_written_is_the_identity(self, sentences: Sentences, order: int, name: str) -> None:
        corpus = corpus_of(sentences)
        order = min(order, 2 + max(map(len, sentences)))
        counts = count_ngrams(corpus, order)
        check_same(read_counts(written(counts, corpus.vocab, name)), (counts, corpus.vocab))

    @settings(max_examples=40)
    @given(SENTENCES, st.integers(1, 4))
    def test_words_that_do_not_occur_come_back(self, sentences: Sentences, order: int) -> None:
        vocab = Vocab.from_words(["zebra", "c", "a", "yak"])
        counts = count_ngrams(corpus_of(sentences, vocab), order)
        check_same(read_counts(written(counts, vocab), order=order), (counts, vocab))

    @settings(max_examples=40)
    @given(SENTENCES, st.integers(1, 4))
    def test_lines_are_the_counts(self, sentences: Sentences, order: int) -> None:
        corpus = corpus_of(sentences)
        lines = written(count_ngrams(corpus, order), corpus.vocab).read_text().splitlines()
        expected = naive_ngram.counts(sentences, order)
        assert sorted(lines) == sorted(f"{' '.join(ngram)}\t{count}" for ngram, count in expected.items())
        assert [len(line.split()) for line in lines] == sorted(len(line.split()) for line in lines)

    @settings(max_examples=40)
    @given(SENTENCES, st.integers(1, 5), st.booleans())
    def test_sorted_lines_are_in_the_order_of_bytes(self, sentences: Sentences, order: int, only: bool) -> None:
        corpus = corpus_of(sentences)
        counts = count_ngrams(corpus, order)
        path = written(counts, corpus.vocab, sort=True, only_order=order if only else None)
        found = [tuple(line.split("\t")[0].encode().split(b" ")) for line in path.read_text().splitlines()]
        expected = naive_ngram.counts(sentences, order)
        assert found == sorted(
            tuple(word.encode() for word in ngram) for ngram in expected if len(ngram) == order or not only
        )
        if not only:
            again, vocab = read_counts(path)
            assert counts_of(again, vocab) == expected

    def test_model_from_counts_is_the_model_of_the_text(self, corpus: Corpus) -> None:
        direct = estimate(count_ngrams(corpus, 4), corpus.vocab)
        counts, vocab = read_counts(written(count_ngrams(corpus, 4), corpus.vocab, "c.txt.gz"))
        model = estimate(counts, vocab)
        assert model.signature == direct.signature
        np.testing.assert_array_equal(model.logp, direct.logp, strict=True)
        np.testing.assert_array_equal(model.backoff, direct.backoff, strict=True)

    @settings(max_examples=40)
    @given(st.lists(st.floats(1e-30, 2e9), min_size=1, max_size=20), st.integers(0, 9))
    def test_fractional_counts_keep_fifteen_digits(self, values: list[float], decimals: int) -> None:
        values = [round(value, decimals) or value for value in values]
        vocab = Vocab.from_words([f"w{i}" for i in range(len(values))])
        counts = count_ngrams(corpus_of([[word] for word in vocab.words[3:]], vocab), 1)
        counts = NgramCounts(counts.tree, counts.count.astype(np.float64))
        counts.count[4:] = values
        path = written(counts, vocab)
        assert [float(line.split()[1]) for line in path.read_text().splitlines()[2:]] == pytest.approx(
            values, rel=6e-15
        )
        again, _ = read_counts(path)
        np.testing.assert_allclose(again.count, counts.count, rtol=6e-15)

    @pytest.mark.parametrize("threads", [1, 3])
    def test_pieces_and_threads_make_no_difference(self, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
        rng = np.random.default_rng(1)
        corpus = corpus_of([[f"w{int(x)}" for x in rng.zipf(1.3, 12) if x < 3000] or ["x"] for _ in range(300)])
        counts = count_ngrams(corpus, 4)
        whole = {sort: written(counts, corpus.vocab, sort=sort).read_bytes() for sort in (False, True)}
        monkeypatch.setattr(count_write, "PIECE_NODES", 97)
        monkeypatch.setattr(count_write, "BUFFER_BYTES", 100)
        original = count_file.read_line_chunks
        monkeypatch.setattr(count_file, "read_line_chunks", lambda path: original(path, 301))
        for sort, expected in whole.items():
            path = written(counts, corpus.vocab, sort=sort, threads=threads)
            assert path.read_bytes() == expected
        check_same(read_counts(written(counts, corpus.vocab), threads=threads), (counts, corpus.vocab))


class TestAddingUp:
    @settings(max_examples=40)
    @given(SENTENCES, SENTENCES, st.integers(1, 4), st.sampled_from(["c.txt", "c.lmc"]))
    def test_counts_of_two_texts_add_up(self, one: Sentences, two: Sentences, order: int, name: str) -> None:
        corpora = corpus_of(one), corpus_of(two)
        paths = [written(count_ngrams(corpus, order), corpus.vocab, name) for corpus in corpora]
        counts, vocab = read_counts(paths)
        assert counts_of(counts, vocab) == naive_ngram.counts(one + two, order)
        both = corpus_of(one + two, vocab)
        check_same(read_counts(paths, order=order), (count_ngrams(both, order), vocab))

    @settings(max_examples=40)
    @given(SENTENCES, SENTENCES, st.integers(1, 4), st.sampled_from([0.25, 1, 3]), st.sampled_from(["c.txt", "c.lmc"]))
    def test_scaled_counts_are_those_of_a_weighted_text(
        self, one: Sentences, two: Sentences, order: int, scale: float, name: str
    ) -> None:
        corpora = corpus_of(one), corpus_of(two)
        paths = [written(count_ngrams(corpus, order), corpus.vocab, name) for corpus in corpora]
        counts, vocab = read_counts(paths, order=order, scales=[scale, 0.5])
        weights = np.repeat([scale, 0.5], [len(one), len(two)])
        check_same((counts, vocab), (count_ngrams(corpus_of(one + two, vocab), order, weights=weights), vocab))

    def test_a_single_file_is_scaled_too(self, corpus: Corpus) -> None:
        counts = count_ngrams(corpus, 2)
        for name in ("c.txt", "c.lmc"):
            scaled, _ = read_counts(written(counts, corpus.vocab, name), scales=[2.5])
            np.testing.assert_array_equal(scaled.count, 2.5 * counts.count)

    @pytest.mark.parametrize("scales", [[1.0], [1, 2, 3], [1, 0], [1, -1], [1, float("nan")], [1, float("inf")]])
    def test_bad_scales_are_refused(self, scales: list[float]) -> None:
        path = write_text("a 1\n")
        with pytest.raises(SettingError, match="one for each of 2 count files, above 0"):
            read_counts([path, path], scales=scales)

    @settings(max_examples=40)
    @given(SENTENCES, st.integers(1, 4), st.randoms(use_true_random=False))
    def test_any_order_of_lines_blanks_and_parts(self, sentences: Sentences, order: int, random: Any) -> None:
        lines = []
        for ngram, count in naive_ngram.counts(sentences, order).items():
            for part in (count - 1, 1):
                end = random.choice(["", "\r", " ", "\n\n", "\n \t "])
                lines.append("  ".join(ngram) + random.choice(["\t", " ", " \t"]) + f"{part}{end}")
        random.shuffle(lines)
        path = write_text(b"\xef\xbb\xbf" + "\n".join(lines).encode())
        counts, vocab = read_counts(path)
        assert counts_of(counts, vocab) == naive_counts.read(path.read_text("utf-8-sig").split("\n"))
        assert counts.count.dtype == np.int32

    @settings(max_examples=40)
    @given(SENTENCES, st.integers(1, 4))
    def test_with_a_vocabulary_as_the_text_with_it(self, sentences: Sentences, order: int) -> None:
        own = corpus_of(sentences)
        vocab = Vocab.from_words(["zebra", "c", "a"])
        expected = count_ngrams(own.recode(vocab), order)
        for name in ("c.txt", "c.lmc"):
            path = written(count_ngrams(own, order), own.vocab, name)
            check_same(read_counts(path, vocab, order=order), (expected, vocab))

    def test_numbers_of_all_kinds(self) -> None:
        counts, vocab = read_counts(write_text("a 1.5\nb 2e1\nb 0.25\nc 0\nc 3.0\nd 0\na b 0\n"))
        assert counts_of(counts, vocab) == {("a",): 1.5, ("b",): 20.25, ("c",): 3}
        assert "d" in vocab and counts.count.dtype == np.float64

    def test_orders_of_files(self) -> None:
        files = [write_text("a b\t2\n"), write_text("b 3\na 2\n")]
        counts, vocab = read_counts(files)
        assert list(vocab.words[3:]) == ["a", "b"] and counts_of(counts, vocab) == {("a",): 2, ("b",): 3, ("a", "b"): 2}

    def test_folder_of_google(self, tmp_path: Path) -> None:
        for name, text in {
            "1gms/vocab.gz": "<S>\t4\n</S>\t4\n<UNK>\t1\na<S>\t3\n",
            "1gms/total": "12\n",
            "2gms/2gm-0000.gz": "<S> a<S>\t3\n",
            "2gms/2gm-0001.gz": "a<S> </S>\t3\n<S> <UNK>\t1\n<UNK> </S>\t1\n",
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        counts, vocab = read_counts(tmp_path)
        assert list(vocab.words) == ["<unk>", "<s>", "</s>", "a<S>"]
        assert counts_of(counts, vocab)["<unk>", "</s>"] == 1 and counts.count[1:5].tolist() == [1, 4, 4, 3]
        with pytest.raises(FormatError, match="1gms"):
            read_counts(tmp_path / "1gms")


class TestAbsentOrders:
    @settings(max_examples=40)
    @given(SENTENCES, st.integers(2, 3))
    def test_unigrams_and_bigrams_follow_from_longer_ones(self, sentences: Sentences, order: int) -> None:
        corpus = corpus_of(sentences)
        path = written(count_ngrams(corpus, order), corpus.vocab, only_order=order)
        assert counts_of(*read_counts(path)) == naive_ngram.counts(sentences, order)

    def test_trigrams_do_not(self, corpus: Corpus) -> None:
        path = written(count_ngrams(corpus, 4), corpus.vocab, only_order=4)
        with pytest.raises(FormatError, match=r"4-grams, but no 3-grams"):
            read_counts(path)

    @pytest.mark.parametrize(
        ("text", "missing"),
        [
            ("a 1\nb 1\nb c 1\n", "'b c' has a count, but the n-gram without its first word"),
            ("a 1\nb 1\nc b 1\n", "'c b' has a count, but its context"),
            ("a 9\nb 9\na b 1\na b a 1\n", "'a b a' has a count, but the n-gram without its first word"),
            ("a 9\nb 9\nb a 1\na b a 1\n", "'a b a' has a count, but its context"),
        ],
    )
    def test_single_gaps_are_refused(self, text: str, missing: str) -> None:
        with pytest.raises(FormatError, match=missing):
            read_counts(write_text(text))

    def test_modified_counts_are_noticed(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "lmmix"):
            read_counts(write_text("a 1\nb 3\na b 3\n"))
        assert "'a' has the count 1, but the 2-grams that begin with it have 3" in caplog.text

    @pytest.mark.parametrize("name", ["c.txt", "c.lmc"])
    def test_an_order_beyond_the_longest_n_gram_has_none(
        self, corpus: Corpus, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = written(count_ngrams(corpus, 2), corpus.vocab, name)
        with caplog.at_level(logging.WARNING, "lmmix"):
            counts, _ = read_counts(path, order=4)
        assert counts.tree.counts()[2:] == [0, 0] and "the order is 4, but the longest n-grams have 2" in caplog.text
        estimate(counts, corpus.vocab)


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("word", "is not 'words count'"),
            ("12", "is not 'words count'"),
            ("a b", "does not end in a count"),
            ("a 1x", "does not end in a count"),
            ("a -1", "ends in a count that is not from 0 to 2147483647"),
            ("a nan", "ends in a count that is not"),
            ("a inf", "ends in a count that is not"),
            ("a 2147483648", "ends in a count that is not"),
            ("a b c 1", "more than 2 words"),
            ("a <s> 1", "<s> can only begin"),
            ("</s> a 1", "</s> can only end"),
        ],
    )
    def test_line_is_named(self, line: str, why: str) -> None:
        path = write_text(f"a 1\n\nb 1\n{line}\na b 1\n")
        with pytest.raises(FormatError, match="c.txt:4: .*" + why):
            read_counts(path, order=2)

    def test_line_is_named_behind_the_first_chunk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = count_file.read_line_chunks
        monkeypatch.setattr(count_file, "read_line_chunks", lambda path: original(path, 10))
        with pytest.raises(FormatError, match=r"c\.txt:51: 'b'"):
            read_counts(write_text("a 1\n" * 50 + "b\n"))

    def test_bytes_that_are_no_text(self) -> None:
        with pytest.raises(InputError, match=r"c\.txt:2:2: byte 0xff"):
            read_counts(write_text(b"a 1\n \xff 1\n"))

    def test_sums_beyond_the_limit(self) -> None:
        with pytest.raises(FormatError, match="'a' has the count 4000000000"):
            read_counts(write_text("a 2000000000\na 2e9\n"))

    @pytest.mark.parametrize("text", ["", "\n \n"])
    def test_nothing_to_read(self, text: str) -> None:
        with pytest.raises(InputError, match="no n-gram to read"):
            read_counts(write_text(text))

    def test_other_failures(self, corpus: Corpus, tmp_path: Path) -> None:
        counts = count_ngrams(corpus, 3)
        path = written(counts, corpus.vocab, "c.lmc")
        with pytest.raises(SettingError, match="no count file"):
            read_counts([])
        with pytest.raises(InputError, match="cannot read"):
            read_counts(tmp_path / "none")
        with pytest.raises(FormatError, match="holds 3-grams; the order is 2"):
            read_counts(path, order=2)
        with pytest.raises(EventSpaceError, match="'whitespace', not by 'chars'"):
            read_counts(path, tokenizer="chars")
        with pytest.raises(SettingError, match="order is 0"):
            read_counts(path, order=0)
        with pytest.raises(SettingError, match="only_order is 4"):
            write_counts(counts, corpus.vocab, tmp_path / "c", only_order=4)
        with pytest.raises(SettingError, match="binary count file"):
            write_counts(counts, corpus.vocab, tmp_path / "c.lmc", sort=True)
        assert not list(tmp_path.iterdir())

    @settings(max_examples=40)
    @given(st.text(st.sampled_from("ab 1\t\n<s>/.-e5é"), max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            counts, vocab = read_counts(write_text(text))
        except LmmixError:
            return
        # Unigrams and bigrams that are not there are derived.
        expected = naive_counts.read(text.split("\n"))
        found = counts_of(counts, vocab)
        assert {ngram: found[ngram] for ngram in expected} == pytest.approx(expected)


class TestCutOff:
    @settings(max_examples=40)
    @given(TEXTS, st.integers(1, 4), st.lists(st.integers(0, 4), max_size=3))
    def test_equals_naive(self, sentences: Sentences, order: int, more: list[int]) -> None:
        corpus = corpus_of(sentences)
        least = [1, *more][:order]
        cut = cut_off(count_ngrams(corpus, order), least)
        expected = naive_counts.cut_off(Counter(naive_ngram.counts(sentences, order)), least)
        assert counts_of(cut, corpus.vocab) == expected
        ngrams = ngrams_of(cut, corpus)
        assert [ngrams[node] for node in cut.tree.suffix[1:]] == [ngram[1:] for ngram in ngrams[1:]]
        assert counts_of(*read_counts(written(cut, corpus.vocab))) == expected

    @pytest.mark.parametrize("least", [[], [1, -1], [2], [1, 1, 1, 1]])
    def test_refusals(self, corpus: Corpus, least: list[int]) -> None:
        with pytest.raises(SettingError, match="min_counts"):
            cut_off(count_ngrams(corpus, 3), least)


@pytest.mark.usefixtures("folder")
class TestCommand:
    def test_text_counts_and_merging(self, run: Run) -> None:
        assert run("count", "train.txt", "dev.txt", "-o", "both.txt", "--order", "3")[0] == 0
        assert run("count", "train.txt", "-o", "a.lmc", "--order", "3")[0] == 0
        assert run("count", "dev.txt", "-o", "b.txt.gz", "--order", "3")[0] == 0
        status, out, _ = run("count", "--merge", "a.lmc", "b.txt.gz", "-o", "ab.txt")
        assert status == 0 and out.startswith("ab.txt: ")
        assert sorted(Path("ab.txt").read_text().split("\n")) == sorted(Path("both.txt").read_text().split("\n"))

    def test_scales(self, run: Run) -> None:
        Path("a").write_text("x 3\ny 1\nx y 1\n")
        Path("b").write_text("x 2\n")
        status, out, _ = run("count", "--merge", "a", "b", "--scale", "1,.25", "-o", "-")
        assert status == 0 and out.splitlines() == ["x\t3.5", "y\t1", "x y\t1"]
        assert run("count", "--merge", "a", "b", "--scale", "1;2", "-o", "-")[0] == 2

    def test_choice_of_lines(self, run: Run) -> None:
        status, out, _ = run("count", "train.txt", "-o", "-", "--order", "2", "--only-order", "--sort")
        lines = out.splitlines()
        assert status == 0 and lines == sorted(lines) and all(line.count(" ") == 1 for line in lines)
        status, out, _ = run("count", "train.txt", "-o", "-", "--order", "2", "--min-counts", "1,3")
        assert status == 0 and "the dog\t4" in out and "a dog\t1" not in out

    def test_weights(self, run: Run) -> None:
        Path("text").write_text("a b\n\nc\na\n")
        Path("weights").write_text("1\n5\n0\n.25\n")
        status, out, _ = run("count", "text", "--weights", "weights", "-o", "-", "--order", "1")
        assert status == 0 and out.splitlines() == ["<s>\t1.25", "</s>\t1.25", "a\t1.25", "b\t1"]

    def test_mistakes(self, run: Run) -> None:
        assert run("count", "train.txt", "-o", "c", "--min-counts", "1,x")[0] == 2
        Path("w").write_text("1\n")
        for arguments, why in (
            (["--merge", "train.txt", "-o", "c"], "train.txt:1: 'the cat sat on the mat' does not end in a count"),
            (["--merge", "train.txt", "-o", "c", "--weights", "w"], "--weights"),
            (["train.txt", "-o", "c", "--scale", "2"], "--scale multiplies the counts of count files (--merge)"),
            (["--merge", "c1", "c2", "-o", "c", "--scale", "2"], "one for each of 2 count files"),
            (["train.txt", "-o", "c", "--weights", "w"], "has 1 weights, but train.txt have 8 lines"),
            (["train.txt", "-o", "train.txt"], "is an input"),
        ):
            status, _, err = run("count", *arguments)
            assert status == 1 and why in err and not Path("c").exists()
