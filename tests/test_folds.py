from __future__ import annotations

import json

import pytest

from lmmix.errors import InputError, SettingError
from lmmix.metrics.normalise import Normaliser
from lmmix.nbest.folds import write_fold_texts
from lmmix.nbest.utterance import Utterance

LISTS = [Utterance(str(u), ["x"], refs=(f"Text {u}",)) for u in range(5)]


def contents(path):
    return {file.name: file.read_text() for file in path.iterdir()}


def test_a_fold_has_the_references_of_the_others(tmp_path):
    write_fold_texts(LISTS, 2, tmp_path / "f", Normaliser(["lower"]))
    found = contents(tmp_path / "f")
    assert json.loads(found.pop("lmmix-folds.json")) == {"folds": 2}
    assert found == {
        "all.txt": "text 0\ntext 1\ntext 2\ntext 3\ntext 4\n",
        "0.txt": "text 1\ntext 3\n",
        "0.held.txt": "text 0\ntext 2\ntext 4\n",
        "1.txt": "text 0\ntext 2\ntext 4\n",
        "1.held.txt": "text 1\ntext 3\n",
    }


def test_texts_of_folds_are_replaced_by_others(tmp_path):
    write_fold_texts(LISTS, 3, tmp_path / "f")
    write_fold_texts(LISTS, 2, tmp_path / "f")
    assert "2.txt" not in contents(tmp_path / "f")
    (tmp_path / "empty").mkdir()
    write_fold_texts(LISTS, 2, tmp_path / "empty")


@pytest.mark.parametrize("other", ["0.lmx", "notes", "01.txt.lmx", "sub/model.lmx"])
@pytest.mark.parametrize("ours", [True, False])
def test_a_folder_with_anything_else_stays_as_it_is(tmp_path, run, other, ours):
    target = tmp_path / "f"
    if ours:
        write_fold_texts(LISTS, 2, target)
    (target / other).parent.mkdir(parents=True, exist_ok=True)
    (target / other).write_text("precious")
    before = sorted(target.rglob("*"))
    with pytest.raises(InputError, match=f"holds {other.split('/')[0]}, which is no text of folds; choose another"):
        write_fold_texts(LISTS, 2, target)
    status, _, err = run("folds", "no.jsonl", "-o", target)
    assert status == 1 and "which is no text of folds" in err
    assert sorted(target.rglob("*")) == before and (target / other).read_text() == "precious"


def test_texts_that_only_look_like_those_of_folds_stay(tmp_path):
    (tmp_path / "all.txt").write_text("precious")
    with pytest.raises(InputError, match=r"not empty and holds no lmmix-folds.json"):
        write_fold_texts(LISTS, 2, tmp_path)
    assert contents(tmp_path) == {"all.txt": "precious"}


def test_mistakes(tmp_path):
    with pytest.raises(SettingError, match="folds is 6; it must be from 2 to the number of utterances, 5"):
        write_fold_texts(LISTS, 6, tmp_path / "f")
    with pytest.raises(InputError, match="'a' has no reference"):
        write_fold_texts([Utterance("a", ["x"]), *LISTS], 2, tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_command_tells_what_it_wrote(folder, run):
    status, out, _ = run("folds", "nbest.jsonl", "--folds", "2", "-o", "texts")
    assert status == 0 and "0.held.txt to 1.held.txt" in out
    assert set(contents(folder / "texts")) == {
        "all.txt", "0.txt", "1.txt", "0.held.txt", "1.held.txt", "lmmix-folds.json",
    }  # fmt: skip
