"""`lmmix rescore` on the command line: each format from end to end, one line for each mistake, nothing half-written."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from conftest import NBEST, Run

from lmmix.errors import SettingError
from lmmix.nbest.formats.interface import ReadOptions
from lmmix.nbest.formats.registry import FORMATS, nbest_writer, read_nbest, recognised
from lmmix.nbest.utterance import Rescored, Utterance

LISTS = [
    Utterance(one["id"], [h["text"] for h in one["hyps"]], {"am": [h["scores"]["am"] for h in one["hyps"]]})
    for one in NBEST
]
MANIFEST = "".join(json.dumps({"audio_filepath": one["id"], "text": one["ref"]}) + "\n" for one in NBEST)
WEIGHTS = {"kind": "rescore-weights", "version": 2}


def write(path: Path, form: str, lists: list[Utterance] = LISTS) -> Path:
    with nbest_writer(path, form) as write_one:
        for one in lists:
            write_one(Rescored(one))
    return path


@pytest.fixture
def lists(folder: Path, run: Run) -> Path:
    """The working folder with the lists in all formats, references, weights and a model."""
    for form in FORMATS:
        write(folder / f"lists.{form}", form)
    write(folder / "ragged.jsonl", "jsonl", [*LISTS, Utterance("u3", ["a"], {"am": [1.0]})])
    write(folder / "bare.jsonl", "jsonl", [Utterance(one.id, one.texts) for one in LISTS])
    texts = {
        "refs.txt": "u1 the cat sat\nu2 a dog\n",
        "lines.txt": "the cat sat\na dog\n",
        "short.txt": "the cat sat\n",
        "empty.txt": "",
        "words.txt": "some words\nof no format\n",
        "manifest.json": MANIFEST,
        "am.json": json.dumps({**WEIGHTS, "weights": {"am": 1.0}}),
        "lm.json": json.dumps({**WEIGHTS, "weights": {"am": 1.0, "lm:mix": 1.0}}),
        "score.json": json.dumps({**WEIGHTS, "weights": {"ac": 1.0}}),
        "rule.json": json.dumps({**WEIGHTS, "weights": {"am": 1.0}, "decision": {"rule": "magic"}}),
        "mbr.json": json.dumps({**WEIGHTS, "weights": {"am": 1.0}, "decision": {"rule": "mbr"}}),
        "old.json": json.dumps({**WEIGHTS, "version": 1, "weights": {"am": 1.0}}),
        "none.json": json.dumps({**WEIGHTS, "weights": {}}),
    }
    for name, content in texts.items():
        (folder / name).write_text(content)
    assert run("ngram", "train.txt", "-o", "a.arpa", "--order", "2")[0] == 0
    (folder / "f").mkdir()
    for k in range(3):
        (folder / "f" / f"{k}.arpa").write_bytes((folder / "a.arpa").read_bytes())
    return folder


def contents(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_tuned_on_and_rescored(lists: Path, run: Run, form: str) -> None:
    manifest = ("--manifest", "manifest.json") if form == "nemo" else ()
    common = ("rescore", f"lists.{form}", "--lm", "mix=a.arpa", "--ref", "refs.txt", "--ref-ids", *manifest)
    tuning = ("--tune", "wer", "--restarts", "1", "--weights-out", "w.json")
    status, _, err = run(*common, *tuning, "-o", "out", "--best-out", "best.txt")
    assert status == 0, err
    assert recognised("out") == form and Path("best.txt").read_text() == "u1 the cat sat\nu2 a dog\n"
    weights = json.loads(Path("w.json").read_text())["weights"]
    # What was found and written is what the weights give by themselves.
    status, _, err = run(*common, "--weights", "w.json", "-o", "again", "--best-out", "best2.txt")
    assert status == 0, err
    assert contents(lists / "out") == contents(lists / "again")
    assert Path("best2.txt").read_text() == Path("best.txt").read_text()
    options = ReadOptions(manifest="manifest.json") if form == "nemo" else None
    for before, after in zip(LISTS, read_nbest("again", None, options), strict=True):
        assert (after.id, after.texts) == (before.id, before.texts)
        if form == "nemo":
            after.scores = dict(zip(["score", "lm:mix", "oov:mix", "words", "total"], after.scores.values()))
        totals = after.scores.get("total") or [fields["total"] for fields in after.hyp_fields]
        for i in range(len(after.texts)):
            assert totals[i] == pytest.approx(sum(w * after.scores[name][i] for name, w in weights.items()), rel=1e-12)


@pytest.mark.parametrize("form", ["jsonl", "hyporadise", "tsv", "moses", "srilm"])
def test_lists_from_a_pipe_are_recognised(lists: Path, run: Run, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    path = "lists.jsonl" if form == "jsonl" else f"lists.{form}"
    if form == "srilm":
        Path("one").write_text("-1 -2 2 a b\n-2 -1 1 a\n")
        path = "one"
        Path("am.json").write_text(json.dumps({**WEIGHTS, "weights": {"lm": 1.0}}))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"\n" + Path(path).read_bytes()))))
    status, _, err = run("rescore", "-", "--weights", "am.json", "--best-out", "best.txt")
    assert status == 0, err
    assert Path("best.txt").read_text() == ("- a\n" if form == "srilm" else "u1 the mat sat\nu2 a dog\n")


def test_numbers_of_a_list_are_written_as_they_came(lists: Path, run: Run) -> None:
    """An integer stays one, a fraction keeps all digits, and what no JSON can hold becomes null."""
    Path("in.jsonl").write_text(
        '{"id": 7, "level": 1e999, "hyps": [{"text": "a", "scores": {"am": 2, "x": 0.1234567890123}, "t": NaN}]}\n'
    )
    Path("w.json").write_text(json.dumps({**WEIGHTS, "weights": {"am": 1e-7, "x": 1.0}}))
    assert run("rescore", "in.jsonl", "--weights", "w.json", "-o", "out.jsonl")[0] == 0
    assert Path("out.jsonl").read_text() == (
        '{"id": 7, "level": null, "hyps": [{"text": "a", "scores": {"am": 2, "x": 0.1234567890123}, "t": null, '
        f'"total": {2 * 1e-7 + 0.1234567890123!r}}}], "best": 0, "text": "a"}}\n'
    )


APPLY = ["rescore", "lists.jsonl", "--weights", "am.json"]
TUNE = ["rescore", "nbest.jsonl", "--tune", "wer"]
BAD_CALLS = [
    (["rescore", "nowhere", "--weights", "am.json"], "nowhere: cannot read: No such file"),
    (["rescore", "empty.txt", "--weights", "am.json"], "empty.txt: there are no n-best lists"),
    (["rescore", "words.txt", "--weights", "am.json"], "words.txt: not n-best lists in a format that lmmix knows"),
    (["rescore", "lists.nemo", "--weights", "am.json"], "lists.nemo: lists of NeMo do not name their utterances"),
    (["rescore", "lists.nemo", "--weights", "am.json", "--manifest", "none"], "none: cannot read: No such file"),
    ([*APPLY, "--manifest", "manifest.json"], "--manifest is for the format nemo; lists.jsonl is read as jsonl"),
    ([*APPLY, "--scores", "refs.txt"], "--scores is for the format kaldi or srilm"),
    ([*APPLY, "--format", "magic"], "there is no format 'magic'; there are jsonl"),
    ([*APPLY, "-o", "out", "--output-format", "magic"], "there is no format 'magic'; there are jsonl"),
    ([*APPLY, "--metric", "magic"], "there is no metric 'magic'"),
    ([*APPLY, "--metric", "wer", "--normalise", "magic"], "there is no normalisation 'magic'"),
    ([*APPLY, "--decide", "magic"], "there is no rule 'magic' to decide by"),
    ([*APPLY, "--temperature", "0"], "temperature is 0"),
    ([*APPLY, "--tune", "wer"], "rescoring needs either weights"),
    ([*APPLY, "--metric", "wer"], "utterance 'u1' has no reference: put one into the list or give --ref FILE"),
    ([*APPLY, "--fix", "am=1"], "--fix is for tuning; give --tune METRIC"),
    ([*APPLY, "--counts", "words"], "--counts is for tuning"),
    ([*APPLY, "--plot", "a.png"], "--plot is for tuning"),
    (["rescore", "lists.jsonl", "--weights", "lm.json"], "there is a weight for 'lm:mix', but no such model: give --lm mix=MODEL"),
    (["rescore", "lists.jsonl", "--weights", "score.json"], "the n-best list has no score 'ac'; it has am"),
    (["rescore", "lists.jsonl", "--weights", "rule.json"], 'rule.json: "decision" or "normalise": there is no rule'),
    (["rescore", "lists.jsonl", "--weights", "old.json"], "old.json: version 1; this lmmix reads version 2"),
    (["rescore", "lists.jsonl", "--weights", "none.json"], 'none.json: "weights" is not an object'),
    (["rescore", "lists.jsonl", "--weights", "nowhere"], "nowhere: cannot read: No such file"),
    (["rescore", "lists.jsonl", "--tune", "wer"], "utterance 'u1' has no reference"),
    (["rescore", "bare.jsonl", "--tune", "wer", "--ref", "refs.txt", "--counts", "none"], "there is nothing to weigh"),
    (["rescore", "nbest.jsonl", "--tune", "magic"], "there is no metric 'magic'"),
    ([*TUNE, "--method", "magic"], "there is no way to tune called 'magic'"),
    ([*TUNE, "--counts", "magic"], "there is no count 'magic'; there are words, chars, rank"),
    ([*TUNE, "--lm-normalise", "magic"], "there is no normalisation 'magic'"),
    ([*TUNE, "--lm", "mix=nowhere.arpa"], "nowhere.arpa: cannot read: No such file"),
    ([*TUNE, "--lm", "a.arpa", "--members"], "no model is a mixture"),
    ([*TUNE, "--fold-lm", "x=a.arpa"], "--fold-lm a.arpa: needs {} in the path"),
    ([*APPLY, "--fold-lm", "x=f/{}.arpa", "--folds", "2"], "--fold-lm is for tuning; give --tune METRIC"),
    ([*APPLY, "--folds", "0"], "--folds is for tuning"),
    ([*APPLY, "--method", "expected"], "--method is for tuning"),
    ([*APPLY, "--restarts", "20"], "--restarts is for tuning"),
    ([*APPLY, "--seed", "1"], "--seed is for tuning"),
    ([*APPLY, "--plot-features", "am,words"], "--plot-features is for tuning"),
    ([*APPLY, "--temperature", "2"], "--temperature is for the rules mbr and vote; give --decide"),
    ([*APPLY, "--risk", "cer"], "--risk is for the rule mbr; give --decide mbr"),
    ([*APPLY, "--decide", "mbr", "--risk", "ter"], "there is no risk of 'ter'; there are wer, cer, bleu, chrf"),
    ([*APPLY, "--changes", "-1"], "changes is -1; it must be 0 or more"),
    ([*TUNE, "--temperature", "2"], "--temperature is for the rules mbr and vote"),
    ([*TUNE, "--plot-features", "am,words"], "--plot-features is for a picture; give --plot FILE"),
    ([*TUNE, "--plot", "a.png", "--plot-features", "am"], "a picture is of two features, not of am"),
    ([*TUNE, "--plot", "a.png", "--counts", "none", "--weights-out", "w.json"], "a picture needs two features; the lists have one"),
    ([*TUNE, "--counts", ""], "--counts takes names of counts, parted by commas, or none alone"),
    ([*TUNE, "--counts", "none,words"], "--counts takes names of counts, parted by commas, or none alone"),
    ([*TUNE, "--fold-lm", "f/{}.arpa", "--folds", "2"], "--fold-lm f/{}.arpa: needs a name"),
    ([*TUNE, "--fold-lm", "x=f/{}.arpa", "--folds", "2"], "--folds 2, but there is f/2.arpa, too"),
    ([*TUNE, "--fold-lm", "x={}.arpa"], "--fold-lm {}.arpa: needs {} in the path, for the number of the fold, and --folds"),
    ([*TUNE, "--folds", "9"], "folds is 9"),
    ([*TUNE, "--folds", "1"], "folds is 1; it must be 0, or 2 or more"),
    ([*TUNE, "--fix", "am"], "--fix am: it must be NAME=VALUE"),
    ([*TUNE, "--fix", "am=x"], "--fix am=x: 'x' is not a number"),
    ([*TUNE, "--fix", "lm=1"], "there is no feature 'lm'; there are am, words"),
    ([*TUNE, "--bound", "am=1"], "--bound am=1: it must be NAME=LEAST:MOST"),
    ([*TUNE, "--bound", "am=1:0"], "the bounds of 'am' are 1.0 and 0.0"),
    ([*TUNE, "--fix", "am=1", "--bound", "am=0:1"], "the weight of 'am' is fixed or bounded twice"),
    ([*TUNE, "--ref", "nowhere"], "nowhere: cannot read: No such file"),
    ([*TUNE, "--ref", "short.txt", "--ref-lines"], "short.txt: has 1 lines; the reference of the list 'u2' would be line 2"),
    ([*TUNE, "--ref", "refs.txt", "--ref", "refs.txt"], "wer compares with one reference, not with 2"),
    ([*TUNE, "--plot", "a.txt"], "a.txt: a picture must be called"),
    ([*TUNE, "--plot", "no/such/a.png"], "no/such/a.png: cannot write: there is no folder"),
    ([*TUNE, "--weights-out", "no/such/w.json"], "no/such/w.json: cannot write: there is no folder"),
    ([*TUNE, "--weights-out", "-", "--json"], "--json prints to standard output"),
    ([*TUNE, "--weights-out", "x", "-o", "./x"], "x is the name of two results"),
    ([*TUNE, "-o", "nbest.jsonl"], "nbest.jsonl is an input of this command"),
    ([*TUNE, "--ref", "refs.txt", "--best-out", "refs.txt"], "refs.txt is an input of this command"),
    ([*TUNE, "--lm", "mix=a.arpa", "-o", "a.arpa"], "a.arpa is an input of this command"),
    ([*TUNE, "--fold-lm", "x={}.arpa", "--folds", "2", "-o", "1.arpa"], "1.arpa is an input of this command"),
    ([*APPLY, "--weights-out", "am.json"], "am.json is an input of this command"),
    (["rescore", "lists.nemo", "--weights", "am.json", "--manifest", "manifest.json", "-o", "manifest.json"], "manifest.json is an input"),
    (["rescore", "lists.kaldi", "--weights", "am.json", "--scores", "more", "-o", "more"], "more is an input of this command"),
    (["rescore", "lists.kaldi", "--weights", "am.json", "-o", "lists.kaldi"], "lists.kaldi is an input of this command"),
    (["rescore", "lists.kaldi", "--weights", "am.json", "-o", "lists.kaldi/out"], "lists.kaldi/out lies in lists.kaldi"),
    (["rescore", "lists.kaldi/text", "--weights", "am.json", "-o", "lists.kaldi"], "lists.kaldi/text, an input of this command, lies in"),
    ([*APPLY, "-o", "out", "--output-format", "srilm", "--best-out", "out/best"], "out/best lies in out"),
    ([*APPLY, "-o", "-", "--output-format", "srilm"], "-: cannot write: the result is a folder"),
    ([*APPLY, "-o", "refs.txt", "--output-format", "espnet"], "refs.txt: cannot write: it is a file, and a folder is needed"),
    ([*APPLY, "-o", "-", "--best-out", "-"], "- is the name of two results"),
    (["rescore", "ragged.jsonl", "--weights", "am.json", "-o", "out", "--output-format", "nemo"], "utterance 'u3' has 1 hypotheses"),
    ([*TUNE, "--lm", "a b=a.arpa", "-o", "out", "--output-format", "moses"], "the score 'lm:a b' cannot be a feature of Moses's lists"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS, ids=[" ".join(call[1:]) for call, _ in BAD_CALLS])
def test_mistake_is_one_line_and_leaves_nothing_behind(
    lists: Path, run: Run, arguments: list[str], message: str
) -> None:
    before = contents(lists)
    status, out, err = run(*arguments)
    errors = [line for line in err.splitlines() if not line.startswith("lmmix: warning:")]
    assert status == 1 and out == "", (status, out)
    assert len(errors) == 1 and errors[0].startswith(f"lmmix: error: {message}"), err
    assert contents(lists) == before


def test_lists_that_the_output_cannot_hold_are_refused_before_models_read(
    lists: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a model read something")

    monkeypatch.setattr("lmmix.nbest.rescore.add_lm_features", never)
    Path("more.txt").write_text("u1 a\nu2 b\nu3 c\n")
    call = ("rescore", "ragged.jsonl", "--lm", "a.arpa", "--tune", "wer", "--ref", "more.txt")
    status, _, err = run(*call, "-o", "out", "--output-format", "nemo")
    assert status == 1 and "utterance 'u3' has 1 hypotheses, those before it have 2" in err
    assert not Path("out").exists()


def test_report_names_rule_metric_and_kinds_of_errors(lists: Path, run: Run) -> None:
    call = ("rescore", "nbest.jsonl", "--lm", "mix=a.arpa", "--tune", "wer", "--metric", "bleu", "--restarts", "1")
    status, out, err = run(*call, "--decide", "mbr", "--folds", "2", "--normalise", "lower", "--weights-out", "w.json")
    assert (status, err) == (0, "")
    assert "decision: mbr; risk: wer; temperature: " in out and "weights: tuned for wer by expected" in out
    assert "wer|norm:lower|" in out and "bleu|norm:lower|" in out
    assert "wer tuned without it" in out and "(all, highest sum)" in out and "cross-validated wer (mbr): " in out
    lines = [line.split() for line in out.splitlines()]
    assert ["%", "reference", "correct", "sub", "del", "ins", "errors", "sentences"] in lines
    first = next(line for line in lines if line[:2] == ["wer", "first-best"])
    assert first[2:] == ["5", "80.00", "20.00", "0.00", "0.00", "20.00", "50.00"], first
    assert "better by 1 error\n" in out and "~ at least so good or bad" in out
    # The metric, how its texts are rewritten, and the rule are those of the weights.
    apply = ("rescore", "nbest.jsonl", "--lm", "mix=a.arpa", "--weights", "w.json")
    status, out, err = run(*apply)
    assert (status, err) == (0, "")
    assert "decision: mbr; risk: wer; temperature: " in out and "wer|norm:lower|" in out and "wer with weight 0" in out
    assert "norm:none" in run(*apply, "--normalise", "")[1]


def test_changes_of_other_metrics_name_them(lists: Path, run: Run) -> None:
    status, out, _ = run("rescore", "nbest.jsonl", "--lm", "mix=a.arpa", "--tune", "chrf", "--restarts", "1")
    assert status == 0 and " chrf of the sentence\n" in out


def test_weights_are_kept_when_the_picture_cannot_be_drawn(
    lists: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise SettingError("no picture today")

    monkeypatch.setattr("lmmix.nbest.rescore.plot_surface", fails)
    call = ("rescore", "nbest.jsonl", "--tune", "wer", "--restarts", "1", "--weights-out", "w.json", "--plot", "a.png")
    status, _, err = run(*call, "--plot-features", "words,am")
    assert status == 1 and "no picture today" in err
    assert "value" in json.loads(Path("w.json").read_text())["tuning"]


def test_rule_of_weights_may_get_another_risk_and_temperature(lists: Path, run: Run) -> None:
    call = ("rescore", "nbest.jsonl", "--weights", "mbr.json", "--json")
    status, out, err = run(*call, "--risk", "cer", "--temperature", "2")
    assert (status, err) == (0, "")
    assert json.loads(out)["decision"] == {"rule": "mbr", "temperature": 2.0, "loss": "cer"}
    assert "lmmix: warning: mbr decides with posteriors of temperature 1" in run(*call)[2]


def test_tuning_bleu_with_mbr_expects_bleu(lists: Path, run: Run) -> None:
    hyps = [{"text": text, "scores": {"am": 0.0}} for text in ("a b c d f", "a b c d e", "x b c d e")]
    Path("five.jsonl").write_text(json.dumps({"id": "u", "ref": "a b c d e", "hyps": hyps}) + "\n")
    call = (
        "rescore",
        "five.jsonl",
        "--counts",
        "rank",
        "--tune",
        "bleu",
        "--decide",
        "mbr",
        "--restarts",
        "1",
        "--json",
    )
    status, out, err = run(*call)
    assert (status, err) == (0, "") and json.loads(out)["decision"]["loss"] == "bleu"
