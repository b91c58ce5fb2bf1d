"""The linear mixture: one weight a member."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lmmix.checks import simplex_weights
from lmmix.corpus import Corpus
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.mix.interpolated import InterpolatedMixture
from lmmix.mix.mixture import MixtureState


class LinearMixture(InterpolatedMixture):
    """p(w | h) = Σ_k λ_k p_k(w | h) over K models of one event space (Jelinek & Mercer 1980).

    Attributes
    ----------
    weights : (K,) float64
        λ; they sum to 1.

    Raises EventSpaceError for different vocabularies, SettingError for weights that are not on the simplex.
    """

    combination: ClassVar[str] = "linear"

    def __init__(
        self,
        members: Sequence[LanguageModel],
        weights: Sequence[float] | np.ndarray,
        paths: Sequence[PathLike | None] | None = None,
    ) -> None:
        super().__init__(members, paths)
        self.weights = simplex_weights(weights, len(self.members))
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(self.weights)

    def parameter_signature(self) -> str:
        """The weights."""
        return "weights:" + ",".join(f"{weight:.6f}" for weight in self.weights)

    def parameters(self, folder: Path) -> dict[str, Any]:
        """The weights."""
        return {"weights": self.weights.tolist()}

    def log_weights(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(K,) ln of the weights, which are the same before each event."""
        return self._log_weights

    def _weigh(self, state: MixtureState) -> np.ndarray:
        return self._log_weights[None, :]
