"""The `kenlm` module as an outside oracle for the files that lmmix writes, and as a reader of KenLM binaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES

from lmmix.corpus import Corpus, corpus_from_lines, read_corpus
from lmmix.errors import FormatError
from lmmix.lm import load
from lmmix.logmath import LN10
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.merge import merge_models
from lmmix.ngram.prune import prune_entropy

FIXTURES = Path(__file__).parent / "fixtures"

kenlm = pytest.importorskip("kenlm")


def kenlm_scores(path: Path, corpus: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln p, n-gram length and OOV flag of every event, as KenLM sees them."""
    config = kenlm.Config()
    config.show_progress = False
    model = kenlm.Model(str(path), config)
    rows = []
    for lo, hi in zip(corpus.offsets[:-1], corpus.offsets[1:]):
        rows += model.full_scores(" ".join(corpus.vocab.words[i] for i in corpus.ids[lo : hi - 1]))
    log10p, length, oov = zip(*rows)
    return np.array(log10p) * LN10, np.array(length), np.array(oov)


def check_against_kenlm(model: BackoffModel, text: Corpus, folder: Path) -> None:
    path = folder / "model.arpa"
    model.save(path)
    logp, length, _ = kenlm_scores(path, text)
    np.testing.assert_allclose(model.score(text), logp, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(model.hit_lengths(text), length)


def test_kenlm_reads_pruned_files_to_the_same_numbers(corpus: Corpus, tmp_path: Path) -> None:
    """With trigrams whose suffixes are gone, and no 4-gram left."""
    pruned = prune_entropy(train_ngram(corpus, 4), 4e-3)
    tree = pruned.tree
    assert (tree.suffix[tree.nodes(3)] < tree.level[2]).any() and tree.counts()[3] == 0
    pruned.save(tmp_path / "model.arpa")
    logp = kenlm_scores(tmp_path / "model.arpa", corpus)[0]
    np.testing.assert_allclose(pruned.score(corpus), logp, rtol=0, atol=1e-5)


def test_kenlm_reads_the_merged_file_to_the_same_numbers(corpus: Corpus, tmp_path: Path) -> None:
    """With members that lack suffixes."""
    pruned = prune_entropy(train_ngram(corpus, 4), 4e-3)
    merged = merge_models([pruned, train_ngram(corpus_from_lines(LINES[:3], corpus.vocab), 3)], [0.5, 0.5])
    merged.save(tmp_path / "merged.arpa")
    logp = kenlm_scores(tmp_path / "merged.arpa", corpus)[0]
    np.testing.assert_allclose(merged.score(corpus), logp, rtol=0, atol=1e-5)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_kenlm_reads_our_files_to_the_same_numbers(corpus: Corpus, order: int, tmp_path: Path) -> None:
    check_against_kenlm(train_ngram(corpus, order), corpus, tmp_path)


@pytest.mark.parametrize("order", [2, 5])
def test_every_event_of_the_penn_treebank(shared_data: Path, order: int, tmp_path: Path) -> None:
    train = read_corpus(shared_data / "ptb" / "train.txt.gz")
    test = read_corpus(shared_data / "ptb" / "test.txt.gz", train.vocab)
    check_against_kenlm(train_ngram(train, order), test, tmp_path)


def test_file_of_lmplz_is_read_to_the_numbers_of_kenlm(corpus: Corpus) -> None:
    """lmplz3.arpa was made of the sentences in conftest by `lmplz -o 3 --discount_fallback`."""
    text = corpus_from_lines([*LINES, "the zebra sat on a mat"], corpus.vocab)
    model = load(FIXTURES / "lmplz3.arpa")
    known = text.recode(model.vocab)
    logp, length, oov = kenlm_scores(FIXTURES / "lmplz3.arpa", known)
    np.testing.assert_allclose(model.score(known), logp, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(model.hit_lengths(known), length)
    assert np.flatnonzero(oov).tolist() == known.oov_at.tolist()


@pytest.mark.parametrize("kind", ["probing", "trie"])
def test_kenlm_binary_has_the_numbers_of_its_arpa_and_conforms(corpus: Corpus, kind: str) -> None:
    """lines3.arpa is our model of the sentences in conftest; the binaries were made of it by `build_binary KIND`."""
    model, arpa = load(FIXTURES / f"lines3.{kind}"), load(FIXTURES / "lines3.arpa")
    assert sorted(model.vocab.words) == sorted(arpa.vocab.words)
    assert model.vocab.fingerprint == arpa.vocab.fingerprint
    np.testing.assert_allclose(model.score(corpus), arpa.score(corpus), rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.unigram(), arpa.unigram()[model.vocab.translation(arpa.vocab)], rtol=1e-5)  # type: ignore[attr-defined]
    check_language_model(model, corpus, tolerance=1e-5)


def test_damaged_binary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.binary"
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(200) + b"<unk>\0a\0")
    with pytest.raises(FormatError, match="bad.binary"):
        load(path)
