from __future__ import annotations

import json

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.evaluate import Texts, evaluate, read_texts
from lmmix.metrics.metric import make_metric
from lmmix.metrics.significance import confidence_interval, paired_bootstrap, paired_randomisation

REF = "the cat sat\na dog\n\non the mat\n"
FIRST = "the mat sat\na dog\n\non a mat\n"
SECOND = "The cat sat\na dog and\n\non the mat\n"


@pytest.fixture
def texts(folder):
    for name, text in (("ref", REF), ("first", FIRST), ("second", SECOND)):
        (folder / name).write_text(text)
    return folder


def test_results_are_those_of_the_statistics():
    wer = make_metric("wer")
    texts = Texts(["1", "2"], [("a b",), ("c d e",)], [["a x", "c d e"], ["a b", "c"], ["a b", "c d e"]])
    rows = [
        np.concatenate([wer.statistics(refs, [text]) for refs, text in zip(texts.references, one)])
        for one in texts.systems
    ]
    results = evaluate(texts, wer, samples=40, seed=3)
    assert [result.sums.tolist() for result in results] == [[1, 0, 0, 5], [0, 0, 2, 5], [0, 0, 0, 5]]
    assert [result.interval for result in results] == [confidence_interval(wer, one, 40, 3) for one in rows]
    assert results[0].comparison is None
    assert [one.comparison for one in results[1:]] == [paired_bootstrap(wer, rows[0], one, 40, 3) for one in rows[1:]]
    other = evaluate(texts, wer, test="randomisation", samples=40, seed=3)[1].comparison
    assert other.p == paired_randomisation(wer, rows[0], rows[1], 400, 3)
    assert (other.value, other.low, other.high) == tuple(vars(results[1].comparison).values())[:3]


def test_unknown_test_is_refused():
    with pytest.raises(SettingError, match="no test 't'; there are bootstrap, randomisation"):
        evaluate(Texts(["1"], [("a",)], [["a"]]), make_metric("wer"), test="t")


def test_table_shows_values_counts_and_differences(texts, run):
    status, out, _ = run(
        "evaluate", "ref", "first", "second", "--metric", "wer,cer", "--metric", "wer", "--samples", 50
    )
    lines = [line.split() for line in out.splitlines()]
    assert status == 0 and out.startswith("4 sentences\n\nwer|norm:none|")
    assert lines[3][:3] == ["wer", "95", "%"] and lines[3][-1] == "p"
    assert lines[4][:2] == ["first", "25.00"] and lines[4][-4:] == ["2", "0", "0", "8"]
    assert lines[5][:2] == ["second", "25.00"] and lines[5][5:10] == ["1", "1", "0", "8", "0.00"]
    assert float(lines[5][-1]) > 0.1
    assert sum("|norm:" in line for line in out.splitlines()) == 2


def test_single_system_has_no_difference(texts, run):
    _, out, _ = run("evaluate", "ref", "first", "--normalise", "lower")
    assert "norm:lower" in out and "difference" not in out


def test_json_holds_all_numbers(texts, run):
    status, out, _ = run("evaluate", "ref", "first", "second", "--metric", "bleu", "--ref", "second", "--json")
    found = json.loads(out)
    assert status == 0 and found["sentences"] == 4 and found["samples"] == 1000 and found["test"] == "bootstrap"
    bleu = found["metrics"]["bleu"]
    references = [text.split("\n")[:-1] for text in (REF, SECOND)]
    assert bleu["systems"][0]["value"] == pytest.approx(BLEU().corpus_score(FIRST.split("\n")[:-1], references).score)
    assert bleu["systems"][0]["difference"] is None and bleu["higher_is_better"] is True
    assert set(bleu["systems"][1]["difference"]) == {"value", "low", "high", "p"}
    assert bleu["systems"][1]["sums"]["length"] == 9 and "tok:13a" in bleu["signature"]


def test_lines_with_ids_come_in_any_order(folder, run):
    (folder / "ref").write_text("u1 a b\nu2\n\nu3\tc d\n")
    (folder / "hyp").write_bytes(b"\xef\xbb\xbfu3 c x\r\nu1 a b\r\nu2\r\n")
    texts = read_texts(["ref"], ["hyp"], by_id=True)
    assert texts == Texts(["u1", "u2", "u3"], [("a b",), ("",), ("c d",)], [["a b", "", "c x"]])
    assert " 25.00 " in run("evaluate", "ref", "hyp", "--ids")[1]


@pytest.mark.parametrize(
    ("ref", "hyp", "looks"),
    [
        ("u1 a b\nu2 c\n", "u1 a x\nu2 c\n", True),
        ("u1 a b\nu2\n", "u1\nu2\tc\n", True),
        ("u1 a b\nu2 c\n", "u1 a x\nx c\n", False),
        ("the a b\nthe c\n", "the a x\nthe c\n", False),
        ("u1 a b\n\n", "u1 a x\n\n", False),
        ("u1 a b\n", "u1 a x\n", False),
    ],
)
def test_lines_that_look_as_if_they_had_ids_are_refused(folder, run, ref, hyp, looks):
    (folder / "ref").write_text(ref)
    (folder / "hyp").write_text(hyp)
    status, _, err = run("evaluate", "ref", "hyp")
    assert status == looks and ("give --ids, or --lines if these are words" in err) == looks
    if looks:
        assert read_texts(["ref"], ["hyp"], by_id=True).names == ["u1", "u2"]
    assert run("evaluate", "ref", "hyp", "--lines")[0] == 0
    assert read_texts(["ref"], ["hyp"], by_id=False).systems == [[line.rstrip() for line in hyp.split("\n")[:-1]]]


def test_a_system_with_ids_in_another_order_is_no_reason_to_refuse(folder):
    for name, text in (("ref", "u1 a\nu2 b\n"), ("hyp", "u1 a\nu2 b\n"), ("other", "u2 b\nu1 a\n")):
        (folder / name).write_text(text)
    assert len(read_texts(["ref"], ["hyp", "other"]).names) == 2
    with pytest.raises(InputError, match=r"^ref: the lines of all files begin .*'u1', 'u2', …"):
        read_texts(["ref"], ["hyp"])


def test_spaces_between_words_do_not_count(folder):
    (folder / "ref").write_text("a b c d e\nx y\n")
    (folder / "hyp").write_text("  a   b c d  e \nx  y\n")
    texts = read_texts(["ref"], ["hyp"], by_id=False)
    for name in ("wer", "cer", "bleu", "chrf", "ter"):
        metric = make_metric(name)
        same = sum(metric.statistics([text], [text])[0] for text in ("a b c d e", "x y"))
        assert evaluate(texts, metric, samples=5)[0].interval.value == metric.value(same)


def test_texts_of_rescoring_are_read(folder, run):
    assert run("ngram", "train.txt", "-o", "lm.arpa", "--order", 2)[0] == 0
    assert run("rescore", "nbest.jsonl", "--lm", "lm.arpa", "--tune", "wer", "--best-out", "best.txt")[0] == 0
    (folder / "ref").write_text("u2 a dog\nu1 the cat sat\n")
    status, out, error = run("evaluate", "ref", "best.txt", "--ids")
    assert (status, error) == (0, "") and out.startswith("2 sentences")


def test_alignments_are_written_as_sclite_prints_them(texts, run):
    assert run("evaluate", "ref", "first", "second", "--alignments", "out")[0] == 0
    written = (texts / "out").read_text()
    assert written.count("System name: ") == 2 and written.count("\nid: (") == 8
    assert "id: (2)\nScores: (#C #S #D #I) 2 0 0 1\nREF:  a dog ***\nHYP:  a dog and\nEval:       I\n\n" in written
    assert "id: (3)\nScores: (#C #S #D #I) 0 0 0 0\nREF:\nHYP:\nEval:\n\n" in written


def test_alignments_of_characters_show_spaces(texts, run):
    status, out, _ = run("evaluate", "ref", "second", "--metric", "cer", "--alignments", "-")
    assert status == 0 and "REF:  a ␣ d o g * * * *\nHYP:  a ␣ d o g ␣ a n d\n" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "bleu", "--alignments", "out"], "alignments are those of wer and cer"),
        (["--alignments", "ref"], "ref is an input of this command"),
        (["--alignments", "-", "--json"], "--json prints to standard output"),
        (["--metric", "x"], "there is no metric 'x'"),
        (["--ref", "second"], "wer compares with one reference, not with 2"),
        (["--samples", "0"], "samples is 0; it must be from 1 to 1000000"),
        (["--samples", "1000001"], "samples is 1000001; it must be from 1 to 1000000"),
        (["--metric", ""], "there is no metric ''"),
        (["--metric", "wer,"], "there is no metric ''"),
        (["--test", "t"], "there is no test 't'"),
        (["--normalise", "x"], "there is no normalisation 'x'"),
    ],
)
def test_mistakes_are_told_in_one_line(texts, run, arguments, message):
    status, _, error = run("evaluate", "ref", "first", *arguments)
    assert status == 1 and error.startswith("lmmix: error: ") and message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("ref", "hyp", "by_id", "message"),
    [
        ("a\nb\n", "a\n", False, "hyp: there is no line 2, which is ref:2; all files must have the same lines"),
        ("a\n", "a\nb\nc\n", False, "hyp:2: ref has no line 2; "),
        ("u a\nv b\n", "u a\n", True, "hyp: there is no id v, which is ref:2; "),
        ("u a\n", "u a\n\nx b\n", True, "hyp:3: ref has no id x; all files must have the same ids"),
        ("u a\n", "u a\nu b\n", True, r"hyp:2: a second text for 'u' \(the first is in line 1\)"),
    ],
)
def test_files_that_do_not_fit_are_refused_with_their_line(folder, ref, hyp, by_id, message):
    (folder / "ref").write_text(ref)
    (folder / "hyp").write_text(hyp)
    with pytest.raises(FormatError, match=f"^{message}"):
        read_texts(["ref"], ["hyp"], by_id)


def test_empty_reference_file_is_refused(folder):
    (folder / "ref").write_text("")
    with pytest.raises(InputError, match="^ref: there is no text in it"):
        read_texts(["ref"], ["ref"])


def test_references_without_words_have_no_rate(folder, run):
    (folder / "ref").write_text("\n\n")
    (folder / "hyp").write_text("a\n\n")
    assert "nan" in run("evaluate", "ref", "hyp")[1]
    assert json.loads(run("evaluate", "ref", "hyp", "--json")[1])["metrics"]["wer"]["systems"][0]["value"] is None
