"""Training a neural model on a text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.neural.backend import choose_device, seeded, torch, torch_threads
from lmmix.neural.lstm import LstmNetwork
from lmmix.neural.model import NeuralModel
from lmmix.neural.settings import make_settings
from lmmix.neural.trainer import Trainer

ONE_THREAD_BELOW = 256
"""Size of the hidden layer from which on training uses all cores by default."""


def train_neural(
    corpus: Corpus,
    valid: Corpus,
    *,
    arch: str = "lstm",
    size: str = "tiny",
    epochs: int | None = None,
    seed: int = 1,
    device: str | None = None,
    threads: int | None = None,
    max_minutes: float | None = None,
    checkpoint: PathLike | None = None,
    log: PathLike | None = None,
    **overrides: Any,
) -> NeuralModel:
    """Train a network on `corpus` and keep the weights of the epoch that predicts `valid` best.

    The vocabulary is that of `corpus`. The same arguments on the same machine give the same weights bit for
    bit, unless `max_minutes` is given.

    Parameters
    ----------
    corpus, valid : Corpus
        The text to learn from, and the text that says when to stop; `valid` may have another vocabulary.
    arch : {"lstm"}
        The kind of network.
    size : {"tiny", "small", "medium"}
        Names a set of settings (`lmmix.neural.settings.SIZES`); `overrides` change single ones.
    epochs : int, optional
        Passes over `corpus`; by default what `size` says. Fewer if `valid` stops getting better.
    seed : int
        All that is random follows from it. Torch's own random numbers are left as they were.
    device : str, optional
        `cpu`, `cuda` or `cuda:1`; by default the GPU if there is one.
    threads : int, optional
        Threads of the CPU; by default one for a `hidden` below 256, which more threads help little and on a
        busy machine hinder much, else all cores.
    max_minutes : float, optional
        Learning rate and training end by then. What is learned then depends on the speed of the machine.
    checkpoint : path, optional
        File that is written after every epoch. If it is there already, training goes on from it.
    log : path, optional
        File of JSON lines, one an epoch: epoch, train_loss (nats an event), valid_ppl, learning_rate,
        tokens_per_second, seconds.
    **overrides
        Any field of `LstmSettings` or `TrainSettings`.

    Raises
    ------
    SettingError
        A value that is not allowed, a device that is not there, a checkpoint of another run.
    InputError, FormatError
        A text without sentences, a file that cannot be read or written.
    LmmixError
        The loss is no longer a number.
    """
    network_settings, settings = make_settings(arch, size, {**overrides, "epochs": epochs})
    _check_run(seed, max_minutes)
    for name, text in (("training", corpus), ("validation", valid)):
        if not text.n_sentences:
            raise InputError(f"the {name} text has no sentence")
    place = choose_device(device)
    if threads is None and network_settings.hidden < ONE_THREAD_BELOW:
        threads = 1
    with torch_threads(threads), seeded(seed, place):
        network = LstmNetwork(network_settings, len(corpus.vocab))
        network.initialise(torch.from_numpy(corpus.word_counts()))
        trainer = Trainer(network.to(place), corpus, valid.recode(corpus.vocab), settings, seed, max_minutes)
        trainer.run(Path(checkpoint) if checkpoint is not None else None, log)
        return trainer.best_model()


def _check_run(seed: int, max_minutes: float | None) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise SettingError(f"seed is {seed!r}; it must be a whole number from 0 to {2**32 - 1}")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise SettingError(f"max_minutes is {max_minutes!r}; it must be a number above 0")
