"""The n-gram engine beside KenLM: training, training under a memory bound, querying, size of files."""

from __future__ import annotations

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench_lib.rivals import RIVALS
from bench_lib.timing import LMMIX, in_turns, measured

QUERY_WORDS = 5_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench ngram`."""
    parser.add_argument("text", type=Path)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kenlm", type=Path, default=RIVALS / "bin", help="folder of lmplz, build_binary and query")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="measure this part; default: all")
    parser.add_argument("--work", type=Path, help="folder for models, kept; default: a temporary one")


class Bench:
    """What the parts share: the text, KenLM's programs, and models by name, which are made once."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.text, self.runs, self.folder = arguments.text, arguments.runs, folder
        self.order = ["--order", str(arguments.order)]
        self.kenlm = arguments.kenlm
        self.lmplz = [str(self.kenlm / "lmplz"), "-o", str(arguments.order), "-T", str(folder), "--discount_fallback"]

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def train_lmmix(self, name: str, *options: str) -> tuple[float, float]:
        return measured([*LMMIX, "ngram", str(self.text), "-o", self.path(name), *self.order, *options])

    def train_kenlm(self, name: str, *options: str) -> tuple[float, float]:
        return measured([*self.lmplz, *options], stdin=self.text, stdout=self.folder / name)

    def build_binary(self, kind: str, arpa: str, binary: str, *options: str) -> tuple[float, float]:
        program = [str(self.kenlm / "build_binary"), "-T", str(self.folder)]
        return measured([*program, *options, kind, self.path(arpa), self.path(binary)])

    def needs(self, name: str, make: Callable[[], object]) -> str:
        """The path of a file that is made if it is not there."""
        if not (self.folder / name).exists():
            make()
        return self.path(name)


def bench(arguments: argparse.Namespace) -> None:
    """Measure all parts or those of --only; the text is read before, so that it lies in the page cache for all."""
    arguments.text.read_bytes()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(exist_ok=True)
        shared = Bench(arguments, folder)
        for name in arguments.only or PARTS:
            print(f"### {name}\n", flush=True)
            PARTS[name](shared)


def _training(shared: Bench) -> None:
    seconds = in_turns(
        shared.runs,
        {
            "lmplz, text to ARPA": lambda: shared.train_kenlm("kenlm.arpa"),
            "lmmix, text to ARPA": lambda: shared.train_lmmix("lmmix.arpa"),
            "build_binary probing, ARPA to binary": lambda: shared.build_binary("probing", "kenlm.arpa", "kenlm.bin"),
            "lmmix, text to .lmx": lambda: shared.train_lmmix("lmmix.lmx"),
        },
    )
    lmplz, arpa, build_binary, lmx = seconds.values()
    print(f"text to ARPA {lmplz / arpa:.2f} times, text to binary {(lmplz + build_binary) / lmx:.2f} times as fast\n")


def _memory(shared: Bench) -> None:
    plain = shared.needs("lmmix.arpa", lambda: shared.train_lmmix("lmmix.arpa"))
    in_turns(
        shared.runs,
        {
            "lmplz -S 1G": lambda: shared.train_kenlm("kenlm1g.arpa", "-S", "1G"),
            "lmmix --memory 1G": lambda: shared.train_lmmix("lmmix1g.arpa", "--memory", "1G", "--tmp", shared.path("")),
        },
    )
    same = filecmp.cmp(plain, shared.path("lmmix1g.arpa"), shallow=False)
    print(f"the model is {'the same, byte for byte' if same else 'ANOTHER ONE'}\n")


def _querying(shared: Bench) -> None:
    arpa = shared.needs("lmmix.arpa", lambda: shared.train_lmmix("lmmix.arpa"))
    binary = shared.needs("lmmix.bin", lambda: shared.build_binary("probing", "lmmix.arpa", "lmmix.bin"))
    lmx = shared.needs("lmmix.lmx", lambda: measured([*LMMIX, "convert", arpa, shared.path("lmmix.lmx")]))
    text = Path(shared.needs("query.txt", lambda: _first_words(shared.text, shared.folder / "query.txt")))
    with open(text, encoding="utf-8") as lines:
        events = sum(len(line.split()) + 1 for line in lines)
    query = [str(shared.kenlm / "query"), "-v", "summary", binary]
    ppl = [*LMMIX, "ppl", lmx, str(text)]
    jobs = {
        "query -v summary, probing, 1 thread": lambda: measured(query, stdin=text),
        "lmmix ppl, 2 threads": lambda: measured([*ppl, "--threads", "2"]),
        "lmmix ppl, 1 thread": lambda: measured([*ppl, "--threads", "1"]),
        "lmmix, text read and scored in Python, 2 threads": lambda: _in_python(lmx, text, 2),
        "lmmix, text read and scored in Python, 1 thread": lambda: _in_python(lmx, text, 1),
    }
    for name, seconds in in_turns(2 * shared.runs - 1, jobs).items():
        print(f"{name}: {events / seconds / 1e6:.2f} M events/s")
    print()
    subprocess.run([sys.executable, str(Path(__file__).with_name("sentences.py")), lmx, binary, str(text)], check=True)


def _first_words(source: Path, target: Path) -> None:
    words = 0
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        for line in lines:
            words += len(line.split())
            out.write(line)
            if words >= QUERY_WORDS:
                return


def _in_python(model: str, text: Path, threads: int) -> tuple[float, float]:
    """Seconds to read and score a text, without the start of Python and the loading of the model."""
    code = (
        "import json, resource, sys, time, lmmix, lmmix.corpus\n"
        "model = lmmix.load(sys.argv[1])\n"
        "model.score(lmmix.corpus.corpus_from_lines(['a'], model.vocab), 1)\n"
        "started = time.perf_counter()\n"
        "model.score(lmmix.read_corpus(sys.argv[2], model.vocab, threads=int(sys.argv[3])), int(sys.argv[3]))\n"
        "seconds = time.perf_counter() - started\n"
        "print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))"
    )
    command = [sys.executable, "-c", code, model, str(text), str(threads)]
    seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return seconds, peak


def _sizes(shared: Bench) -> None:
    arpa = shared.needs("lmmix.arpa", lambda: shared.train_lmmix("lmmix.arpa"))
    lmx = shared.needs("lmmix.lmx", lambda: shared.train_lmmix("lmmix.lmx"))
    text = shared.needs("query.txt", lambda: _first_words(shared.text, shared.folder / "query.txt"))
    with open(arpa, "rb") as lines:
        header = (line for _, line in zip(range(20), lines))
        ngrams = sum(int(line.split(b"=")[1]) for line in header if line.startswith(b"ngram "))
    quantise = ("-q", "8", "-b", "8", "-a", "22")
    files = {
        "KenLM probing": shared.needs("lmmix.bin", lambda: shared.build_binary("probing", "lmmix.arpa", "lmmix.bin")),
        "KenLM trie": shared.needs("lmmix.trie", lambda: shared.build_binary("trie", "lmmix.arpa", "lmmix.trie")),
        "KenLM trie -q 8 -b 8 -a 22": shared.needs(
            "lmmix.qtrie", lambda: shared.build_binary("trie", "lmmix.arpa", "lmmix.qtrie", *quantise)
        ),
        "lmmix .lmx": lmx,
    }
    for name, option in (("float32", ["--float32"]), ("q8", ["--quantize", "8"])):
        target = shared.path(f"{name}.lmx")
        files[f"lmmix .lmx {' '.join(option)}"] = shared.needs(
            f"{name}.lmx", lambda target=target, option=option: measured([*LMMIX, "convert", lmx, target, *option])
        )
    print("| | bytes an n-gram | perplexity |\n| --- | ---: | ---: |")
    for name, path in files.items():
        print(f"| {name} | {Path(path).stat().st_size / ngrams:.2f} | {_perplexity(path, text):.4f} |", flush=True)
    print()


def _perplexity(model: str, text: str) -> float:
    command = [*LMMIX, "ppl", model, text, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["ppl"]


PARTS = {"training": _training, "memory": _memory, "querying": _querying, "sizes": _sizes}
