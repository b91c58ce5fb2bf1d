"""What a model file holds, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmmix.fileio import PathLike
from lmmix.lm import load
from lmmix.mix.mixture import Mixture


def describe(path: PathLike) -> dict[str, Any]:
    """Kind, order, number of n-grams, vocabulary, bytes and signature of a model. Raises as `load` does."""
    model = load(path)
    place = Path(path)
    files = [file for file in place.iterdir() if file.is_file()] if place.is_dir() else [place]
    facts: dict[str, Any] = {"kind": type(model).__name__, "bytes": sum(file.stat().st_size for file in files)}
    if hasattr(model, "tree"):
        facts |= {"order": model.tree.order, "ngrams": model.tree.counts()}
    if isinstance(model, Mixture):
        facts |= {"weights": model.weights.tolist(), "members": [str(member) for member in model.paths or []]}
    facts |= {"words": len(model.vocab), "tokenizer": model.vocab.tokenizer, "vocab": model.vocab.fingerprint}
    return {**facts, "signature": model.signature}
