"""What the weights of a training run follow from, and the parts of the run that follow from it."""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.neural.backend import choose_precision, torch
from lmmix.neural.batches import Sentences
from lmmix.neural.network_model import NetworkModel
from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.networks.sampling import Sampler, inclusion_probabilities
from lmmix.neural.networks.softmax import TiedSoftmax
from lmmix.neural.settings import find_architecture, find_class
from lmmix.neural.shapes import NetworkSettings
from lmmix.neural.texts import check_text
from lmmix.neural.training.distillation import Distillation
from lmmix.neural.training.fine_tuning import first_rate
from lmmix.neural.training.objective import Objective
from lmmix.neural.training.processes import Processes
from lmmix.neural.training.settings import WITH_TEACHER, TrainSettings
from lmmix.neural.training.streams import Streams
from lmmix.neural.training.teacher import ask_teacher, check_teacher
from lmmix.neural.training.trainer import Source, Trainer

logger = logging.getLogger("lmmix")


@dataclass(frozen=True)
class Run:
    """Texts, settings and seed of a run, and the model that it learns from, if any.

    Attributes
    ----------
    corpus, valid : Corpus
        Both in the words of the network.
    settings : TrainSettings
    seed : int
    teacher : LanguageModel, optional
    start_from : NetworkModel, optional
        The network whose training goes on.
    """

    corpus: Corpus
    valid: Corpus
    settings: TrainSettings
    seed: int
    teacher: LanguageModel | None = None
    start_from: NetworkModel | None = None

    def check(self, overrides: dict[str, Any]) -> None:
        """Raise InputError, EventSpaceError or SettingError for what cannot be; `overrides` are what the user set."""
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise SettingError(f"seed is {self.seed!r}; it must be a whole number from 0 to {2**32 - 1}")
        if self.teacher is not None:
            check_teacher(self.teacher, self.corpus)
        elif given := [name for name in WITH_TEACHER if overrides.get(name) is not None]:
            raise SettingError(f"{given[0]} means something only with a teacher; give one, or leave it out")
        check_text("training", self.corpus)
        check_text("validation", self.valid)

    def network(self, arch: str, shape: NetworkSettings) -> Network:
        """The network with its first weights."""
        network = make_network(arch, shape, len(self.corpus.vocab))
        if self.start_from is None:
            network.initialise(torch.from_numpy(self.corpus.word_counts()))
        else:
            network.load_state_dict(self.start_from.network.state_dict())
        return network

    def objective(self, network: Network) -> Objective:
        """What makes the network learn. Raises SettingError for a network that cannot learn from a teacher."""
        if self.settings.samples and isinstance(network.output, TiedSoftmax):
            network.output.sampler = Sampler(inclusion_probabilities(self.corpus.word_counts(), self.settings.samples))
        precision = choose_precision(self.settings.precision, network.device)
        if self.teacher is None:
            objective: Objective = find_class(find_architecture(network.arch).objective)(network, precision)
            return objective
        Distillation.check(network)
        targets = ask_teacher(self.teacher, self.corpus, self.settings.soft_words, self.settings.temperature)
        return Distillation(network, precision, targets, self.settings)

    def trainer(
        self, network: Network, group: Processes, max_minutes: float | None, checkpoint_seconds: float
    ) -> Trainer:
        """The loop that trains `network`."""
        objective, validate = self.objective(network), lambda: self.perplexity(network)
        return Trainer(
            objective, self.source(), validate, self.settings, self.seed, group, max_minutes, checkpoint_seconds
        )

    def perplexity(self, network: Network) -> float:
        """Validation perplexity of the network as it is."""
        return self.model(network).validation_perplexity(self.valid)

    def source(self) -> Source:
        """Where the batches come from."""
        if self.settings.context == "document":
            return Streams(self.corpus, self.settings.batch_tokens, self.settings.max_length)
        return Sentences(self.corpus, self.settings.batch_tokens, self.settings.max_length)

    def model(self, network: Network, training: dict[str, Any] | None = None) -> NetworkModel:
        """The language model of the network as it is."""
        model: NetworkModel = find_class(find_architecture(network.arch).model)(
            network, self.corpus.vocab, self.settings.context, training
        )
        return model

    def identity(self, network: Network, group: Processes) -> dict[str, Any]:
        """Everything that the weights follow from; a checkpoint serves only the run with the same."""
        text = hashlib.sha256(self.corpus.ids.tobytes() + self.valid.ids.tobytes())
        return {
            "lmmix": __version__,
            "arch": network.arch,
            **asdict(network.settings),
            **asdict(self.settings),
            "seed": self.seed,
            "vocabulary": self.corpus.vocab.fingerprint,
            "text": text.hexdigest()[:16],
            "teacher": self.teacher.signature if self.teacher else None,
            "start_from": self.start_from.signature if self.start_from else None,
            "processes": group.ranks,
        }

    def train(
        self,
        network: Network,
        trainer: Trainer,
        group: Processes,
        checkpoint: PathLike | None,
        log: PathLike | None,
    ) -> NetworkModel:
        """Train to the end; the model of the best epoch. See `train.train_neural`."""
        before = self.perplexity(network) if self.start_from is not None else math.inf
        trainer.run(self.identity(network, group), Path(checkpoint) if checkpoint is not None else None, log)
        return self._best(network, trainer, before)

    def _best(self, network: Network, trainer: Trainer, before: float) -> NetworkModel:
        """The model of the best epoch and how it came about, without times, so that equal runs give equal files.

        `before` is the validation perplexity before the first epoch, infinite for weights drawn by chance; if no epoch
        was better, the model has the weights from then.
        """
        best, columns = trainer.best_epoch(), ("epoch", "train_loss", "valid_ppl")
        record = {
            **asdict(self.settings),
            "teacher": self.teacher.signature if self.teacher else None,
            "seed": self.seed,
            "best_epoch": best + 1,
            "valid_ppl": trainer.epochs[best]["valid_ppl"],
            "history": [{key: epoch[key] for key in columns} for epoch in trainer.epochs],
        }
        weights = trainer.best
        if self.start_from is not None:
            record |= {
                "start_from": self.start_from.signature,
                "ppl_before": before,
                "first_rate": first_rate(self.start_from, self.settings),
            }
            if record["valid_ppl"] >= before:
                logger.warning(
                    "the validation text got no better, so the network stays as it was; try a lower learning_rate"
                )
                record |= {"valid_ppl": before, "best_epoch": 0}
                weights = self.start_from.network.state_dict()
        network.load_state_dict(weights)
        return self.model(network, record)
