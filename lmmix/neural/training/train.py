"""Training a neural model on a text."""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.logmath import perplexity
from lmmix.neural.backend import choose_device, choose_precision, seeded, torch, torch_threads
from lmmix.neural.batches import Sentences
from lmmix.neural.model import NeuralModel
from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.networks.sampling import Sampler, inclusion_probabilities
from lmmix.neural.networks.softmax import TiedSoftmax
from lmmix.neural.settings import NetworkSettings, make_settings
from lmmix.neural.training.fine_tuning import run_settings
from lmmix.neural.training.objective import NextWord
from lmmix.neural.training.settings import TrainSettings
from lmmix.neural.training.streams import Streams
from lmmix.neural.training.trainer import Source, Trainer

logger = logging.getLogger("lmmix")

ONE_THREAD_BELOW = 256
"""Size of the hidden layer from which on training uses all cores by default."""


def train_neural(
    corpus: Corpus,
    valid: Corpus,
    *,
    arch: str | None = None,
    size: str | None = None,
    start_from: NeuralModel | None = None,
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

    The vocabulary is that of `corpus`, or of `start_from`. The same arguments on the same machine give the same
    weights bit for bit, unless `max_minutes` is given.

    Parameters
    ----------
    corpus, valid : Corpus
        The text to learn from, and the text that says when to stop; `valid` may have another vocabulary.
    arch : str, optional
        The kind of network, a name in `lmmix.neural.settings.ARCHITECTURES`; default: lstm.
    size : {"tiny", "small", "medium"}, optional
        Names a set of settings (default: tiny) of which `overrides` change single ones.
    start_from : NeuralModel, optional
        A network to go on from, in its words and shape and by default its context, at a tenth of its learning rate.
        Should no epoch predict `valid` better, the result has its weights.
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
        JSON lines, one an epoch: epoch, train_loss (nats), valid_ppl, learning_rate, tokens_per_second, seconds.
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
    arch, size, overrides = run_settings(start_from, arch, size, {**overrides, "epochs": epochs})
    shape, settings = make_settings(arch, size, overrides)
    if start_from is not None:
        corpus = corpus.recode(start_from.vocab)
    _check_run(corpus, valid, seed, max_minutes)
    place = choose_device(device)
    with torch_threads(_threads(threads, shape)), seeded(seed, place):
        network = _begun(make_network(arch, shape, len(corpus.vocab)), corpus, start_from)
        trainer = _trainer(network.to(place), corpus, valid.recode(corpus.vocab), settings, seed, max_minutes)
        before = _before(trainer, start_from)
        identity = {**_identity(network, corpus, valid, settings, seed), **before}
        trainer.run(identity, Path(checkpoint) if checkpoint is not None else None, log)
        record = {**_record(trainer, settings, seed), **before}
        network.load_state_dict(_kept(trainer, record, start_from))
    return NeuralModel(network, corpus.vocab, settings.context, record)


def _threads(threads: int | None, shape: NetworkSettings) -> int | None:
    small = getattr(shape, "hidden", ONE_THREAD_BELOW) < ONE_THREAD_BELOW
    return 1 if threads is None and small else threads


def _trainer(
    network: Network, corpus: Corpus, valid: Corpus, settings: TrainSettings, seed: int, max_minutes: float | None
) -> Trainer:
    """The parts of a run put together."""
    if settings.samples and isinstance(network.output, TiedSoftmax):
        network.output.sampler = Sampler(inclusion_probabilities(corpus.word_counts(), settings.samples))
    objective = NextWord(network, choose_precision(settings.precision, network.device))

    def validate() -> float:
        logp = NeuralModel(network, corpus.vocab, settings.context).score(valid)
        return perplexity(float(logp.sum()), len(logp))

    return Trainer(objective, _source(corpus, settings), validate, settings, seed, max_minutes)


def _begun(network: Network, corpus: Corpus, start_from: NeuralModel | None) -> Network:
    """The network with its first weights."""
    if start_from is None:
        network.initialise(torch.from_numpy(corpus.word_counts()))
    else:
        network.load_state_dict(start_from.network.state_dict())
    return network


def _before(trainer: Trainer, start_from: NeuralModel | None) -> dict[str, Any]:
    """Where fine-tuning begins."""
    if start_from is None:
        return {}
    return {"start_from": start_from.signature, "ppl_before": trainer.validate()}


def _kept(trainer: Trainer, record: dict[str, Any], start_from: NeuralModel | None) -> dict[str, torch.Tensor]:
    """The weights of the best epoch, or those before the first if none was better."""
    if start_from is None or record["valid_ppl"] < record["ppl_before"]:
        return trainer.best
    logger.warning("the validation text got no better, so the network stays as it was; try a lower learning_rate")
    record["valid_ppl"], record["best_epoch"] = record["ppl_before"], 0
    return start_from.network.state_dict()


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


def _check_run(corpus: Corpus, valid: Corpus, seed: int, max_minutes: float | None) -> None:
    for name, text in (("training", corpus), ("validation", valid)):
        if not text.n_sentences:
            raise InputError(f"the {name} text has no sentence")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise SettingError(f"seed is {seed!r}; it must be a whole number from 0 to {2**32 - 1}")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise SettingError(f"max_minutes is {max_minutes!r}; it must be a number above 0")
