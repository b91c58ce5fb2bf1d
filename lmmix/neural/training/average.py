"""The mean of the weights over the last steps of SGD (Polyak & Juditsky 1992), begun when it stops getting better."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lmmix.neural.backend import torch

Tensors = dict[str, torch.Tensor]


class WeightAverage:
    """The mean of the parameters of a network.

    Attributes
    ----------
    tensors : dict of str to Tensor
        By the parameters' names; empty before `begin`.
    count : int
        Steps in the mean.
    """

    def __init__(self) -> None:
        self.tensors: Tensors = {}
        self.count = 0

    def begin(self, network: torch.nn.Module) -> None:
        """Average from here on."""
        self.tensors = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
        self.count = 1

    def add(self, network: torch.nn.Module) -> None:
        """Take the weights of `network` in, if averaging has begun."""
        if not self.count:
            return
        self.count += 1
        for name, tensor in network.named_parameters():
            self.tensors[name].lerp_(tensor.detach(), 1.0 / self.count)

    @contextlib.contextmanager
    def in_place(self, network: torch.nn.Module) -> Iterator[None]:
        """`network` has the mean as its weights inside the block, if averaging has begun."""
        if not self.count:
            yield
            return
        own = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
        network.load_state_dict(self.tensors, strict=False)
        try:
            yield
        finally:
            network.load_state_dict(own, strict=False)
