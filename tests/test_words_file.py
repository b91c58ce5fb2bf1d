"""Models of words as files, and the commands that make and use them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from conftest import LINES

from lmmix.corpus import corpus_from_lines
from lmmix.errors import FormatError, InputError, LmmixError
from lmmix.lm import load
from lmmix.ngram.estimate import train_ngram
from lmmix.vocab import Vocab
from lmmix.words.model import WordModel

DEV = corpus_from_lines(["the cat sat", "a zebra sat on a dog"])


@pytest.fixture
def files(tmp_path):
    """a/pieces.lmx, b/words.txt and c/words.json, which names both."""
    for name in "abc":
        (tmp_path / name).mkdir()
    train_ngram(corpus_from_lines(LINES, tokenizer="chars"), 3, "wb").save(tmp_path / "a" / "pieces.lmx")
    corpus_from_lines(LINES).vocab.write(tmp_path / "b" / "words.txt")
    pieces, vocab = load(tmp_path / "a" / "pieces.lmx"), Vocab.read(tmp_path / "b" / "words.txt")
    WordModel(pieces, vocab).save(
        tmp_path / "c" / "words.json", tmp_path / "a" / "pieces.lmx", tmp_path / "b" / "words.txt"
    )
    return tmp_path


def test_files_are_found_where_all_were_moved_together(files, tmp_path_factory):
    model = load(files / "c" / "words.json")
    moved = tmp_path_factory.mktemp("moved") / "all"
    shutil.move(files, moved)
    again = load(moved / "c" / "words.json")
    assert again.signature == model.signature
    np.testing.assert_array_equal(again.score(DEV), model.score(DEV))


def test_words_may_stand_in_the_file_itself(files):
    model = load(files / "c" / "words.json")
    model.save(files / "c" / "other.json", files / "a" / "pieces.lmx")
    (files / "b" / "words.txt").unlink()
    assert load(files / "c" / "other.json").signature == model.signature


def test_an_arpa_file_is_read_with_the_tokeniser_it_was_made_with(files):
    load(files / "a" / "pieces.lmx").save(files / "a" / "pieces.arpa")
    pieces = load(files / "a" / "pieces.arpa", "chars")
    model = WordModel(pieces, Vocab.read(files / "b" / "words.txt"))
    model.save(files / "c" / "arpa.json", files / "a" / "pieces.arpa")
    np.testing.assert_array_equal(load(files / "c" / "arpa.json").score(DEV), model.score(DEV))


def test_files_that_changed_or_went_are_named(files):
    path = files / "c" / "words.json"
    (files / "b" / "words.txt").write_text("other\nwords\n")
    with pytest.raises(
        FormatError, match=r"words\.json: .*words\.txt has changed since the model of words was made; make"
    ):
        load(path)
    (files / "a" / "pieces.lmx").unlink()
    corpus_from_lines(LINES).vocab.write(files / "b" / "words.txt")
    with pytest.raises(InputError, match=r"words\.json: .*pieces\.lmx is not there"):
        load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 2}, "version 2; this lmmix reads version 1"),
        ({"vocab": ["other"]}, "its words are not those that it was made for"),
        ({"vocab": 3}, "its vocab must be a list of words, or the path and fingerprint of a file"),
        ({"vocab": {"path": 3, "fingerprint": "0"}}, "its vocab must be a list of words"),
        ({"vocab": ["two words"]}, "cannot be a word"),
        ({"vocab": ["one", 1]}, "1 among its words is no word"),
        ({"vocab": [None]}, "None among its words is no word"),
        ({"model": None}, "its model must have a path, a fingerprint and a tokenizer"),
        ({"model": {"path": "../a/pieces.lmx"}}, "its model must have a path"),
        ({"model": {"path": "a\0b", "fingerprint": "", "tokenizer": "chars"}}, "cannot use the file|is not there"),
        ({"fingerprint": None}, "it has no fingerprint of its words"),
    ],
)
def test_damaged_files_are_refused_in_one_line(files, change, message):
    path = files / "c" / "words.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=rf"words\.json: .*({message})") as error:
        load(path)
    assert "\n" not in str(error.value)
    content = json.loads(path.read_text())
    for name in content.keys() - {"kind"}:
        path.write_text(json.dumps({key: value for key, value in content.items() if key != name}))
        with pytest.raises(LmmixError):
            load(path)


def test_from_texts_to_a_mixture_over_words(folder, run):
    pieces = "sentencepiece:m.model"
    for arguments in (
        ["pieces", "train.txt", "-o", "m.model", "--size", "276", "--type", "bpe", "--list", "pieces.txt"],
        ["ngram", "train.txt", "-o", "p.lmx", "--order", "4", "--smoothing", "wb", "--tokenizer", pieces,
         "--vocab", "pieces.txt"],
        ["vocab", "train.txt", "-o", "words.txt"],
        ["words", "p.lmx", "--vocab", "words.txt", "-o", "words.json"],
        ["ngram", "train.txt", "-o", "w.lmx", "--order", "2", "--vocab", "words.txt"],
        ["mix", "words.json", "w.lmx", "--dev", "dev.txt", "-o", "mix.json"],
        ["ppl", "mix.json", "dev.txt"],
        ["sample", "words.json", "-n", "2"],
    ):  # fmt: skip
        status, out, err = run(*arguments)
        assert status == 0 and out, err
    assert len((folder / "pieces.txt").read_text().split()) == 276 - 3
    facts = json.loads(run("info", "words.json", "--json")[1])
    assert facts["kind"] == "WordModel" and facts["tokenizer"] == "whitespace"
    assert load(folder / "words.json").model.vocab.id("<0xFF>") > 0


def test_mistakes_are_told_in_one_line(files, run, monkeypatch):
    monkeypatch.chdir(files)
    train_ngram(corpus_from_lines(LINES), 2, "wb").save("w.lmx")
    for arguments, message in (
        (["words", "w.lmx", "--vocab", "b/words.txt", "-o", "x.json"], "is one of words already"),
        (["words", "a/pieces.lmx", "--vocab", "none", "-o", "x.json"], "none: cannot read"),
        (["words", "a/pieces.lmx", "--vocab", "b/words.txt", "-o", "b/words.txt"], "is an input of this command"),
        (["words", "c/words.json", "--vocab", "b/words.txt", "-o", "x.json"], "is one of words already"),
        (["mix", "a/pieces.lmx", "w.lmx", "--dev", "b/words.txt", "-o", "x.json"], "do not compare"),
    ):
        status, _, err = run(*arguments)
        assert status == 1 and message in err and err.count("\n") == 1
    assert not (files / "x.json").exists()
