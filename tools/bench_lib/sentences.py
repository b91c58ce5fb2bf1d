"""Scoring sentence by sentence in Python, beside the kenlm module, in one process and in turns.

sentences.py MODEL.lmx MODEL.bin TEXT
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable

import kenlm

import lmmix

SENTENCES, TURNS = 20_000, 7


def main(lmx: str, binary: str, text: str) -> None:
    """Print words per second of both, a sentence a call."""
    with open(text, encoding="utf-8") as lines:
        sentences = random.Random(1).sample([line.rstrip("\n") for line in lines], SENTENCES)
    words = sum(len(sentence.split()) + 1 for sentence in sentences)
    ours, theirs = lmmix.load(lmx), kenlm.Model(binary)
    jobs: dict[str, Callable[[str], object]] = {
        "kenlm score": theirs.score,
        "lmmix score_sentence": ours.score_sentence,
        "kenlm list(full_scores)": lambda sentence: list(theirs.full_scores(sentence)),
        "lmmix full_scores": ours.full_scores,
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(TURNS):
        for name, job in jobs.items():
            started = time.perf_counter()
            for sentence in sentences:
                job(sentence)
            times[name].append(time.perf_counter() - started)
    median = {name: statistics.median(seconds) for name, seconds in times.items()}
    print("| a sentence a call | M words/s | against kenlm |\n| --- | ---: | ---: |")
    for (name, seconds), rival in zip(median.items(), ["kenlm score"] * 2 + ["kenlm list(full_scores)"] * 2):
        print(f"| {name} | {words / seconds / 1e6:.2f} | {median[rival] / seconds:.2f} |")
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
