"""Small networks of any architecture with weights by chance."""

from __future__ import annotations

from typing import Any

import torch

from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.settings import ARCHITECTURES, make_settings


def shape_of(arch: str, shapes: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings `shapes` that the architecture has."""
    return {name: value for name, value in shapes.items() if hasattr(ARCHITECTURES[arch].settings, name)}


def random_network(arch: str, shapes: dict[str, Any], n_words: int, seed: int, scale: float) -> Network:
    """A network whose word vectors are `scale` times as large as usual, so that a wrong history shows."""
    network = make_network(arch, make_settings(arch, "tiny", shape_of(arch, shapes))[0], n_words)
    torch.manual_seed(seed)
    network.initialise(torch.ones(n_words))
    with torch.no_grad():
        network.embedding.weight.mul_(scale)
    return network
