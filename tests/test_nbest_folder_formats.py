"""What is special to the n-best lists of Kaldi and ESPnet: folders of little files in their own syntax."""

from __future__ import annotations

import logging
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbest_files import copied, put, refused, tree, write_rescored

from lmmix.errors import InputError
from lmmix.nbest.formats.folder import file_of, name_of
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import nbest_writer, read_nbest, recognised
from lmmix.nbest.utterance import Rescored, Utterance

LAW = settings(deadline=None, derandomize=True, max_examples=50)


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


def test_espnet_lists_of_more_files_than_can_be_open_are_read(tmp_path):
    for rank in range(1, 61):
        put(tmp_path / f"{rank}best_recog", text="u a\n", score=f"u {-rank}\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
    try:
        (one,) = read_nbest(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert one.scores["score"] == [-rank for rank in range(1, 61)]
