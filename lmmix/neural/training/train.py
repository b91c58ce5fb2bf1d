"""Training a neural model on a text."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.logmath import perplexity
from lmmix.neural.backend import choose_precision, seeded, torch, torch_threads
from lmmix.neural.batches import Sentences
from lmmix.neural.model import NeuralModel
from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.networks.sampling import Sampler, inclusion_probabilities
from lmmix.neural.networks.softmax import TiedSoftmax
from lmmix.neural.settings import NetworkSettings, make_settings
from lmmix.neural.training.memory import check_memory
from lmmix.neural.training.objective import NextWord
from lmmix.neural.training.processes import join_processes, local_processes
from lmmix.neural.training.settings import TrainSettings
from lmmix.neural.training.streams import Streams
from lmmix.neural.training.trainer import Source, Trainer
from lmmix.parallel import thread_count
from lmmix.vocab import EOS, UNK

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
    checkpoint_seconds: float = 60.0,
    log: PathLike | None = None,
    **overrides: Any,
) -> NeuralModel:
    """Train a network on `corpus` and keep the weights of the epoch that predicts `valid` best.

    The vocabulary is that of `corpus`. The same arguments on the same machine give the same weights bit for
    bit, unless `max_minutes` is given. Under torchrun each process calls this with the same arguments, learns from its
    share of every batch and gets the same model; the first writes the files (see `training.processes`).

    Parameters
    ----------
    corpus, valid : Corpus
        The text to learn from, and the text that says when to stop; `valid` may have another vocabulary.
    arch : str
        The kind of network, a name in `lmmix.neural.settings.ARCHITECTURES`.
    size : {"tiny", "small", "medium"}
        Names a set of settings (`lmmix.neural.settings.ARCHITECTURES`); `overrides` change single ones.
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
        File that is written at the start, every `checkpoint_seconds` and after every epoch, each time as a whole. If it
        is there already, training goes on from it, and ends as if it had never stopped.
    log : path, optional
        File with a record of each epoch, CSV if it ends in `.csv`, else JSON lines; see `training.log.COLUMNS`.
    **overrides
        Any field of the architecture's settings or of `TrainSettings`.

    Raises
    ------
    SettingError
        A value that is not allowed, a device that is not there, a network that does not fit into memory, a checkpoint
        of another run.
    InputError, FormatError
        A text without sentences or without a known word, a file that cannot be read or written.
    LmmixError
        The loss is no longer a number. The checkpoint is then still that of the last good step.
    """
    shape, settings = make_settings(arch, size, {**overrides, "epochs": epochs})
    _check_run(seed, max_minutes, checkpoint_seconds, checkpoint, log)
    valid = valid.recode(corpus.vocab)
    _check_text("training", corpus)
    _check_text("validation", valid)
    group = join_processes(device)
    check_memory(arch, shape, settings, len(corpus.vocab), group.device)
    with torch_threads(_threads(threads, shape)), seeded(seed, group.device):
        network = make_network(arch, shape, len(corpus.vocab))
        network.initialise(torch.from_numpy(corpus.word_counts()))
        parts = _parts(network.to(group.device), corpus, valid, settings)
        trainer = Trainer(*parts, settings, seed, group, max_minutes, checkpoint_seconds)
        identity = {**_identity(network, corpus, valid, settings, seed), "processes": group.ranks}
        trainer.run(identity, Path(checkpoint) if checkpoint is not None else None, log)
        network.load_state_dict(trainer.best)
    return NeuralModel(network, corpus.vocab, settings.context, _record(trainer, settings, seed))


def _threads(threads: int | None, shape: NetworkSettings) -> int:
    """The threads of this process."""
    if threads is not None:
        return threads
    if getattr(shape, "hidden", ONE_THREAD_BELOW) < ONE_THREAD_BELOW:
        return 1
    return max(1, thread_count(None) // local_processes())


def _parts(
    network: Network, corpus: Corpus, valid: Corpus, settings: TrainSettings
) -> tuple[NextWord, Source, Callable[[], float]]:
    """What is made small, the batches, and what gives the perplexity of `valid` by the network as it is."""
    if settings.samples and isinstance(network.output, TiedSoftmax):
        network.output.sampler = Sampler(inclusion_probabilities(corpus.word_counts(), settings.samples))

    def validate() -> float:
        logp = NeuralModel(network, valid.vocab, settings.context).score(valid)
        return perplexity(float(logp.sum()), len(logp))

    objective = NextWord(network, choose_precision(settings.precision, network.device))
    return objective, _source(corpus, settings), validate


def _source(corpus: Corpus, settings: TrainSettings) -> Source:
    if settings.context == "document":
        return Streams(corpus, settings.batch_tokens, settings.max_length)
    return Sentences(corpus, settings.batch_tokens, settings.max_length)


def _identity(network: Network, corpus: Corpus, valid: Corpus, settings: TrainSettings, seed: int) -> dict[str, Any]:
    """Everything that the weights follow from."""
    text = hashlib.sha256(corpus.ids.tobytes() + valid.ids.tobytes())
    return {
        "lmmix": __version__,
        "arch": network.arch,
        **asdict(network.settings),
        **asdict(settings),
        "seed": seed,
        "vocabulary": corpus.vocab.fingerprint,
        "text": text.hexdigest()[:16],
    }


def _record(trainer: Trainer, settings: TrainSettings, seed: int) -> dict[str, Any]:
    """How a model came about, as it is stored with it; without times, so that equal runs give equal files."""
    best = trainer.best_epoch()
    return {
        **asdict(settings),
        "seed": seed,
        "best_epoch": best + 1,
        "valid_ppl": trainer.epochs[best]["valid_ppl"],
        "history": [{key: record[key] for key in ("epoch", "train_loss", "valid_ppl")} for record in trainer.epochs],
    }


def _check_run(
    seed: int,
    max_minutes: float | None,
    checkpoint_seconds: float,
    checkpoint: PathLike | None,
    log: PathLike | None,
) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise SettingError(f"seed is {seed!r}; it must be a whole number from 0 to {2**32 - 1}")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise SettingError(f"max_minutes is {max_minutes!r}; it must be a number above 0")
    if not checkpoint_seconds >= 0:
        raise SettingError(f"checkpoint_seconds is {checkpoint_seconds!r}; it must be a number, 0 or more")
    for name, path in (("checkpoint", checkpoint), ("log", log)):
        if path is not None and os.fspath(path) == "-":
            raise SettingError(f"{name} is '-'; it is written again and again, so it must be a file")


def _check_text(name: str, text: Corpus) -> None:
    """Raise InputError for a text from which nothing follows."""
    if not text.n_sentences:
        raise InputError(f"the {name} text has no sentence")
    words = text.ids[text.ids != EOS]
    if not (words != UNK).any():
        raise InputError(
            f"no word of the {name} text is in the vocabulary ({len(words):,} words of other spelling); "
            "give a text of the same language and tokens"
        )
