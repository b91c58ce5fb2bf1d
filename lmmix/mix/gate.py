"""Gates: features of a history in, weights of the members out, as the softmax of a linear function.

The features may first go through a map that makes them more: random cosines or distances to landmarks (a kernel
method), or the hidden layer of a small network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from lmmix.errors import SettingError
from lmmix.mix import _kernels as kernels

Arrays = dict[str, np.ndarray]

LARGEST = 1e30
"""What no number of a gate may exceed: products of several of them are finite still."""


TINY_SPREAD = 1e-9
"""Features that vary less are constants."""


class FeatureMap(Protocol):
    """A fixed function of the features of each history."""

    kind: ClassVar[str]

    @property
    def shape(self) -> tuple[int, int]:
        """(F, D)."""
        ...

    def arrays(self) -> Arrays:
        """What it is made of."""
        ...

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) from (n, F)."""
        ...


@dataclass(frozen=True)
class _Layer:
    """What maps are made of that take each feature times a weight: `weights` (F, D), `offset` (D,)."""

    weights: np.ndarray
    offset: np.ndarray

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or not self.weights.shape[1] or self.offset.shape != self.weights.shape[1:]:
            raise SettingError(f"a map of features has weights {self.weights.shape} and offset {self.offset.shape}")
        for name, array in self.arrays().items():
            _check_size(name, array)

    @property
    def shape(self) -> tuple[int, int]:
        """(F, D)."""
        return self.weights.shape[0], self.weights.shape[1]

    def arrays(self) -> Arrays:
        """Weights and offset."""
        return {"weights": self.weights, "offset": self.offset}


class CosineMap(_Layer):
    """cos(x W + b) √(2/D): random Fourier features (Rahimi & Recht 2007), which stand for an RBF kernel.

    `weights` is (F, D), `offset` (D,).
    """

    kind: ClassVar[str] = "fourier"

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) from (n, F)."""
        return np.cos(features @ self.weights + self.offset) * np.sqrt(2.0 / len(self.offset))


@dataclass(frozen=True)
class LandmarkMap:
    """exp(−γ |x s − l|²) N: the Nyström approximation of an RBF kernel (Williams & Seeger 2001).

    `scale` (F,) multiplies the features, `landmarks` l is (D, F), `normalisation` N (D, D), `gamma` () γ.
    """

    scale: np.ndarray
    landmarks: np.ndarray
    normalisation: np.ndarray
    gamma: np.ndarray
    kind: ClassVar[str] = "nystroem"

    def __post_init__(self) -> None:
        size, features = self.landmarks.shape if self.landmarks.ndim == 2 else (0, 0)
        shapes = (self.scale.shape, self.normalisation.shape, self.gamma.shape)
        if not size or shapes != ((features,), (size, size), ()) or not self.gamma >= 0:
            raise SettingError(
                f"landmarks {self.landmarks.shape} do not go with scale, normalisation and gamma of shapes {shapes}, "
                "or gamma is below 0"
            )
        for name, array in self.arrays().items():
            _check_size(name, array)

    @property
    def shape(self) -> tuple[int, int]:
        """(F, D)."""
        return self.landmarks.shape[1], self.landmarks.shape[0]

    def arrays(self) -> Arrays:
        """Scale, landmarks, normalisation and gamma."""
        names = ("scale", "landmarks", "normalisation", "gamma")
        return {name: getattr(self, name) for name in names}

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) from (n, F)."""
        scaled = features * self.scale
        squares = (scaled**2).sum(1)[:, None] - 2.0 * scaled @ self.landmarks.T + (self.landmarks**2).sum(1)
        return np.exp(-self.gamma * np.maximum(squares, 0.0)) @ self.normalisation


class HiddenMap(_Layer):
    """tanh(x W + b): the hidden layer of a network. `weights` is (F, D), `offset` (D,)."""

    kind: ClassVar[str] = "hidden"

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) from (n, F)."""
        return np.tanh(features @ self.weights + self.offset)


def _check_size(name: str, array: np.ndarray) -> None:
    if not (np.abs(array) <= LARGEST).all():
        raise SettingError(f"{name} of a gate holds a number that is not finite, or beyond ±{LARGEST:g}")


_MAPS: dict[str, Any] = {cls.kind: cls for cls in (CosineMap, LandmarkMap, HiddenMap)}


@dataclass(frozen=True)
class Gate:
    """ln w_k(x) = bias_k + Σ_j θ_kj m_j(x) − ln Σ_k exp(the same): weights of K members from F features x.

    Attributes
    ----------
    bias : (K,) float64
        −inf for a member that never has weight.
    theta : (K, D) float64
    map : FeatureMap, optional
        m, from F features to D; without it they are the features themselves.
    """

    bias: np.ndarray
    theta: np.ndarray
    map: FeatureMap | None = None

    def log_weights(self, features: np.ndarray) -> np.ndarray:
        """(n, K) ln of the weights for features (n, F)."""
        if self.map is not None:
            features = self.map(features)
        out = np.empty((len(features), len(self.bias)))
        kernels._log_softmax(np.ascontiguousarray(features), self.bias, self.theta, out)
        return out

    def as_json(self) -> dict[str, Any]:
        """All numbers, as a file holds them; a bias of −inf is null."""
        bias = [float(b) if np.isfinite(b) else None for b in self.bias]
        found: dict[str, Any] = {"bias": bias, "theta": self.theta.tolist()}
        if self.map is not None:
            arrays = {name: array.tolist() for name, array in self.map.arrays().items()}
            found["map"] = {"kind": self.map.kind, **arrays}
        return found

    @classmethod
    def from_json(cls, values: dict[str, Any], members: int, features: int) -> Gate:
        """The gate that `as_json` wrote. Raises KeyError, TypeError, ValueError or SettingError for other things."""
        bias = np.array([-np.inf if b is None else float(b) for b in values["bias"]])
        theta = np.array(values["theta"], np.float64)
        mapping = _map_from_json(values["map"]) if "map" in values else None
        gate = cls(bias, theta, mapping)
        gate.check(members, features)
        return gate

    def check(self, members: int, features: int) -> None:
        """Raises SettingError unless the gate has numbers for so many members and features, and all can be used."""
        columns = features if self.map is None else self.map.shape[1]
        if self.bias.shape != (members,) or self.theta.shape != (members, columns):
            raise SettingError(
                f"a gate with bias {self.bias.shape} and theta {self.theta.shape} does not fit {members} members and "
                f"{columns} columns of features"
            )
        if self.map is not None and self.map.shape[0] != features:
            raise SettingError(f"a gate's map is made for {self.map.shape[0]} features; there are {features}")
        if not (self.bias <= LARGEST).all() or not (self.bias >= -LARGEST).any():
            raise SettingError(f"a gate's bias is {self.bias.tolist()}; it must be numbers or −inf, but not −inf alone")
        _check_size("theta", self.theta)


def _map_from_json(values: dict[str, Any]) -> FeatureMap:
    kind = values["kind"]
    if kind not in _MAPS:
        raise SettingError(f"no map of features is called {kind!r}; there are {', '.join(_MAPS)}")
    arrays = {name: np.array(array, np.float64) for name, array in values.items() if name != "kind"}
    return _MAPS[kind](**arrays)


def spreads(features: np.ndarray) -> np.ndarray:
    """(F,) the standard deviation of each feature (n, F); 1 for those that do not vary."""
    spread = features.std(axis=0)
    return np.where(spread > TINY_SPREAD, spread, 1.0)
