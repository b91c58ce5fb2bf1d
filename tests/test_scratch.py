"""Arrays in files are arrays; a budget changes where they lie and nothing else; nothing is left of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmix import scratch as scratch_module
from lmmix.corpus import read_corpus
from lmmix.errors import InputError, SettingError
from lmmix.ngram import counts as counting
from lmmix.ngram.counts import count_ngrams
from lmmix.scratch import LEAST_BUDGET, Scratch


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6), max_size=8), st.integers(0, 30), st.booleans())
def test_growing_array_holds_what_was_appended(parts: list[list[int]], start: int, in_files: bool) -> None:
    with Scratch(LEAST_BUDGET if in_files else None) as scratch:
        growing = scratch.growing(np.int32, 3)
        for part in parts:
            growing.append(np.array(part, np.int32))
        whole = [value for part in parts for value in part]
        start = min(start, len(whole))
        assert len(growing) == len(whole)
        assert growing.stored().tolist() == whole and growing.stored(start).tolist() == whole[start:]


def test_pages_that_were_let_go_keep_their_content() -> None:
    scratch = Scratch(LEAST_BUDGET)
    array = scratch.empty(1 << 21, np.int64)
    array[:] = np.arange(1 << 21)
    held = scratch_module._resident_bytes()
    scratch.let_go()
    assert scratch_module._resident_bytes() < held - (8 << 20)
    assert np.array_equal(array, np.arange(1 << 21))


def test_counts_are_the_same_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scratch_module, "_LET_GO_AT", 0.0)
    monkeypatch.setattr(counting, "PIECE_POSITIONS", 301)
    rng = np.random.default_rng(1)
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(f"w{int(x) % 3000}" for x in rng.zipf(1.3, 12)) + "\n" for _ in range(800)))
    plain = read_corpus(text)
    expected = count_ngrams(plain, 4)
    (tmp_path / "tmp").mkdir()
    with Scratch(LEAST_BUDGET, str(tmp_path / "tmp")) as scratch:
        corpus = read_corpus(text, scratch=scratch)
        assert np.array_equal(corpus.ids, plain.ids) and corpus.vocab == plain.vocab
        counted = count_ngrams(corpus, 4, 2, scratch=scratch)
        assert os.listdir(tmp_path / "tmp") == []
        for name in ("level", "word", "begin", "suffix"):
            np.testing.assert_array_equal(getattr(counted.tree, name), getattr(expected.tree, name))
        np.testing.assert_array_equal(counted.count, expected.count)


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(SettingError, match="memory is 5M; it must be 800M or more"):
        Scratch(5 << 20)


def test_folder_that_is_not_there_is_refused() -> None:
    with Scratch(LEAST_BUDGET, "/nowhere") as scratch, pytest.raises(InputError, match="/nowhere: cannot keep temp"):
        scratch.empty(10, np.int32)


def test_full_disk_is_an_error_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with Scratch(LEAST_BUDGET) as scratch:
        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(InputError, match="cannot keep temporary data: No space left on device"):
            scratch.empty(10, np.int32)
