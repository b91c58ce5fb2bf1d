"""lmmix: n-gram and small neural language models, mixtures of them, perplexity and n-best rescoring.

Names are imported on first use, so that ``import lmmix`` loads neither numba nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lmmix.adaptive.cache import CacheModel
    from lmmix.adaptive.infinigram import train_infinigram
    from lmmix.approximation import approximate
    from lmmix.corpus import Corpus, read_corpus
    from lmmix.errors import LmmixError
    from lmmix.lm import LanguageModel, load
    from lmmix.mix.em import fit_em
    from lmmix.mix.linear import LinearMixture
    from lmmix.mix.mixture import Mixture
    from lmmix.mix_methods import MixSettings
    from lmmix.mixing import fit_mixture
    from lmmix.nbest.formats.registry import read_nbest
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.rescore import rescore
    from lmmix.nbest.tuning.tune import TuneSettings
    from lmmix.neural.training.train import train_neural
    from lmmix.ngram.estimate import train_ngram
    from lmmix.ngram.merge import merge_models
    from lmmix.ngram.prune import prune_entropy
    from lmmix.ngram.settings import SmoothingSettings
    from lmmix.pieces import train_pieces
    from lmmix.sampling import sample, top_k
    from lmmix.score import perplexity
    from lmmix.scratch import Scratch
    from lmmix.vocab import Vocab
    from lmmix.words.model import WordModel

_HOMES = {
    "CacheModel": "lmmix.adaptive.cache",
    "Corpus": "lmmix.corpus",
    "LanguageModel": "lmmix.lm",
    "LmmixError": "lmmix.errors",
    "Mixture": "lmmix.mix.mixture",
    "Vocab": "lmmix.vocab",
    "WordModel": "lmmix.words.model",
    "approximate": "lmmix.approximation",
    "fit_em": "lmmix.mix.em",
    "fit_mixture": "lmmix.mixing",
    "LinearMixture": "lmmix.mix.linear",
    "MixSettings": "lmmix.mix_methods",
    "load": "lmmix.lm",
    "perplexity": "lmmix.score",
    "read_corpus": "lmmix.corpus",
    "rescore": "lmmix.nbest.rescore",
    "NbestLists": "lmmix.nbest.lists",
    "TuneSettings": "lmmix.nbest.tuning.tune",
    "read_nbest": "lmmix.nbest.formats.registry",
    "sample": "lmmix.sampling",
    "top_k": "lmmix.sampling",
    "train_infinigram": "lmmix.adaptive.infinigram",
    "train_neural": "lmmix.neural.training.train",
    "train_ngram": "lmmix.ngram.estimate",
    "train_pieces": "lmmix.pieces",
    "merge_models": "lmmix.ngram.merge",
    "prune_entropy": "lmmix.ngram.prune",
    "SmoothingSettings": "lmmix.ngram.settings",
    "Scratch": "lmmix.scratch",
}

__all__ = [
    "CacheModel",
    "Corpus",
    "LanguageModel",
    "LinearMixture",
    "LmmixError",
    "MixSettings",
    "Mixture",
    "NbestLists",
    "Scratch",
    "SmoothingSettings",
    "TuneSettings",
    "Vocab",
    "WordModel",
    "approximate",
    "fit_em",
    "fit_mixture",
    "load",
    "merge_models",
    "perplexity",
    "prune_entropy",
    "read_corpus",
    "read_nbest",
    "rescore",
    "sample",
    "top_k",
    "train_infinigram",
    "train_neural",
    "train_ngram",
    "train_pieces",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lmmix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
