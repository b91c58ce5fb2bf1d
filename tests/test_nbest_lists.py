from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nbest import make_lists, naive_best

from lmmix.errors import FormatError, InputError
from lmmix.nbest.lists import add_references, read_nbest, write_best, write_nbest

LAW = settings(deadline=None, derandomize=True)


def record(name: Any = "u", texts=("a",), **fields: Any) -> dict[str, Any]:
    return {"id": name, "hyps": [{"text": text, "scores": {"am": -float(i)}} for i, text in enumerate(texts)], **fields}


def write(tmp_path, *lines: Any, name: str = "lists"):
    """A file of these lines: bytes and texts as they are, anything else as JSON."""
    raw = [line if isinstance(line, (str, bytes)) else json.dumps(line) for line in lines]
    path = tmp_path / name
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in raw))
    return path


def read_json_lines(path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lists_are_flat_arrays_in_the_order_of_the_file(tmp_path):
    lists = read_nbest(write(tmp_path, record("b", ["x y", ""], ref="x"), "", record("a", ["z"])))
    assert lists.ids == ["b", "a"] and lists.refs == ["x", None] and len(lists) == 2
    assert lists.texts == ["x y", "", "z"] and lists.offsets.tolist() == [0, 2, 3]
    assert lists.features["am"].tolist() == [0, -1, 0] and lists.features["am"].dtype == np.float64
    assert lists.hypotheses(0) == ["x y", ""] and lists.hypotheses(1) == ["z"]


def test_lists_without_scores_have_no_features(tmp_path):
    assert read_nbest(write(tmp_path, {"id": "u", "hyps": [{"text": "a"}]})).features == {}


def test_order_of_scores_inside_a_hypothesis_does_not_matter(tmp_path):
    hyps = [{"text": "a", "scores": {"x": 1, "y": 2}}, {"text": "b", "scores": {"y": 4, "x": 3}}]
    lists = read_nbest(write(tmp_path, {"id": "u", "hyps": hyps}))
    assert lists.matrix(["y", "x"]).tolist() == [[2, 1], [4, 3]]
    with pytest.raises(InputError, match="no score 'z'; it has x, y"):
        lists.matrix(["x", "z"])


def test_numbers_as_ids_become_texts(tmp_path):
    assert read_nbest(write(tmp_path, record(7))).ids == ["7"]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_unicode_foreign_line_ends_and_byte_order_marks_are_read(tmp_path, start, end):
    line = json.dumps(record("ü", ["žluť 中文\u2028🐎"]), ensure_ascii=False).encode()
    (tmp_path / "lists").write_bytes(start + line + end)
    lists = read_nbest(tmp_path / "lists")
    assert lists.ids == ["ü"] and lists.texts == ["žluť 中文\u2028🐎"]


def hyps_with(**fields: Any) -> dict[str, Any]:
    return {"id": "v", "hyps": [{"text": "b", "scores": {"am": 1}}, {"text": "b", "scores": {"am": 1}, **fields}]}


REFUSED = {
    "broken JSON": ('{"id": "v", "hyps": [}', ":22: not valid JSON"),
    "text": ("hello world", ":1: not valid JSON"),
    "array": ([1], 'not an object with an "id"'),
    "no id": ({"hyps": [{"text": "a"}]}, 'not an object with an "id"'),
    "id is a list": (record([]), 'not an object with an "id"'),
    "id again": (record("u"), "the id 'u' stands already in line 1"),
    "id again as a number": (record(1), "the id '1' stands already in line 2"),
    "no hyps": ({"id": "v"}, "utterance 'v' has no hypotheses"),
    "empty hyps": (record("v", []), "utterance 'v' has no hypotheses"),
    "hyps is an object": ({"id": "v", "hyps": {"text": "a"}}, "utterance 'v' has no hypotheses"),
    "ref is a list": (record("v", ref=["a"]), "the \"ref\" of utterance 'v' is not a text"),
    "hypothesis is a text": ({"id": "v", "hyps": ["a"]}, 'hypothesis 1 has no "text"'),
    "no text": ({"id": "v", "hyps": [{"scores": {"am": 1}}]}, 'hypothesis 1 has no "text"'),
    "text is a number": (hyps_with(text=1), 'hypothesis 2 has no "text"'),
    "scores is a number": (hyps_with(scores=1), 'hypothesis 2: "scores" is not an object'),
    "no scores": ({"id": "v", "hyps": [{"text": "a"}]}, "hypothesis 1 lacks the score 'am'"),
    "score too few": (hyps_with(scores={}), "hypothesis 2 lacks the score 'am'"),
    "score too many": (hyps_with(scores={"am": 1, "lm": 1}), "hypothesis 2 has the score 'lm'"),
    "score is NaN": (hyps_with(scores={"am": float("nan")}), "the score 'am' is nan"),
    "score is infinite": (hyps_with(scores={"am": float("-inf")}), "the score 'am' is -inf"),
    "score is beyond float": (hyps_with(scores={"am": 10**400}), "the score 'am' is"),
    "score is a bool": (hyps_with(scores={"am": True}), "the score 'am' is True"),
    "score is a text": (hyps_with(scores={"am": "1"}), "the score 'am' is '1'"),
    "score is null": (hyps_with(scores={"am": None}), "the score 'am' is None"),
    "half a surrogate pair": (hyps_with(text="\ud800"), "half a surrogate pair"),
    "bad UTF-8": (b'{"id": "\xff"}', ":9: byte 0xff is not valid UTF-8"),
    "number of 5000 digits": ('{"id": "v", "x": ' + "1" * 5000 + "}", "not valid JSON"),
    "100 000 brackets": ("[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize(("line", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_line_is_refused_with_its_number(tmp_path, line, message):
    path = write(tmp_path, record("u"), record("1"), line, record("w"))
    with pytest.raises(InputError) as caught:
        read_nbest(path)
    found = str(caught.value)
    assert found.startswith(f"{path}:3:") and message in found and "\n" not in found


@pytest.mark.parametrize("lines", [[], ["", "  "]])
def test_file_without_lists_is_refused(tmp_path, lines):
    path = write(tmp_path, *lines)
    with pytest.raises(InputError, match=f"^{path}: there are no n-best lists"):
        read_nbest(path)


names = st.text(st.characters(codec="utf-8"), max_size=5)
numbers = st.integers(-(10**6), 10**6).map(lambda n: n / 64)
hypothesis_records = st.fixed_dictionaries(
    {"text": names, "scores": st.fixed_dictionaries({"am": numbers, "ü": numbers}), "words": st.lists(names)}
)
records = st.lists(
    st.fixed_dictionaries(
        {"id": names, "hyps": st.lists(hypothesis_records, min_size=1, max_size=3), "channel": st.integers() | names},
        optional={"ref": names},
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one["id"],
)


@LAW
@given(records, st.randoms(use_true_random=False))
def test_written_lists_keep_ids_order_scores_and_other_fields(tmp_path_factory, records, random):
    folder = tmp_path_factory.getbasetemp()
    lists = read_nbest(write(folder, *records))
    total = np.array([random.randint(-3, 3) for _ in lists.texts], np.float64)
    write_nbest(lists, total, folder / "out")
    again = read_nbest(folder / "out")
    assert (again.ids, again.refs, again.texts) == (lists.ids, lists.refs, lists.texts)
    assert again.offsets.tolist() == lists.offsets.tolist()
    for name in ("am", "ü"):
        assert again.features[name].tolist() == pytest.approx(lists.features[name].tolist(), abs=1e-6)

    totals = iter(total.tolist())
    for before, after in zip(records, again.records):
        assert {**after, "hyps": 0, "best": 0, "text": 0} == {**before, "hyps": 0, "best": 0, "text": 0}
        assert [one["words"] for one in after["hyps"]] == [one["words"] for one in before["hyps"]]
        expected = [next(totals) for _ in before["hyps"]]
        assert [one["total"] for one in after["hyps"]] == expected
        assert after["best"] == naive_best(expected)
        assert after["text"] == before["hyps"][after["best"]]["text"]


@pytest.mark.parametrize("score", [1.25e-9, 0.1234567891, 12345678.9012345, 2**53, -3])
def test_scores_of_the_recogniser_are_written_as_they_were_read(tmp_path, score):
    lists = read_nbest(write(tmp_path, {"id": "u", "hyps": [{"text": "a", "scores": {"am": score}}]}))
    write_nbest(lists, np.zeros(1), tmp_path / "out")
    assert read_json_lines(tmp_path / "out")[0]["hyps"][0]["scores"]["am"] == score


def test_added_features_are_written(tmp_path):
    lists = read_nbest(write(tmp_path, record("u", ["a", "b"])))
    lists.features["lm"] = np.array([-1.5, -2.25])
    write_nbest(lists, np.zeros(2), tmp_path / "out")
    hyps = read_json_lines(tmp_path / "out")[0]["hyps"]
    assert [one["scores"] for one in hyps] == [{"am": 0.0, "lm": -1.5}, {"am": -1.0, "lm": -2.25}]


def test_best_is_the_first_of_equals():
    lists = make_lists([(None, [("a", {"s": 0}), ("b", {"s": 0})]), (None, [("c", {"s": 0})] * 3)])
    assert lists.best(np.array([1.0, 1.0, 0.0, 2.0, 2.0])).tolist() == [0, 3]


def test_best_hypotheses_are_written_one_a_line(tmp_path):
    lists = read_nbest(write(tmp_path, record("ü", ["a", "b c"]), record("v", [""]), record("w", ["two\nlines"])))
    write_best(lists, np.array([0.0, 1.0, 0.0, 0.0]), tmp_path / "out")
    assert (tmp_path / "out").read_bytes().decode().split("\n") == ["ü b c", "v", "w two lines", ""]


def test_references_come_from_a_file_by_id(tmp_path):
    lists = read_nbest(write(tmp_path, record("u"), record("v", ref="old"), record("w", ref="kept")))
    add_references(lists, write(tmp_path, b"\xef\xbb\xbfv  two \t words\r", "", "u", name="refs"))
    assert lists.refs == ["", "two words", "kept"]
    assert lists.references() == ["", "two words", "kept"]


def test_tab_may_stand_behind_the_id_of_a_reference(tmp_path):
    lists = read_nbest(write(tmp_path, record("u")))
    add_references(lists, write(tmp_path, "u\ta b", name="refs"))
    assert lists.refs == ["a b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [("x a b", "a reference for 'x'"), ("u b", r"a second reference for 'u' \(the first is in line 1")],
)
def test_reference_for_an_unknown_or_known_id_is_refused_with_its_line(tmp_path, line, message):
    lists = read_nbest(write(tmp_path, record("u"), record("v")))
    path = write(tmp_path, "u a", "", line, name="refs")
    with pytest.raises(FormatError, match=f"^{path}:3: {message}"):
        add_references(lists, path)


def test_missing_reference_names_its_utterance(tmp_path):
    lists = read_nbest(write(tmp_path, record("u", ref=""), record("v")))
    with pytest.raises(InputError, match="utterance 'v' has no reference.*--ref FILE"):
        lists.references()
