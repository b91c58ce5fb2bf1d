"""The loop of training: steps, validation, checkpoint and log, epoch by epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lmmix.errors import FormatError, LmmixError
from lmmix.fileio import PathLike
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
from lmmix.neural.training.log import write_log
from lmmix.neural.training.objective import Objective
from lmmix.neural.training.processes import Processes
from lmmix.neural.training.schedule import learning_rate, make_optimizer
from lmmix.neural.training.settings import TrainSettings
from lmmix.progress import task


class Source(Protocol):
    """Where the batches come from: `batches.Sentences` or `streams.Streams`."""

    n_events: int
    """Of one pass."""

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
        processes: Processes,
        max_minutes: float | None = None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        """`validate` gives the validation perplexity of the objective's network as it is.

        `checkpoint_seconds` lie between two checkpoints inside an epoch.
        """
        self.source, self.validate, self.settings, self.seed = source, validate, settings, seed
        self.processes, self.checkpoint_seconds = processes, checkpoint_seconds
        self.network, self.remedy = objective.network, objective.remedy
        self.objective = processes.joined(objective)
        self.optimizer = make_optimizer(settings, self.network)
        self.average = WeightAverage()
        self.limit = math.inf if max_minutes is None else 60.0 * max_minutes
        self.started = self.saved = time.monotonic()
        self.epochs: list[dict[str, Any]] = []
        self.best: Tensors = {}
        # What the network remembers of this process's share of the last batch, and the texts in all of that batch.
        self.memory: Memory = ()
        self.rows = 0
        # Of the epoch that is under way: steps and seconds, summed loss and events, the last learning rate.
        self.steps, self.seconds, self.loss, self.events, self.rate = 0, 0.0, 0.0, 0, 0.0

    def run(self, identity: dict[str, Any], checkpoint: Path | None, log: PathLike | None) -> None:
        """Train from the checkpoint, if there is one, to the end.

        `identity` is everything that the weights follow from; a checkpoint serves only the run with the same.
        Checkpoint and log are written at once, so that a file that cannot be written is told before the work.
        """
        save = (lambda: self._save(checkpoint, identity)) if checkpoint is not None else None
        if checkpoint is not None and self.processes.first(checkpoint.exists):
            self._resume(checkpoint, identity)
        elif save is not None:
            save()
        self._log(log)
        while not self._finished():
            self._epoch(save)
            if save is not None:
                save()
            self._log(log)

    def best_epoch(self) -> int:
        """The epoch, counted from 0, with the lowest validation perplexity."""
        return int(np.argmin([record["valid_ppl"] for record in self.epochs]))

    def _finished(self) -> bool:
        done = len(self.epochs)
        stale = bool(done) and done - 1 - self.best_epoch() >= self.settings.patience
        return done >= self.settings.epochs or stale or (bool(done) and self._elapsed() >= self.limit)

    def _elapsed(self) -> float:
        """Seconds of the run so far, the same in all processes."""
        return self.processes.first(lambda: time.monotonic() - self.started)

    def _due(self) -> bool:
        """Whether it is time for a checkpoint, the same in all processes."""
        return self.processes.first(lambda: time.monotonic() - self.saved >= self.checkpoint_seconds)

    def _log(self, path: PathLike | None) -> None:
        if path is not None:
            self.processes.first(lambda: write_log(path, self.epochs))

    def _epoch(self, save: Callable[[], None] | None) -> None:
        """What is left of one pass over the text, the validation behind it, and the record of both."""
        epoch = len(self.epochs)
        begun = time.monotonic() - self.seconds
        handles = self.source.epoch(np.random.default_rng([self.seed, epoch]))
        step = 1.0 / (len(handles) * self.settings.epochs)
        self.network.train()
        with task(self._label(epoch), self.source.n_events, "tokens") as advance:
            advance(self.events)
            while self.steps < len(handles):
                done = (epoch + self.steps / len(handles)) / self.settings.epochs
                if self.limit < math.inf:
                    done = max(done, self._elapsed() / self.limit)
                if done >= 1.0 and self.events:
                    break
                self._set_learning_rate(min(done, 1.0), step)
                advance(self._step(self.source.batch(handles[self.steps]), epoch))
                self.steps += 1
                self.seconds = time.monotonic() - begun
                if save is not None and self._due():
                    self._check_weights(epoch)
                    save()
        self._check_weights(epoch)
        self._record(epoch, begun)

    def _label(self, epoch: int) -> str:
        best = f", valid ppl {self.epochs[-1]['valid_ppl']:.1f}" if self.epochs else ""
        return f"training, epoch {epoch + 1} of {self.settings.epochs}{best}"

    def _record(self, epoch: int, begun: float) -> None:
        """Validate, note what the epoch brought, and begin the next."""
        with self.average.in_place(self.network):
            self.network.eval()
            ppl = self.processes.first(self.validate)
            if math.isnan(ppl):
                raise self._no_number(f"the validation perplexity is no number behind epoch {epoch + 1}")
            record = {
                "epoch": epoch + 1,
                "train_loss": self.loss / self.events,
                "valid_ppl": ppl,
                "learning_rate": self.rate,
                "tokens_per_second": round(self.events / self.seconds),
                "seconds": round(time.monotonic() - begun, 2),
            }
            self.epochs.append(record)
            if self.best_epoch() == epoch:
                self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.steps, self.seconds, self.loss, self.events, self.rate = 0, 0.0, 0.0, 0, 0.0
        if self.settings.optimizer == "asgd" and not self.average.count and self._no_better():
            self.average.begin(self.network)

    def _no_better(self) -> bool:
        """Whether the last epoch is worse than the best of those that lie `average_after` or more before it."""
        earlier = [record["valid_ppl"] for record in self.epochs[: -self.settings.average_after]]
        return bool(earlier) and self.epochs[-1]["valid_ppl"] > min(earlier)

    def _set_learning_rate(self, done: float, step: float) -> None:
        ppls = [record["valid_ppl"] for record in self.epochs]
        stale = sum(ppl >= min(ppls[:i]) for i, ppl in enumerate(ppls) if i)
        self.rate = learning_rate(self.settings, done, step, stale)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate

    def _step(self, batch: Batch, epoch: int) -> int:
        """Learn from one batch; gives the number of its events."""
        generator = np.random.default_rng([self.seed, epoch, self.steps])
        # What is left out differs between processes; samples, which come from the generator, do not.
        torch.manual_seed((int(generator.integers(2**63)) + self.processes.rank) % 2**63)
        share = batch.share(self.processes.rank, self.processes.ranks)
        memory = self.memory if batch.goes_on else self.network.start(len(share.inputs))
        loss, memory = self.objective(share, memory, generator)
        self.memory, self.rows = detached(memory), len(batch.inputs)
        events = int((batch.events != PADDING).sum())
        self.optimizer.zero_grad()
        # The gradients become the mean over the processes, and are wanted as the sum.
        (loss / events * self.processes.ranks).backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip))
        total = self.processes.total(loss.item())
        # Before the step, so that the weights, and the checkpoint, are still those of the batch before.
        if not (math.isfinite(total) and math.isfinite(norm)):
            what = f"loss is {total}" if not math.isfinite(total) else f"gradient is {norm}"
            raise self._no_number(f"the {what} in epoch {epoch + 1}, batch {self.steps + 1}")
        self.optimizer.step()
        self.average.add(self.network)
        self.loss, self.events = self.loss + total, self.events + events
        return events

    def _check_weights(self, epoch: int) -> None:
        """A step from finite gradients may still lead beyond all numbers; such weights are never saved."""
        if not all(bool(tensor.isfinite().all()) for tensor in self.network.parameters()):
            raise self._no_number(f"a weight is no number behind epoch {epoch + 1}, batch {self.steps}")

    def _no_number(self, what: str) -> LmmixError:
        return LmmixError(f"{what}; use a learning_rate below {self.settings.learning_rate:g}{self.remedy}")

    def _save(self, path: Path, identity: dict[str, Any]) -> None:
        progress = {
            "epochs": self.epochs,
            "steps": self.steps,
            "seconds": self.seconds,
            "loss": self.loss,
            "events": self.events,
            "rate": self.rate,
            "averaged": self.average.count,
        }
        # The memory is copied, since tensors of zeros may be one and the same.
        memory = self.processes.whole(self.memory, self.rows)
        groups = {
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": optimizer_tensors(self.optimizer),
            "average": self.average.tensors,
            "memory": {str(number): tensor.clone() for number, tensor in enumerate(memory)},
        }
        self.processes.first(lambda: save_checkpoint(path, identity, progress, groups))
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
            self.rate = progress["rate"]
        except (RuntimeError, ValueError, KeyError):
            raise FormatError(f"{path}: the tensors of this checkpoint do not fit its settings") from None
        device = self.network.device
        self.best = {name: tensor.to(device) for name, tensor in checkpoint.group("best").items()}
        self.average.tensors = {name: tensor.to(device) for name, tensor in checkpoint.group("average").items()}
        memory = checkpoint.group("memory")
        whole = tuple(memory[str(number)].to(device) for number in range(len(memory)))
        self.memory, self.rows = self.processes.share(whole), len(whole[0]) if whole else 0
        self.started -= sum(record["seconds"] for record in self.epochs) + self.seconds
