"""Packed arrays that are no tree are refused by name, though layout and checksums are right; `lmmix info --check`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lmmix.artefact import load_artefact, save_artefact
from lmmix.cli import group
from lmmix.corpus import corpus_from_lines
from lmmix.errors import FormatError
from lmmix.lm import load
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.lmxfile import check_lmx
from lmmix.ngram.packed_file import KIND, read_packed, write_packed

LINES = ["the cat sat on the mat", "a cat and a dog", "the dog sat"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_packed(train_ngram(corpus_from_lines(LINES), 3), tmp_path / "packed.lmx")
    return tmp_path / "packed.lmx"


def damaged(path: Path, name: str, place: int, value: float) -> Path:
    """A copy of the file with another value in an array, its checksum right."""
    meta, arrays = load_artefact(path, KIND)
    array = arrays[name].copy()
    array[place] = value
    save_artefact(path.with_name("wrong.lmx"), KIND, meta, {**arrays, name: array})
    return path.with_name("wrong.lmx")


@pytest.mark.parametrize(
    "name, place, value, message",
    [
        ("index", 0, 7, "array 'index' is wrong at place 0: it does not fit the ends of children"),
        ("bits", 0, 0, "array 'bits' does not hold the ends of 11 contexts of order 1"),
        ("values", 4, np.nan, "unpacked: array 'logp' is wrong at place 5: it is no log-probability"),
        ("values", 1, -3, "unpacked: array 'logp' is wrong at place 2: <s> has a probability"),
        ("values", 14, np.inf, "unpacked: array 'backoff' is wrong at place 4: it is nan, infinite or too large"),
    ],
)
def test_faults_are_named(path: Path, name: str, place: int, value: float, message: str) -> None:
    wrong = damaged(path, name, place, value)
    for full in (None, True):
        with pytest.raises(FormatError) as caught:
            read_packed(wrong, full)
        assert str(caught.value) == f"{wrong}: {message}"
    read_packed(wrong, full=False)


def test_every_rank_counts(path: Path) -> None:
    meta, arrays = load_artefact(path, KIND)
    layout = arrays["layout"].reshape(-1, 12)
    first, width = layout[2, 1:3]
    bits = arrays["bits"].copy()
    # The first bigram of `the` becomes one with the last word of the vocabulary.
    bits.view(np.uint64)[first // 64] |= np.uint64((1 << int(width)) - 1)
    save_artefact(path.with_name("wrong.lmx"), KIND, meta, {**arrays, "bits": bits})
    with pytest.raises(FormatError, match="unpacked: array '(word|suffix)' is wrong at place"):
        load(path.with_name("wrong.lmx"))


def test_larger_trees_are_unpacked_on_request_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmmix.ngram.packed_file.FEW_NODES", 3)
    wrong = damaged(path, "index", 0, 7)
    load(wrong)
    with pytest.raises(FormatError, match="array 'index' is wrong"):
        check_lmx(wrong)
    assert check_lmx(path).signature == load(path).signature


@pytest.mark.parametrize("value", [-99.0, 99.0])
def test_the_largest_back_offs_survive_rounding(tmp_path: Path, value: float) -> None:
    arpa = "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t%g\n-1\t</s>\n-1\ta\t%g\n\n"
    (tmp_path / "m.arpa").write_text(arpa % (value, value) + "\\2-grams:\n-1\ta a\n\n\\end\\\n")
    model = load(tmp_path / "m.arpa")
    for bits in (None, 8):
        write_packed(model, tmp_path / "m.lmx", bits)
        check_lmx(tmp_path / "m.lmx")


def test_info_checks_on_request(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmmix.ngram.packed_file.FEW_NODES", 3)
    run = CliRunner().invoke
    sound = run(group, ["info", str(path), "--check"])
    assert sound.exit_code == 0 and "every byte was looked at" in sound.output
    assert "check" not in run(group, ["info", str(path)]).output
    wrong = damaged(path, "index", 0, 7)
    assert run(group, ["info", str(wrong)]).exit_code == 0
    assert run(group, ["info", str(wrong), "--check"]).exit_code != 0
    load(path).save(path.with_suffix(".arpa"))
    other = run(group, ["info", str(path.with_suffix(".arpa")), "--check"])
    assert other.exit_code == 0 and "nothing more to check" in other.output
