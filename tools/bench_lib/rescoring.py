"""Rescoring of n-best lists of recognisers and translators: error rates, BLEU, and speed."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_lib.timing import in_turns

if TYPE_CHECKING:
    from lmmix.lm import LanguageModel
    from lmmix.nbest.report import RescoreReport
    from lmmix.nbest.utterance import Utterance
    from lmmix.vocab import Vocab

STEPS = ("lower", "nopunct")
"""How texts of recognisers are compared, and read by models."""

FOLDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench rescoring`."""
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("data", type=Path, help="the data folder")
    parser.add_argument("--novels", type=Path, help="the normalised novels, for commonvoice and speed")
    parser.add_argument("--epochs", type=int, default=12, help="of the networks of atis")


def bench(arguments: argparse.Namespace) -> None:
    """One part, as Markdown."""
    PARTS[arguments.part](arguments)


def _lists(path: Path) -> list[Utterance]:
    from lmmix.nbest.formats.registry import read_nbest

    return list(read_nbest(path))


def _texts(utterances: list[Utterance]) -> list[str]:
    from lmmix.metrics.normalise import Normaliser

    return list(map(Normaliser(STEPS), (ref for one in utterances for ref in one.refs)))


def _atis(arguments: argparse.Namespace) -> None:
    """Models of the first 3,000 references, weights by cross-fitting on them, measured on the last 964."""
    utterances = _lists(arguments.data / "nbest" / "atis_train.5best.json.gz")
    train, test = utterances[:3000], utterances[3000:]
    texts = _texts(train)
    folded = [_atis_models([t for u, t in enumerate(texts) if u % FOLDS != k], arguments) for k in range(FOLDS)]
    final = _atis_models(texts, arguments)
    weights = [_weights_of(models, texts[k::FOLDS]) for k, models in enumerate(folded)]
    mean = [sum(column) / FOLDS for column in zip(*weights)]
    print(f"weights of 4-gram and LSTM in the mixture: {mean[0]:.3f} {mean[1]:.3f}\n")
    _print_header("tuned on 3,000, cross-validated", "measured on 964")
    for method in ("expected", "mert"):
        for name, pick in (
            ("4-gram", lambda models, _: models[0]),
            ("LSTM", lambda models, _: models[1]),
            ("mixture", _mixed),
        ):
            each = [pick(models, own) for models, own in zip(folded, weights)]
            _tuned_and_measured(f"{name}, {method}", train, test, {"lm": each}, {"lm": pick(final, mean)}, method, FOLDS)


def _atis_models(texts: list[str], arguments: argparse.Namespace) -> list[LanguageModel]:
    """A 4-gram model of all texts and an LSTM, which stops by the last 5 % of them, over the same words."""
    from lmmix.corpus import corpus_from_lines
    from lmmix.neural.training.train import train_neural
    from lmmix.ngram.estimate import train_ngram

    corpus = corpus_from_lines(texts)
    cut = len(texts) * 95 // 100
    parts = [corpus_from_lines(part, corpus.vocab) for part in (texts[:cut], texts[cut:])]
    network = train_neural(*parts, size="tiny", epochs=arguments.epochs, seed=1, threads=1)
    return [train_ngram(corpus, 4), network]


def _weights_of(models: list[LanguageModel], held_out: list[str]) -> list[float]:
    from lmmix.corpus import corpus_from_lines
    from lmmix.mixing import fit_mixture

    return list(fit_mixture(models, corpus_from_lines(held_out, models[0].vocab)).facts["weights"])


def _mixed(models: list[LanguageModel], weights: list[float]) -> LanguageModel:
    from lmmix.mix.linear import LinearMixture

    return LinearMixture(models, weights)


def _print_header(tuned: str, measured: str) -> None:
    print(f"| models, tuning | {tuned} | {measured} | first-best | p | weights |\n| --- | --- | --- | --- | --- | --- |")


def _tuned_and_measured(
    label: str,
    train: list[Utterance],
    test: list[Utterance],
    train_models: dict[str, Any],
    test_models: dict[str, Any],
    method: str,
    folds: int,
) -> None:
    """One row."""
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.rescore import rescore
    from lmmix.nbest.tuning.tune import TuneSettings

    settings = TuneSettings(method=method, folds=folds)
    how = {"normalise": STEPS}
    _, tuned = rescore(NbestLists(train), train_models, tune=settings, lm_normalise=STEPS, **how)
    _, report = rescore(NbestLists(test), test_models, weights=tuned.weights, **how)
    crossed = tuned.value("wer", "first") + tuned.cross_validated().value
    first, wer, p = report.value("wer", "first"), report.value("wer"), report.scores["wer"].difference.p
    weights = " ".join(f"{name} {value:.3g}" for name, value in tuned.weights.values.items())
    print(f"| {label} | {100 * crossed:.2f} | {100 * wer:.2f} | {100 * first:.2f} | {p:.3f} | {weights} |", flush=True)
