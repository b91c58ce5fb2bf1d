"""lmmix ngram: every option reaches the model, every mistake is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import Run, folder, run  # noqa: F401

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
def test_options_stand_in_the_signature(run: Run, folder: Path, options: str, parts: list[str]) -> None:  # noqa: F811
    status, out, _ = run("ngram", "train.txt", "-o", "out.lmx", "--order", "3", "--json", *options.split())
    assert status == 0
    report = json.loads(out)
    assert set(parts) <= set(report["signature"].split("|"))
    assert len(report["parameters"]) == 3
    assert load("out.lmx").signature == report["signature"]


def test_discounts_of_a_report_can_be_given_again(run: Run, folder: Path) -> None:  # noqa: F811
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
        ("--min-counts 1,x", "'1,x'"),
        ("--min-counts 1,3,2", "1,3,2"),
        ("--smoothing jm --held-out nowhere.txt", "nowhere.txt"),
    ],
)
def test_mistakes_are_one_line(run: Run, folder: Path, options: str, message: str) -> None:  # noqa: F811
    status, _, err = run("ngram", "train.txt", "-o", "out.arpa", "--order", "3", *options.split())
    assert status == 1 and err.count("\n") == 1 and message in err
    assert not (folder / "out.arpa").exists()


def test_scores_that_are_no_probabilities_are_marked(run: Run, folder: Path) -> None:  # noqa: F811
    _, _, err = run("ngram", "train.txt", "-o", "out.arpa", "--smoothing", "stupid")
    assert "write .lmx" in err
    run("ngram", "train.txt", "-o", "out.lmx", "--smoothing", "stupid")
    status, _, err = run("ppl", "out.lmx", "dev.txt")
    assert status == 0 and "not probabilities" in err
