"""Kernels that query stay inside the arrays of a model and end, whatever damage a large file brought along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("damaged_trees.py")


def last_seed(seeds: int, seconds: float, **environment: str) -> tuple[int, str]:
    """(the last seed that was done, the last line of what went wrong)."""
    command = [sys.executable, str(SCRIPT), "0", str(seeds)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=seconds)
    return int(done.stdout.split()[-1]), "".join(done.stderr.splitlines()[-1:])


def test_no_damage_of_the_arrays_crashes_or_hangs_a_query() -> None:
    assert last_seed(200, 300) == (199, "")


@pytest.mark.slow
def test_no_query_of_damaged_arrays_reads_or_writes_outside_them(tmp_path: Path) -> None:
    # Numba's cache does not notice this choice.
    environment = {"NUMBA_BOUNDSCHECK": "1", "MALLOC_PERTURB_": "171", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert last_seed(500, 900, **environment) == (499, "")
