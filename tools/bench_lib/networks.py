"""Networks: how fast they are trained, beside the usual example of PyTorch; what they bring to a mixture."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from bench_lib.mixtures import all_ppl
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
    """KN5 with networks and caches; weights found on the validation text."""
    train, dev, test = (arguments.data / arguments.corpus / f"{part}.txt.gz" for part in ("train", "valid", "test"))
    kn5 = arguments.work / f"{arguments.corpus}_kn5.lmx"
    if not kn5.exists():
        measured([*LMMIX, "ngram", str(train), "--order", "5", "-o", str(kn5)])
    networks = [str(path) for path in arguments.network]
    caches = ["--cache", "60", "--cache", "500", "--cache", "inf"]
    print(f"| {arguments.corpus} | weights | valid | test |\n| --- | --- | ---: | ---: |")
    for name in [str(kn5), *networks]:
        print(f"| {Path(name).stem} | | {all_ppl(name, dev)} | {all_ppl(name, test)} |", flush=True)
    rows = {"KN5, cache": [str(kn5), "--cache"]}
    for name in networks:
        rows[f"KN5, {Path(name).stem}"] = [str(kn5), name]
        rows[f"KN5, {Path(name).stem}, cache"] = [str(kn5), name, "--cache"]
    rows["KN5, all networks, three caches"] = [str(kn5), *networks, *caches]
    for name, members in rows.items():
        for method in ("em", "context"):
            mix = arguments.work / "mix.json"
            measured([*LMMIX, "mix", *members, "--dev", str(dev), "--method", method, "-o", str(mix)])
            print(f"| {name} | {method} | {all_ppl(str(mix), dev)} | {all_ppl(str(mix), test)} |", flush=True)
