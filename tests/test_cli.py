"""The command line: one obvious command for each job, one line for each mistake, nothing half-written."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run

from lmmix.cli import COMMANDS
from lmmix.lm import load


@pytest.fixture
def models(folder: Path, run: Run) -> Path:
    """words.txt, a.arpa, b.lmx and mix.json as well."""
    for arguments in (
        ["vocab", "train.txt", "-o", "words.txt"],
        ["ngram", "train.txt", "-o", "a.arpa", "--order", "3", "--vocab", "words.txt"],
        ["ngram", "dev.txt", "-o", "b.lmx", "--order", "2", "--vocab", "words.txt"],
        ["mix", "a.arpa", "b.lmx", "--dev", "dev.txt", "-o", "mix.json"],
    ):
        status, out, err = run(*arguments)
        assert status == 0 and out, err
    return folder


class TestJobs:
    def test_every_command_has_help_with_an_example(self, run: Run) -> None:
        for name in COMMANDS:
            status, out, _ = run(name, "--help")
            assert status == 0 and out.startswith(f"Usage: lmmix {name}")
            assert f"lmmix {name} " in out.partition("\n")[2]

    def test_ppl_json_has_the_promised_fields(self, models: Path, run: Run) -> None:
        status, out, _ = run("ppl", "mix.json", "dev.txt", "train.txt", "--json")
        rows = [json.loads(line) for line in out.splitlines()]
        fields = [
            "sentences",
            "words",
            "oov",
            "zeroprob",
            "logp",
            "ppl",
            "ppl_no_oov",
            "ppl1",
            "bits_per_char",
            "seconds",
        ]
        assert status == 0 and len(rows) == 2 and all(field in row for row in rows for field in fields)
        assert rows[0]["text"] == "dev.txt" and rows[0]["sentences"] == 2

    def test_mix_json_has_the_promised_fields(self, models: Path, run: Run) -> None:
        status, out, _ = run("mix", "a.arpa", "b.lmx", "--dev", "dev.txt", "-o", "again.json", "--json")
        report = json.loads(out)
        assert status == 0 and all(key in report for key in ["weights", "ppl", "gap", "iterations", "seconds"])
        assert sum(report["weights"]) == pytest.approx(1) and report["gap"] <= 1e-6

    def test_tokens(self, models: Path, run: Run) -> None:
        status, out, _ = run("ppl", "mix.json", "dev.txt", "--tokens")
        rows = [line.split("\t") for line in out.splitlines()]
        assert status == 0 and rows[0] == ["word", "logp", "ngram", "shares"]
        assert [row[0] for row in rows[1:]] == [
            "the",
            "cat",
            "sat",
            "on",
            "a",
            "mat",
            "</s>",
            "a",
            "dog",
            "sat",
            "</s>",
        ]

    def test_tune_then_rescore_then_report(self, models: Path, run: Run) -> None:
        status, out, err = run(
            "rescore", "nbest.jsonl", "--lm", "mix.json", "--tune", "wer", "--weights-out", "w.json", "--json"
        )
        report = json.loads(out)
        assert status == 0, err
        assert all(key in report for key in ["wer_first", "wer", "wer_oracle", "weights", "seconds"])
        assert (report["wer_first"], report["wer"], report["wer_oracle"]) == (0.2, 0.0, 0.0)
        status, out, _ = run("rescore", "nbest.jsonl", "--lm", "mix.json", "--weights", "w.json", "-o", "out.jsonl",
                             "--best-out", "best.txt")  # fmt: skip
        assert status == 0 and "0.00" in out
        rescored = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        assert [record["text"] for record in rescored] == ["the cat sat", "a dog"]
        assert Path("best.txt").read_text() == "u1 the cat sat\nu2 a dog\n"

    def test_convert_and_info(self, models: Path, run: Run) -> None:
        assert run("convert", "a.arpa", "c.lmx")[0] == 0 and run("convert", "c.lmx", "d.arpa.gz")[0] == 0
        assert gzip.decompress(Path("d.arpa.gz").read_bytes()) == Path("a.arpa").read_bytes()
        facts = json.loads(run("info", "c.lmx", "--json")[1])
        assert facts["order"] == 3 and facts["ngrams"] == load("a.arpa").tree.counts()
        assert run("info", "mix.json")[0] == 0

    def test_prune(self, models: Path, run: Run) -> None:
        status, out, _ = run("prune", "a.arpa", "small.arpa.gz", "--threshold", "1e-3")
        before, after = load("a.arpa").tree.counts(), load("small.arpa.gz").tree.counts()
        rows = [line.split() for line in out.splitlines()]
        assert status == 0 and rows[0] == ["small.arpa.gz", "before", "after"]
        assert rows[1:4] == [[f"{n + 1}-grams", str(before[n]), str(after[n])] for n in range(3)]
        assert rows[4] == ["all", str(sum(before)), str(sum(after))] and rows[5][0].endswith("|pruned:entropy:0.001")
        assert sum(after) < sum(before)
        run("prune", "small.arpa.gz", "same.lmx", "--renormalise")
        assert load("same.lmx").tree.counts() == after

    def test_prune_to_a_size_with_a_history_model(self, models: Path, run: Run) -> None:
        status, out, _ = run("prune", "a.arpa", "c.lmx", "--target", "30", "--history", "b.lmx", "--json")
        facts = json.loads(out)
        assert status == 0 and sum(facts["after"]) <= 30 < sum(facts["before"])
        assert load("c.lmx").tree.counts() == facts["after"] and load("c.lmx").signature == facts["signature"]
        assert f"history:({load('b.lmx').signature})" in facts["signature"]

    def test_standard_input_and_output(self, models: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with open("train.txt") as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            status, _, _ = run("ngram", "-", "-o", "e.arpa", "--order", "3", "--vocab", "words.txt")
        assert status == 0 and Path("e.arpa").read_bytes() == Path("a.arpa").read_bytes()

    def test_order_larger_than_any_sentence(self, folder: Path, run: Run) -> None:
        assert run("ngram", "train.txt", "-o", "long.arpa", "--order", "20")[0] == 0
        assert run("ppl", "long.arpa", "dev.txt")[0] == 0

    @pytest.mark.parametrize("tokenizer", ["chars"])
    def test_tokeniser_is_remembered_by_the_model(self, folder: Path, run: Run, tokenizer: str) -> None:
        assert run("ngram", "train.txt", "-o", "c.lmx", "--order", "4", "--tokenizer", tokenizer)[0] == 0
        status, out, _ = run("ppl", "c.lmx", "dev.txt", "--json")
        assert status == 0 and json.loads(out)["words"] == len("the cat sat on a mata dog sat")

    def test_arpa_of_characters_needs_their_tokeniser(self, folder: Path, run: Run) -> None:
        status, _, err = run("ngram", "train.txt", "-o", "c.arpa", "--order", "3", "--tokenizer", "chars")
        assert status == 0 and "give --tokenizer" in err
        assert run("ngram", "train.txt", "-o", "c.lmx", "--order", "3", "--tokenizer", "chars")[0] == 0
        rows = [
            json.loads(run("ppl", name, "dev.txt", "--tokenizer", "chars", "--json")[1]) for name in ("c.arpa", "c.lmx")
        ]
        assert rows[0]["ppl"] == pytest.approx(rows[1]["ppl"]) and rows[0]["oov"] == 0
        assert rows[0]["bits_per_char"] == pytest.approx(rows[1]["bits_per_char"])
        status, _, err = run("ppl", "c.lmx", "dev.txt", "--tokenizer", "whitespace")
        assert status == 1 and "its tokens are made by 'chars'" in err

    def test_same_seed_threads_and_text_give_the_same_bytes(self, folder: Path, run: Run) -> None:
        for name in ("a.lmx", "b.lmx"):
            assert run("ngram", "train.txt", "-o", name, "--order", "3", "--threads", "2")[0] == 0
        assert Path("a.lmx").read_bytes() == Path("b.lmx").read_bytes()


ARPA = "\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t-0.5\n-0.5\t</s>\n-0.5\ta\n\n\\2-grams:\n-0.1\t<s> a\n\n\\end\\\n"
BAD_FILES = {
    "empty.txt": b"",
    "blank.txt": b"\n\n   \n",
    "latin.txt": "fine\nna\xefve\n".encode("latin-1"),
    "special.txt": b"fine\nalso <s> fine\n",
    "cut.txt.gz": gzip.compress(b"the cat sat\n" * 1000)[:-9],
    "garbage.txt.gz": b"this is no gzip file",
    "count.arpa": ARPA.replace("2=1", "2=5").encode(),
    "bow.arpa": ARPA.replace("\t-0.5\n-0.5\t</s>", "\n-0.5\t</s>").encode(),
    "positive.arpa": ARPA.replace("-0.1\t<s> a", "0.1\t<s> a").encode(),
    "nan.arpa": ARPA.replace("-0.1\t<s> a", "nan\t<s> a").encode(),
    "nohyps.jsonl": b'{"id": "u1", "hyps": []}\n',
    "noscore.jsonl": b'{"id": "u1", "hyps": [{"text": "a", "scores": {"am": 1}}, {"text": "b", "scores": {}}]}\n',
    "ref.txt": b"u1 the cat\nu9 a dog\nu2 a dog\n",
    "twice.txt": b"a\nb\na\n",
    "binary.arpa": bytes(range(256)),
    "kind.json": b'{"kind": ["a"]}',
    "a.lmx": b"",
}  # fmt: skip
BAD_CALLS = [
    (["ppl", "a.arpa", "nowhere.txt"], "nowhere.txt: cannot read: No such file"),
    (["ppl", "nowhere.arpa", "dev.txt"], "nowhere.arpa: cannot read: No such file"),
    (["ngram", "empty.txt", "-o", "out.arpa"], "empty.txt: no sentence to read: the file is empty"),
    (["ngram", "blank.txt", "-o", "out.arpa"], "blank.txt: no sentence to read: only empty lines (3)"),
    (["ngram", "latin.txt", "-o", "out.arpa"], "latin.txt:2:3: byte 0xef is not valid UTF-8"),
    (["ngram", "special.txt", "-o", "out.arpa"], "special.txt:2: <s> stands inside the line"),
    (["ngram", "cut.txt.gz", "-o", "out.arpa"], "cut.txt.gz: cannot read: the compressed data ends too early"),
    (["ngram", "garbage.txt.gz", "-o", "out.arpa"], "garbage.txt.gz: cannot read: Not a gzipped file"),
    (["ngram", "train.txt", "-o", "out.arpa", "--order", "0"], "order is 0"),
    (["ngram", "train.txt", "-o", "no/such/folder.arpa"], "no/such/folder.arpa: cannot write: there is no folder"),
    (["ngram", "train.txt", "-o", "."], ".: cannot write: it is a folder"),
    (["ngram", "train.txt", "-o", "out.arpa", "--smoothing", "magic"], "smoothing is 'magic'"),
    (["ngram", "train.txt", "-o", "out.arpa", "--threads", "0"], "threads is 0"),
    (["ngram", "train.txt", "-o", "out.arpa", "--tokenizer", "magic"], "no tokeniser is called 'magic'"),
    (["ngram", "train.txt", "-o", "out.arpa", "--vocab", "twice.txt"], "twice.txt:3: the word 'a' stands already in line 1"),
    (["ppl", "count.arpa", "dev.txt"], "count.arpa: the header says ngram 2=5, but there are 1"),
    (["ppl", "bow.arpa", "dev.txt"], "bow.arpa:6: '<s>' is the context of longer n-grams, but has no back-off"),
    (["ppl", "positive.arpa", "dev.txt"], "positive.arpa:11: the log-probability 0.1 is positive"),
    (["ppl", "nan.arpa", "dev.txt"], "nan.arpa:11: the log-probability is nan"),
    (["ppl", "train.txt", "dev.txt"], "train.txt: not an ARPA file"),
    (["ppl", "nbest.jsonl", "dev.txt"], "nbest.jsonl:2:1: not valid JSON"),
    (["mix", "a.arpa", "other.arpa", "--dev", "dev.txt", "-o", "out.json"], "a.arpa and other.arpa have different vocabularies"),
    (["rescore", "nohyps.jsonl", "--tune", "wer"], "nohyps.jsonl:1: utterance 'u1' has no hypotheses"),
    (["rescore", "noscore.jsonl", "--tune", "wer"], "noscore.jsonl:1: hypothesis 2 lacks the score 'am'"),
    (["rescore", "nbest.jsonl", "--tune", "wer", "--ref", "ref.txt"], "ref.txt:2: a reference for 'u9'"),
    (["rescore", "nbest.jsonl"], "rescoring needs either weights"),
    (["rescore", "nbest.jsonl", "--weights", "mix.json"], "mix.json: not a file of rescoring weights"),
    (["convert", "mix.json", "out.arpa"], "mix.json: this takes n-gram models (ARPA or .lmx), not a LinearMixture"),
    (["convert", "a.arpa", "out.lmx.gz"], "out.lmx.gz: an .lmx file is mapped into memory"),
    (["prune", "a.arpa", "out.arpa"], "give one of --threshold, --target and --renormalise"),
    (["prune", "a.arpa", "out.arpa", "--threshold", "1e-8", "--target", "9"], "give one of --threshold, --target"),
    (["prune", "a.arpa", "out.arpa", "--target", "1"], "the target is 1 n-grams, but 11 cannot be pruned"),
    (["prune", "a.arpa", "out.arpa", "--threshold", "1e-8", "--history", "none"], "none: cannot read: No such file"),
    (["prune", "a.arpa", "out.arpa", "--threshold", "1e-8", "--history", "mix.json"], "mix.json: this takes n-gram models (ARPA or .lmx), not a LinearMixture"),
    (["prune", "a.arpa", "a.arpa", "--renormalise"], "a.arpa is an input of this command"),
    (["ppl", "-", "dev.txt"], "-: a model cannot be read from standard input"),
    (["ppl", "cut.txt.gz", "dev.txt"], "cut.txt.gz: cannot read: the compressed data ends too early"),
    (["ppl", "binary.arpa", "dev.txt"], "binary.arpa: not a language model (a binary file of another kind: byte 0 is NUL)"),
    (["ppl", "kind.json", "dev.txt"], "kind.json: holds a ['a'], which is no language model"),
    (["vocab", "train.txt", "-o", "train.txt"], "train.txt is an input of this command"),
    (["mix", "a.arpa", "b.lmx", "--dev", "dev.txt", "-o", "a.arpa"], "a.arpa is an input of this command"),
    (["mix", "a.arpa", "b.lmx", "--dev", "dev.txt", "-o", "out.json", "--tolerance", "nan"], "tolerance is nan"),
    (["vocab", "train.txt", "-o", "out.txt", "--min-count", "1000"], "no word occurs 1000 times"),
    (["ngram", "train.txt", "-o", "out.arpa", "--order", "1000000000000"], "order is 1000000000000; it must be from 1"),
    (["rescore", "nbest.jsonl", "--lm", "a.arpa", "--lm", "a.lmx", "--tune", "wer"], "two models are called 'a'"),
    (["rescore", "nbest.jsonl", "--tune", "wer", "--seed", "-1"], "seed is -1"),
    (["neural", "train.txt", "--valid", "dev.txt", "-o", "full"], "full: cannot write: the folder is not empty"),
    (["neural", "train.txt", "--valid", "dev.txt", "-o", "no/such/folder"], "no/such/folder: cannot write: there is no folder"),
    (["neural", "train.txt", "--valid", "dev.txt", "-o", "net", "--set", "epochs=3"], "--set epochs=3: epochs is no setting"),
]  # fmt: skip


class TestMistakes:
    @pytest.mark.parametrize(("arguments", "message"), BAD_CALLS, ids=lambda value: " ".join(value)[:40])
    def test_is_one_line_and_leaves_nothing_behind(
        self, models: Path, run: Run, arguments: list[str], message: str
    ) -> None:
        for name, content in BAD_FILES.items():
            Path(name).write_bytes(content)
        Path("full").mkdir()
        Path("full", "thesis.tex").write_text("years of work")
        assert run("ngram", "dev.txt", "-o", "other.arpa")[0] == 0
        before = sorted(path.name for path in models.iterdir())
        status, out, err = run(*arguments)
        errors = [line for line in err.splitlines() if not line.startswith("lmmix: warning:")]
        assert status == 1 and out == ""
        assert len(errors) == 1 and errors[0].startswith(f"lmmix: error: {message}"), err
        assert sorted(path.name for path in models.iterdir()) == before

    @pytest.mark.parametrize("arguments", [["nonsense"], ["ngram"], ["ngram", "train.txt"], ["mix", "--order", "x"]])
    def test_usage_errors_exit_with_2(self, folder: Path, run: Run, arguments: list[str]) -> None:
        status, _, err = run(*arguments)
        assert status == 2 and "Usage: lmmix" in err

    def test_errors_replace_and_replace_specials_opt_out(self, folder: Path, run: Run) -> None:
        for name in ("latin.txt", "special.txt"):
            Path(name).write_bytes(BAD_FILES[name])
        assert run("ngram", "latin.txt", "-o", "a.arpa", "--errors", "replace")[0] == 0
        assert "na\ufffdve" in Path("a.arpa").read_text()
        assert run("ngram", "special.txt", "-o", "b.arpa", "--replace-specials", "--order", "2")[0] == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_full_standard_output_is_one_line(self, models: Path) -> None:
        for arguments in (["ppl", "a.arpa", "dev.txt"], ["ngram", "train.txt", "-o", "-"]):
            with open("/dev/full", "w") as full:
                command = [sys.executable, "-m", "lmmix", *arguments]
                done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
            errors = [line for line in done.stderr.splitlines() if not line.startswith("lmmix: warning:")]
            assert done.returncode == 1 and len(errors) == 1 and "No space left" in errors[0]

    def test_interrupted_write_keeps_the_old_file(self, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        old = Path("a.arpa").read_bytes()
        model = load("a.arpa")

        def full_disk(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("lmmix.ngram.arpa_write._format", full_disk)
        with pytest.raises(Exception, match="a.arpa: cannot write: No space left on device"):
            model.save("a.arpa")
        assert Path("a.arpa").read_bytes() == old
        assert not [path for path in models.iterdir() if path.name.endswith(".part")]
