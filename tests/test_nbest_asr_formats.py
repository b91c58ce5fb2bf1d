"""What is special to the n-best lists of HyPoradise, NeMo, ESPnet and Kaldi: little files in their own syntax."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.errors import InputError, LmmixError, SettingError
from lmmix.nbest.formats.folder import MARKER, file_of, name_of
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import nbest_writer, read_nbest, recognised
from lmmix.nbest.utterance import Rescored, Utterance

LAW = settings(deadline=None, derandomize=True, max_examples=50)


def put(folder: Path, **files: str) -> Path:
    """A folder with these files; `__` in a name stands for `/`, `_dot_` for a dot."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """All files of a folder but lmmix's mark."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def copied(source: Path, target: Path, form: str, options: ReadOptions | None = None) -> Path:
    with nbest_writer(target, form) as write:
        for utterance in read_nbest(source, None, options):
            write(Rescored(utterance))
    return target


def rescored(utterance: Utterance, best: int | None = 0) -> Rescored:
    """With a feature ``lm:mix`` of 0.1, 1.1, … and totals of -1, -2, …."""
    n = len(utterance.texts)
    text = "made of several" if best is None else utterance.texts[best]
    return Rescored(utterance, {"lm:mix": np.arange(n) + 0.1}, -1.0 - np.arange(n), best, text)


def write_rescored(source: Path, target: Path, form: str, options: ReadOptions | None = None) -> list[Utterance]:
    with nbest_writer(target, form) as write:
        for utterance in read_nbest(source, None, options):
            write(rescored(utterance))
    return list(read_nbest(target, form if form == "nemo" else None, options))


def refused(path: Path, message: str, form: str | None = None, options: ReadOptions | None = None) -> None:
    with pytest.raises(LmmixError) as caught:
        list(read_nbest(path, form, options))
    assert message in str(caught.value) and "\n" not in str(caught.value)


# Kaldi


def kaldi_folder(folder: Path, **more: str) -> Path:
    """What lmrescore_nbest.sh leaves of two utterances, of which one has an empty hypothesis."""
    return put(
        folder,
        **{
            "words_text": "s1-utt-1-1 the cat \ns1-utt-1-2 the mat \ns1-utt-2-1 a\ns1-utt-2-2\n",
            "acwt": "s1-utt-1-1 -12.5 \ns1-utt-1-2 3\ns1-utt-2-1 1e-05\ns1-utt-2-2 0\n",
            "lmwt_dot_nolm": "s1-utt-1-1\t1.5\ns1-utt-1-2\t2\ns1-utt-2-1\t3\ns1-utt-2-2\t4.25\n",
            **more,
        },
    )


def test_kaldi_folder_is_read_with_costs_negated(tmp_path):
    folder = kaldi_folder(tmp_path / "archives")
    assert recognised(folder) == "kaldi"
    one, two = read_nbest(folder)
    assert (one.id, one.texts) == ("s1-utt-1", ["the cat ", "the mat "])
    assert (two.id, two.texts) == ("s1-utt-2", ["a", ""])
    assert one.scores == {"acwt": [12.5, -3.0], "lmwt.nolm": [-1.5, -2.0]}
    assert two.scores == {"acwt": [-1e-05, 0.0], "lmwt.nolm": [-3.0, -4.25]}
    assert two.where == f"{folder / 'words_text'}:3" and one.refs == () and not one.hyp_fields


def test_kaldi_folder_is_written_with_new_costs(tmp_path):
    source = kaldi_folder(tmp_path / "in")
    again = write_rescored(source, tmp_path / "out", "kaldi")
    files = tree(tmp_path / "out")
    assert files["text"] == (source / "words_text").read_text()
    assert files["acwt"].split() == "s1-utt-1-1 -12.5 s1-utt-1-2 3.0 s1-utt-2-1 1e-05 s1-utt-2-2 0.0".split()
    assert files["lm%3Amix"].splitlines()[:2] == ["s1-utt-1-1 -0.1", "s1-utt-1-2 -1.1"]
    assert files["total"].splitlines()[:2] == ["s1-utt-1-1 1.0", "s1-utt-1-2 2.0"]
    assert files["best"] == "s1-utt-1 the cat \ns1-utt-2 a\n"
    assert set(files) == {"text", "acwt", "lmwt.nolm", "lm%3Amix", "total", "best"}
    assert again[0].scores["lm:mix"] == [0.1, 1.1] and again[0].hyp_fields == [{"total": -1.0}, {"total": -2.0}]
    assert tree(copied(tmp_path / "out", tmp_path / "copy", "kaldi")) == {k: v for k, v in files.items() if k != "best"}


def test_kaldi_files_that_are_no_costs_are_left_alone_with_a_warning(tmp_path, caplog):
    more = {"ali": "s1-utt-1-1 4\n", "words": "s1-utt-1-1 4\n", "num_jobs": "4\n", "empty": "", "utt2dur": "utt 3.5\n"}
    folder = kaldi_folder(tmp_path / "in", **more)
    (folder / "lat.ark").write_bytes(b"s1-utt-1-1 \0B\xff\xfe\n")
    with caplog.at_level(logging.WARNING, logger="lmmix"):
        utterances = list(read_nbest(folder))
    assert set(utterances[0].scores) == {"acwt", "lmwt.nolm"}
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: files that are no costs are left alone: ali, empty, lat.ark, num_jobs, utt2dur, words"
    ]


def test_kaldi_archives_of_several_jobs_are_one_list_in_order_of_their_numbers(tmp_path):
    for job in (10, 2, 1):
        put(tmp_path / f"archives.{job}", text=f"u{job}-1 a\n", acwt=f"u{job}-1 {job}\n")
    more = put(tmp_path, rnn="u1-1 5\nu2-1 6\nu10-1 7\n") / "rnn"
    assert recognised(tmp_path) == "kaldi"
    lists = list(read_nbest(tmp_path, None, ReadOptions((str(more),))))
    assert [(one.id, one.scores) for one in lists] == [
        (f"u{job}", {"acwt": [-job], "rnn": [-cost]}) for job, cost in ((1, 5), (2, 6), (10, 7))
    ]


def test_kaldi_file_of_texts_takes_costs_from_elsewhere(tmp_path):
    put(tmp_path, nbest="u-1 a b\nu-2 a\n", rnn="u-1 1.5\nu-2 2.5\n")
    assert recognised(tmp_path / "nbest") == "kaldi"
    (one,) = read_nbest(tmp_path / "nbest", None, ReadOptions((str(tmp_path / "rnn"),)))
    assert one.texts == ["a b", "a"] and one.scores == {"rnn": [-1.5, -2.5]}


def test_kaldi_ranks_may_be_missing_and_stay_so(tmp_path):
    folder = put(tmp_path / "in", text="u-1 a\nu-3 b\nv-2 c\n", acwt="u-1 1.0\nu-3 2.0\nv-2 3.0\n")
    assert [one.texts for one in read_nbest(folder)] == [["a", "b"], ["c"]]
    assert tree(copied(folder, tmp_path / "out", "kaldi")) == tree(folder)


KALDI_REFUSED = {
    "costs lack a line": (
        {"acwt": "u-1 1\nv-1 3\n"},
        "/acwt:2: the key is 'v-1' where {}/text:2 has the key 'u-2'",
    ),
    "costs end early": ({"acwt": "u-1 1\nu-2 2\n"}, "/acwt:2: the file ends where {}/text:3 has the key 'v-1'"),
    "costs have a line more": (
        {"acwt": "u-1 1\nu-2 2\nv-1 3\nv-2 4\n"},
        "/acwt:4: the key 'v-2' is not in {}/text, or stands elsewhere there",
    ),
    "other order": ({"acwt": "u-2 1\nu-1 2\nv-1 3\n"}, "/acwt:1: the key is 'u-2' where {}/text:1"),
    "word instead of a cost": (
        {"acwt": "u-1 1\nu-2 x\nv-1 3\n"},
        "/acwt:2: the score 'acwt' is 'x', not a finite number",
    ),
    "no cost": ({"acwt": "u-1 1\nu-2\nv-1 3\n"}, "/acwt:2: the score 'acwt' is '', not a finite number"),
    "two costs": ({"acwt": "u-1 1\nu-2 1 2\nv-1 3\n"}, "/acwt:2: the score 'acwt' is '1 2', not a finite number"),
    "infinite cost": ({"acwt": "u-1 inf\nu-2 1\nv-1 3\n"}, "/acwt:1: the score 'acwt' is 'inf', not a finite number"),
    "nan": ({"acwt": "u-1 1\nu-2 nan\nv-1 3\n"}, "/acwt:2: the score 'acwt' is 'nan', not a finite number"),
    "no rank": ({"text": "u-1 a\nu a\nv-1 b\n"}, "/text:2: the key 'u' is not an utterance and a rank"),
    "rank 0": ({"text": "u-0 a\n"}, "/text:1: the key 'u-0' is not"),
    "rank twice": ({"text": "u-1 a\nu-1 a\nv-1 b\n", "acwt": "u-1 1\nu-1 1\nv-1 1\n"}, "/text:2: rank 1 of 'u'"),
    "mixed up": (
        {"text": "u-1 a\nv-1 b\nu-2 a\n", "acwt": "u-1 1\nv-1 1\nu-2 1\n"},
        "/text:3: the id 'u' stands already at {}/text:1",
    ),
    "blank before the key": ({"text": "u-1 a\n u-2 a\nv-1 b\n"}, "/text:2: begins with a blank"),
    "no lists": ({"text": "\n", "acwt": ""}, ": there are no n-best lists"),
    "two of a name": ({"lm%3Ax": "u-1 1\n", "lm:x": "u-1 1\n"}, "has costs called 'lm:x', too"),
}


@pytest.mark.parametrize(("files", "message"), KALDI_REFUSED.values(), ids=KALDI_REFUSED)
def test_kaldi_lists_that_do_not_fit_are_refused(tmp_path, files, message):
    given = {"text": "u-1 a\nu-2 b\nv-1 c\n", "acwt": "u-1 1\nu-2 2\nv-1 3\n", **files}
    refused(put(tmp_path, **given), message.format(tmp_path))


def test_kaldi_folders_of_others_are_never_replaced(tmp_path):
    folder = kaldi_folder(tmp_path / "in")
    before = tree(folder)
    with pytest.raises(InputError, match="not empty"), nbest_writer(folder, "kaldi"):
        pass
    assert tree(folder) == before
    copied(folder, tmp_path / "out", "kaldi")
    copied(folder, tmp_path / "out", "kaldi")
    with pytest.raises(InputError, match="cannot be a key"), nbest_writer(tmp_path / "out", "kaldi") as write:
        write(Rescored(Utterance("with blank", ["a"])))
    assert len(list(read_nbest(tmp_path / "out"))) == 2 and len(list(tmp_path.iterdir())) == 2


@LAW
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8) | st.sampled_from(["text", "words", "a.gz", "."]))
def test_names_of_scores_come_back_from_their_files(name):
    file = file_of(name, ("text", "words"))
    assert name_of(file) == name and file not in ("text", "words")
    assert not set(file) & set('/:\0"\\|?*<> \n') and not file.startswith(".") and not file.endswith(".gz")


# ESPnet


def espnet_folder(folder: Path, **more: str) -> Path:
    """Two utterances as ESPnet writes them; the beam of the second has one hypothesis."""
    files = {
        "1best_recog__text": "utt-b the cat\nutt-a  \n",
        "1best_recog__score": "utt-b tensor(-5.2500)\nutt-a 0.0\n",
        "1best_recog__token": "utt-b ▁the ▁cat\nutt-a <space>\n",
        "1best_recog__token_int": "utt-b 7 8\nutt-a 2\n",
        "2best_recog__text": "utt-b the mat\n",
        "2best_recog__score": "utt-b tensor(-6., device='cuda:0')\n",
        "2best_recog__token": "utt-b ▁the ▁mat\n",
        "2best_recog__token_int": "utt-b 7 9\n",
    }
    return put(folder, **(files | more))


def test_espnet_folder_is_read_in_step(tmp_path):
    folder = espnet_folder(tmp_path / "in", **{"1best_recog__score_lm": "utt-b -1\nutt-a -2.5\n"})
    (folder / "2best_recog/score_lm").write_text("utt-b -3\n")
    put(folder, text="utt-a something\nutt-b the cat\n")
    assert recognised(folder) == "espnet"
    b, a = read_nbest(folder)
    assert (b.id, b.texts) == ("utt-b", ["the cat", "the mat"]) and (a.id, a.texts) == ("utt-a", [" "])
    assert b.scores == {"score": [-5.25, -6.0], "score_lm": [-1.0, -3.0]}
    assert a.scores == {"score": [0.0], "score_lm": [-2.5]}
    assert b.hyp_fields[1] == {"token": "▁the ▁mat", "token_int": "7 9"} and a.hyp_fields[0]["token_int"] == "2"
    assert b.where == f"{folder}/1best_recog/text:1"


def test_espnet_folder_is_written_with_new_scores(tmp_path):
    source = espnet_folder(tmp_path / "in")
    again = write_rescored(source, tmp_path / "out", "espnet")
    before, after = tree(source), tree(tmp_path / "out")
    for name in ("text", "token", "token_int"):
        for rank in "12":
            assert after[f"{rank}best_recog/{name}"] == before[f"{rank}best_recog/{name}"]
    assert after["1best_recog/score"] == "utt-b -5.25\nutt-a 0.0\n"
    assert after["2best_recog/lm%3Amix"] == "utt-b 1.1\n" and after["1best_recog/total"] == "utt-b -1.0\nutt-a -1.0\n"
    assert after["text"] == "utt-b the cat\nutt-a  \n"
    assert again[0].scores == {"lm:mix": [0.1, 1.1], "score": [-5.25, -6.0]}
    assert again[0].hyp_fields[1] == {"token": "▁the ▁mat", "token_int": "7 9", "total": -2.0}


@pytest.mark.parametrize("above", ["", "logdir/"])
def test_espnet_jobs_are_one_list_in_order_of_their_numbers(tmp_path, above):
    for job in (10, 9):
        put(tmp_path / f"{above}output.{job}/1best_recog", text=f"u{job} a\n", score=f"u{job} -{job}\n")
    assert recognised(tmp_path) == "espnet"
    assert [(one.id, one.scores) for one in read_nbest(tmp_path)] == [
        ("u9", {"score": [-9]}),
        ("u10", {"score": [-10]}),
    ]


ESPNET_REFUSED = {
    "score lacks": ({"1best_recog__score": "utt-b -1\n"}, "1best_recog/score:1: the file ends where"),
    "score in another order": ({"1best_recog__score": "utt-a 1\nutt-b 1\n"}, "1best_recog/score:1: the key is"),
    "score is a word": ({"1best_recog__score": "utt-b -1\nutt-a x\n"}, "1best_recog/score:2: the score 'score' is 'x'"),
    "score is infinite": (
        {"2best_recog__score": "utt-b tensor(-inf)\n"},
        "2best_recog/score:1: the score 'score' is '-inf'",
    ),
    "unknown in rank 2": ({"2best_recog__text": "utt-b x\nutt-c y\n"}, "2best_recog/text:2: the key 'utt-c' is"),
    "other order in the texts": (
        {"1best_recog__text": "utt-a x\nutt-b y\n"},
        "1best_recog/score:1: the key is 'utt-b' where",
    ),
    "score too many": ({"2best_recog__score": "utt-b 1\nutt-a 1\n"}, "2best_recog/score:2: the key 'utt-a' is"),
    "token out of step": ({"1best_recog__token": "utt-x y\n"}, "1best_recog/token:1: the key 'utt-x' is not in"),
    "rank 3 of 4": ({"4best_recog__text": "utt-b x\n"}, ": has no folder 3best_recog"),
    "other order in rank 2": (
        {f"2best_recog__{name}": "utt-a 1\nutt-b 1\n" for name in ("text", "score", "token", "token_int")},
        "2best_recog/text:2: the key 'utt-b' is not in",
    ),
    "no text": ({"3best_recog__score": "utt-b 1\n"}, "3best_recog: there is no file text"),
    "no score": ({"3best_recog__text": "utt-b 1\n"}, "3best_recog: there is no file score"),
}


@pytest.mark.parametrize(("more", "message"), ESPNET_REFUSED.values(), ids=ESPNET_REFUSED)
def test_espnet_lists_that_do_not_fit_are_refused(tmp_path, more, message):
    refused(espnet_folder(tmp_path, **more), message)


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
        read_nbest(kaldi_folder(tmp_path / "in"), None, options)


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
