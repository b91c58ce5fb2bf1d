"""SentencePiece models that lmmix trains."""

from __future__ import annotations

import gzip

import pytest

from lmmix import pieces
from lmmix.errors import InputError, SettingError
from lmmix.pieces import train_pieces
from lmmix.tokenize import tokenizer
from lmmix.vocab import SPACE

LINES = [f"the cat number {i} sat on the mat of dog {i % 7} <unk> ½ é" for i in range(60)]
SIZES = {"unigram": 290, "bpe": 300, "char": 1}


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress("\n".join([*LINES, "", "  the\tend "]).encode()))
    return path


def tokens(path, line):
    return tokenizer(f"sentencepiece:{path}").transform(f"{line}\n".encode()).decode().split()


@pytest.mark.parametrize("kind", pieces.TYPES)
def test_pieces_begin_words_and_give_every_text_back(text, tmp_path, kind):
    out = tmp_path / kind
    found = train_pieces([text], out, SIZES[kind], kind)
    assert len(found) == SIZES[kind] or kind == "char"
    assert all("▁" not in piece.lstrip("▁") for piece in found)
    for line in ("the cat sat", "½ \N{NO-BREAK SPACE}ﬁ 字 <s>x", "a\tb\0c  d\r", "zebra"):
        found = tokens(out, line)
        words = [word for word in SPACE.split(line) if word]
        assert tokenizer(f"sentencepiece:{out}").detokenize(found) == " ".join(words)
        assert "".join(found).count("▁") == len(words)
    assert tokens(out, "<unk> the <unk>").count("▁<unk>") == 2


def test_the_same_text_gives_the_same_model(text, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    train_pieces([text], one, 290)
    (tmp_path / "plain").write_text("\n".join([*LINES, "the end"]))
    train_pieces([tmp_path / "plain"], two, 290)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("line", ["", "word", "one two three four five", "a " * 30 + "b"])
def test_lines_are_cut_between_words(line, monkeypatch):
    monkeypatch.setattr(pieces, "LONGEST", 8)
    cut = list(pieces._cut(line))
    assert " ".join(cut) == line and all(" " not in part[8:] for part in cut)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"kind": "words"}, "'words'; it must be one of unigram, bpe, char"),
        ({"size": 260}, "size is 260; it must be from 261 to 1048576"),
        ({"size": 1 << 21, "kind": "bpe"}, "size is 2097152; it must be from 261"),
        ({"size": 261}, r"size is 261; at a coverage of 0.9995 this text needs 2\d\d pieces or more"),
        ({"size": 261, "kind": "bpe"}, r"size is 261; at a coverage of 0.9995 this text needs 2\d\d pieces or more"),
        ({"size": 10**6}, r"size is 1000000; this text gives 29\d pieces at most: lower --size"),
        ({"size": 10**6, "kind": "bpe"}, r"size is 1000000; this text gives \d+ pieces at most: lower --size"),
        ({"coverage": 1.5}, "coverage is 1.5; it must be above 0 and at most 1"),
        ({"errors": "ignore"}, "it must be 'strict' or 'replace'"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(text, tmp_path, settings, message):
    (tmp_path / "out").write_text("old")
    with pytest.raises(SettingError, match=message) as error:
        train_pieces([text], tmp_path / "out", **{"size": 290, **settings})
    assert "\n" not in str(error.value)
    assert (tmp_path / "out").read_text() == "old"


def test_texts_that_cannot_be_used_are_named(text, tmp_path):
    (tmp_path / "empty").write_text(" \n\n")
    (tmp_path / "bad").write_bytes(b"good\nb\xffd\n")
    with pytest.raises(InputError, match="empty: no word to make pieces of"):
        train_pieces([tmp_path / "empty"], tmp_path / "out", 300)
    for texts in ([tmp_path / "bad"], [text, tmp_path / "bad"]):
        with pytest.raises(InputError, match="bad:2:2: byte 0xff"):
            train_pieces(texts, tmp_path / "out", 300)
    with pytest.raises(InputError, match="none: cannot read"):
        train_pieces([tmp_path / "none"], tmp_path / "out", 300)
    assert not (tmp_path / "out").exists()
    assert len(train_pieces([tmp_path / "bad"], tmp_path / "out", 266, "char", errors="replace")) > 256
