"""Fixtures that several test files share."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from lmmix.corpus import Corpus, corpus_from_lines

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
