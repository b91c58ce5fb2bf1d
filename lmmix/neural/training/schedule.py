"""How fast a network learns at each moment, and by which rule."""

from __future__ import annotations

import math

from lmmix.neural.backend import torch
from lmmix.neural.training.settings import TrainSettings

DROP = 0.25
"""What a plateau leaves of the learning rate."""


def learning_rate(settings: TrainSettings, done: float, step: float, stale: int) -> float:
    """The learning rate of a step that is the part `step` of the run, when the part `done`, from 0 to 1, is behind.

    It rises linearly over the part `warmup`, in which the step itself counts, so that the first one is not in vain;
    then it does what the schedule says. `stale` counts the epochs so far that did not make the validation perplexity
    better.
    """
    rise = (done + step) / settings.warmup if settings.warmup else 1.0
    behind = (done - settings.warmup) / (1.0 - settings.warmup)
    fall = {
        "linear": 1.0 - behind,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * behind)),
        "constant": 1.0,
        "plateau": DROP**stale,
    }[settings.schedule]
    return settings.learning_rate * min(1.0, rise, fall)


def make_optimizer(settings: TrainSettings, network: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a run; the learning rate is set before each step."""
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            network.parameters(), betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True
        )
    return torch.optim.SGD(
        network.parameters(), lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
