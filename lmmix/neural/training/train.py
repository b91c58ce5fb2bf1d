"""Training a neural model on a text."""

from __future__ import annotations

import math
import os
from typing import Any

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.neural.backend import seeded, torch_threads
from lmmix.neural.network_model import NetworkModel
from lmmix.neural.settings import make_settings
from lmmix.neural.shapes import NetworkSettings
from lmmix.neural.training.fine_tuning import run_settings
from lmmix.neural.training.memory import check_memory
from lmmix.neural.training.processes import join_processes, local_processes
from lmmix.neural.training.run import Run
from lmmix.parallel import thread_count

ONE_THREAD_BELOW = 256
"""Size of the hidden layer from which on training uses all cores by default."""


def train_neural(
    corpus: Corpus,
    valid: Corpus,
    *,
    arch: str | None = None,
    size: str | None = None,
    start_from: NetworkModel | None = None,
    epochs: int | None = None,
    seed: int = 1,
    teacher: LanguageModel | None = None,
    device: str | None = None,
    threads: int | None = None,
    max_minutes: float | None = None,
    checkpoint: PathLike | None = None,
    checkpoint_seconds: float = 60.0,
    log: PathLike | None = None,
    **overrides: Any,
) -> NetworkModel:
    """Train a network on `corpus` and keep the weights of the epoch that predicts `valid` best.

    The vocabulary is that of `corpus`, or of `start_from`. The same arguments on the same machine give the same
    weights bit for bit, unless `max_minutes` is given. Under torchrun each process calls this with the same arguments,
    learns from its share of every batch and gets the same model; the first writes the files (`training.processes`).

    Parameters
    ----------
    corpus, valid : Corpus
        The text to learn from, and the text that says when to stop; `valid` may have another vocabulary.
    arch : str, optional
        The kind of network, a name in `lmmix.neural.settings.ARCHITECTURES`; default: lstm.
    size : {"tiny", "small", "medium"}, optional
        Names a set of settings (default: tiny) of which `overrides` change single ones.
    start_from : NetworkModel, optional
        A network to go on from, in its words and shape, by default its context and optimiser, at a tenth of its rate.
        Should no epoch predict `valid` better, the result has its weights.
    epochs : int, optional
        Passes over `corpus`; by default what `size` says. Fewer if `valid` stops getting better.
    seed : int
        All that is random follows from it. Torch's own random numbers are left as they were.
    teacher : LanguageModel, optional
        Any model over the words of `corpus`: the network learns from what it expects, too; see `training.distillation`.
    device : str, optional
        `cpu`, `cuda` or `cuda:1`; by default the GPU if there is one.
    threads : int, optional
        Threads of the CPU; by default one for a `hidden` below 256, which more threads help little, else all cores.
    max_minutes : float, optional
        Learning rate and training end by then. What is learned then depends on the speed of the machine.
    checkpoint : path, optional
        File that is written at the start, every `checkpoint_seconds` and after every epoch, each time as a whole. If it
        is there already, training goes on from it, and ends as if it had never stopped.
    log : path, optional
        File with a record of each epoch, CSV if it ends in `.csv`, else JSON lines; see `training.log.COLUMNS`.
    **overrides
        Any field of the architecture's settings or of `TrainSettings`.

    Raises
    ------
    SettingError, EventSpaceError, InputError, FormatError
        What cannot be: values, devices, sizes, texts, files, a checkpoint of another run, a teacher of other words.
    LmmixError
        The loss is no longer a number. The checkpoint is then still that of the last good step.
    """
    arch, size, overrides = run_settings(start_from, arch, size, {**overrides, "epochs": epochs})
    shape, settings = make_settings(arch, size, overrides)
    if start_from is not None:
        corpus = corpus.recode(start_from.vocab)
    run = Run(corpus, valid.recode(corpus.vocab), settings, seed, teacher, start_from)
    run.check(overrides)
    _check_files(max_minutes, checkpoint_seconds, checkpoint, log)
    group = join_processes(device)
    with torch_threads(_threads(threads, shape)), seeded(seed, group.device):
        check_memory(arch, shape, settings, len(corpus.vocab), group.device)
        network = run.network(arch, shape).to(group.device)
        trainer = run.trainer(network, group, max_minutes, checkpoint_seconds)
        return run.train(network, trainer, group, checkpoint, log)


def _threads(threads: int | None, shape: NetworkSettings) -> int:
    """The threads of this process."""
    if threads is not None:
        return threads
    if getattr(shape, "hidden", ONE_THREAD_BELOW) < ONE_THREAD_BELOW:
        return 1
    return max(1, thread_count(None) // local_processes())


def _check_files(
    max_minutes: float | None, checkpoint_seconds: float, checkpoint: PathLike | None, log: PathLike | None
) -> None:
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise SettingError(f"max_minutes is {max_minutes!r}; it must be a number above 0")
    if not checkpoint_seconds >= 0:
        raise SettingError(f"checkpoint_seconds is {checkpoint_seconds!r}; it must be a number, 0 or more")
    for name, path in (("checkpoint", checkpoint), ("log", log)):
        if path is not None and os.fspath(path) == "-":
            raise SettingError(f"{name} is '-'; it is written again and again, so it must be a file")
    if checkpoint is not None and log is not None and os.path.realpath(checkpoint) == os.path.realpath(log):
        raise SettingError(f"checkpoint and log are both {os.fspath(log)!r}; they must be two files")
