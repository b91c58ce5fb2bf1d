"""Training a neural model on a text."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.neural.backend import choose_device, choose_precision, seeded, torch, torch_threads
from lmmix.neural.batches import Sentences
from lmmix.neural.masked_model import MaskedModel
from lmmix.neural.model import NeuralModel
from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.networks.sampling import Sampler, inclusion_probabilities
from lmmix.neural.networks.softmax import TiedSoftmax
from lmmix.neural.settings import find_architecture, find_class, make_settings
from lmmix.neural.training.settings import TrainSettings
from lmmix.neural.training.streams import Streams
from lmmix.neural.training.trainer import Source, Trainer

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
) -> NeuralModel | MaskedModel:
    """Train a network on `corpus` and keep the weights of the epoch that predicts `valid` best.

    The result is what the architecture makes: a `MaskedModel` of `masked`, else a `NeuralModel`. The vocabulary is that
    of `corpus`. The same arguments on the same machine give the same weights bit for
    bit, unless `max_minutes` is given.

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
        File that is written every minute and after every epoch. If it is there already, training goes on from it, and
        ends as if it had never stopped.
    log : path, optional
        File of JSON lines, one an epoch: epoch, train_loss (nats an event), valid_ppl, learning_rate,
        tokens_per_second, seconds.
    **overrides
        Any field of the architecture's settings or of `TrainSettings`.

    Raises
    ------
    SettingError
        A value that is not allowed, a device that is not there, a checkpoint of another run.
    InputError, FormatError
        A text without sentences, a file that cannot be read or written.
    LmmixError
        The loss is no longer a number.
    """
    shape, settings = make_settings(arch, size, {**overrides, "epochs": epochs})
    _check_run(seed, max_minutes)
    for name, text in (("training", corpus), ("validation", valid)):
        if not text.n_sentences:
            raise InputError(f"the {name} text has no sentence")
    place = choose_device(device)
    if threads is None and getattr(shape, "hidden", ONE_THREAD_BELOW) < ONE_THREAD_BELOW:
        threads = 1
    with torch_threads(threads), seeded(seed, place):
        network = make_network(arch, shape, len(corpus.vocab))
        network.initialise(torch.from_numpy(corpus.word_counts()))
        trainer = _trainer(network.to(place), corpus, valid.recode(corpus.vocab), settings, seed, max_minutes)
        identity = _identity(network, corpus, valid, settings, seed)
        trainer.run(identity, Path(checkpoint) if checkpoint is not None else None, log)
        network.load_state_dict(trainer.best)
    model = find_class(find_architecture(arch).model)
    return model(network, corpus.vocab, settings.context, _record(trainer, settings, seed))


def _trainer(
    network: Network, corpus: Corpus, valid: Corpus, settings: TrainSettings, seed: int, max_minutes: float | None
) -> Trainer:
    """The parts of a run put together."""
    if settings.samples and isinstance(network.output, TiedSoftmax):
        network.output.sampler = Sampler(inclusion_probabilities(corpus.word_counts(), settings.samples))
    architecture = find_architecture(network.arch)
    objective = find_class(architecture.objective)(network, choose_precision(settings.precision, network.device))

    def validate() -> float:
        return find_class(architecture.model)(network, corpus.vocab, settings.context).validation_perplexity(valid)

    return Trainer(objective, _source(corpus, settings), validate, settings, seed, max_minutes)


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


def _check_run(seed: int, max_minutes: float | None) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise SettingError(f"seed is {seed!r}; it must be a whole number from 0 to {2**32 - 1}")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise SettingError(f"max_minutes is {max_minutes!r}; it must be a number above 0")
