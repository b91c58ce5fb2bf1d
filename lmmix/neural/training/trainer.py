"""The loop of training: steps, validation, checkpoint and log, epoch by epoch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lmmix.errors import FormatError, LmmixError
from lmmix.fileio import PathLike, atomic_write
from lmmix.neural.backend import torch
from lmmix.neural.batches import PADDING, Batch
from lmmix.neural.networks.network import Memory, detached
from lmmix.neural.training.average import WeightAverage
from lmmix.neural.training.checkpoint import (
    Tensors,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from lmmix.neural.training.objective import Objective
from lmmix.neural.training.schedule import learning_rate, make_optimizer
from lmmix.neural.training.settings import TrainSettings
from lmmix.progress import task

CHECKPOINT_SECONDS = 60.0
"""Time between two checkpoints inside an epoch."""


class Source(Protocol):
    """Where the batches come from: `batches.Sentences` or `streams.Streams`."""

    def epoch(self, generator: np.random.Generator) -> list[Any]:
        """Handles of the steps of one pass."""
        ...

    def batch(self, handle: Any) -> Batch:
        """What one step reads."""
        ...


class Trainer:
    """One run: the network, its optimiser, and what happened so far.

    Attributes
    ----------
    epochs : list of dict
        The records of the epochs that are done, as they stand in the log.
    best : dict of str to Tensor
        The weights of the best of them.
    """

    def __init__(
        self,
        objective: Objective,
        source: Source,
        validate: Callable[[], float],
        settings: TrainSettings,
        seed: int,
        max_minutes: float | None = None,
    ) -> None:
        """`validate` gives the validation perplexity of the objective's network as it is."""
        self.objective, self.source, self.validate, self.settings, self.seed = (
            objective, source, validate, settings, seed,
        )  # fmt: skip
        self.network = objective.network
        self.optimizer = make_optimizer(settings, self.network)
        self.average = WeightAverage()
        self.limit = math.inf if max_minutes is None else 60.0 * max_minutes
        self.started = self.saved = time.monotonic()
        self.epochs: list[dict[str, Any]] = []
        self.best: Tensors = {}
        self.memory: Memory = ()
        # Of the epoch that is under way: steps and seconds, summed loss and events.
        self.steps, self.seconds, self.loss, self.events = 0, 0.0, 0.0, 0

    def run(self, identity: dict[str, Any], checkpoint: Path | None, log: PathLike | None) -> None:
        """Train from the checkpoint, if there is one, to the end.

        `identity` is everything that the weights follow from; a checkpoint serves only the run with the same.
        """
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint, identity)
        save = (lambda: self._save(checkpoint, identity)) if checkpoint is not None else None
        while not self._finished():
            self._epoch(save)
            if save is not None:
                save()
            if log is not None:
                with atomic_write(log) as stream:
                    stream.write("".join(json.dumps(record) + "\n" for record in self.epochs).encode())

    def best_epoch(self) -> int:
        """The epoch, counted from 0, with the lowest validation perplexity."""
        return int(np.argmin([record["valid_ppl"] for record in self.epochs]))

    def _finished(self) -> bool:
        done = len(self.epochs)
        stale = bool(done) and done - 1 - self.best_epoch() >= self.settings.patience
        return done >= self.settings.epochs or stale or (bool(done) and self._elapsed() >= self.limit)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _epoch(self, save: Callable[[], None] | None) -> None:
        """What is left of one pass over the text, the validation behind it, and the record of both."""
        epoch = len(self.epochs)
        begun = time.monotonic() - self.seconds
        handles = self.source.epoch(np.random.default_rng([self.seed, epoch]))
        rate = 0.0
        self.network.train()
        with task(self._label(epoch), len(handles)) as advance:
            advance(self.steps)
            while self.steps < len(handles):
                done = max((epoch + self.steps / len(handles)) / self.settings.epochs, self._elapsed() / self.limit)
                if done >= 1.0 and self.events:
                    break
                rate = self._set_learning_rate(min(done, 1.0))
                self._step(self.source.batch(handles[self.steps]), epoch)
                self.steps += 1
                self.seconds = time.monotonic() - begun
                advance(1)
                if save is not None and time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
                    save()
        self._record(epoch, rate, begun)

    def _label(self, epoch: int) -> str:
        best = f", valid ppl {self.epochs[-1]['valid_ppl']:.1f}" if self.epochs else ""
        return f"training, epoch {epoch + 1} of {self.settings.epochs}{best}"

    def _record(self, epoch: int, rate: float, begun: float) -> None:
        """Validate, note what the epoch brought, and begin the next."""
        with self.average.in_place(self.network):
            self.network.eval()
            ppl = self.validate()
            if math.isnan(ppl):
                raise self._no_number(f"the validation perplexity is no number behind epoch {epoch + 1}")
            record = {
                "epoch": epoch + 1,
                "train_loss": self.loss / self.events,
                "valid_ppl": ppl,
                "learning_rate": rate,
                "tokens_per_second": round(self.events / self.seconds),
                "seconds": round(time.monotonic() - begun, 2),
            }
            self.epochs.append(record)
            if self.best_epoch() == epoch:
                self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.steps, self.seconds, self.loss, self.events = 0, 0.0, 0.0, 0
        if self.settings.optimizer == "asgd" and not self.average.count and self._no_better():
            self.average.begin(self.network)

    def _no_better(self) -> bool:
        """Whether the last epoch is worse than the best of those that lie `average_after` or more before it."""
        earlier = [record["valid_ppl"] for record in self.epochs[: -self.settings.average_after]]
        return bool(earlier) and self.epochs[-1]["valid_ppl"] > min(earlier)

    def _set_learning_rate(self, done: float) -> float:
        ppls = [record["valid_ppl"] for record in self.epochs]
        stale = sum(ppl >= min(ppls[:i]) for i, ppl in enumerate(ppls) if i)
        rate = learning_rate(self.settings, done, stale)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _step(self, batch: Batch, epoch: int) -> None:
        """Learn from one batch."""
        generator = np.random.default_rng([self.seed, epoch, self.steps])
        torch.manual_seed(int(generator.integers(2**63)))
        memory = self.memory if batch.goes_on else self.network.start(len(batch.inputs))
        loss, memory = self.objective(batch, memory, generator)
        self.memory = detached(memory)
        events = int((batch.events != PADDING).sum())
        self.optimizer.zero_grad()
        (loss / events).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        # Before the step, so that the weights, and the checkpoint, are still those of the batch before.
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            what = f"loss is {loss.item()}" if not math.isfinite(loss.item()) else f"gradient is {norm.item()}"
            raise self._no_number(f"the {what} in epoch {epoch + 1}, batch {self.steps + 1}")
        self.optimizer.step()
        self.average.add(self.network)
        self.loss, self.events = self.loss + loss.item(), self.events + events

    def _no_number(self, what: str) -> LmmixError:
        return LmmixError(f"{what}; use a learning_rate below {self.settings.learning_rate:g}")

    def _save(self, path: Path, identity: dict[str, Any]) -> None:
        progress = {
            "epochs": self.epochs,
            "steps": self.steps,
            "seconds": self.seconds,
            "loss": self.loss,
            "events": self.events,
            "averaged": self.average.count,
        }
        groups = {
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": optimizer_tensors(self.optimizer),
            "average": self.average.tensors,
            "memory": {str(number): tensor for number, tensor in enumerate(self.memory)},
        }
        save_checkpoint(path, identity, progress, groups)
        self.saved = time.monotonic()

    def _resume(self, path: Path, identity: dict[str, Any]) -> None:
        """Put everything into the state of a checkpoint. Raises FormatError, SettingError."""
        checkpoint = load_checkpoint(path, identity)
        try:
            self.network.load_state_dict(checkpoint.group("network"))
            restore_optimizer(self.optimizer, checkpoint.group("optimizer"))
            progress = checkpoint.progress
            self.epochs, self.average.count = progress["epochs"], progress["averaged"]
            self.steps, self.seconds = progress["steps"], progress["seconds"]
            self.loss, self.events = progress["loss"], progress["events"]
        except (RuntimeError, ValueError, KeyError):
            raise FormatError(f"{path}: the tensors of this checkpoint do not fit its settings") from None
        device = self.network.device
        self.best = {name: tensor.to(device) for name, tensor in checkpoint.group("best").items()}
        self.average.tensors = {name: tensor.to(device) for name, tensor in checkpoint.group("average").items()}
        memory = checkpoint.group("memory")
        self.memory = tuple(memory[str(number)].to(device) for number in range(len(memory)))
        self.started -= sum(record["seconds"] for record in self.epochs) + self.seconds
