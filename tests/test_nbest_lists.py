from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_nbest import make_lists, naive_best

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.metrics.metric import make_metric
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import nbest_writer, read_nbest, recognised
from lmmix.nbest.lists import NbestLists, blocks
from lmmix.nbest.references import with_references
from lmmix.nbest.utterance import Rescored, Utterance
from lmmix.nbest.write_best import best_writer


def record(name: Any = "u", texts=("a",), **fields: Any) -> dict[str, Any]:
    return {"id": name, "hyps": [{"text": text, "scores": {"am": -float(i)}} for i, text in enumerate(texts)], **fields}


def write(tmp_path, *lines: Any, name: str = "lists"):
    """A file of these lines: bytes and texts as they are, anything else as JSON."""
    raw = [line if isinstance(line, (str, bytes)) else json.dumps(line) for line in lines]
    path = tmp_path / name
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in raw))
    return path


def lists_in(path) -> NbestLists:
    return NbestLists(list(read_nbest(path, "jsonl")))


def write_lists(lists: NbestLists, total: np.ndarray | None, path) -> None:
    """What rescoring writes where `total` (H,) chooses."""
    with nbest_writer(path) as write_one:
        for u, utterance in enumerate(lists.utterances):
            lo, hi = lists.offsets[u : u + 2]
            if total is None:
                write_one(Rescored(utterance, lists.added(u)))
                continue
            best = int(lists.best(total)[u] - lo)
            write_one(Rescored(utterance, lists.added(u), total[lo:hi], best, utterance.texts[best]))


def read_json_lines(path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]


def test_lists_are_flat_arrays_in_the_order_of_the_file(tmp_path):
    lists = lists_in(write(tmp_path, record("b", ["x y", ""], ref="x"), "", record("a", ["z"])))
    assert [(one.id, one.refs) for one in lists.utterances] == [("b", ("x",)), ("a", ())] and len(lists) == 2
    assert lists.texts == ["x y", "", "z"] and lists.offsets.tolist() == [0, 2, 3] and lists.owner.tolist() == [0, 0, 1]
    assert lists.features["am"].tolist() == [0, -1, 0] and lists.features["am"].dtype == np.float64
    assert [one.where for one in lists.utterances] == [f"{tmp_path}/lists:1", f"{tmp_path}/lists:3"]


def test_lists_without_scores_have_no_features(tmp_path):
    lists = lists_in(write(tmp_path, {"id": "u", "hyps": [{"text": "a"}]}))
    assert lists.features == {} and lists.matrix([]).shape == (1, 0)


def test_order_of_scores_inside_a_hypothesis_does_not_matter(tmp_path):
    hyps = [{"text": "a", "scores": {"x": 1, "y": 2}}, {"text": "b", "scores": {"y": 4, "x": 3}}]
    lists = lists_in(write(tmp_path, {"id": "u", "hyps": hyps}, {"id": "v", "hyps": hyps[1:]}))
    assert lists.matrix(["y", "x"]).tolist() == [[2, 1], [4, 3], [4, 3]]
    with pytest.raises(InputError, match="no score 'z'; it has x, y"):
        lists.matrix(["x", "z"])


def test_numbers_as_ids_become_texts_and_are_written_as_numbers(tmp_path):
    lists = lists_in(write(tmp_path, record(7)))
    assert lists.utterances[0].id == "7"
    write_lists(lists, None, tmp_path / "out")
    assert read_json_lines(tmp_path / "out")[0]["id"] == 7


def test_several_references_are_read_and_written(tmp_path):
    lists = lists_in(write(tmp_path, record("u", ref=["a", ""]), record("v", ref=[])))
    assert [one.refs for one in lists.utterances] == [("a", ""), ()]
    write_lists(lists, None, tmp_path / "out")
    assert [one.refs for one in read_nbest(tmp_path / "out")] == [("a", ""), ()]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_unicode_foreign_line_ends_and_byte_order_marks_are_read(tmp_path, start, end):
    line = json.dumps(record("ü", ["žluť 中文\u2028🐎"]), ensure_ascii=False).encode()
    (tmp_path / "lists").write_bytes(start + line + end)
    lists = lists_in(tmp_path / "lists")
    assert lists.utterances[0].id == "ü" and lists.texts == ["žluť 中文\u2028🐎"]


def hyps_with(**fields: Any) -> dict[str, Any]:
    return {"id": "v", "hyps": [{"text": "b", "scores": {"am": 1}}, {"text": "b", "scores": {"am": 1}, **fields}]}


REFUSED = {
    "broken JSON": ('{"id": "v", "hyps": [}', ":22: not valid JSON"),
    "text": ("hello world", ":1: not valid JSON"),
    "array": ([1], 'not an object with an "id"'),
    "no id": ({"hyps": [{"text": "a"}]}, 'not an object with an "id"'),
    "id is a list": (record([]), 'not an object with an "id"'),
    "id is a bool": (record(True), 'not an object with an "id"'),
    "id again": (record("u"), "the id 'u' stands already at"),
    "id again as a number": (record(1), "the id '1' stands already at"),
    "no hyps": ({"id": "v"}, "utterance 'v' has no hypotheses"),
    "empty hyps": (record("v", []), "utterance 'v' has no hypotheses"),
    "hyps is an object": ({"id": "v", "hyps": {"text": "a"}}, "utterance 'v' has no hypotheses"),
    "ref is a number": (record("v", ref=1), "the \"ref\" of utterance 'v' is not a text"),
    "ref holds a number": (record("v", ref=["a", 1]), "the \"ref\" of utterance 'v' is not a text"),
    "hypothesis is a text": ({"id": "v", "hyps": ["a"]}, 'hypothesis 1 has no "text"'),
    "no text": ({"id": "v", "hyps": [{"scores": {"am": 1}}]}, 'hypothesis 1 has no "text"'),
    "text is a number": (hyps_with(text=1), 'hypothesis 2 has no "text"'),
    "scores is a number": (hyps_with(scores=1), 'hypothesis 2: "scores" is not an object'),
    "no scores": ({"id": "v", "hyps": [{"text": "a"}]}, "utterance 'v' lacks the score 'am'"),
    "score too few": (hyps_with(scores={}), "hypothesis 2 lacks the score 'am'"),
    "score too many": (hyps_with(scores={"am": 1, "lm": 1}), "hypothesis 2 has the score 'lm'"),
    "other scores": (
        {"id": "v", "hyps": [{"text": "a", "scores": {"am": 1, "lm": 1}}]},
        "utterance 'v' has the score 'lm', unlike those before it",
    ),
    "score is NaN": (hyps_with(scores={"am": float("nan")}), "the score 'am' is nan"),
    "score is infinite": (hyps_with(scores={"am": float("-inf")}), "the score 'am' is -inf"),
    "score is beyond float": (hyps_with(scores={"am": 10**400}), "the score 'am' is"),
    "score is a bool": (hyps_with(scores={"am": True}), "the score 'am' is True"),
    "score is a text": (hyps_with(scores={"am": "1"}), "the score 'am' is '1'"),
    "score is null": (hyps_with(scores={"am": None}), "the score 'am' is None"),
    "half a surrogate pair": (hyps_with(text="\ud800"), "half a surrogate pair"),
    "sentence end": (hyps_with(text="a </s>"), "a hypothesis of utterance 'v' holds </s>"),
    "sentence begin": (hyps_with(text="<s>"), "a hypothesis of utterance 'v' holds <s>"),
    "bad UTF-8": (b'{"id": "\xff"}', ":9: byte 0xff is not valid UTF-8"),
    "number of 5000 digits": ('{"id": "v", "x": ' + "1" * 5000 + "}", "not valid JSON"),
    "100 000 brackets": ("[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize(("line", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_line_is_refused_with_its_number(tmp_path, line, message):
    path = write(tmp_path, record("u"), record("1"), line, record("w"))
    with pytest.raises(InputError) as caught:
        lists_in(path)
    found = str(caught.value)
    assert found.startswith(f"{path}:3:") and message in found and "\n" not in found


def test_mark_inside_of_a_word_is_part_of_it(tmp_path):
    assert lists_in(write(tmp_path, record("u", ["a<s>b"]))).texts == ["a<s>b"]


@pytest.mark.parametrize("lines", [[], ["", "  "]])
@pytest.mark.parametrize("form", ["jsonl", None])
def test_file_without_lists_is_refused(tmp_path, lines, form):
    path = write(tmp_path, *lines)
    with pytest.raises(InputError, match=f"^{path}: there are no n-best lists"):
        list(read_nbest(path, form))


def test_what_is_no_list_is_refused_with_the_formats_that_there_are(tmp_path):
    with pytest.raises(FormatError, match=r"not n-best lists in a format that lmmix knows \(jsonl, .*\): some words"):
        recognised(write(tmp_path, "", "some words of no format at all"))
    with pytest.raises(SettingError, match="there is no format 'lattice'; there are jsonl, "):
        read_nbest(write(tmp_path, record()), "lattice")
    with pytest.raises(InputError, match="cannot read"):
        recognised(tmp_path / "missing")


def test_options_of_other_formats_are_refused(tmp_path):
    path = write(tmp_path, record())
    with pytest.raises(SettingError, match="--scores is for the format .*srilm; .* is read as jsonl"):
        read_nbest(path, options=ReadOptions(scores=("x",)))


names = st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda text: text not in ("<s>", "</s>"))
numbers = st.integers(-(10**6), 10**6).map(lambda n: n / 64)
hypothesis_records = st.fixed_dictionaries(
    {"text": names, "scores": st.fixed_dictionaries({"am": numbers, "ü": numbers}), "words": st.lists(names)}
)
records = st.lists(
    st.fixed_dictionaries(
        {"id": names, "hyps": st.lists(hypothesis_records, min_size=1, max_size=3), "channel": st.integers() | names},
        optional={"ref": names | st.lists(names, min_size=2)},
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one["id"],
)


@given(records, st.randoms(use_true_random=False))
def test_written_lists_keep_ids_order_scores_and_other_fields(tmp_path_factory, records, random):
    folder = tmp_path_factory.getbasetemp()
    lists = lists_in(write(folder, *records))
    total = np.array([random.randint(-3, 3) for _ in lists.texts], np.float64)
    write_lists(lists, total, folder / "out")
    again = lists_in(folder / "out")
    assert [(one.id, one.refs, one.scores) for one in again.utterances] == [
        (one.id, one.refs, one.scores) for one in lists.utterances
    ]
    assert again.texts == lists.texts and again.offsets.tolist() == lists.offsets.tolist()

    totals = iter(total.tolist())
    for before, after in zip(records, read_json_lines(folder / "out")):
        assert {**after, "hyps": 0, "best": 0, "text": 0} == {**before, "hyps": 0, "best": 0, "text": 0}
        assert [one["words"] for one in after["hyps"]] == [one["words"] for one in before["hyps"]]
        expected = [next(totals) for _ in before["hyps"]]
        assert [one["total"] for one in after["hyps"]] == expected
        assert after["best"] == naive_best(expected)
        assert after["text"] == before["hyps"][after["best"]]["text"]


@pytest.mark.parametrize("score", [1.25e-9, 0.1234567891, 12345678.9012345, 2**53, -3])
def test_scores_of_the_recogniser_are_written_as_they_were_read(tmp_path, score):
    lists = lists_in(write(tmp_path, {"id": "u", "hyps": [{"text": "a", "scores": {"am": score}}]}))
    write_lists(lists, np.zeros(1), tmp_path / "out")
    assert read_json_lines(tmp_path / "out")[0]["hyps"][0]["scores"]["am"] == score


def test_added_features_are_written(tmp_path):
    lists = lists_in(write(tmp_path, record("u", ["a", "b"])))
    lists.features["lm"] = np.array([-1.5, -2.25])
    write_lists(lists, np.zeros(2), tmp_path / "out")
    hyps = read_json_lines(tmp_path / "out")[0]["hyps"]
    assert [one["scores"] for one in hyps] == [{"am": 0.0, "lm": -1.5}, {"am": -1.0, "lm": -2.25}]


def test_text_that_is_no_hypothesis_is_written(tmp_path):
    with nbest_writer(tmp_path / "out") as write_one:
        write_one(Rescored(Utterance("u", ["a", "b"]), {}, np.zeros(2), None, "a b"))
    line = read_json_lines(tmp_path / "out")[0]
    assert (line["best"], line["text"]) == (None, "a b")


def test_nothing_is_left_of_lists_that_break_off(tmp_path):
    with pytest.raises(FormatError), nbest_writer(tmp_path / "out") as write_one:
        for utterance in read_nbest(write(tmp_path, record("u"), record("u"))):
            write_one(Rescored(utterance))
    assert [file.name for file in tmp_path.iterdir()] == ["lists"]


def test_best_is_the_first_of_equals():
    lists = make_lists([(None, [("a", {"s": 0}), ("b", {"s": 0})]), (None, [("c", {"s": 0})] * 3)])
    assert lists.best(np.array([1.0, 1.0, 0.0, 2.0, 2.0])).tolist() == [0, 3]


@given(st.lists(st.integers(1, 5), max_size=8), st.integers(1, 12))
def test_blocks_hold_all_lists_in_order(sizes, least):
    utterances = [Utterance(str(u), ["a"] * size, {"s": [1.0] * size}) for u, size in enumerate(sizes)]
    found = list(blocks(iter(utterances), least))
    assert [one for block in found for one in block.utterances] == utterances
    assert all(len(block.texts) >= least for block in found[:-1])
    assert all(len(block.texts) - len(block.utterances[-1].texts) < least for block in found)


def test_statistics_are_those_of_each_list_and_computed_once():
    lists = make_lists([("a b", [("a", {}), ("a b", {})]), ("", [("x", {})])])
    metric = make_metric("wer")
    found = lists.statistics(metric)
    expected = [metric.statistics(one.refs, one.texts) for one in lists.utterances]
    assert found.tolist() == np.concatenate(expected).tolist()
    assert lists.statistics(make_metric("wer")) is found


def test_chosen_texts_are_written_one_a_line(tmp_path):
    with best_writer(tmp_path / "out") as write_one:
        for name, text in (("ü", "b  c"), ("v", ""), ("w", "two\nlines"), ("with space", "a"), ("and\xa0none", None)):
            write_one(Rescored(Utterance(name, ["other"]), text=text))
    expected = ["ü b c", "v", "w two lines", "with space\ta", "and\xa0none", ""]
    assert (tmp_path / "out").read_bytes().decode().split("\n") == expected


def references(tmp_path, names: list[str], *files: list[Any], by_line: bool = False) -> list[tuple[str, ...]]:
    """The references that lists with these ids get from files of these lines."""
    utterances = [Utterance(name, ["x"], refs=("old",)) for name in names]
    paths = [write(tmp_path, *lines, name=f"refs{i}") for i, lines in enumerate(files)]
    return [one.refs for one in with_references(utterances, paths, by_line)]


def test_references_come_from_files_by_id(tmp_path):
    lines = [b"\xef\xbb\xbfv  two   words\r", "", "u"]
    assert references(tmp_path, ["u", "v"], lines) == [("",), ("two words",)]
    assert references(tmp_path, ["u"], [b"\xef\xbb\xbfu a"], ["u b c"]) == [("a", "b c")]


def test_tab_may_stand_behind_the_id_of_a_reference(tmp_path):
    assert references(tmp_path, ["u"], ["u\ta b"]) == [("a b",)]


def test_id_with_spaces_is_parted_from_its_reference_by_a_tab(tmp_path):
    assert references(tmp_path, ["a b c", "a"], ["a x", "a b c\tx  y"]) == [("x y",), ("x",)]


def test_chosen_texts_read_back_as_references(tmp_path):
    names, texts = ["u", "with space", "v"], ["a b", "", "c"]
    with best_writer(tmp_path / "best") as write_one:
        for name, text in zip(names, texts):
            write_one(Rescored(Utterance(name, ["x"]), text=text))
    lists = [Utterance(name, ["x"]) for name in names]
    assert [one.refs for one in with_references(lists, [tmp_path / "best"])] == [(text,) for text in texts]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x a b", "a reference for 'x', which is not in"),
        ("u b", r"a second text for 'u' \(the first is in line 1"),
    ],
)
def test_reference_for_an_unknown_or_known_id_is_refused_with_its_line(tmp_path, line, message):
    with pytest.raises(FormatError, match=f"^{tmp_path}/refs0:3: {message}"):
        references(tmp_path, ["u"], ["u a", "", line])


def test_list_without_reference_in_the_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}/refs0: there is no reference for the utterance 'v'"):
        references(tmp_path, ["u", "v"], ["u a"])


def test_references_come_by_line(tmp_path):
    lines = ["a", "", " c  d \r", "e"]
    assert references(tmp_path, ["2", "1", "0"], lines, by_line=True) == [(" c  d ",), ("",), ("a",)]
    assert references(tmp_path, ["x", "y"], lines, lines[1:], by_line=True) == [("a", ""), ("", " c  d ")]
    with pytest.raises(InputError, match=r"refs0: has 4 lines; the reference of the list '4' would be line 5"):
        references(tmp_path, ["3", "4"], lines, by_line=True)


def test_missing_reference_names_its_utterance():
    lists = make_lists([("", [("a", {})]), (None, [("a", {})])])
    assert not lists.has_references
    with pytest.raises(InputError, match="utterance 'u1' has no reference.*--ref FILE"):
        lists.statistics(make_metric("wer"))
    lists.utterances[1] = replace(lists.utterances[1], refs=("a",))
    assert lists.has_references
