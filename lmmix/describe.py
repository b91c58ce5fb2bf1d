"""What a model file holds, for people."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmmix.artefact import MAGIC, read_header
from lmmix.fileio import PathLike, explain_errors, read_json
from lmmix.lm import LanguageModel, load
from lmmix.mix.linear import LinearMixture
from lmmix.mix.mixture import Mixture


def describe(path: PathLike, check: bool = False) -> dict[str, Any]:
    """Kind, order, n-grams or weights, vocabulary, bytes, signature of a model or of counts. Raises as `load` does.

    With `check` every byte of an .lmx or .lmi file is looked at, see `lmmix.ngram.lmxfile.check_lmx`; other files have
    been checked when they are loaded.
    """
    place = Path(path)
    if place.is_file() and _is_artefact(place) and read_header(place)[0]["kind"] == "counts":
        return _describe_counts(place)
    whole = check and place.is_file() and _is_artefact(place)
    model = _checked(path) if whole else load(path)
    files = [file for file in place.iterdir() if file.is_file()] if place.is_dir() else [place]
    size = sum(file.stat().st_size for file in files)
    facts: dict[str, Any] = {"kind": type(model).__name__, "bytes": size, **_ngram_facts(model, size)}
    facts |= _network_facts(model) | _adapted_facts(model, place)
    if isinstance(model, Mixture):
        facts |= {"combination": model.combination, "members": model.names}
    if isinstance(model, LinearMixture):
        facts["weights"] = model.weights.tolist()
    facts |= {"words": len(model.vocab), "tokenizer": model.vocab.tokenizer, "vocab": model.vocab.fingerprint}
    if check:
        facts["check"] = "every byte was looked at" if whole else "nothing more to check than loading did"
    return {**facts, "signature": model.signature}


def _describe_counts(path: Path) -> dict[str, Any]:
    from lmmix.ngram.count_artefact import read_lmc

    counts, vocab = read_lmc(path)
    ngrams = counts.tree.counts()
    facts = {"kind": "NgramCounts", "bytes": path.stat().st_size, "order": len(ngrams), "ngrams": ngrams}
    return {**facts, "words": len(vocab), "tokenizer": vocab.tokenizer, "vocab": vocab.fingerprint}


def _is_artefact(path: Path) -> bool:
    with explain_errors(path, "read"), open(path, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def _checked(path: PathLike) -> LanguageModel:
    if read_header(path)[0]["kind"] == "infinigram":
        from lmmix.adaptive.infinigram_file import check_lmi

        return check_lmi(path)
    from lmmix.ngram.lmxfile import check_lmx

    return check_lmx(path)


def _network_facts(model: Any) -> dict[str, Any]:
    """What only networks have: how large they are, and how their training went if the record says so."""
    if not hasattr(model, "training"):
        return {}
    network, record = model.network, model.training
    facts = {"arch": network.arch, "context": model.context, "weights": sum(w.numel() for w in network.parameters())}
    if "valid_ppl" in record:
        facts["valid_ppl"] = record["valid_ppl"]
    if isinstance(record.get("history"), list):
        facts |= {"epochs": len(record["history"]), "best_epoch": record.get("best_epoch")}
    return facts


def _adapted_facts(model: Any, place: Path) -> dict[str, Any]:
    """What only a network that adapts has: where the network is, and the settings."""
    if not hasattr(model, "settings_class"):
        return {}
    return {"network": read_json(place)["network"]["path"], **asdict(model.settings)}


def _ngram_facts(model: Any, size: int) -> dict[str, Any]:
    """What only n-gram and ∞-gram models have; bytes are those of the whole file, vocabulary included."""
    # Told apart by what they have: the classes have kernels that other models need not load.
    if hasattr(model, "quantised"):
        counts = model.counts()
        stored = "float32" if model.quantised is None else f"q{model.quantised}"
    elif hasattr(model, "tree"):
        counts, stored = model.tree.counts(), "exact"
    elif hasattr(model, "places"):
        return {"events": len(model.ids), "bytes_per_event": round(size / len(model.ids), 3)}
    else:
        return {}
    per_ngram = round(size / max(1, sum(counts)), 3)
    return {"order": len(counts), "ngrams": counts, "bytes_per_ngram": per_ngram, "stored": stored}
