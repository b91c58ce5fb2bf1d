"""Fixtures that several test files share."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from lmmix.corpus import Corpus, corpus_from_lines

if TYPE_CHECKING:
    from lmmix.mix.held_out import HeldOut
    from lmmix.ngram.backoff import BackoffModel

# The same examples on every run: a test that fails fails for everybody.
settings.register_profile("lmmix", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lmmix")

Run = Callable[..., tuple[int, str, str]]
"""A command of lmmix: gives (exit status, stdout, stderr)."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

LINES = [
    "the cat sat on the mat",
    "the dog sat on the cat",
    "a dog and a cat",
    "the mat",
    "on the mat the dog sat",
    "mat",
    "a cat sat and the dog sat",
    "the cat and the dog and the mat",
]

DEV = ["the dog sat on the mat", "a cat and a dog sat", "the cat", "zebra on the mat", "mat and mat the", "a"] * 3
"""Held-out sentences, with a word that no model knows."""


NBEST = [
    {"id": "u1", "ref": "the cat sat", "hyps": [
        {"text": "the mat sat", "scores": {"am": -1.0}}, {"text": "the cat sat", "scores": {"am": -2.0}}]},
    {"id": "u2", "ref": "a dog", "hyps": [
        {"text": "a dog", "scores": {"am": -1.0}}, {"text": "the zebra", "scores": {"am": -3.0}}]},
]  # fmt: skip


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of large texts to measure on; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return SHARED_DATA


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """A handful of sentences over seven words."""
    return corpus_from_lines(LINES)


@pytest.fixture(scope="session")
def models(corpus: Corpus) -> list[BackoffModel]:
    """A 3-gram and a 2-gram model of the two halves of the sentences, and a unigram model of all, to be mixed."""
    from lmmix.ngram.estimate import train_ngram

    parts = [corpus_from_lines(LINES[:4], corpus.vocab), corpus_from_lines(LINES[4:], corpus.vocab)]
    return [*(train_ngram(part, order) for part, order in zip(parts, (3, 2))), train_ngram(corpus, 1, "wb")]


@pytest.fixture(scope="session")
def held(models: list[BackoffModel]) -> HeldOut:
    """What these models say of `DEV`."""
    from lmmix.mix.held_out import score_held_out

    return score_held_out(models, corpus_from_lines(DEV))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in this process; gives (exit status, stdout, stderr)."""
    from lmmix.cli import main

    logger = logging.getLogger("lmmix")
    before = list(logger.handlers)

    def run_command(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lmmix", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        finally:
            logger.handlers[:] = before
            logger.propagate = True
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    yield run_command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a training text, a held-out text and n-best lists."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "dev.txt").write_text("the cat sat on a mat\na dog sat\n")
    (tmp_path / "nbest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in NBEST))
    return tmp_path
