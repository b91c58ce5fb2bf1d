"""Rotary positions (Su et al. 2021): pairs of units are turned by angles that grow with the place of a word."""

from __future__ import annotations

from lmmix.neural.backend import torch

Tensor = torch.Tensor

BASE = 10000.0
"""The slowest pair of units turns by about one radian in so many words."""


def turns(places: Tensor, units: int) -> Tensor:
    """(S, units / 2) complex numbers of length 1 that turn the pairs of units of the words at `places` (S,)."""
    speed = BASE ** -(torch.arange(0, units, 2, dtype=torch.float64, device=places.device) / units)
    angle = places[:, None] * speed
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def turned(values: Tensor, by: Tensor) -> Tensor:
    """`values` (…, units) with each pair of neighbouring units turned `by` complex numbers (…, units / 2)."""
    pairs = torch.view_as_complex(values.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by).flatten(-2).to(values.dtype)
