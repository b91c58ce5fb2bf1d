"""Laws of all formats of n-best lists: what is written is recognised and reads back; damage is refused in one line."""

from __future__ import annotations

import gzip
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fuzz_bytes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.errors import LmmixError
from lmmix.nbest.formats.registry import FORMATS, nbest_writer, read_nbest, recognised
from lmmix.nbest.utterance import Rescored, Utterance
from lmmix.vocab import words_of

NASTY = "ab|.()=:\"'\\{}<>#%-1é中\u2028\xa0\x85 "
"""Letters that mean something somewhere, and white space that parts no words."""


def texts_of(alphabet: str, without: str = "(?!)") -> st.SearchStrategy[str]:
    return st.text(alphabet, max_size=6).filter(lambda text: not re.search(without, text))


plain = st.from_regex("[a-z][a-z0-9]{0,3}", fullmatch=True)
plain_texts = st.lists(plain, max_size=3).map(" ".join)
plain_scores = st.sampled_from(["am", "lm:mix", "oov:x", "tm.1"])


def same(text: str) -> str:
    return text


def joined_words(text: str) -> str:
    return " ".join(words_of(text))


@dataclass(frozen=True)
class Holds:
    """What a format can hold; by default what any can.

    Attributes
    ----------
    ids, texts, scores : strategies
        Ids, hypotheses and names of scores.
    text_read : function
        What a text reads back as.
    refs : int
        The most references that it has of an utterance.
    fields : bool
        Whether further fields of utterances and hypotheses survive.
    total_is_score : bool
        Whether a total reads back as a score; else it is a field of the hypothesis.
    own_scores : names
        Scores that all lists of this format have.
    """

    ids: st.SearchStrategy[str] = plain
    texts: st.SearchStrategy[str] = plain_texts
    scores: st.SearchStrategy[str] = plain_scores
    text_read: Callable[[str], str] = same
    refs: int = 0
    fields: bool = False
    total_is_score: bool = False
    own_scores: tuple[str, ...] = ()


anything = texts_of(NASTY + "\n\t\r\0", "(^|[ \n\t\r\0])</?s>")
FORMATS_HOLD = {
    "jsonl": Holds(ids=anything, texts=anything, scores=anything, refs=3, fields=True),
    "hyporadise": Holds(ids=anything, texts=anything, scores=anything, refs=3, fields=True),
    "espnet": Holds(texts=texts_of(NASTY), scores=texts_of(NASTY, "^$") | plain_scores | st.just("total")),
    "kaldi": Holds(texts=texts_of(NASTY), scores=texts_of(NASTY, "^$") | plain_scores | st.just("total")),
    "tsv": Holds(
        ids=texts_of(NASTY, "^$"),
        texts=texts_of(NASTY),
        scores=texts_of(NASTY).map("s{}".format) | plain_scores,
        refs=3,
    ),
    "moses": Holds(
        ids=texts_of(NASTY, r"^$|^ | $|\|\|\|"),
        texts=texts_of(NASTY, r"\|\|\|"),
        scores=texts_of(NASTY, r"^$|[ =]|\|\|\|") | plain_scores,
        text_read=lambda text: text.strip(" "),
        total_is_score=True,
        own_scores=("total",),
    ),
    "srilm": Holds(
        ids=st.text("ab|()=:1é中 %", min_size=1, max_size=4),
        texts=texts_of(NASTY + "\t\0"),
        scores=texts_of(NASTY, "^$") | st.sampled_from(["acoustic", "lm", "words", "total"]),
        text_read=joined_words,
        own_scores=("acoustic", "lm", "words"),
    ),
}
WITHOUT_NAMES = {"nemo"}
"""Formats whose files do not say what scores and utterances are called; they are tested apart."""

NAMES = [name for name in FORMATS if name not in WITHOUT_NAMES]
numbers = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)


@st.composite
def rescored_lists(draw: st.DrawFn, name: str) -> list[Rescored]:
    """Lists that the format can hold, with what rescoring may add to them."""
    holds = FORMATS_HOLD.get(name, Holds())
    names = draw(st.lists(holds.scores, max_size=4, unique=True))
    own = draw(st.integers(0, len(names)))
    refs = draw(st.integers(0, holds.refs))
    tuned = draw(st.booleans())
    made = []
    for identity in draw(st.lists(holds.ids, min_size=1, max_size=3, unique=True)):
        texts = draw(st.lists(holds.texts, min_size=1, max_size=4))
        row = st.lists(numbers, min_size=len(texts), max_size=len(texts))
        utterance = Utterance(
            identity,
            texts,
            {score: draw(row) for score in names[:own]},
            tuple(draw(holds.texts) for _ in range(refs)),
            {"channel": [1, "a"]} if holds.fields else {},
            [{"note": text} for text in texts] if holds.fields else [],
        )
        added = {score: np.array(draw(row)) for score in names[own:]}
        best = draw(st.integers(0, len(texts) - 1))
        total = np.array(draw(row)) if tuned else None
        made.append(Rescored(utterance, added, total, best if tuned else None, texts[best] if tuned else None))
    return made


def write(path: Path, name: str, lists: list[Rescored]) -> Path:
    with nbest_writer(path, name) as write_one:
        for one in lists:
            write_one(one)
    return path


def place(factory: pytest.TempPathFactory) -> Path:
    """An empty folder, the same one for all examples of a test."""
    folder = factory.getbasetemp() / "formats"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def contents(path: Path) -> dict[Path, bytes]:
    """All files in a file or folder, expanded."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {file: gzip.decompress(raw) if (raw := file.read_bytes())[:2] == b"\x1f\x8b" else raw for file in files}


def put(file: Path, content: bytes) -> None:
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)


def essence(utterance: Utterance) -> tuple[Any, ...]:
    """All but where it stood."""
    return utterance.id, utterance.texts, utterance.scores, utterance.refs, utterance.fields, utterance.hyp_fields


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_written_lists_are_recognised_and_read_back(tmp_path_factory, name, data):
    holds = FORMATS_HOLD.get(name, Holds())
    lists = data.draw(rescored_lists(name))
    path = write(place(tmp_path_factory) / "lists", name, lists)
    assert recognised(path) == name
    found = list(read_nbest(path))
    assert [one.id for one in found] == [one.utterance.id for one in lists]
    for before, after in zip(lists, found):
        utterance = before.utterance
        assert after.texts == [holds.text_read(text) for text in utterance.texts]
        assert after.refs == utterance.refs
        assert after.scores.keys() - set(holds.own_scores) == {*utterance.scores, *before.added} - set(holds.own_scores)
        for score, values in utterance.scores.items():
            assert after.scores[score] == values
        for score, given_values in before.added.items():
            assert after.scores[score] == given_values.tolist()
        if before.total is not None:
            total = before.total.tolist()
            assert (after.scores["total"] if holds.total_is_score else before_total(after)) == total
        if holds.fields:
            assert after.fields["channel"] == [1, "a"]
            assert [fields["note"] for fields in after.hyp_fields] == utterance.texts


def before_total(utterance: Utterance) -> list[float]:
    """The totals of an earlier run."""
    return [fields["total"] for fields in utterance.hyp_fields]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(data=st.data())
def test_reading_and_writing_changes_nothing(tmp_path_factory, name, data):
    """Written a second time, it is the same byte for byte."""
    folder = place(tmp_path_factory)
    path = write(folder / "lists", name, data.draw(rescored_lists(name)))
    expected = list(map(essence, read_nbest(path, name)))
    files = []
    for _ in range(2):
        path = write(folder / "again", name, list(map(unchanged, list(read_nbest(path, name)))))
        files.append(contents(path))
        assert list(map(essence, read_nbest(path, name))) == expected
    assert files[0] == files[1]


def unchanged(utterance: Utterance) -> Rescored:
    return Rescored(utterance)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(data=st.data())
def test_new_total_takes_the_place_of_the_old_one(tmp_path_factory, name, data):
    holds = FORMATS_HOLD.get(name, Holds())
    folder = place(tmp_path_factory)
    first = list(read_nbest(write(folder / "lists", name, data.draw(rescored_lists(name))), name))
    totals = [np.arange(len(one.texts), dtype=np.float64) for one in first]
    lists = [Rescored(one, {}, total, 0, one.texts[0]) for one, total in zip(first, totals)]
    found = list(read_nbest(write(folder / "again", name, lists), name))
    for before, after, total in zip(first, found, totals):
        if holds.total_is_score:
            assert after.scores.pop("total") == total.tolist()
            assert after.scores.pop("total.1") == before.scores.pop("total")
        else:
            assert before_total(after) == total.tolist()
        assert after.scores == before.scores and after.texts == before.texts


STYLES = {
    "byte-order mark": lambda content: b"\xef\xbb\xbf" + content,
    "Windows line ends": lambda content: content.replace(b"\n", b"\r\n"),
    "no last line end": lambda content: content.removesuffix(b"\n"),
}
SOUND = [
    Rescored(Utterance("ü", ["a b", "", "中 c"], {"am": [-1.5, 2.0, 1e-9], "lm": [0.0, -3.0, 0.1]})),
    Rescored(Utterance("u2", ["d"], {"am": [-1.0], "lm": [4.0]})),
    Rescored(Utterance("u3", ["d e", "d e"], {"am": [-1.0, -2.0], "lm": [5.0, 5.0]})),
]


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("name", NAMES)
def test_foreign_habits_of_files_change_nothing(tmp_path, name, style):
    path = write(tmp_path / "lists", name, SOUND)
    expected = [essence(one) for one in read_nbest(path)]
    for file, content in contents(path).items():
        put(file, style(content))
    assert [essence(one) for one in read_nbest(path)] == expected


@pytest.mark.parametrize("name", NAMES)
def test_compressed_lists_are_read(tmp_path, name):
    path = write(tmp_path / "lists.gz", name, SOUND)
    expected = list(map(essence, read_nbest(write(tmp_path / "lists", name, SOUND))))
    assert recognised(path) == name and list(map(essence, read_nbest(path))) == expected
    if path.is_file():
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(LmmixError, match=r"lists\.gz: cannot read: "):
            list(read_nbest(path))


@pytest.mark.parametrize("name", NAMES)
def test_lists_of_every_format_can_be_written_in_every_other(tmp_path, name):
    """Ids, order, texts and scores survive; a format may add scores of its own."""
    for other in NAMES:
        first = list(read_nbest(write(tmp_path / f"{other}.first", other, SOUND), other))
        found = list(read_nbest(write(tmp_path / f"{other}.second", name, list(map(unchanged, first))), name))
        assert [(one.id, one.texts) for one in found] == [(one.id, one.texts) for one in first]
        for before, after in zip(first, found):
            for score in ("am", "lm"):
                assert after.scores[score] == before.scores[score]


@pytest.mark.parametrize("name", NAMES)
def test_empty_files_and_folders_are_refused(tmp_path, name):
    path = write(tmp_path / "lists", name, SOUND)
    for file in contents(path):
        put(file, b"")
    with pytest.raises(LmmixError) as caught:
        list(read_nbest(path, name))
    assert str(path) in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LmmixError, match=str(tmp_path / "empty")):
        list(read_nbest(tmp_path / "empty", name))


@pytest.mark.parametrize("name", NAMES)
def test_repeated_lists_are_refused(tmp_path, name):
    """The file once more behind itself, so that all ids come twice."""
    path = write(tmp_path / "lists", name, SOUND)
    if path.is_dir():
        pytest.skip("the ids are names of files or of several files")
    put(path, path.read_bytes() + path.read_bytes())
    with pytest.raises(LmmixError, match=rf"^{path}:\d+"):
        list(read_nbest(path, name))


DAMAGES = [fuzz_bytes.damaged_bytes, fuzz_bytes.damaged_lines, fuzz_bytes.damaged_word, fuzz_bytes.damaged_style]


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_give_lists_or_one_line_of_complaint(tmp_path, name):
    base = write(tmp_path / "lists", name, [*SOUND, Rescored(Utterance("u4", ["x"], {"am": [1.0], "lm": [2.0]}))])
    sound = contents(base)
    files = list(sound)
    refused = 0
    for seed in range(60):
        rng = random.Random(f"{name} {seed}")
        file = rng.choice(files)
        content = sound[file]
        for _ in range(rng.choice((1, 1, 2))):
            content = rng.choice(DAMAGES)(rng, content)
        put(file, content)
        for form in (name, None):
            try:
                list(read_nbest(base, form))
            except LmmixError as error:
                refused += 1
                assert "\n" not in str(error) and str(tmp_path) in str(error), seed
        put(file, sound[file])
    assert refused > 25
