"""Rescoring of n-best lists of recognisers and translators: error rates, BLEU, and speed."""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_lib.mixtures import write_texts, write_wikitext
from bench_lib.timing import in_turns

if TYPE_CHECKING:
    from lmmix.lm import LanguageModel
    from lmmix.nbest.tuning.problem import TuningProblem
    from lmmix.nbest.utterance import Utterance

STEPS = ("lower", "nopunct")
"""How texts of recognisers are compared, and read by models."""

FOLDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench rescoring`."""
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("data", type=Path, help="the data folder")
    parser.add_argument("--novels", type=Path, help="the normalised novels, for commonvoice and speed")
    parser.add_argument("--network", type=Path, help="a network of Common Voice's training text, for commonvoice")
    parser.add_argument("--epochs", type=int, default=12, help="of the networks of atis")


def bench(arguments: argparse.Namespace) -> None:
    """One part, as Markdown."""
    PARTS[arguments.part](arguments)


def _lists(path: Path) -> list[Utterance]:
    from lmmix.nbest.formats.registry import read_nbest

    return list(read_nbest(path))


def _texts(utterances: list[Utterance]) -> list[str]:
    return _rewritten(ref for one in utterances for ref in one.refs)


def _rewritten(texts: Iterable[str]) -> list[str]:
    from lmmix.metrics.normalise import Normaliser

    return list(map(Normaliser(STEPS), texts))


def _atis(arguments: argparse.Namespace) -> None:
    """Models of the first 3,000 references, weights by cross-fitting on them, measured on the last 964.

    `ilm` stands for the recogniser's own language model: a 3-gram model of what it put first. `general` is one of
    other texts. Both get negative weights.
    """
    utterances = _lists(arguments.data / "nbest" / "atis_train.5best.json.gz")
    train, test = utterances[:3000], utterances[3000:]
    texts, firsts = _texts(train), _rewritten(one.texts[0] for one in train)
    folded = [_atis_models(_others(texts, k), arguments) for k in range(FOLDS)]
    final = _atis_models(texts, arguments)
    weights = [_weights_of(models, texts[k::FOLDS]) for k, models in enumerate(folded)]
    mean = [sum(column) / FOLDS for column in zip(*weights)]
    print(f"weights of 4-gram and LSTM in the mixture: {mean[0]:.3f} {mean[1]:.3f}\n")
    ilm = [_trigram(_others(firsts, k)) for k in range(FOLDS)], _trigram(firsts)
    general = _general(arguments.data)
    language_models: dict[str, tuple[Any, Any]] = {
        "4-gram": ([models[0] for models in folded], final[0]),
        "LSTM": ([models[1] for models in folded], final[1]),
        "both mixed": (list(map(_mixed, folded, weights)), _mixed(final, mean)),
    }
    _print_header("tuned on 3,000, cross-validated", "measured on 964")
    for method in ("expected", "mert"):
        for name, pair in language_models.items():
            _tuned_and_measured(f"{name}, {method}", train, test, {"lm": pair}, method)
            others = {"lm": pair, "ilm": ilm, "general": (general, general)}
            _tuned_and_measured(f"{name}, ilm, general, {method}", train, test, others, method)


def _others(texts: list[str], fold: int) -> list[str]:
    return [text for u, text in enumerate(texts) if u % FOLDS != fold]


def _trigram(texts: list[str]) -> LanguageModel:
    from lmmix.corpus import corpus_from_lines
    from lmmix.ngram.estimate import train_ngram

    return train_ngram(corpus_from_lines(texts), 3)


def _general(data: Path) -> LanguageModel:
    """A 4-gram model of WikiText-2."""
    from lmmix.corpus import read_corpus
    from lmmix.ngram.estimate import train_ngram

    with tempfile.TemporaryDirectory() as name:
        text = Path(name) / "wikitext.txt"
        write_wikitext(data, text)
        return train_ngram(read_corpus(text), 4)


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
    print(f"| models, tuning | {tuned} | {measured} | first-best | p | weights |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")


def _tuned_and_measured(
    label: str,
    train: list[Utterance],
    test: list[Utterance],
    models: dict[str, tuple[Any, Any]],
    method: str,
    counts: Sequence[str] = ("words",),
) -> None:
    """One row; each model, or one a fold, is for tuning, and one for measuring."""
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.rescore import rescore
    from lmmix.nbest.tuning.tune import TuneSettings

    settings = TuneSettings(method=method, folds=FOLDS)
    how: dict[str, Any] = {"normalise": STEPS}
    for_tuning, for_measuring = ({name: pair[i] for name, pair in models.items()} for i in range(2))
    _, tuned = rescore(NbestLists(train), for_tuning, tune=settings, counts=counts, lm_normalise=STEPS, **how)
    _, report = rescore(NbestLists(test), for_measuring, weights=tuned.weights, **how)
    crossed = tuned.value("wer", "first") + tuned.cross_validated().value
    first, wer, p = report.value("wer", "first"), report.value("wer"), report.scores["wer"].difference.p
    weights = " ".join(f"{name} {value:.3g}" for name, value in tuned.weights.values.items())
    row = f"{label} | {100 * crossed:.2f} | {100 * wer:.2f} | {100 * first:.2f} | {p:.4f} | {weights}"
    print(f"| {row} |", flush=True)


def _commonvoice(arguments: argparse.Namespace) -> None:
    """Weights found on the first 1,000 lists, measured on the last 1,000."""
    from lmmix import load
    from lmmix.corpus import read_corpus
    from lmmix.mixing import fit_mixture
    from lmmix.ngram.estimate import train_ngram

    utterances = _lists(arguments.data / "nbest" / "commonvoice.5best.json.gz")
    with tempfile.TemporaryDirectory() as name:
        texts = write_texts(arguments.data, arguments.novels, Path(name), every=1)
        models = [train_ngram(read_corpus(text), order) for text, order in zip(texts.values(), (4, 4, 5))]
    valid = read_corpus(arguments.data / "commonvoice" / "valid.txt.gz")
    mixtures = {"n-grams": fit_mixture(models, valid, spread="uniform")}
    if arguments.network:
        mixtures["n-grams and network"] = fit_mixture([*models, load(arguments.network)], valid, spread="uniform")
    for label, fit in mixtures.items():
        weights = " ".join(f"{weight:.3f}" for weight in fit.facts["weights"])
        print(f"{label}: perplexity {fit.ppl:.1f} on validation text, weights {weights}\n")
    _print_header("tuned on the first 1,000, cross-validated", "measured on the last 1,000")
    halves = utterances[:1000], utterances[1000:]
    for label, fit in mixtures.items():
        for counts in (("words", "rank"), ("words", "rank", "chars")):
            for method in ("expected", "mert"):
                row = f"{label}, {' '.join(counts)}, {method}"
                _tuned_and_measured(row, *halves, {"lm": (fit.mixture, fit.mixture)}, method, counts)


def _europarl(arguments: argparse.Namespace) -> None:
    """Exact search of weights for BLEU against grids over two and three features; all methods with all features."""
    import numpy as np

    from lmmix.metrics.metric import make_metric
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.references import with_references
    from lmmix.nbest.tuning.problem import tuning_problem
    from lmmix.nbest.tuning.tune import METHODS, TuneSettings, tune_weights

    folder = arguments.data / "nbest"
    utterances = with_references(
        _lists(folder / "europarl.100best.moses.gz"), [folder / "europarl.100best.ref.gz"], by_line=True
    )
    lists, metric = NbestLists(list(utterances)), make_metric("bleu")
    print("| features | exact search | seconds | grid | points |\n| --- | ---: | ---: | ---: | ---: |")
    for names in (["lm.1", "tm.1"], ["lm.1", "w"], ["d.1", "lm.1"], ["lm.1", "tm.1", "w"], ["d.1", "lm.1", "w"]):
        problem = tuning_problem(lists, names, metric)
        started = time.perf_counter()
        found = tune_weights(problem, TuneSettings(metric="bleu", method="mert"))
        seconds = time.perf_counter() - started
        points = _directions(len(names)) / problem.spread
        grid = max(-problem.loss(point) for point in points)
        print(f"| {', '.join(names)} | {-found.loss:.4f} | {seconds:.2f} | {grid:.4f} | {len(points)} |", flush=True)
    problem = tuning_problem(lists, list(lists.features), metric)
    print("\n| method, all features | tuned | five folds | seconds |\n| --- | ---: | ---: | ---: |")
    for method in METHODS:
        started = time.perf_counter()
        found = tune_weights(problem, TuneSettings(metric="bleu", method=method, folds=5))
        seconds = time.perf_counter() - started
        assert found.held_out is not None
        held_out = float(metric.value(found.held_out.sum(axis=0)))
        print(f"| {method} | {-found.loss:.2f} | {held_out:.2f} | {seconds:.2f} |", flush=True)
    first = metric.value(problem.statistics[lists.offsets[:-1]].sum(axis=0))
    print(f"\nfirst-best {float(first):.2f}; numpy {np.__version__}")


def _directions(size: int) -> Any:
    """(n, size) points all over a circle or a sphere, none of them on an axis."""
    import numpy as np

    if size == 2:
        angle = 2 * np.pi * (np.arange(4000) + 0.5) / 4000
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    k = np.arange(20_000) + 0.5
    height, turn = 1 - 2 * k / 20_000, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def _speed(arguments: argparse.Namespace) -> None:
    """Tuning of 10,000 and 100,000 hypotheses, and a million of ten words scored by an n-gram model."""
    from lmmix.corpus import read_corpus
    from lmmix.metrics.metric import make_metric
    from lmmix.nbest.features import add_lm_features
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.tuning.problem import tuning_problem
    from lmmix.nbest.tuning.tune import METHODS
    from lmmix.ngram.estimate import train_ngram

    with open(arguments.novels) as lines:
        words = lines.read(20_000_000).split()
    wer = make_metric("wer")
    for count in (10_000, 100_000):
        made = NbestLists(_made_lists(words, count // 100))
        problem = tuning_problem(made, list(made.features), wer)
        print(f"{count} hypotheses, {len(problem.names)} features, 20 restarts, WER\n")
        in_turns(3, {method: partial(_tuning_seconds, problem, method) for method in METHODS})
    model = train_ngram(read_corpus(arguments.novels), 5)
    million = NbestLists(_made_lists(words, 10_000))
    add_lm_features(NbestLists(million.utterances[:10]), million.texts[:1000], model, "lm")
    print("a million hypotheses of ten words, 5-gram model of the novels\n")

    in_turns(3, {"scoring": partial(_scoring_seconds, million.utterances, model)})


def _tuning_seconds(problem: TuningProblem, method: str) -> tuple[float, float]:
    from lmmix.nbest.tuning.tune import TuneSettings, tune_weights

    started = time.perf_counter()
    tune_weights(problem, TuneSettings(method=method))
    return time.perf_counter() - started, _peak()


def _scoring_seconds(utterances: list[Utterance], model: LanguageModel) -> tuple[float, float]:
    from lmmix.nbest.features import add_lm_features
    from lmmix.nbest.lists import NbestLists

    lists = NbestLists(utterances)
    started = time.perf_counter()
    add_lm_features(lists, lists.texts, model, "lm")
    return time.perf_counter() - started, _peak()


def _peak() -> float:
    """The most memory that this process had so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _made_lists(words: list[str], utterances: int) -> list[Utterance]:
    """Lists of 100: ten words of a text, of which up to four are others; four noisy scores that know how many."""
    from lmmix.nbest.utterance import Utterance

    rng, made = random.Random(1), []
    for u in range(utterances):
        begin = rng.randrange(len(words) - 10)
        right = words[begin : begin + 10]
        texts, wrong = [], []
        for _ in range(100):
            changed = [rng.choice(words) if rng.random() < 0.15 else word for word in right]
            texts.append(" ".join(changed))
            wrong.append(sum(map(str.__ne__, changed, right)))
        scores = {f"s{k}": [-w + rng.gauss(0, 2 + k) for w in wrong] for k in range(4)}
        made.append(Utterance(str(u), texts, scores, (" ".join(right),)))
    return made


PARTS = {"atis": _atis, "commonvoice": _commonvoice, "europarl": _europarl, "speed": _speed}
