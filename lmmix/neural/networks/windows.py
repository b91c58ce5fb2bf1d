"""Stretches of a few neighbours, as feed-forward and convolutional networks read them."""

from __future__ import annotations

from lmmix.neural.backend import torch

Tensor = torch.Tensor


def windows(values: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Each place with the k places before it, side by side, earliest first.

    Parameters
    ----------
    values : (B, L, C)
    before : (B, k, C)
        What stood before the first of them.

    Returns
    -------
    together : (B, L, (k + 1)·C)
    last : (B, k, C)
        What `before` is for the places that come next.
    """
    line = torch.cat([before, values], 1)
    length = values.shape[1]
    shifted = [line[:, start : start + length] for start in range(before.shape[1] + 1)]
    return torch.cat(shifted, 2), line[:, length:]
