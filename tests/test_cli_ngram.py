"""lmmix ngram: every option reaches the model, every mistake is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from lmmix.lm import load


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ("--smoothing wb --backoff", ["smoothing:wb", "interpolated:no"]),
        ("--smoothing wb,abs:0.5,mkn --backoff-unigrams", ["smoothing:wb,abs:0.5,mkn", "interpolated:no,yes"]),
        ("--smoothing jm --held-out dev.txt", ["smoothing:jm", "interpolated:yes"]),
        ("--smoothing kn --tune-discounts dev.txt", ["discounts:tuned"]),
        ("--smoothing katz --closed", ["smoothing:katz", "interpolated:no", "closed:yes"]),
        ("--smoothing add:0.1 --vocab-pad 100", ["smoothing:add:0.1", "vocab-pad:100"]),
        ("--smoothing stupid", ["smoothing:stupid:0.4", "distribution:no"]),
        ("--min-counts 1,1,2", ["smoothing:mkn", "min-counts:1,1,2"]),
    ],
)
def test_options_stand_in_the_signature(run: Run, folder: Path, options: str, parts: list[str]) -> None:
    status, out, _ = run("ngram", "train.txt", "-o", "out.lmx", "--order", "3", "--json", *options.split())
    assert status == 0
    report = json.loads(out)
    assert set(parts) <= set(report["signature"].split("|"))
    assert len(report["parameters"]) == 3
    assert load("out.lmx").signature == report["signature"]


def test_discounts_of_a_report_can_be_given_again(run: Run, folder: Path) -> None:
    options = ("ngram", "train.txt", "-o", "out.lmx", "--order", "2", "--json")
    _, out, _ = run(*options, "--tune-discounts", "dev.txt")
    names = ["mkn:" + "/".join(map(repr, found["discounts"])) for found in json.loads(out)["parameters"]]
    first = load("out.lmx")
    run(*options[:3], "again.lmx", *options[4:], "--smoothing", ",".join(names))
    np.testing.assert_array_equal(load("again.lmx").logp[1:], first.logp[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--smoothing jm", "--held-out"),
        ("--smoothing katz --tune-discounts dev.txt", "discounts"),
        ("--smoothing jm --held-out dev.txt --backoff", "always interpolated"),
        ("--min-counts 1,3,2", "1,3,2"),
        ("--smoothing jm --held-out nowhere.txt", "nowhere.txt"),
        ("--counts --memory 2G", "exclude one another"),
        ("--memory 5M", "memory is 5M; it must be 800M or more"),
        ("--memory 2G --tmp nowhere", "nowhere: cannot keep temporary data"),
        ("--quantize 8", "out.arpa: --quantize and --float32 are for .lmx files"),
        ("--quantize 99 -o out.lmx", "codes have from 2 to 16 bits"),
        ("--memory 2G --float32 -o out.lmx", "--memory cannot bound the packing"),
        ("--tmp .", "give --memory too"),
        ("-o nowhere/out.arpa", "nowhere/out.arpa: cannot write: there is no folder"),
        ("-o out.lmx.gz", "cannot be compressed"),
        ("-o - --json", "--json prints to standard output"),
    ],
)
def test_mistakes_are_one_line(run: Run, folder: Path, options: str, message: str) -> None:
    status, _, err = run("ngram", "train.txt", "-o", "out.arpa", "--order", "3", *options.split())
    assert status == 1 and err.count("\n") == 1 and message in err
    assert not (folder / "out.arpa").exists()


def test_scores_that_are_no_probabilities_are_marked(run: Run, folder: Path) -> None:
    _, _, err = run("ngram", "train.txt", "-o", "out.arpa", "--smoothing", "stupid")
    assert "write .lmx" in err
    run("ngram", "train.txt", "-o", "out.lmx", "--smoothing", "stupid")
    status, _, err = run("ppl", "out.lmx", "dev.txt")
    assert status == 0 and "not probabilities" in err


@pytest.mark.parametrize("options", [[], ["--min-counts", "1,1,2"], ["--smoothing", "wb"]])
def test_model_is_the_same_under_a_memory_bound(run: Run, folder: Path, options: list[str]) -> None:
    for name, bound in (("free", []), ("bound", ["--memory", "900M", "--tmp", "."])):
        for suffix in ("arpa", "lmx"):
            status, _, err = run("ngram", "train.txt", "-o", f"{name}.{suffix}", "--order", "3", *options, *bound)
            assert (status, err) == (0, err)
    for suffix in ("arpa", "lmx"):
        assert (folder / f"free.{suffix}").read_bytes() == (folder / f"bound.{suffix}").read_bytes()


def test_counts_and_texts_train_the_same_model(run: Run, folder: Path) -> None:
    run("ngram", "train.txt", "-o", "text.arpa", "--order", "3")
    for counts in ("train.counts.gz", "train.lmc"):
        assert run("count", "train.txt", "-o", counts, "--order", "3")[0] == 0
        status, out, _ = run("ngram", "--counts", counts, "-o", "counts.arpa")
        assert status == 0 and "sentences" not in out
        assert (folder / "counts.arpa").read_bytes() == (folder / "text.arpa").read_bytes()


def test_whole_weights_repeat_lines(run: Run, folder: Path) -> None:
    lines = (folder / "train.txt").read_text().splitlines()
    weights = [2 + i % 2 for i in range(len(lines))]
    (folder / "weights.txt").write_text("".join(f"{weight}\n" for weight in weights))
    (folder / "twice.txt").write_text("".join(f"{line}\n" * weight for line, weight in zip(lines, weights)))
    (folder / "words.txt").write_text("\n".join(sorted({word for line in lines for word in line.split()})))
    options = ("--order", "3", "--smoothing", "wb", "--vocab", "words.txt")
    run("ngram", "train.txt", "-o", "weighted.arpa", "--weights", "weights.txt", *options)
    run("ngram", "twice.txt", "-o", "repeated.arpa", *options)
    assert (folder / "weighted.arpa").read_bytes() == (folder / "repeated.arpa").read_bytes()


def test_small_forms_are_written(run: Run, folder: Path) -> None:
    run("ngram", "train.txt", "-o", "exact.lmx")
    run("ngram", "train.txt", "-o", "q8.lmx", "--quantize", "8")
    run("ngram", "train.txt", "-o", "float32.lmx", "--float32")
    assert "stored:q8" in load("q8.lmx").signature and "stored:float32" in load("float32.lmx").signature
    assert max((folder / name).stat().st_size for name in ("q8.lmx", "float32.lmx")) < 10_000


def test_sizes_and_numbers_that_are_none_are_usage_errors(run: Run, folder: Path) -> None:
    for option, value in (("--memory", "2"), ("--memory", "much"), ("--min-counts", "1,x")):
        status, _, err = run("ngram", "train.txt", "-o", "out.arpa", option, value)
        assert status == 2 and repr(value) in err


def test_held_out_text_of_counts_is_read_with_their_tokeniser(run: Run, folder: Path) -> None:
    run("count", "train.txt", "-o", "chars.lmc", "--order", "3", "--tokenizer", "chars")
    found = []
    for options in ([], ["--tokenizer", "chars"]):
        status, _, err = run(
            "ngram", "--counts", "chars.lmc", "-o", "out.lmx", "--smoothing", "jm", "--held-out", "dev.txt", *options
        )
        assert status == 0, err
        found.append(load("out.lmx").logp)
    np.testing.assert_array_equal(*found)


def test_damaged_counts_are_refused(run: Run, folder: Path) -> None:
    from lmmix.artefact import load_artefact, save_artefact

    run("count", "train.txt", "-o", "good.lmc", "--order", "3")
    meta, arrays = load_artefact("good.lmc", "counts")
    for name, place, value in (("suffix", -1, 10**9), ("word", 20, -1), ("count", 3, -2), ("level", 2, 5)):
        damaged = {key: array.copy() for key, array in arrays.items()}
        damaged[name][place] = value
        save_artefact("bad.lmc", "counts", meta, damaged)
        status, _, err = run("ngram", "--counts", "bad.lmc", "-o", "out.arpa")
        assert status == 1 and f"bad.lmc: array '{name}'" in err
    save_artefact("bad.lmc", "counts", meta, {key: array for key, array in arrays.items() if key != "vocab_pool"})
    assert "bad.lmc: array 'vocab_pool' is missing" in run("ngram", "--counts", "bad.lmc", "-o", "out.arpa")[2]


def test_info_of_counts(run: Run, folder: Path) -> None:
    run("count", "train.txt", "-o", "train.lmc", "--order", "2")
    status, out, _ = run("info", "train.lmc", "--json")
    assert status == 0 and json.loads(out)["kind"] == "NgramCounts" and len(json.loads(out)["ngrams"]) == 2


def test_small_models_are_pruned_and_tell_n_gram_lengths(run: Run, folder: Path) -> None:
    run("ngram", "train.txt", "-o", "q.lmx", "--order", "3", "--quantize", "8")
    status, _, err = run("prune", "q.lmx", "pruned.lmx", "--threshold", "0.01", "--quantize", "8")
    assert status == 0, err
    assert (folder / "pruned.lmx").stat().st_size < (folder / "q.lmx").stat().st_size
    status, out, _ = run("ppl", "q.lmx", "dev.txt", "--tokens")
    assert status == 0 and all(line.split("\t")[2].isdigit() for line in out.splitlines()[1:])


def test_renormalised_scores_are_probabilities(run: Run, folder: Path) -> None:
    run("ngram", "train.txt", "-o", "scores.lmx", "--smoothing", "stupid")
    run("prune", "scores.lmx", "model.lmx", "--renormalise")
    status, _, err = run("ppl", "model.lmx", "dev.txt")
    assert status == 0 and "not probabilities" not in err
