"""Static weights: fit_em on the matrix of eight models and ten million events, beside IRSTLM on the same models.

IRSTLM stops when no step changes the weights by more than 0.01 in all; lmmix when no weights can be better by more than
1e-6 nats per event. MITLM is no Debian or Python package and is not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench_lib.timing import LMMIX, in_turns, measured

MODELS = 8
IRSTLM = "irstlm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench weights`."""
    parser.add_argument("text", type=Path)
    parser.add_argument("--order", type=int, default=2)
    parser.add_argument("--words", type=int, default=1_000_000, help="training words of a model")
    parser.add_argument("--events", type=int, default=10_000_000, help="events to find weights on")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for texts and models, kept; default: a temporary one")


def bench(arguments: argparse.Namespace) -> None:
    """Whole processes in turns, then the search for weights alone."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(exist_ok=True)
        models = _prepare(arguments, folder)
        tune, theirs = folder / "tune.txt", folder / "tune.irstlm.txt"
        listed = folder / "models.list"
        listed.write_text(f"LMINTERPOLATION {MODELS}\n" + "".join(f"{1 / MODELS} {model}\n" for model in models))
        learn = [IRSTLM, "interpolate-lm", str(listed), str(folder / "irstlm.out"), f"--learn={theirs}"]
        mix = [*LMMIX, "mix", *map(str, models), "--dev", str(tune), "-o", str(folder / "mix.json")]
        jobs = {
            "irstlm interpolate-lm --learn, whole process": lambda: measured(learn),
            "lmmix mix, whole process": lambda: measured(mix),
        }
        in_turns(arguments.runs, jobs)
        tuning, steps = _tuning_seconds(learn)
        print(f"IRSTLM's tuning, from the moment that the models are loaded: {tuning:.2f} s, {steps} steps of EM\n")
        _alone(models, tune, arguments.runs, tuning, _irstlm_weights(folder / "irstlm.out"))


def _prepare(arguments: argparse.Namespace, folder: Path) -> list[Path]:
    """Cut the text into as many stretches as models: each trains one, and what follows it is for tuning."""
    models = [folder / f"{k}.arpa" for k in range(MODELS)]
    if all(model.exists() for model in models):
        return models
    with open(arguments.text, encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    with open(folder / "tune.txt", "w") as tune, open(folder / "tune.irstlm.txt", "w") as theirs:
        for k in range(MODELS):
            rest = iter(lines[k * len(lines) // MODELS : (k + 1) * len(lines) // MODELS])
            with open(folder / f"{k}.txt", "w") as train:
                train.writelines(f"{line}\n" for line in _first(rest, arguments.words))
            for line in _first(rest, arguments.events // MODELS, more=1):
                tune.write(f"{line}\n")
                theirs.write(f"<s> {line} </s>\n")
    texts = [str(folder / f"{k}.txt") for k in range(MODELS)]
    measured([*LMMIX, "vocab", *texts, "-o", str(folder / "words.txt")])
    for text, model in zip(texts, models):
        options = ["--order", str(arguments.order), "--vocab", str(folder / "words.txt")]
        measured([*LMMIX, "ngram", text, "-o", str(model), *options])
    return models


def _first(lines: Iterator[str], words: int, more: int = 0) -> Iterator[str]:
    """Lines that hold so many words together; `more` are counted a line."""
    for line in lines:
        yield line
        words -= len(line.split()) + more
        if words <= 0:
            return


def _tuning_seconds(command: list[str]) -> tuple[float, int]:
    """(seconds from IRSTLM's "loaded" to its end, steps): it says so on standard error or output, line by line."""
    process = subprocess.Popen(
        ["stdbuf", "-oL", "-eL", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    loaded, steps, end = time.perf_counter(), 0, 0.0
    for line in process.stdout:
        now = time.perf_counter()
        if line.startswith("loaded"):
            loaded = now
        if line.startswith("Variation"):
            steps, end = steps + 1, now
    process.wait()
    return end - loaded, steps


def _irstlm_weights(path: Path) -> list[float]:
    return [float(weight) for weight in re.findall(r"^(\S+) \S+\.arpa$", path.read_text(), re.MULTILINE)]


def _alone(models: list[Path], tune: Path, runs: int, rival: float, rival_weights: list[float]) -> None:
    """fit_em on the matrix, with scoring beside it, in a process of its own."""
    command = [sys.executable, __file__, *map(str, models), str(tune), str(runs)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found = json.loads(done.stdout)
    print("| | seconds, all runs | median | passes | gap | against IRSTLM's tuning |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, row in found["fits"].items():
        times, median = ", ".join(f"{t:.2f}" for t in row["times"]), statistics.median(row["times"])
        gap = f"{row['gap']:.1e}"
        print(f"| {name} | {times} | {median:.2f} | {row['passes']} | {gap} | {rival / median:.1f} |")
    print(f"\nevents: {found['events']}; scoring them with all models: {found['scoring']:.2f} s")
    print("weights of lmmix: ", " ".join(f"{weight:.4f}" for weight in found["weights"]))
    print("weights of IRSTLM:", " ".join(f"{weight:.4f}" for weight in rival_weights))


def _measure(models: list[str], tune: str, runs: int) -> None:
    import lmmix
    from lmmix.mix.em import fit_em
    from lmmix.mix.mixture import score_all
    from lmmix.mix.newton import fit_newton

    members = [lmmix.load(model) for model in models]
    corpus = lmmix.read_corpus(tune, members[0].vocab)
    started = time.perf_counter()
    logp = score_all(members, corpus)
    scoring = time.perf_counter() - started
    fits, weights = {}, []
    for name, fit in (("fit_em", fit_em), ("fit_newton", fit_newton)):
        fit(logp[:1000])
        times = []
        for _ in range(runs):
            started = time.perf_counter()
            result = fit(logp)
            times.append(time.perf_counter() - started)
        fits[name] = {"times": times, "passes": result.iterations, "gap": result.gap}
        weights.append(result.weights.tolist())
    print(json.dumps({"fits": fits, "weights": weights[0], "scoring": scoring, "events": len(logp)}))


if __name__ == "__main__":
    _measure(sys.argv[1:-2], sys.argv[-2], int(sys.argv[-1]))
