"""Trains tiny networks in one of several processes; run by test_neural_processes.py.

The argument is the folder where every process writes what it got. The processes know of each other by the
environment that torchrun makes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lmmix.corpus import corpus_from_lines
from lmmix.errors import LmmixError
from lmmix.neural.model import NeuralModel
from lmmix.neural.training.train import train_neural
from lmmix.neural.training.trainer import Trainer
from lmmix.parallel import process_rank

LINES = ["a b c d e", "f g h", "i j k l a b", "c d", "e f g h i j", "k l", "a c e g i k", "b d f h"] * 3
SETTINGS = {
    "epochs": 3, "patience": 3, "embedding": 8, "hidden": 8, "dropout": 0.0, "batch_tokens": 30, "max_length": 4,
    "samples": 6, "threads": 1, "precision": "float32",
}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "sentences": {},
    "documents": {"context": "document", "batch_tokens": 12, "optimizer": "asgd", "learning_rate": 1.0,
                  "average_after": 1},
    "one text": {"context": "document", "batch_tokens": 4, "epochs": 1},
    "dropout": {"context": "document", "batch_tokens": 12, "dropout": 0.3, "optimizer": "sgd", "momentum": 0.5,
                "learning_rate": 0.5},
}  # fmt: skip
"""Runs of three texts side by side, of which the second process has one, and of one text, of which it has none."""


def train(name: str, **files: Any) -> NeuralModel:
    """The model of one of RUNS."""
    text = corpus_from_lines(LINES)
    return train_neural(text, corpus_from_lines(LINES[:5], text.vocab), **{**SETTINGS, **RUNS[name]}, **files)


def train_interrupted(folder: Path) -> NeuralModel:
    """The run `dropout`, stopped in the middle of its second epoch and resumed."""
    files = {"checkpoint": folder / "run.ckpt", "checkpoint_seconds": 0.0, "log": folder / "log.jsonl"}
    original = Trainer._step

    def step(self: Trainer, batch: Any, epoch: int) -> int:
        if epoch == 1 and self.steps == 3:
            raise KeyboardInterrupt
        return original(self, batch, epoch)

    Trainer._step = step  # type: ignore[method-assign]
    try:
        train("dropout", **files)
    except KeyboardInterrupt:
        Trainer._step = original  # type: ignore[method-assign]
    return train("dropout", **files)


def main() -> None:
    """See the module."""
    folder, rank = Path(sys.argv[1]), process_rank()
    for name in RUNS:
        train(name).save(folder / f"{name} {rank}")
    train_interrupted(folder).save(folder / f"resumed {rank}")
    try:
        train("sentences", log=folder / "nowhere" / "log.csv")
    except LmmixError as error:
        print(error)


if __name__ == "__main__":
    main()
