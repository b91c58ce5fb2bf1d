"""Arrays that are no model are refused by name and place; every model that lmmix makes passes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from zlib import crc32

import naive_lmx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS

from lmmix.artefact import load_artefact, save_artefact
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import FormatError
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.lmxfile import KIND, check_lmx, read_lmx
from lmmix.ngram.tree_check import check_tree
from lmmix.vocab_check import check_vocab

NODE = 20

FAULTS = {
    "level": [(2, 9), (3, 5), (4, 10**9), (0, 1)],
    "begin": [(0, 2), (6, 0), (-1, 3), (7, 2**31 - 1), (7, -5)],
    "word": [(4, 5), (NODE, -1), (NODE, 10**6), (NODE, 0), (-1, 2**31 - 1)],
    "suffix": [(1, 1), (NODE, NODE), (NODE, -1), (NODE, 0), (-1, 2**31 - 1), (NODE, 2)],
    "logp": [(4, np.nan), (4, 0.1), (2, -3.0), (-1, np.inf)],
    "backoff": [(5, np.nan), (5, np.inf), (5, 1e300)],
    "vocab_begin": [(1, 4), (-1, 10**6), (5, -1), (5, 10**6)],
    "vocab_pool": [(0, 65), (13, 32), (13, 255), (13, 0)],
}
ALWAYS_FOUND = {("level", 2), ("level", 0), ("begin", -1), ("vocab_begin", -1), ("vocab_begin", 1), ("vocab_pool", 0)}


def model() -> BackoffModel:
    return train_ngram(corpus_from_lines(["the cat sat on the mat", "a cat and a dog", "the dog sat"]), 3)


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named_with_their_array_though_checksums_are_right(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.lmx"
    model().save(path)
    meta, arrays = load_artefact(path, KIND)
    for place, value in FAULTS[name]:
        wrong = arrays[name].copy()
        wrong[place] = value
        save_artefact(tmp_path / "wrong.lmx", KIND, meta, {**arrays, name: wrong})
        with pytest.raises(FormatError, match=r"array '(\w+)'"):
            read_lmx(tmp_path / "wrong.lmx")
        if (name, place) in ALWAYS_FOUND:
            with pytest.raises(FormatError, match=r"array '(\w+)'"):
                read_lmx(tmp_path / "wrong.lmx", full=False)


@pytest.mark.parametrize("name", ["level", "begin", "word", "suffix", "logp", "backoff", "vocab_begin"])
def test_arrays_too_long_or_too_short_are_refused_always(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.lmx"
    model().save(path)
    meta, arrays = load_artefact(path, KIND)
    for other in (arrays[name][:-1], np.append(arrays[name], arrays[name][-1:]), arrays[name][:0]):
        save_artefact(tmp_path / "wrong.lmx", KIND, meta, {**arrays, name: other})
        with pytest.raises(FormatError, match="array '"):
            read_lmx(tmp_path / "wrong.lmx", full=False)


def test_words_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.lmx"
    train_ngram(corpus_from_lines(["a b c"]), 2).save(path)
    meta, arrays = load_artefact(path, KIND)
    save_artefact(
        path, KIND, meta, {**arrays, "vocab_pool": np.where(arrays["vocab_pool"] == 98, 97, arrays["vocab_pool"])}
    )
    with pytest.raises(FormatError, match="array 'vocab_begin' is wrong at 4: the word is there twice"):
        read_lmx(path)


def test_an_unknown_tokeniser_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.lmx"
    model().save(path)
    meta, arrays = load_artefact(path, KIND)
    for name in ("", "white", "sentencepiece", "sentencepiece:/x"):
        save_artefact(path, KIND, {**meta, "tokenizer": name}, arrays)
        with pytest.raises(FormatError, match="header field meta.tokenizer is"):
            read_lmx(path)


@given(TEXTS, st.integers(1, 5))
def test_trained_models_pass_and_the_slow_reader_agrees(sentences: list[list[str]], order: int) -> None:
    import tempfile

    trained = train_ngram(corpus_from_lines([" ".join(words) for words in sentences]), order)
    check_vocab("x", trained.vocab.pool, trained.vocab.begin, "whitespace", full=True)
    check_tree("x", trained.tree, trained.logp, trained.backoff, len(trained.vocab), full=True)
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder, "m.lmx"))
        table = naive_lmx.read(Path(folder, "m.lmx").read_bytes())
    assert len(table.logp) == trained.tree.size - 1


def test_a_large_model_loads_without_being_read(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmmix.artefact.CHUNK_BYTES", 64)
    path = tmp_path / "m.lmx"
    train_ngram(corpus, 3).save(path)
    expected = read_lmx(path).score(corpus)
    monkeypatch.setattr("lmmix.artefact.SMALL_BYTES", 10)
    summed: list[int] = []
    monkeypatch.setattr(
        "lmmix.artefact.zlib", SimpleNamespace(crc32=lambda part: summed.append(len(part)) or crc32(part))
    )
    np.testing.assert_array_equal(read_lmx(path).score(corpus), expected)
    # Of eight arrays the chunks at the ends, and the header.
    assert sum(summed[1:]) <= 2 * 8 * 64 < path.stat().st_size - summed[0]


def test_an_explicit_check_finds_damage_in_large_files_and_false_names_of_vocabularies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmmix.artefact.SMALL_BYTES", 10)
    monkeypatch.setattr("lmmix.artefact.CHUNK_BYTES", 4)
    path = tmp_path / "m.lmx"
    model().save(path)
    assert check_lmx(path).tree.order == 3
    meta, arrays = load_artefact(path, KIND)
    save_artefact(tmp_path / "false.lmx", KIND, {**meta, "fingerprint": "0" * 16}, arrays)
    with pytest.raises(FormatError, match="header field meta.fingerprint is '0000000000000000'"):
        check_lmx(tmp_path / "false.lmx")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content.replace(b"dog", b"dig"))
    read_lmx(path)
    with pytest.raises(FormatError, match="array 'vocab_pool' is damaged"):
        check_lmx(path)
