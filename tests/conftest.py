"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from lmmix.corpus import Corpus, corpus_from_lines

# The same examples on every run: a test that fails fails for everybody.
settings.register_profile("lmmix", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lmmix")

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
