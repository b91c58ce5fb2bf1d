"""Mixtures of three 3-grams for Common Voice in all ways, beside KenLM's; the Penn Treebank with caches and a network.

The components are WikiText-2's training text, one line in eight of the novels and Common Voice's training text, lower
case, without punctuation, a sentence a line, over one vocabulary of all their words. Mixtures are found on the
validation text; perplexities of the test text are without OOVs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
import subprocess
import tempfile
from pathlib import Path

from bench_lib.rivals import RIVALS
from bench_lib.texts import WORD
from bench_lib.timing import LMMIX, measured

COMPONENTS = ("wikitext", "novels", "commonvoice")
METHODS = (
    "em",
    "buckets",
    "bayes",
    "counts",
    "context",
    "nystroem",
    "network",
    "sentence",
    "loglinear",
    "online",
    "auto",
)
SENTENCE_END = re.compile(r" [.!?]+(?= |$)")
JOINED = re.compile(r" ('s|n't)\b")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench mixtures`."""
    parser.add_argument("data", type=Path, help="the folder with commonvoice/, wikitext-2/ and ptb/")
    parser.add_argument("novels", type=Path, help="the text of tools/bench novels")
    parser.add_argument("--kenlm", type=Path, default=RIVALS / "bin", help="folder of lmplz and interpolate")
    parser.add_argument("--lstm", type=Path, help="a network trained on the Penn Treebank (lmmix neural)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for texts and models, kept; default: a temporary one")


def bench(arguments: argparse.Namespace) -> None:
    """All tables."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(exist_ok=True)
        _common_voice(arguments, folder)
        _penn_treebank(arguments, folder)


def _common_voice(arguments: argparse.Namespace, folder: Path) -> None:
    texts = write_texts(arguments.data, arguments.novels, folder)
    dev, test = (arguments.data / "commonvoice" / f"{part}.txt.gz" for part in ("valid", "test"))
    words = folder / "words.txt"
    if not words.exists():
        measured([*LMMIX, "vocab", *map(str, texts.values()), "-o", str(words)])
        for name, text in texts.items():
            for verb, suffix in (("ngram", "lmx"), ("count", "lmc")):
                output = str(folder / f"{name}.{suffix}")
                measured([*LMMIX, verb, str(text), "--order", "3", "--vocab", str(words), "-o", output])
    models = [str(folder / f"{name}.lmx") for name in COMPONENTS]
    print("| | valid | test | test, all events | weights found in s | whole process s | peak GB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in models:
        print(f"| {Path(name).stem} alone | | {_ppl(name, test)} | | | |")
    counts = [option for name in COMPONENTS for option in ("--counts", str(folder / f"{name}.lmc"))]
    for method in METHODS:
        mix = folder / f"{method}.json"
        command = [*LMMIX, "mix", *models, "--dev", str(dev), "--method", method, "-o", str(mix)]
        _row(method, command + (counts if method == "counts" else []), mix, test, arguments.runs)
    interpolate = arguments.kenlm / "interpolate"
    if interpolate.exists():
        _kenlm(folder, texts, dev, test, interpolate)


def _row(name: str, command: list[str], mix: Path, test: Path, runs: int) -> None:
    """Measure `lmmix mix` and what it makes; medians of the runs."""
    times, fits, peaks = [], [], []
    for _ in range(runs + 1):
        seconds, peak = measured(command)
        times.append(seconds)
        peaks.append(peak)
        fits.append(json.loads(mix.read_text())["tuning"]["fit_seconds"])
    found = json.loads(mix.read_text())["tuning"]
    # The first run compiles, if kernels have changed.
    middle = 1 + runs // 2
    fit, whole = sorted(fits[1:])[middle - 1], sorted(times[1:])[middle - 1]
    print(f"| {name} | {found['ppl']:.2f} | {_ppl(str(mix), test)} | {fit:.2f} | {whole:.2f} | {max(peaks[1:]):.3f} |")


def _ppl(model: str, test: Path) -> str:
    """Perplexity without and with OOVs, as two cells."""
    done = subprocess.run([*LMMIX, "ppl", model, str(test), "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return f"{found['ppl_no_oov']:.2f} | {found['ppl']:.2f}"


def write_texts(data: Path, novels: Path, folder: Path, every: int = 8) -> dict[str, Path]:
    """The three training texts by name, of the novels one line in `every`; what is there already stays."""
    texts = {name: folder / f"{name}.txt" for name in COMPONENTS}
    if texts["commonvoice"].exists():
        return texts
    with open(novels) as lines, open(texts["novels"], "w") as out:
        out.writelines(line for number, line in enumerate(lines) if number % every == 0)
    write_wikitext(data, texts["wikitext"])
    with gzip.open(data / "commonvoice" / "train.txt.gz", "rt") as lines:
        texts["commonvoice"].write_text(lines.read())
    return texts


def write_wikitext(data: Path, target: Path) -> None:
    """WikiText-2's training text, lower case, without punctuation, a sentence a line."""
    with gzip.open(data / "wikitext-2" / "train.txt.gz", "rt") as lines, open(target, "w") as out:
        for line in lines:
            plain = JOINED.sub(r"\1", line.lower().replace("<unk>", " "))
            for sentence in SENTENCE_END.split(plain):
                if found := WORD.findall(sentence):
                    out.write(" ".join(found) + "\n")


def _kenlm(folder: Path, texts: dict[str, Path], dev: Path, test: Path, interpolate: Path) -> None:
    """KenLM's log-linear interpolation of models of the same texts, each with a vocabulary of its own."""
    bases = []
    for name, text in texts.items():
        base = folder / f"kenlm_{name}"
        options = ["-o", "3", "--intermediate", str(base), "-T", str(folder), "--skip_symbols"]
        measured([str(interpolate.parent / "lmplz"), *options], stdin=text)
        bases.append(str(base))
    with gzip.open(dev, "rt") as lines:
        (folder / "dev.txt").write_text(lines.read())
    arpa = folder / "kenlm.arpa"
    command = [str(interpolate), "-m", *bases, "-t", str(folder / "dev.txt"), "-T", str(folder)]
    seconds, peak = measured(command, stdout=arpa)
    print(f"| KenLM interpolate | | {_ppl(str(arpa), test)} | | {seconds:.2f} | {peak:.3f} |\n")


def _penn_treebank(arguments: argparse.Namespace, folder: Path) -> None:
    """A 5-gram model with caches, and with a network if there is one."""
    train, dev, test = (arguments.data / "ptb" / f"{part}.txt.gz" for part in ("train", "valid", "test"))
    kn5 = folder / "kn5.lmx"
    if not kn5.exists():
        measured([*LMMIX, "ngram", str(train), "--order", "5", "-o", str(kn5)])
    network = [str(arguments.lstm)] if arguments.lstm else []
    caches = ["--cache", "60", "--cache", "500", "--cache", "inf"]
    rows = {"KN5, cache": [str(kn5), "--cache"], "KN5, three caches": [str(kn5), *caches]}
    if network:
        rows["KN5, LSTM"] = [str(kn5), *network]
        rows["KN5, LSTM, cache"] = [str(kn5), *network, "--cache"]
        rows["KN5, LSTM, three caches"] = [str(kn5), *network, *caches]
    print("| Penn Treebank | method | valid | test |\n| --- | --- | ---: | ---: |")
    for name in [str(kn5), *network]:
        print(f"| {Path(name).stem} | | {_all_ppl(name, dev)} | {_all_ppl(name, test)} |")
    for name, members in rows.items():
        for method in ("em", "context"):
            mix = folder / "ptb.json"
            measured([*LMMIX, "mix", *members, "--dev", str(dev), "--method", method, "-o", str(mix)])
            print(f"| {name} | {method} | {_all_ppl(str(mix), dev)} | {_all_ppl(str(mix), test)} |", flush=True)


def _all_ppl(model: str, text: Path) -> str:
    done = subprocess.run([*LMMIX, "ppl", model, str(text), "--json"], capture_output=True, text=True, check=True)
    ppl = json.loads(done.stdout)["ppl"]
    return f"{ppl:.2f}" if ppl is not None else str(math.inf)
