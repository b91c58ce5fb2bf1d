"""Networks that score n-best lists: what hypotheses share read once, against batches of whole hypotheses."""

from __future__ import annotations

import argparse
import gzip
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench_lib.timing import in_turns

if TYPE_CHECKING:
    from lmmix.corpus import Corpus
    from lmmix.neural.model import NeuralModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench prefixes`."""
    parser.add_argument("lists", type=Path, help="n-best lists of Moses: id ||| text ||| ..., .gz")
    parser.add_argument("text", type=Path, help="the text whose words are the vocabulary")
    parser.add_argument("--arch", default="lstm,gru", help="names of architectures, parted by commas")
    parser.add_argument("--size", default="small")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=int, default=3)


def bench(arguments: argparse.Namespace) -> None:
    """A table for each architecture; the weights are random, which time does not depend on."""
    import torch

    from lmmix.corpus import corpus_from_lines, read_corpus
    from lmmix.neural.model import NeuralModel
    from lmmix.neural.networks.network import make_network
    from lmmix.neural.prefixes import SharedPrefixes
    from lmmix.neural.settings import make_settings

    with gzip.open(arguments.lists, "rt") as lines:
        texts = [line.split("|||")[1].strip() for line in lines]
    corpus = corpus_from_lines(texts, read_corpus(arguments.text).vocab)
    shared = SharedPrefixes.of(corpus)
    different = sum(map(len, shared.groups))
    print(f"{corpus.n_sentences} hypotheses, {different} of them different, {len(corpus.ids)} events, ", end="")
    print(f"{shared.events} with different histories, {len(corpus.vocab)} words\n")
    for arch in arguments.arch.split(","):
        torch.manual_seed(0)
        settings, _ = make_settings(arch, arguments.size, {})
        network = make_network(arch, settings, len(corpus.vocab))
        network.initialise(torch.from_numpy(corpus.word_counts()))
        _in_turns(arch, NeuralModel(network, corpus.vocab), corpus, arguments)


def _in_turns(arch: str, model: NeuralModel, corpus: Corpus, arguments: argparse.Namespace) -> None:
    import numpy as np

    from lmmix.neural import scoring

    found = []

    def scored(pays: float) -> tuple[float, float]:
        scoring.SHARING_PAYS = pays
        started = time.perf_counter()
        found.append(model.score(corpus, arguments.threads))
        return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    jobs = {f"{arch}, whole hypotheses": lambda: scored(0.0), f"{arch}, shared prefixes once": lambda: scored(1.0)}
    in_turns(arguments.runs, jobs)
    print(f"greatest difference of ln p: {np.abs(found[-1] - found[-2]).max():.1e}\n", flush=True)
