"""The loop of training: batches, steps, validation, checkpoint and log, epoch by epoch."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import LmmixError
from lmmix.fileio import PathLike, atomic_write
from lmmix.logmath import perplexity
from lmmix.neural.backend import choose_precision, torch
from lmmix.neural.batches import PADDING, Pieces
from lmmix.neural.checkpoint import Tensors, load_checkpoint, save_checkpoint
from lmmix.neural.lstm import LstmNetwork
from lmmix.neural.model import NeuralModel
from lmmix.neural.sampling import SampledSoftmax, inclusion_probabilities
from lmmix.neural.settings import TrainSettings
from lmmix.progress import task


class Trainer:
    """One run: the network, its optimiser, and what happened in the epochs so far."""

    def __init__(
        self,
        network: LstmNetwork,
        corpus: Corpus,
        valid: Corpus,
        settings: TrainSettings,
        seed: int,
        max_minutes: float | None,
    ) -> None:
        self.network, self.vocab, self.valid, self.settings, self.seed = network, corpus.vocab, valid, settings, seed
        self.device = network.bias.device
        self.precision = choose_precision(settings.precision, self.device)
        self.pieces = Pieces.of(corpus, settings.max_length)
        self.softmax = SampledSoftmax(inclusion_probabilities(corpus.word_counts(), settings.samples))
        self.optimizer = torch.optim.AdamW(
            network.parameters(), betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True
        )
        self.limit = math.inf if max_minutes is None else 60.0 * max_minutes
        self.started = time.monotonic()
        self.epochs: list[dict[str, Any]] = []
        self.best: Tensors = {}

    def run(self, checkpoint: Path | None, log: PathLike | None) -> None:
        """Train from the checkpoint, if there is one, to the end."""
        identity = self._identity()
        if checkpoint is not None and checkpoint.exists():
            self.epochs, self.best = load_checkpoint(checkpoint, identity, self.network, self.optimizer)
            self.started -= sum(record["seconds"] for record in self.epochs)
        while not self._finished():
            self._epoch(len(self.epochs))
            if checkpoint is not None:
                save_checkpoint(checkpoint, identity, self.epochs, self.network, self.optimizer, self.best)
            if log is not None:
                with atomic_write(log) as stream:
                    stream.write("".join(json.dumps(record) + "\n" for record in self.epochs).encode())

    def best_model(self) -> NeuralModel:
        """The model of the best epoch, with the record of its training."""
        self.network.load_state_dict(self.best)
        timeless = [{key: record[key] for key in ("epoch", "train_loss", "valid_ppl")} for record in self.epochs]
        training = {
            **asdict(self.settings),
            "seed": self.seed,
            "best_epoch": self._best_epoch() + 1,
            "valid_ppl": min(record["valid_ppl"] for record in self.epochs),
            "history": timeless,
        }
        return NeuralModel(self.network, self.vocab, training)

    def _identity(self) -> dict[str, Any]:
        """Everything that the weights follow from; a checkpoint serves only the run with the same."""
        text = hashlib.sha256(self.pieces.ids.tobytes() + self.valid.ids.tobytes())
        return {
            "lmmix": __version__,
            **asdict(self.network.settings),
            **asdict(self.settings),
            "seed": self.seed,
            "vocabulary": self.vocab.fingerprint,
            "text": text.hexdigest()[:16],
        }

    def _best_epoch(self) -> int:
        return int(np.argmin([record["valid_ppl"] for record in self.epochs]))

    def _finished(self) -> bool:
        done = len(self.epochs)
        stale = bool(done) and done - 1 - self._best_epoch() >= self.settings.patience
        return done >= self.settings.epochs or stale or (bool(done) and self._seconds() >= self.limit)

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _epoch(self, epoch: int) -> None:
        """One pass over the text, the validation behind it, and the record of both."""
        begun, rate = time.monotonic(), self.settings.learning_rate
        generator = np.random.default_rng([self.seed, epoch])
        torch.manual_seed(int(generator.integers(2**63)))
        batches = self.pieces.shuffled_batches(self.settings.batch_tokens, generator)
        loss, events = 0.0, 0
        label = f"training, epoch {epoch + 1} of {self.settings.epochs}"
        self.network.train()
        with task(label, len(self.pieces.ids)) as advance:
            for number, chosen in enumerate(batches):
                done = max((epoch + number / len(batches)) / self.settings.epochs, self._seconds() / self.limit)
                if done >= 1.0 and events:
                    break
                rate = self._set_learning_rate(min(done, 1.0))
                batch_loss, batch_events = self._step(chosen, generator)
                if not math.isfinite(batch_loss):
                    raise LmmixError(
                        f"the loss is {batch_loss} in epoch {epoch + 1}, batch {number + 1}; "
                        f"use a learning_rate below {self.settings.learning_rate:g}"
                    )
                loss, events = loss + batch_loss, events + batch_events
                advance(batch_events)
        trained = time.monotonic() - begun
        record = {
            "epoch": epoch + 1,
            "train_loss": loss / events,
            "valid_ppl": self._validate(epoch),
            "learning_rate": rate,
            "tokens_per_second": round(events / trained),
            "seconds": round(time.monotonic() - begun, 2),
        }
        self.epochs.append(record)
        if self._best_epoch() == epoch:
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def _set_learning_rate(self, done: float) -> float:
        """Rises linearly over the part `warmup` of the run, then falls linearly to 0; `done` is from 0 to 1."""
        rise = done / self.settings.warmup if self.settings.warmup else 1.0
        fall = (1.0 - done) / (1.0 - self.settings.warmup)
        rate = self.settings.learning_rate * min(1.0, rise, fall)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _step(self, chosen: np.ndarray, generator: np.random.Generator) -> tuple[float, int]:
        """Learn from one batch of pieces; returns its loss, summed, and its number of events."""
        inputs, events, _ = self.pieces.padded(chosen)
        real = events != PADDING
        words = events[real]
        mixed = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=mixed):
            features, _ = self.network(torch.from_numpy(inputs).to(self.device), self.network.start(len(chosen)))
        features = features.float()[torch.from_numpy(real).to(self.device)]
        weights, bias = self.network.output_weights()
        loss = self.softmax.loss(features, words, weights, bias, self.precision, generator)
        self.optimizer.zero_grad()
        (loss / len(words)).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        return loss.item(), len(words)

    def _validate(self, epoch: int) -> float:
        """Perplexity of the validation text, by sentence as models are scored; raises LmmixError if it is none."""
        logp = NeuralModel(self.network, self.vocab).score(self.valid)
        ppl = perplexity(float(logp.sum()), len(logp))
        if math.isnan(ppl):
            raise LmmixError(
                f"the validation perplexity is no number behind epoch {epoch + 1}; "
                f"use a learning_rate below {self.settings.learning_rate:g}"
            )
        return ppl
