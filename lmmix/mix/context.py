"""Mixtures whose weights depend on the history through a gate: one class for all ways of finding such gates."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike, file_entry
from lmmix.lm import LanguageModel, load_count_table
from lmmix.mix.features import LONGEST, FeatureSet
from lmmix.mix.gate import Gate
from lmmix.mix.histories import NEEDED, Historian, Memory, offers
from lmmix.mix.interpolated import InterpolatedMixture
from lmmix.mix.mixture import MixtureState
from lmmix.mix.mixture_file import entered_file
from lmmix.parallel import cut

logger = logging.getLogger("lmmix")

PIECE_EVENTS = 1 << 17
"""Events whose features exist at a time."""

LARGEST_WINDOW = 10**6


class ContextMixture(InterpolatedMixture):
    """p(w | h) = Σ_k w_k(h) p_k(w | h), w(h) = softmax_k(bias_k + Σ_j θ_kj f_j(h)).

    Which features f there are, and which θ, makes it count merging, generalised linear interpolation (Hsu 2007,
    "Generalized linear interpolation of language models"), Bayesian interpolation (Weintraub et al. 1996; SRILM's
    `-bayes`), a sentence-level mixture (Iyer, Ostendorf & Rohlicek 1994), bucketed weights (Jelinek & Mercer 1980), a
    mixture of experts (Jacobs et al. 1991).

    Attributes
    ----------
    gate : Gate
    features : FeatureSet
    window : int or None
        Events that the features `likelihood` and `average` look back, within the sentence; None: all of them.
    tables : sequence of count tables
        For the feature `counts`, one a member; empty without it.

    Raises EventSpaceError for different vocabularies, SettingError for an unknown feature, or one that says nothing of
    any member. Warns of n-gram models of which it says nothing: networks and caches have no contexts by nature.
    """

    combination: ClassVar[str] = "context"

    def __init__(
        self,
        members: Sequence[LanguageModel],
        gate: Gate | None,
        kinds: Sequence[str],
        window: int | None = None,
        tables: Sequence[Any] = (),
        paths: Sequence[PathLike | None] | None = None,
    ) -> None:
        super().__init__(members, paths)
        if window is not None and not 1 <= window <= LARGEST_WINDOW:
            raise SettingError(f"window is {window}; it must be from 1 to {LARGEST_WINDOW} events")
        if "counts" in kinds and len(tables) != len(self.members):
            raise SettingError(f"the feature 'counts' needs a count file for each of {len(self.members)} models")
        self.window = window
        self.tables = list(tables) if "counts" in kinds else []
        longest = [getattr(m, "longest_context", LONGEST) if offers(m, "length") else 0 for m in self.members]
        self.features = FeatureSet(kinds, len(self.members), longest)
        self.gate = gate or Gate(np.zeros(len(self.members)), np.zeros((len(self.members), len(self.features.columns))))
        self.gate.check(len(self.members), len(self.features.columns))
        self._historian = Historian(self.members, window, self.tables, self.features.kinds)
        self._check_contexts()

    def _check_contexts(self) -> None:
        """Refuse features of contexts that no member has; warn of members that could have them, but do not."""
        for kind in filter(NEEDED.__contains__, self.features.kinds):
            without = [k for k, member in enumerate(self.members) if not offers(member, kind)]
            if len(without) == len(self.members):
                raise SettingError(
                    f"the feature {kind!r} says nothing of any of these models; n-gram models in .arpa and .lmx files "
                    "have contexts: choose other features, or convert the models"
                )
            # Models that know words without context have contexts, too.
            silent = [self.names[k] for k in without if hasattr(self.members[k], "unigram")]
            if silent:
                _warn_of_silence(kind, ", ".join(silent))

    @property
    def free_numbers(self) -> int:
        """One a member, and all of θ that is not 0."""
        return len(self.members) + int(np.count_nonzero(self.gate.theta))

    def parameter_signature(self) -> str:
        """The features with digests of the count tables, and a digest of the gate."""
        counts = "".join(f"|counts:{table.digest}" for table in self.tables)
        digest = hashlib.sha256(json.dumps(self.gate.as_json()).encode()).hexdigest()[:12]
        return f"features:{','.join(self.features.kinds)}|window:{self.window or 'sentence'}{counts}|gate:{digest}"

    def parameters(self, folder: Path) -> dict[str, Any]:
        """The features and the gate, with the files of count tables. Raises SettingError for counts in no file."""
        if any(table.path is None for table in self.tables):
            raise SettingError("counts that are not in a file cannot be saved with a mixture; save them as .lmc")
        tables = [file_entry(table.path, folder) for table in self.tables]
        return {
            "features": list(self.features.kinds),
            "window": self.window,
            "counts": tables,
            "gate": self.gate.as_json(),
        }

    @classmethod
    def from_parameters(
        cls,
        members: Sequence[LanguageModel],
        parameters: dict[str, Any],
        paths: Sequence[PathLike | None] | None,
        folder: Path,
    ) -> ContextMixture:
        """See `Mixture.from_parameters`."""
        tables = [load_count_table(entered_file(entry, folder), members[0].vocab) for entry in parameters["counts"]]
        kinds, window = [str(kind) for kind in parameters["features"]], parameters["window"]
        window = None if window is None else int(window)
        mixture = cls(members, None, kinds, window, tables, paths)
        mixture.gate = Gate.from_json(parameters["gate"], len(members), len(mixture.features.columns))
        return mixture

    def feature_matrix(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(T, F) the features before each event, given ln p (T, K) of the members."""
        return self.features.values(self._historian.of_text(corpus, logp, threads))

    def log_weights(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """See `InterpolatedMixture.log_weights`."""
        histories = self._historian.of_text(corpus, logp, threads)
        out = np.empty(logp.shape)
        for lo, hi in cut(len(logp), PIECE_EVENTS):
            out[lo:hi] = self.gate.log_weights(self.features.values(histories[lo:hi]))
        return out

    def _begin(self, n: int) -> Memory:
        return self._historian.begin(n)

    def _weigh(self, state: MixtureState) -> np.ndarray:
        return self.gate.log_weights(self.features.values(self._historian.of_states(state.own, state.members)))

    def _take_own(self, own: Memory, rows: np.ndarray) -> Memory:
        return self._historian.take(own, rows)

    def _remember(self, state: MixtureState, words: np.ndarray, logp: np.ndarray) -> Memory:
        return self._historian.remember(state.own, words, logp)


@cache
def _warn_of_silence(kind: str, names: str) -> None:
    """Once, though the same models may be mixed many times."""
    logger.warning("%s: no contexts are known, so the feature %r says nothing there; read the ARPA file", names, kind)
