"""What is special to the n-best lists of NeMo and HyPoradise; and that files of recognisers read back as written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbest_files import copied, put, refused, rescored, write_rescored

from lmmix.errors import InputError, SettingError
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import nbest_writer, read_nbest, recognised
from lmmix.nbest.utterance import Rescored, Utterance

LAW = settings(deadline=None, derandomize=True, max_examples=50)


# NeMo

MANIFEST = (
    '{"audio_filepath": "/a/1.wav", "duration": 1.5, "text": "the cat"}\n'
    '{"audio_filepath": "/a/2.wav", "duration": 2.5, "text": ""}\n'
)
BEAMS = "the cat\t-1.5\nthe mat\t-2.25\n\t-0.125\na\t-3.0\n"


def nemo_lists(folder: Path, beams: str = BEAMS, manifest: str = MANIFEST) -> tuple[Path, ReadOptions]:
    put(folder, beams_dot_tsv=beams, manifest_dot_json=manifest)
    return folder / "beams.tsv", ReadOptions(manifest=str(folder / "manifest.json"))


def test_nemo_lists_are_cut_by_the_manifest(tmp_path):
    path, options = nemo_lists(tmp_path)
    assert recognised(path) == "nemo"
    one, two = read_nbest(path, None, options)
    assert (one.id, one.texts, one.refs) == ("/a/1.wav", ["the cat", "the mat"], ("the cat",))
    assert (two.id, two.texts, two.refs) == ("/a/2.wav", ["", "a"], ("",))
    assert two.scores == {"score": [-0.125, -3.0]} and two.where == f"{path}:3"
    assert one.fields["manifest"]["duration"] == 1.5
    assert copied(path, tmp_path / "copy", "nemo", options).read_text() == BEAMS


def test_nemo_lists_get_a_column_for_each_feature_and_the_total(tmp_path):
    path, options = nemo_lists(tmp_path)
    _, two = write_rescored(path, tmp_path / "out.tsv", "nemo", options)
    assert (tmp_path / "out.tsv").read_text().splitlines()[2] == "\t-0.125\t0.1\t-1.0"
    assert recognised(tmp_path / "out.tsv") == "nemo"
    assert two.scores == {"score": [-0.125, -3.0], "score2": [0.1, 1.1], "score3": [-1.0, -2.0]}


@pytest.mark.parametrize(
    "manifest",
    [
        '{"audio_filepath": "x", "text": "a"}\n\n{"audio_filepath": "x"}\n',
        '{"text": "a"}\n{"audio_filepath": "x", "text": null}',
    ],
)
def test_nemo_utterances_without_different_paths_are_numbered(tmp_path, manifest):
    path, options = nemo_lists(tmp_path, manifest=manifest)
    assert [(one.id, one.refs) for one in read_nbest(path, None, options)] == [("0", ("a",)), ("1", ())]


NEMO_REFUSED = {
    "no multiple": (
        BEAMS + "b\t-1\n",
        MANIFEST,
        "beams.tsv: 5 lines are not the same number for each of the 2 utt",
    ),
    "no score": ("a\t1\nb\nc\t1\nd\t1\n", MANIFEST, "beams.tsv:2: 0 numbers behind the text, not 1"),
    "score more": ("a\t1\nb\t1\nc\t1\t2\nd\t1\n", MANIFEST, "beams.tsv:3: 2 numbers behind the text, not 1"),
    "word": ("a\t1\nb\tx\n", MANIFEST, "beams.tsv:2: the score 'score' is 'x'"),
    "infinite": ("a\t1\nb\t-inf\n", MANIFEST, "beams.tsv:2: the score 'score' is '-inf'"),
    "no utterances": (BEAMS, "\n", "manifest.json: there are no utterances"),
    "broken JSON": (BEAMS, '{"text": "a"}\n{"text"}\n', "manifest.json:2:8: not valid JSON"),
    "array": (BEAMS, "[]\n", "manifest.json:1: not an object"),
    "text is a number": (BEAMS, '{"text": 1}\n', "manifest.json:1: 'text' is 1, not a text"),
    "half a character": (BEAMS, '{"text": "\\ud800"}\n', "manifest.json:1: a text holds half a surrogate pair"),
}


@pytest.mark.parametrize(("beams", "manifest", "message"), NEMO_REFUSED.values(), ids=NEMO_REFUSED)
def test_nemo_lists_that_do_not_fit_are_refused(tmp_path, beams, manifest, message):
    path, options = nemo_lists(tmp_path, beams, manifest)
    refused(path, message, None, options)


def test_nemo_lists_need_a_manifest_and_only_they_take_it(tmp_path):
    path, options = nemo_lists(tmp_path)
    refused(path, "give the manifest, --manifest FILE")
    with pytest.raises(SettingError, match="--manifest is for the format nemo"):
        read_nbest(put(tmp_path / "in", text="u-1 a\n"), None, options)


@pytest.mark.parametrize(
    ("utterance", "message"),
    [
        (Utterance("v", ["a"], {"am": [1.0]}), "has 1 hypotheses, those before it have 2"),
        (Utterance("v", ["a", "b"]), "has no score"),
        (Utterance("v", ["a", "b\tc"], {"am": [1.0, 2.0]}), r"a text of utterance .v. holds .\\t.*jsonl"),
    ],
)
def test_nemo_lists_refuse_what_they_cannot_hold(tmp_path, utterance, message):
    with pytest.raises(InputError, match=message), nbest_writer(tmp_path / "out", "nemo") as write:
        write(Rescored(Utterance("u", ["a", "b"], {"am": [1.0, 2.0]})))
        write(Rescored(utterance))
    assert not list(tmp_path.iterdir())


# HyPoradise

OBJECTS: list[dict[str, Any]] = [
    {
        "id": "x1",
        "input": ["the cat", "the cat", ""],
        "output": "the cat",
        "am_score": [-0.5, -1, -2.25],
        "source": "s",
    },
    {"id": 7, "input": ["a"], "output": "a", "am_score": [-1.0], "words": ["a"]},
    {"input": ["b"], "am_score": [0.0], "instruction": None},
    {"id": None, "input": ["c"], "am_score": [0.0], "output": ["c", "d"]},
]


def hyporadise_list(path: Path, objects: Any = OBJECTS, **options: Any) -> Path:
    path.write_text(json.dumps(objects, **options), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 2])
def test_hyporadise_array_is_read(tmp_path, indent):
    path = hyporadise_list(tmp_path / "list.json", indent=indent)
    assert recognised(path) == "hyporadise"
    x1, seven, two, three = read_nbest(path)
    assert (x1.id, x1.texts, x1.refs) == ("x1", ["the cat", "the cat", ""], ("the cat",))
    assert x1.scores == {"am_score": [-0.5, -1.0, -2.25]} and x1.fields == {"source": "s"}
    assert seven.id == "7" and seven.fields == {"id": 7, "words": ["a"]}
    assert (two.id, two.refs, two.fields) == ("2", (), {"instruction": None})
    assert (three.id, three.refs) == ("3", ("c", "d"))
    line = 1 if indent is None else path.read_text().splitlines().index('    "id": 7,')
    assert seven.where.startswith(f"{path}:{line}:")


def test_hyporadise_objects_may_come_one_a_line(tmp_path):
    path = tmp_path / "list.jsonl"
    path.write_text("\ufeff" + "\r\n".join(map(json.dumps, OBJECTS)), encoding="utf-8", newline="")
    assert recognised(path) == "hyporadise"
    assert [(one.id, one.where) for one in read_nbest(path)] == [
        (name, f"{path}:{i}:1") for i, name in enumerate(("x1", "7", "2", "3"), 1)
    ]


def test_hyporadise_array_is_written_with_new_scores(tmp_path):
    again = write_rescored(hyporadise_list(tmp_path / "in"), tmp_path / "out", "hyporadise")
    written = json.loads((tmp_path / "out").read_text())
    assert written[0] == {
        **OBJECTS[0], "scores": {"lm:mix": [0.1, 1.1, 2.1]}, "total": [-1.0, -2.0, -3.0], "best": 0, "text": "the cat",
    }  # fmt: skip
    assert written[1]["id"] == 7 and written[2]["id"] == "2" and "output" not in written[2]
    assert written[3]["output"] == ["c", "d"]
    assert again[0].scores == {"am_score": [-0.5, -1.0, -2.25], "lm:mix": [0.1, 1.1, 2.1]}
    assert again[0].hyp_fields[2] == {"total": -3.0} and again[0].fields["best"] == 0
    assert len((tmp_path / "out").read_text().splitlines()) == len(OBJECTS) + 2


def test_hyporadise_array_has_a_place_for_a_text_of_several_hypotheses(tmp_path):
    with nbest_writer(tmp_path / "out", "hyporadise") as write:
        write(rescored(Utterance("u", ["a", "b"]), best=None))
    (one,) = read_nbest(tmp_path / "out")
    assert one.fields == {"best": None, "text": "made of several"}


def two(**fields: Any) -> str:
    """An array of two objects, of which the second, in line 3, is damaged."""
    good = {"input": ["a", "b"], "am": [1, 2]}
    return f"[\n{json.dumps(good)},\n{json.dumps(good | fields)}\n]"


HYPORADISE_REFUSED = {
    "truncated": ('[\n{"input": ["a"]},\n{"input": ["a"', "list:4:1: not valid JSON"),
    "no end": ('[\n{"input": ["a"]}\n', "list:3:1: not valid JSON: the array goes on without"),
    "no comma": ('[\n{"input": ["a"]}\n{"input": ["a"]}]', "list:3:1: not valid JSON: the array goes on without"),
    "more": ('[\n{"input": ["a"]}]\n[]', "list:3:1: not valid JSON: something stands behind"),
    "number": ("[{}, 1]", 'list:1:2: not an object with an "input"'),
    "empty array": ("[]", "there are no n-best lists"),
    "no hypotheses": (two(input=[], am=[]), "list:3:1: utterance '1' has no hypotheses"),
    "input of numbers": (two(input=[1, 2]), 'list:3:1: not an object with an "input"'),
    "output": (two(output=5), 'list:3:1: the "output" is not a text'),
    "id": (two(id=[1]), 'list:3:1: the "id" is [1], not a text'),
    "id again": (two(id="0"), "list:3:1: the id '0' stands already at"),
    "score too short": (two(am=[1]), "list:3:1: utterance '1' lacks the score 'am'"),
    "no score": (two(am=None), "list:3:1: utterance '1' lacks the score 'am'"),
    "score is null": (two(am=[1, None]), "list:3:1: the score 'am' of hypothesis 2 is None"),
    "score is NaN": (two(am=[float("nan"), 1]), "list:3:1: the score 'am' of hypothesis 1 is nan"),
    "score is beyond float": (two(am=[10**400, 1]), "list:3:1: the score 'am' of hypothesis 1 is 1000"),
    "new score": (two(lm=[1, 2]), "list:3:1: utterance '1' has the score 'lm', unlike those before it"),
    "score twice": (two(scores={"am": [1, 2]}), "list:3:1: the score 'am' stands also in \"scores\""),
    "scores": (two(scores=[1, 2]), 'list:3:1: "scores" is not an object'),
    "scores too short": (two(scores={"lm": [1]}), "list:3:1: the score 'lm' is not a list of 2 numbers"),
    "total": (two(total=[1, "a"]), "list:3:1: the score 'total' of hypothesis 2 is 'a'"),
    "hyp_fields": (two(hyp_fields=[{}]), 'list:3:1: "hyp_fields" is not a list of 2 objects'),
    "half a character": (two(output="\ud800"), "list:3:1: a text holds half a surrogate pair"),
    "number of 5000 digits": ('[{"input": ["a"], "x": ' + "1" * 5000 + "}]", "list:1:2: not valid JSON"),
    "100 000 brackets": ("[" * 100_000, "list:1:2: not valid JSON"),
}


@pytest.mark.parametrize(("content", "message"), HYPORADISE_REFUSED.values(), ids=HYPORADISE_REFUSED)
def test_hyporadise_lists_that_do_not_fit_are_refused(tmp_path, content, message):
    (tmp_path / "list").write_text(content)
    refused(tmp_path / "list", message, "hyporadise")


SHARED = {"librispeech_clean": 2620, "librispeech_other": 2939, "commonvoice": 2000, "atis_train": 3964}


@pytest.mark.parametrize(("name", "count"), SHARED.items())
def test_hyporadise_lists_of_the_shared_data(shared_data, tmp_path, name, count):
    path = shared_data / f"nbest/{name}.5best.json.gz"
    lists = list(read_nbest(path))
    assert len(lists) == count and all(len(one.texts) == 5 and len(one.refs) == 1 for one in lists)
    assert set(lists[0].scores) == ({"am_score"} if name == "atis_train" else set())
    copied(path, tmp_path / "copy.json.gz", "hyporadise")
    for before, after in zip(lists, read_nbest(tmp_path / "copy.json.gz"), strict=True):
        after.where = before.where
        assert after == before


# All of them

words = st.lists(st.text(st.characters(codec="utf-8", exclude_characters=" \t\n\v\f\r\0"), min_size=1), max_size=3)
numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)


@st.composite
def lists_of_utterances(draw: Any) -> list[Utterance]:
    count = draw(st.integers(1, 3))
    scores = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    ids = draw(st.lists(st.text("abä-1:/%", min_size=1, max_size=4), min_size=1, max_size=3, unique=True))
    column = st.lists(numbers, min_size=count, max_size=count)
    return [
        Utterance(name, [" ".join(draw(words)) for _ in range(count)], {score: draw(column) for score in scores})
        for name in ids
    ]


@LAW
@given(lists_of_utterances())
@pytest.mark.parametrize("form", ["hyporadise", "nemo", "espnet", "kaldi"])
def test_what_is_written_reads_back_the_same(tmp_path_factory, form, utterances):
    folder = tmp_path_factory.mktemp("law")
    with nbest_writer(folder / "out", form) as write:
        for utterance in utterances:
            write(Rescored(utterance))
    options = ReadOptions()
    if form == "nemo":
        manifest = "".join(json.dumps({"audio_filepath": one.id}) + "\n" for one in utterances)
        options = ReadOptions(manifest=str(put(folder, manifest=manifest) / "manifest"))
    assert recognised(folder / "out") == form
    again = list(read_nbest(folder / "out", None, options))
    assert [(one.id, one.texts) for one in again] == [(one.id, one.texts) for one in utterances]
    for before, after in zip(utterances, again):
        if form == "nemo":
            assert list(after.scores.values()) == list(before.scores.values())
        else:
            assert after.scores == before.scores and not after.hyp_fields
