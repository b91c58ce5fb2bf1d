"""A few thousand damaged model files, and every seed that was a fault once; `tools/fuzz` tries far more."""

from __future__ import annotations

import logging
from pathlib import Path

import fuzz_arpa
import fuzz_judge
import naive_arpa
import pytest

INPUTS = 1500

# Each of these crashed, passed wrong numbers or was refused without a place before it was mended.
ARPA_SEEDS = [12, 22, 40, 63, 141, 308, 389, 445, 610, 723, 727, 791, 821, 904, 1113]
LMX_SEEDS = [396, 1165, 1484, 1504, 1506, 1544, 1566, 1571, 1597, 1656, 1686, 1992, 2009, 2133, 2226, 2235, 2637]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("lmmix"), "level", logging.ERROR)


@pytest.mark.parametrize("kind", fuzz_judge.KINDS)
def test_damaged_files_are_refused_with_their_place_or_read_rightly(kind: str, tmp_path: Path) -> None:
    verdicts = {seed: fuzz_judge.judge(kind, seed, tmp_path) for seed in range(INPUTS)}
    assert {seed: verdict for seed, verdict in verdicts.items() if verdict not in fuzz_judge.FINE} == {}
    # The damage is neither always fatal nor always harmless.
    assert all(list(verdicts.values()).count(fine) > INPUTS / 50 for fine in fuzz_judge.FINE)


@pytest.mark.parametrize("seed", ARPA_SEEDS)
def test_arpa_seeds_that_failed_once(seed: int, tmp_path: Path) -> None:
    assert fuzz_judge.judge("arpa", seed, tmp_path) in fuzz_judge.FINE


@pytest.mark.parametrize("seed", LMX_SEEDS)
def test_lmx_seeds_that_failed_once(seed: int, tmp_path: Path) -> None:
    assert fuzz_judge.judge("lmx", seed, tmp_path) in fuzz_judge.FINE


@pytest.mark.parametrize("which", range(len(fuzz_arpa.SENTENCES)))
def test_the_sound_files_are_sound(which: int, tmp_path: Path) -> None:
    path = tmp_path / "sound.arpa"
    path.write_text(fuzz_arpa.base(which))
    assert naive_arpa.read(path.read_bytes()).order == fuzz_arpa.ORDERS[which]
    assert fuzz_judge.judge_file("arpa", path, which) == fuzz_judge.IDENTICAL
