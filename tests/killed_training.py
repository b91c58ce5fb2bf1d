"""Trains a tiny network in a process that is killed again and again; run by test_neural_killed.py.

Arguments: folder, context, optimiser, how many times to kill, seed of the moments. The undisturbed run is made in
this process, and every life of the other is a fork of it. Prints the signals that ended the lives.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from lmmix.corpus import corpus_from_lines
from lmmix.neural.training.train import train_neural

LINES = ["a b c d e", "f g h", "i j k l a b", "c d", "e f g h i j", "k l", "a c e g i k", "b d f h"] * 6
SETTINGS = {
    "epochs": 14, "patience": 14, "embedding": 8, "hidden": 8, "batch_tokens": 30, "max_length": 5, "samples": 6,
    "threads": 1, "average_after": 1, "momentum": 0.5, "schedule": "plateau",
}  # fmt: skip
PART_KILLED = 0.5
"""Of the time of an undisturbed run, how much all killed lives may take together behind their first checkpoints."""


def train(folder: Path, context: str, optimizer: str, name: str) -> None:
    """Train from the checkpoint, if there is one, to the model called `name` in `folder`."""
    text = corpus_from_lines(LINES)
    valid = corpus_from_lines(LINES[:5], text.vocab)
    rate = 0.01 if optimizer == "adamw" else 1.0
    settings = {**SETTINGS, "context": context, "optimizer": optimizer, "learning_rate": rate}
    files = {"checkpoint": checkpoint_of(folder, name), "log": folder / f"{name}.jsonl"}
    train_neural(text, valid, checkpoint_seconds=0.0, **settings, **files).save(folder / name)


def checkpoint_of(folder: Path, name: str) -> Path:
    """The checkpoint of the run called `name`."""
    return folder / f"{name}.ckpt"


def life(longest: float | None, moments: random.Random, folder: Path, context: str, optimizer: str) -> int:
    """Run `train` in a child; gives the signal that ended it, 0 for none.

    The child is killed at a moment by chance, at most `longest` seconds behind its first checkpoint, or never.
    """
    child = os.fork()
    if child == 0:
        train(folder, context, optimizer, "killed")
        os._exit(0)
    if longest is not None:
        checkpoint = checkpoint_of(folder, "killed")
        before = _inode(checkpoint)
        while _inode(checkpoint) == before:
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                return 0
            time.sleep(0.001)
        time.sleep(moments.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _inode(path: Path) -> tuple[int, int]:
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else (0, 0)


def main() -> None:
    """See the module."""
    folder, context, optimizer, kills, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], *map(int, sys.argv[4:])
    moments = random.Random(seed)
    # Not in a child, so that the children have all code loaded.
    begun = time.monotonic()
    train(folder, context, optimizer, "whole")
    longest = PART_KILLED * (time.monotonic() - begun) / kills
    print(*(life(longest, moments, folder, context, optimizer) for _ in range(kills)))
    life(None, moments, folder, context, optimizer)


if __name__ == "__main__":
    main()
