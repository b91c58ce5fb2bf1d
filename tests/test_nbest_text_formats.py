"""What is special to tables and to the lists of Moses and SRILM; laws of all formats are in test_nbest_formats."""

from __future__ import annotations

import gzip
import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest

from lmmix.errors import LmmixError
from lmmix.nbest.formats.folder import MARKER
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import FORMATS, nbest_writer, read_nbest, recognised
from lmmix.nbest.references import with_references
from lmmix.nbest.utterance import Rescored, Utterance


def lists_in(path: Path, name: str, content: str = "", **options) -> list[Utterance]:
    """The lists in a file, which gets this content if one is given."""
    if content:
        path.write_bytes(content.encode())
    return list(read_nbest(path, name, ReadOptions(**options)))


def written(path: Path, name: str, *lists: Rescored) -> str:
    with nbest_writer(path, name) as write:
        for one in lists:
            write(one)
    return path.read_bytes().decode() if path.is_file() else ""


def refusal(action, *arguments, **options) -> str:
    with pytest.raises(LmmixError) as caught:
        action(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


MOSES = (
    "0 ||| das ist  gut ||| LM0= -1.50 -2 W0= -3 ||| -7.25 ||| 0-0 1-1 ||| 0=0 1=1\n"
    "0 |||  |||  LM0= 1e-3 2 W0= 0 ||| 0 |||  ||| \n"
    "1||| so  ||| LM0= 5 6 W0= -1 ||| +1\n"
)


def test_moses_lists_are_read(tmp_path):
    first, second = lists_in(tmp_path / "lists", "moses", MOSES)
    assert (first.id, first.texts, first.where) == ("0", ["das ist  gut", ""], f"{tmp_path}/lists:1")
    assert first.scores == {"LM0.1": [-1.5, 1e-3], "LM0.2": [-2, 2], "W0": [-3, 0], "total": [-7.25, 0]}
    assert first.hyp_fields == [{"alignment": ["0-0 1-1", "0=0 1=1"]}, {"alignment": ["", ""]}]
    assert (second.id, second.texts, second.hyp_fields, second.refs) == ("1", ["so"], [{}], ())


def test_moses_lines_are_written_as_they_were_read(tmp_path):
    lists = lists_in(tmp_path / "lists", "moses", MOSES)
    assert written(tmp_path / "out", "moses", *map(Rescored, lists)) == MOSES


def test_moses_features_are_added_behind_the_old_ones(tmp_path):
    lists = lists_in(tmp_path / "lists", "moses", MOSES)
    new = [Rescored(one, {"lm:mix": np.full(len(one.texts), 0.1)}, np.full(len(one.texts), 2.5)) for one in lists]
    assert written(tmp_path / "out", "moses", *new).split("\n") == [
        "0 ||| das ist  gut ||| LM0= -1.50 -2 W0= -3 lm:mix= 0.1 total.1= -7.25 ||| 2.5 ||| 0-0 1-1 ||| 0=0 1=1",
        "0 |||  ||| LM0= 1e-3 2 W0= 0 lm:mix= 0.1 total.1= 0.0 ||| 2.5 |||  ||| ",
        "1||| so  ||| LM0= 5 6 W0= -1 lm:mix= 0.1 total.1= 1.0 ||| 2.5",
        "",
    ]


def test_old_syntax_of_moses_is_kept(tmp_path):
    old = "0||| a ||| lm: -1 -2 w: -3 ||| -7\n"
    (one,) = lists_in(tmp_path / "lists", "moses", old)
    assert list(one.scores) == ["lm.1", "lm.2", "w", "total"]
    new = written(tmp_path / "out", "moses", Rescored(one, {"lm:mix": np.array([4.0]), "rank": np.array([0.0])}))
    assert new == "0||| a ||| lm: -1 -2 w: -3 lm:mix: 4.0 rank: 0.0 ||| -7\n"
    (again,) = lists_in(tmp_path / "out", "moses")
    assert again.scores == {**one.scores, "lm:mix": [4.0], "rank": [0.0]}


def test_sparse_features_of_moses_survive_but_do_not_count(tmp_path, caplog):
    lines = ["0 ||| a ||| lm= 1 s_x= 2 ||| 3", "0 ||| b ||| lm= 2 ||| 3", "1 ||| c ||| s_y= 1 ||| 4", ""]
    with caplog.at_level(logging.WARNING, "lmmix"):
        first, second = lists_in(tmp_path / "lists", "moses", "\n".join(lines))
    assert first.scores == {"lm": [1, 2], "total": [3, 3]} and second.scores == {"lm": [0], "total": [4]}
    assert first.hyp_fields == [{"sparse": {"s_x": [2]}}, {}] and second.hyp_fields == [{"sparse": {"s_y": [1]}}]
    assert "lists:1: the feature 's_x' is not in all hypotheses of the first list" in caplog.text
    assert "lists:3: the feature 'lm' is missing; it counts as 0" in caplog.text
    written(tmp_path / "json", "jsonl", Rescored(first), Rescored(second))
    again = lists_in(tmp_path / "json", "jsonl")
    text = written(tmp_path / "out", "moses", *map(Rescored, again))
    assert text.split("\n")[0] == "0 ||| a ||| s_x= 2.0 lm= 1.0 ||| 3.0"


MOSES_REFUSED = {
    "cut off": ("1 ||| a ||| lm= 1 2 w= 1", ":2: has 3 fields"),
    "no id": (" ||| a ||| lm= 1 2 w= 1 ||| 1", ":2: there is no id"),
    "id again": ("1 ||| a ||| lm= 1 2 w= 1 ||| 1\n0 ||| a ||| lm= 1 2 w= 1 ||| 1", ":3: the id '0' stands already at"),
    "value too few": ("0 ||| a ||| lm= 1 w= 1 ||| 1", ":2: the feature 'lm' has 1 values and not 2"),
    "value too many": ("1 ||| a ||| lm= 1 2 w= 1 2 ||| 1", ":2: the feature 'w' has 2 values and not 1"),
    "new": ("1 ||| a ||| lm= 1 2 w= 1 x= 1 2 ||| 1", ":2: the feature 'x' has 2 values and not 1"),
    "values missing": ("1 ||| a ||| w= 1 ||| 1", ":2: the feature 'lm' has 0 values and not 2"),
    "no value": ("1 ||| a ||| lm= w= 1 ||| 1", ":2: the feature 'lm' has no value"),
    "no name": ("1 ||| a ||| 1 2 w= 1 ||| 1", ":2: the features begin with '1', not with a name such as lm="),
    "twice": ("1 ||| a ||| lm= 1 2 lm= 1 2 w= 1 ||| 1", ":2: the feature 'lm' stands there twice"),
    "word": ("1 ||| a ||| lm= 1 x w= 1 ||| 1", ":2: the score 'lm' is 'x', not a finite number"),
    "no total": ("1 ||| a ||| lm= 1 2 w= 1 ||| ", ":2: the score 'total' is ''"),
    "NaN": ("1 ||| a ||| lm= 1 nan w= 1 ||| 1", ":2: the score 'lm' is 'nan'"),
    "infinite": ("1 ||| a ||| lm= 1 2 w= 1 ||| -inf", ":2: the score 'total' is '-inf'"),
    "too large": ("1 ||| a ||| lm= 1 2 w= 1e999 ||| 1", ":2: the score 'w' is '1e999'"),
    "underscore": ("1 ||| a ||| lm= 1 1_0 w= 1 ||| 1", ":2: the score 'lm' is '1_0'"),
    "mark": ("1 ||| a </s> ||| lm= 1 2 w= 1 ||| 1", ":2: a hypothesis of utterance '1' holds </s>"),
}


@pytest.mark.parametrize(("line", "message"), MOSES_REFUSED.values(), ids=MOSES_REFUSED)
def test_bad_line_of_moses_is_refused(tmp_path, line, message):
    first = "0 ||| a ||| lm= 1 2 w= 1 ||| 1\n"
    found = refusal(lists_in, tmp_path / "lists", "moses", first + line + "\n")
    assert found.startswith(f"{tmp_path}/lists:") and message in found


@pytest.mark.parametrize("features", ["a= 1 2 a.1= 3", "total= 1"])
def test_two_scores_of_one_name_are_refused(tmp_path, features):
    found = refusal(lists_in, tmp_path / "lists", "moses", f"0 ||| a ||| {features} ||| 1\n")
    assert "lists:1: two scores are called" in found


@pytest.mark.parametrize(
    "one",
    [
        Rescored(Utterance("u", ["a ||| b"])),
        Rescored(Utterance("u", ["a\nb"])),
        Rescored(Utterance("u ||| v", ["a"])),
        Rescored(Utterance(" u", ["a"])),
        Rescored(Utterance("", ["a"])),
        Rescored(Utterance("u", ["a"], {"a b": [1.0]})),
        Rescored(Utterance("u", ["a"], {"a=b": [1.0]})),
        Rescored(Utterance("u", ["a"], {"": [1.0]})),
    ],
)
def test_what_moses_lists_cannot_hold_is_refused(tmp_path, one):
    assert "Moses" in (found := refusal(written, tmp_path / "out", "moses", one)) or "moses" in found
    assert list(tmp_path.iterdir()) == []


def test_references_of_moses_lists_go_by_line(tmp_path):
    assert FORMATS["moses"].refs_by_line
    (tmp_path / "refs").write_text("null\neins\n")
    lists = lists_in(tmp_path / "lists", "moses", "1 ||| a ||| ||| 0\n0 ||| b ||| ||| 0\n")
    assert [one.refs for one in with_references(lists, [tmp_path / "refs"], True)] == [("eins",), ("null",)]


def test_list_of_europarl_is_read_and_written_byte_for_byte(tmp_path, shared_data):
    path = shared_data / "nbest" / "europarl.100best.moses.gz"
    assert recognised(path) == "moses"
    lists = list(read_nbest(path))
    assert len(lists) == 100 and sum(len(one.texts) for one in lists) == 10_000
    names = [f"{name}.{k}" for name, width in (("d", 7), ("lm", 2), ("tm", 5)) for k in range(1, width + 1)]
    assert list(lists[0].scores) == [*names, "w", "total"]
    with nbest_writer(tmp_path / "out.gz", "moses") as write:
        for one in lists:
            write(Rescored(one))
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == gzip.decompress(path.read_bytes())


TABLE = "text\tid\tam\tlang\tref\tlm\na b\tu\t-1.50\tde\tx\t2\n\tu\t-2\t\tx\t3\nc\tv\t0\t1\t\t4\n"


def test_tables_are_read(tmp_path):
    first, second = lists_in(tmp_path / "lists", "tsv", TABLE)
    assert (first.id, first.texts, first.refs, first.where) == ("u", ["a b", ""], ("x",), f"{tmp_path}/lists:2")
    assert first.scores == {"am": [-1.5, -2], "lm": [2, 3]}
    assert first.hyp_fields == [{"lang": "de"}, {"lang": ""}]
    assert (second.id, second.refs, second.hyp_fields) == ("v", ("",), [{"lang": "1"}])


def test_tables_are_written_as_they_were_read(tmp_path):
    assert written(tmp_path / "out", "tsv", *map(Rescored, lists_in(tmp_path / "lists", "tsv", TABLE))) == TABLE


def test_table_gets_added_features_total_and_best(tmp_path):
    first, second = lists_in(tmp_path / "lists", "tsv", TABLE)
    lines = written(
        tmp_path / "out",
        "tsv",
        Rescored(first, {"lm:mix": np.array([0.1, 0.2])}, np.array([1.0, 2.0]), 1, ""),
        Rescored(second, {"lm:mix": np.array([0.3])}, np.array([3.0]), None, "c d"),
    ).split("\n")
    assert lines == [
        "text\tid\tam\tlang\tref\tlm\tlm:mix\ttotal\tbest",
        "a b\tu\t-1.50\tde\tx\t2\t0.1\t1.0\t0",
        "\tu\t-2\t\tx\t3\t0.2\t2.0\t1",
        "c\tv\t0\t1\t\t4\t0.3\t3.0\t0",
        "",
    ]
    again = lists_in(tmp_path / "out", "tsv")
    assert again[0].scores == {**first.scores, "lm:mix": [0.1, 0.2]}
    assert again[0].hyp_fields[1] == {"lang": "", "total": 2.0, "best": "1"}


def test_given_references_take_the_place_of_those_of_a_table(tmp_path):
    content = "id\ttext\tref\tref2\nu\ta\told\tolder\n"
    (one,) = lists_in(tmp_path / "lists", "tsv", content)
    assert one.refs == ("old", "older")
    (tmp_path / "refs").write_text("u new words\n")
    (replaced,) = with_references([one], [tmp_path / "refs"])
    assert written(tmp_path / "out", "tsv", Rescored(replaced)) == "id\ttext\tref\nu\ta\tnew words\n"


TABLES_REFUSED = {
    "no text": ("id\tam\nu\t1", ":1: there is no column 'text'"),
    "no id": ("text\tam\nu\t1", ":1: there is no column 'id'"),
    "column twice": ("id\ttext\tam\tam\nu\ta\t1\t1", ":1: two columns are called 'am'"),
    "cell too few": ("id\ttext\tam\nu\ta", ":2: has 2 cells, and the header 3"),
    "cell too many": ("id\ttext\tam\nu\ta\t1\t", ":2: has 4 cells, and the header 3"),
    "empty id": ("id\ttext\tam\n\ta\t1", ":2: the cell of the id is empty"),
    "missing score": ("id\ttext\tam\nu\ta\t1\nu\tb\t", ":3: the score 'am' is ''"),
    "word": ("id\ttext\tam\nu\ta\t1\nv\tb\tx", ":3: the score 'am' is 'x'"),
    "NaN": ("id\ttext\tam\nu\ta\tnan", ":2: the score 'am' is 'nan'"),
    "infinite": ("id\ttext\tam\nu\ta\t1\nu\ta\t-Inf", ":3: the score 'am' is '-Inf'"),
    "infinite total": ("id\ttext\ttotal\nu\ta\tinf", ":2: the score 'total' is 'inf'"),
    "mixed up": ("id\ttext\nu\ta\nv\tb\nu\tc", ":4: the id 'u' stands already at"),
    "two references": ("id\ttext\tref\nu\ta\tx\nu\tb\ty", ":3: the 'ref' of 'u' is not that of"),
    "header alone": ("id\ttext", ": there are no n-best lists"),
}


@pytest.mark.parametrize(("content", "message"), TABLES_REFUSED.values(), ids=TABLES_REFUSED)
def test_bad_table_is_refused(tmp_path, content, message):
    found = refusal(lists_in, tmp_path / "lists", "tsv", content + "\n")
    assert found.startswith(f"{tmp_path}/lists{message}")


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([Utterance("u", ["a\tb"])], "a text of utterance 'u' holds '\\t'"),
        ([Utterance("u", ["a\n"])], "a text of utterance 'u' holds '\\n'"),
        ([Utterance("u", ["a"], refs=("\r",))], "a text of utterance 'u' holds '\\r'"),
        ([Utterance("", ["a"])], "an id is empty"),
        ([Utterance("u", ["a"], {"best": [1.0]})], "the score 'best' has the name of a column"),
        ([Utterance("u", ["a"], {"ref12": [1.0]})], "the score 'ref12' has the name of a column"),
        ([Utterance("u", ["a"], refs=("x",)), Utterance("v", ["a"])], "utterance 'v' has no reference 'ref'"),
        ([Utterance("u", ["a"]), Utterance("v", ["a"], refs=("x",))], "utterance 'v' has 'ref', unlike the first"),
        ([Utterance("u", ["a"]), Utterance("v", ["a"], hyp_fields=[{"x": 1}])], "utterance 'v' has 'x', unlike the"),
    ],
)
def test_what_tables_cannot_hold_is_refused(tmp_path, lists, message):
    assert refusal(written, tmp_path / "out", "tsv", *map(Rescored, lists)).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_fields_of_other_formats_become_columns(tmp_path):
    one = Utterance("u", ["a", "b"], {"am": [1, 2]}, hyp_fields=[{"x": "y"}, {"words": ["é"], "x": "z"}])
    assert written(tmp_path / "out", "tsv", Rescored(one)) == (
        'id\ttext\tx\tam\twords\nu\ta\ty\t1.0\t\nu\tb\tz\t2.0\t["é"]\n'
    )


LN = 1024 / 10000.5
FIRST = "NBestList1.0\n(-100) <s> a b </s>\n(-200)\n"
SECOND = (
    "NBestList2.0\n"
    "(-300) a ( st: 0.00 et: 0.10 g: -5 a: -20 ) ph ( st: 0.00 et: 0.05 g: -90 a: -90 ) "
    "b-1 ( st: 0.2 et: 0.3 g: -90 a: -90 ) b ( st: 0.11 et: 0.3 g: -6 a: -30 )\n"
)
THIRD = "-10.5 -2 4 <s> a b\n-11 0 0\n"


def srilm_folder(path: Path, files: dict[str, str]) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        raw = content.encode()
        (path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def test_three_forms_of_srilm_are_read(tmp_path):
    (first,) = lists_in(tmp_path / "u.1.score", "srilm", FIRST)
    assert (first.id, first.texts, first.where) == ("u.1", ["a b", ""], f"{tmp_path}/u.1.score:2")
    assert first.scores == {"score": [-100 * LN, -200 * LN]}
    (second,) = lists_in(tmp_path / "u", "srilm", SECOND)
    assert second.texts == ["a b"]
    assert second.scores == {"score": [-300 * LN], "acoustic": [-50 * LN], "lm": [-11 * LN]}
    (third,) = lists_in(tmp_path / "u", "srilm", THIRD)
    assert third.texts == ["a b", ""] and third.scores["words"] == [4, 0]
    assert third.scores["acoustic"] == pytest.approx([-10.5 * math.log(10), -11 * math.log(10)], rel=1e-15)
    assert third.scores["lm"] == pytest.approx([-2 * math.log(10), 0], rel=1e-15)
    for content in (FIRST, SECOND, THIRD):
        (tmp_path / "u").write_text(content)
        assert recognised(tmp_path / "u") == "srilm"


def test_folder_of_srilm_is_read_by_names_of_files_with_scores_beside_it(tmp_path, caplog):
    lists = srilm_folder(tmp_path / "lists", {"b.gz": THIRD, "a": THIRD, ".hidden": "x"})
    more = srilm_folder(tmp_path / "deep" / "oov", {"a.gz": "3 rest\n(-100)\n", "b.score.gz": "NBestList1.0\n-7\n"})
    assert recognised(lists) == "srilm"
    with caplog.at_level(logging.WARNING, "lmmix"):
        a, b = lists_in(lists, "srilm", scores=(f"{more}/",))
    assert (a.id, b.id) == ("a", "b")
    assert a.scores["oov"] == [3, -100 * LN] and b.scores["oov"] == [-7, -7]
    assert f"{more}: 1 files have fewer numbers than their list has hypotheses" in caplog.text


def test_srilm_lists_are_written_with_folders_of_scores(tmp_path):
    lists = srilm_folder(tmp_path / "lists", {"a": FIRST, "b.gz": FIRST})
    found = lists_in(lists, "srilm")
    new = [Rescored(one, {"lm:mix": np.array([0.1, -2.0])}, np.array([1.0, 3.5]), 1, "") for one in found]
    out = tmp_path / "out"
    written(out, "srilm", *new)
    files = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file() and file.name != MARKER}
    folders = ("nbest", "scores/lm%3Amix", "scores/total")
    assert files == {"nbest-files", "best", *(f"{folder}/{name}.gz" for folder in folders for name in "ab")}
    assert gzip.decompress((out / "nbest" / "a.gz").read_bytes()).decode() == FIRST
    assert gzip.decompress((out / "scores" / "lm%3Amix" / "b.gz").read_bytes()) == b"0.1\n-2.0\n"
    assert (out / "nbest-files").read_text() == "nbest/a.gz\nnbest/b.gz\n" and (out / "best").read_text() == "a\nb\n"
    again = lists_in(out, "srilm")
    assert [one.scores for one in again] == [{**one.scores, "lm:mix": [0.1, -2.0]} for one in found]
    assert [one.hyp_fields for one in again] == [[{"total": 1.0}, {"total": 3.5}]] * 2
    apart = lists_in(out / "nbest", "srilm", scores=(str(out / "scores" / "lm%3Amix"),))
    assert [one.scores for one in apart] == [one.scores for one in again]
    written(out, "srilm", Rescored(found[0]))
    assert not (out / "scores").exists()


def test_lists_of_other_formats_get_the_third_form(tmp_path):
    scores = {"acoustic": [-math.log(10), 0.0], "am": [1.5, 2.5]}
    written(tmp_path / "out", "srilm", Rescored(Utterance("u", ["a  b", ""], scores)))
    assert gzip.decompress((tmp_path / "out/nbest/u.gz").read_bytes()) == b"-1.0 0.0 2 a b\n0.0 0.0 0\n"
    (one,) = lists_in(tmp_path / "out", "srilm")
    assert one.scores == {**scores, "lm": [0, 0], "words": [2, 0]}


SRILM_REFUSED = {
    "no brackets": ("NBestList1.0\n(1) a\n-5 a", ":3: begins with '-5', not with a score in brackets"),
    "word in brackets": ("NBestList1.0\n(1) a\n(x) a", ":3: the score 'score' is 'x'"),
    "infinite": ("NBestList1.0\n(-inf) a", ":2: the score 'score' is '-inf'"),
    "inner mark": ("NBestList1.0\n(1) a <s> b", ":2: a hypothesis of utterance 'u' holds <s>"),
    "no hypotheses": ("NBestList1.0", ":1: utterance 'u' has no hypotheses"),
    "cut word": (SECOND + "(1) a ( st: 0 et: 1 g: 0 a:", ":3: is cut off"),
    "other marks": (
        SECOND + "(1) a ( st: 0 et: 1 a: 0 g: 1 )",
        ":3: behind 'a' stands '( st: 0 et: 1 a: 0 g: 1 )', not",
    ),
    "word for time": (SECOND + "(1) a ( st: 0 et: b g: 0 a: 1 )", ":3: the score 'et:' is 'b'"),
    "too few columns": ("-1 -2 3 a\n-1 -2", ":2: has 2 words"),
    "acoustic": ("-1 -2 3 a\nx -2 3", ":2: the score 'acoustic' is 'x'"),
    "language model": ("-1 -2 3 a\n-1 nan 3", ":2: the score 'lm' is 'nan'"),
    "count": ("-1 -2 3 a\n-1 -2 a", ":2: the score 'words' is 'a'"),
    "too large": ("-1.5e308 -2 3 a", ":1: the score 'acoustic' is '-1.5e308', too large"),
    "other form": ("-1 -2 3 a\n(-1) a", ":2: has 2 words"),
}


@pytest.mark.parametrize(("content", "message"), SRILM_REFUSED.values(), ids=SRILM_REFUSED)
def test_bad_list_of_srilm_is_refused(tmp_path, content, message):
    assert refusal(lists_in, tmp_path / "u", "srilm", content + "\n").startswith(f"{tmp_path}/u{message}")


def test_forms_of_srilm_are_not_mixed(tmp_path):
    lists = srilm_folder(tmp_path / "lists", {"a": FIRST, "b": THIRD})
    assert refusal(lists_in, lists, "srilm").startswith(f"{lists}/b:1: utterance 'b' has the score 'acoustic'")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.gz": "1\n2\n"}, "oov: there is no file with the scores of the utterance 'b'"),
        ({"a": "1\n2\n3\n", "b": "1\n"}, "oov/a: has 3 numbers, and the list at"),
        ({"a": "1\n2\n", "b": ""}, "oov/b: has 0 numbers"),
        ({"a": "1\nx\n"}, "oov/a:2: the score 'oov' is 'x'"),
        ({"a": "1\n\n"}, "oov/a:2: the score 'oov' is ''"),
        ({"a": "1\n", "a.gz": "1\n"}, "oov: both a and a.gz have scores of one utterance"),
    ],
)
def test_bad_folder_of_scores_is_refused(tmp_path, files, message):
    lists = srilm_folder(tmp_path / "lists", {"a": THIRD, "b": THIRD})
    scores = srilm_folder(tmp_path / "oov", files)
    assert refusal(lists_in, lists, "srilm", scores=(str(scores),)).startswith(f"{tmp_path}/{message}")


def test_folder_of_scores_must_be_one_of_a_new_name(tmp_path):
    lists = srilm_folder(tmp_path / "lists", {"a": THIRD})
    scores = srilm_folder(tmp_path / "lm", {"a": "1\n2\n"})
    assert "have a score 'lm' already; rename the folder" in refusal(lists_in, lists, "srilm", scores=(str(scores),))
    assert "is no folder" in refusal(lists_in, lists, "srilm", scores=(str(lists / "a"),))


@pytest.mark.parametrize("name", ["", "a/b", ".a", "..", "a\nb", "a.gz", "a.score", "x" * 300])
def test_ids_that_files_cannot_be_called_by_are_refused(tmp_path, name):
    refusal(written, tmp_path / "out", "srilm", Rescored(Utterance(name, ["a"])))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_ours_is_not_replaced(tmp_path):
    lists = srilm_folder(tmp_path / "lists", {"a": THIRD})
    assert "the folder is not empty" in refusal(written, lists, "srilm", Rescored(Utterance("u", ["a"])))
    assert (lists / "a").read_text() == THIRD


@pytest.mark.parametrize("name", ["tsv", "srilm", "kaldi", "espnet", "hyporadise", "jsonl"])
def test_old_total_of_moses_is_no_total_elsewhere(tmp_path, name):
    """Only there a total is a score; in other formats it means what the last run found."""
    one = Utterance("u", ["a"], {"total": [1.0], "total.1": [2.0]})
    written(tmp_path / name, name, Rescored(one, total=np.array([3.0])))
    (found,) = lists_in(tmp_path / name, name)
    # A table has no other place to tell a score from the total than its name.
    old = {"total.2": [1], "total.1": [2]} if name == "tsv" else one.scores
    assert {score: values for score, values in found.scores.items() if score.startswith("total")} == old
    assert found.hyp_fields[0]["total"] == 3.0
    written(tmp_path / "again", "moses", Rescored(found, total=np.array([3.0])))
    assert lists_in(tmp_path / "again", "moses")[0].scores["total"] == [3]


def test_lists_are_rescored_in_their_own_format(tmp_path, run):
    (tmp_path / "lists").write_text("0 ||| a ||| am= 1 ||| 1\n0 ||| b ||| am= 2 ||| 2\n")
    (tmp_path / "weights.json").write_text(
        json.dumps({"kind": "rescore-weights", "version": 2, "weights": {"am": -1.0}})
    )
    weights = ("--weights", tmp_path / "weights.json")
    status, _, err = run("rescore", tmp_path / "lists", *weights, "-o", tmp_path / "out")
    assert status == 0, err
    assert (tmp_path / "out").read_text() == (
        "0 ||| a ||| am= 1 total.1= 1.0 ||| -1.0\n0 ||| b ||| am= 2 total.1= 2.0 ||| -2.0\n"
    )
