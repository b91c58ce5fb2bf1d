"""Learning from a teacher: distillation of any language model into a network.

For each event the student is drawn to the word that came and to what the teacher expected in its place (Hinton, Vinyals
& Dean 2015, "Distilling the knowledge in a neural network"; for words, Kim & Rush 2016, "Sequence-level knowledge
distillation", section 3.1). See `networks.soft_loss` for the loss, which is also what the log
calls `train_loss`.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from lmmix.errors import SettingError
from lmmix.neural.backend import torch
from lmmix.neural.networks.network import Network
from lmmix.neural.networks.soft_loss import soft_loss
from lmmix.neural.networks.softmax import TiedSoftmax
from lmmix.neural.training.objective import NextWord
from lmmix.neural.training.settings import TrainSettings
from lmmix.neural.training.teacher import SoftTargets

Tensor = torch.Tensor


class Distillation(NextWord):
    """(1 − a) · hard loss + a · T² · KL(teacher ‖ student), both distributions at temperature T.

    Attributes
    ----------
    targets : SoftTargets
        What the teacher expects in place of each event of the text, at the temperature.
    temperature, soft_weight : float
        T and a.
    """

    remedy = ", or a temperature nearer to 1"

    def __init__(self, network: Network, precision: torch.dtype, targets: SoftTargets, settings: TrainSettings) -> None:
        super().__init__(network, precision)
        self.targets = targets
        self.temperature, self.soft_weight = settings.temperature, settings.soft_weight

    @staticmethod
    def check(network: Network) -> None:
        """Raise SettingError for a network that has no plain softmax over the next word."""
        if network.arch == "masked":
            raise SettingError("a masked network cannot learn from a teacher, which knows the next word only")
        if not isinstance(network.output, TiedSoftmax):
            raise SettingError(
                f"softmax is {network.settings.softmax!r}; a network that learns from a teacher must have 'full'"
            )

    def loss(self, features: Tensor, events: np.ndarray, places: np.ndarray, generator: np.random.Generator) -> Tensor:
        """See `NextWord.loss`."""
        output, vectors = cast(TiedSoftmax, self.network.output), self.network.embedding.weight
        p = torch.from_numpy(self.targets.p[places]).to(features.device).float()
        words = np.concatenate([events[:, None], self.targets.words[places]], axis=1)
        columns = output.columns(words, vectors, generator)
        return soft_loss(features, columns, p, self.temperature, self.soft_weight, self.precision)
