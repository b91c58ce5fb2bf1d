"""Running commands and Python functions in turns; tables of medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LMMIX = [sys.executable, "-m", "lmmix"]


def measured(command: list[str], stdin: Path | None = None, stdout: Path | None = None) -> tuple[float, float]:
    """(wall seconds, peak resident GB) of a command; the peak is that of its largest process."""
    with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as sink:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=source, stdout=sink, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return seconds, usage.ru_maxrss / 1e6


def in_turns(runs: int, jobs: dict[str, Callable[[], tuple[float, float]]]) -> dict[str, float]:
    """Run all jobs one after the other, several times; print medians and ratios to the first; return the medians."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, job in jobs.items():
            results[name].append(job())
    median = {name: statistics.median(seconds for seconds, _ in rows) for name, rows in results.items()}
    first = median[next(iter(jobs))]
    print("| | median s | all runs s | peak GB | speed against the first |\n| --- | ---: | --- | ---: | ---: |")
    for name, rows in results.items():
        times = ", ".join(f"{seconds:.2f}" for seconds, _ in rows)
        memory = max(peak for _, peak in rows)
        print(f"| {name} | {median[name]:.2f} | {times} | {memory:.2f} | {first / median[name]:.2f} |", flush=True)
    print()
    return median
