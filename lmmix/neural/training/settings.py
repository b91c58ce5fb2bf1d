"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

from lmmix.neural.allowed import COUNT, COUNT_OR_ZERO, NOT_NEGATIVE, PART, POSITIVE, SHARE, one_of

CONTEXTS = ("sentence", "document")


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained.

    Attributes
    ----------
    context : {"sentence", "document"}
        Whether every sentence starts from nothing, or the text is read as one, with what the network remembers
        carried on from batch to batch; the model does the same when it scores.
    epochs : int
        Passes over the text; the learning rate falls to 0 over all of them.
    batch_tokens : int
        Events in one step, padding included.
    max_length : int
        Events of a text that a step reads at most: longer sentences are cut, in training only; of a document it reads
        so many at a time.
    optimizer : {"adamw", "sgd", "asgd"}
        `asgd` is SGD whose weights are averaged once the validation perplexity has got no better for `average_after`
        epochs (the NT-ASGD of Merity et al. 2018).
    average_after : int
        See `optimizer`.
    learning_rate, weight_decay, clip : float
        Of the optimiser; `clip` bounds the norm of the gradient.
    momentum : float
        Of SGD.
    schedule : {"linear", "cosine", "constant", "plateau"}
        How the learning rate falls behind the warm-up: to 0 in a line or along half a cosine, not at all, or to a
        quarter whenever an epoch did not make the validation perplexity better.
    warmup : float
        Part of the steps in which the learning rate rises.
    samples : int
        Words that the softmax of a training step compares with, on average; 0 is all (see `networks.sampling`).
    patience : int
        Stop after so many epochs without a better validation perplexity.
    precision : {"auto", "float32", "bfloat16"}
        Of the matrix products in training; scoring is always in float32.
    temperature, soft_weight, soft_words
        With a teacher only: the temperature of both distributions, the weight of the teacher's against the words that
        came, and how many of its likeliest words are kept for each event (see `training.distillation`).
    """

    context: str = "sentence"
    epochs: int = 4
    batch_tokens: int = 1000
    max_length: int = 128
    optimizer: str = "adamw"
    average_after: int = 3
    learning_rate: float = 1.5e-2
    weight_decay: float = 0.01
    clip: float = 1.0
    momentum: float = 0.0
    schedule: str = "linear"
    warmup: float = 0.05
    samples: int = 1500
    patience: int = 2
    precision: str = "auto"
    temperature: float = 1.0
    soft_weight: float = 0.5
    soft_words: int = 64


ALLOWED = {
    "context": one_of(*CONTEXTS),
    "epochs": COUNT,
    "batch_tokens": COUNT,
    "max_length": COUNT,
    "optimizer": one_of("adamw", "sgd", "asgd"),
    "average_after": COUNT,
    "learning_rate": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "clip": POSITIVE,
    "momentum": PART,
    "schedule": one_of("linear", "cosine", "constant", "plateau"),
    "warmup": PART,
    "samples": COUNT_OR_ZERO,
    "patience": COUNT,
    "precision": one_of("auto", "float32", "bfloat16"),
    "temperature": POSITIVE,
    "soft_weight": SHARE,
    "soft_words": COUNT,
}
"""The values that each setting may have."""

WITH_TEACHER = ("temperature", "soft_weight", "soft_words")
"""The settings that mean something only where there is a teacher."""
