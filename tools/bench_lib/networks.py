"""Networks: how fast they are trained, beside the usual example of PyTorch; what they bring to a mixture."""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path

from bench_lib.timing import LMMIX, measured

SPEED = [
    "--size",
    "tiny",
    "--context",
    "document",
    "--set",
    "embedding=200",
    "--set",
    "hidden=200",
    "--set",
    "layers=2",
]
SPEED += ["--set", "max_length=35", "--set", "batch_tokens=1050", "--epochs", "1"]
"""The example's network, with lmmix's way of training."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench networks`."""
    parser.add_argument("part", choices=("speed", "mixtures"))
    parser.add_argument("data", type=Path, help="the folder with ptb/ and wikitext-2/")
    parser.add_argument("--work", type=Path, required=True, help="folder for models, kept")
    parser.add_argument("--runs", type=int, default=3, help="speed: runs of lmmix, and of some steps of the example")
    parser.add_argument("--steps", type=int, default=100, help="speed: steps of the example in a run")
    parser.add_argument("--corpus", default="ptb", choices=("ptb", "wikitext-2"), help="mixtures: the text")
    parser.add_argument("--network", type=Path, action="append", default=[], help="mixtures: a trained network")


def bench(arguments: argparse.Namespace) -> None:
    """One of the tables."""
    arguments.work.mkdir(exist_ok=True)
    if arguments.part == "speed":
        _speed(arguments)
    else:
        _mixtures(arguments)


def _speed(arguments: argparse.Namespace) -> None:
    """One epoch of WikiText-2 with LSTMs of 2 × 200 units, in turns."""
    from bench_lib.word_language_model import one_epoch
    from lmmix.corpus import read_corpus

    train, valid = (arguments.data / "wikitext-2" / f"{part}.txt.gz" for part in ("train", "valid"))
    corpus = read_corpus(train)
    held_out = read_corpus(valid, corpus.vocab)
    command = [*LMMIX, "neural", str(train), "-o", str(arguments.work / "speed"), "--valid", str(valid), *SPEED]

    def ours(*more: str) -> dict[str, float]:
        log = arguments.work / "speed.jsonl"
        measured([*command, *more, "--threads", "2", "--log", str(log)])
        return json.loads(log.read_text())

    speeds, theirs = [], []
    for _ in range(arguments.runs):
        theirs.append(one_epoch(corpus.ids, held_out.ids, len(corpus.vocab), arguments.steps)["tokens_per_second"])
        speeds.append(ours("--max-minutes", "0.5")["tokens_per_second"])
    print("LSTM 2 × 200, WikiText-2; tokens/s of part of an epoch, in turns:\n")
    print("| | median | all |\n| --- | ---: | --- |")
    for name, values in (("example", theirs), ("lmmix", speeds)):
        print(f"| {name} | {statistics.median(values):.0f} | {', '.join(f'{x:.0f}' for x in values)} |")
    print(f"\nRatio of medians: {statistics.median(speeds) / statistics.median(theirs):.2f}", flush=True)
    whole = {"lmmix": ours(), "example": one_epoch(corpus.ids, held_out.ids, len(corpus.vocab))}
    print("\n| a whole epoch | tokens/s | valid perplexity |\n| --- | ---: | ---: |")
    for name, found in whole.items():
        print(f"| {name} | {found['tokens_per_second']:.0f} | {found['valid_ppl']:.1f} |")


def _mixtures(arguments: argparse.Namespace) -> None:
    """KN5 with networks and caches; weights by EM on the validation text. Every model scores each text once."""
    import numpy as np

    from lmmix.adaptive.cache import CacheModel
    from lmmix.corpus import read_corpus
    from lmmix.lm import load
    from lmmix.mix.em import fit_em

    train, dev, test = (arguments.data / arguments.corpus / f"{part}.txt.gz" for part in ("train", "valid", "test"))
    kn5 = arguments.work / f"{arguments.corpus}_kn5.lmx"
    if not kn5.exists():
        measured([*LMMIX, "ngram", str(train), "--order", "5", "-o", str(kn5)])
    models = {"KN5": load(kn5), **{path.name: load(path) for path in arguments.network}}
    vocab = models["KN5"].vocab
    models["cache"] = CacheModel(vocab)
    models |= {f"cache {half_life}": CacheModel(vocab, half_life=half_life) for half_life in (60, 500, math.inf)}
    texts = [read_corpus(path, vocab) for path in (dev, test)]
    logp = {name: [model.score(text) for text in texts] for name, model in models.items()}
    networks, caches = [path.name for path in arguments.network], [name for name in models if name[:6] == "cache "]
    rows = [["KN5"], *([name] for name in networks), ["KN5", "cache"], ["KN5", *caches]]
    rows += [["KN5", name, *more] for name in networks for more in ([], ["cache"], caches)]
    rows += [["KN5", *networks, *caches]] if len(networks) > 1 else []
    print(f"| {arguments.corpus} | weights | valid | test |\n| --- | --- | ---: | ---: |")
    for row in rows:
        valid, held_out = (np.stack([logp[name][part] for name in row], axis=1) for part in (0, 1))
        weights = fit_em(valid).weights
        ppl = [math.exp(-np.logaddexp.reduce(matrix + np.log(weights), axis=1).mean()) for matrix in (valid, held_out)]
        shown = ", ".join(f"{weight:.3f}" for weight in weights)
        print(f"| {', '.join(row)} | {shown} | {ppl[0]:.2f} | {ppl[1]:.2f} |", flush=True)
