"""Queries of models whose arrays hold anything: `damaged_trees.py FIRST STOP` prints each seed that it has done.

The checks of files are passed by, as by a large file. What the queries say does not matter; a crash or a hang does, so
this runs as a process of its own. With NUMBA_BOUNDSCHECK=1 an access outside an array is an error, too.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from functools import lru_cache

import numpy as np

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.lm import LanguageModel
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.packed import PackedModel
from lmmix.ngram.packing import pack
from lmmix.ngram.tree import NgramTree

LINES = ["the cat sat on the mat", "a cat and a dog", "the dog sat", "a", "on the mat the dog sat on a cat"]
NASTY = np.array([-(2**31), -2, -1, 0, 1, 2, 50, 2**20, 2**31 - 1])


def damaged(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The array with a few values, a stretch or all of it replaced, or with its values elsewhere; integers only."""
    if not len(array):
        return array
    array = array.copy()
    stretch = np.sort(rng.integers(0, len(array) + 1, 2))
    what = rng.integers(7)
    if what == 0:
        array[rng.integers(0, len(array), 5)] = rng.choice(NASTY, 5).astype(array.dtype)
    elif what == 1:
        array[slice(*stretch)] = 0
    elif what == 2:
        array[slice(*stretch)] = rng.integers(0, len(array), stretch[1] - stretch[0])
    elif what == 3:
        array = np.roll(array, rng.integers(-3, 4))
    elif what == 4:
        array[:] = np.arange(-1, len(array) - 1)
    elif what == 5:
        array = rng.permutation(array)
    else:
        array = np.frombuffer(rng.bytes(array.nbytes), array.dtype).copy()
    return array


@lru_cache(maxsize=1)
def corpus() -> Corpus:
    return corpus_from_lines(LINES)


@lru_cache(maxsize=16)
def sound(order: int, bits: int | None) -> tuple[BackoffModel, PackedModel]:
    """A model, exact and packed."""
    model = train_ngram(corpus(), order)
    return model, pack(model, bits)


def query(model: LanguageModel, rng: np.random.Generator) -> None:
    """Ask for everything that a model tells."""
    model.score(corpus())
    state = model.start(20)
    for _ in range(5):
        _, state = model.advance(state, rng.integers(2, len(model.vocab), 20).astype(np.int32))
        model.distribution(state)
    if isinstance(model, BackoffModel):
        for line in LINES:
            model.score_sentence(line)
            model.full_scores(line)
        other = sound(3, None)[0]
        joint = model.joint_with([model, other], [None, None])
        joint.of_corpus(corpus(), np.arange(len(corpus().ids))).sums(rng.normal(size=2))
        joint.of_states([state, other.start(20)]).sums(rng.normal(size=2))
    elif isinstance(model, PackedModel):
        model.unpacked()


def main(first: str, stop: str) -> None:
    for seed in range(int(first), int(stop)):
        rng = np.random.default_rng(seed)
        exact, packed = sound(int(rng.integers(1, 6)), (None, 8)[rng.integers(2)])
        tree, parts = exact.tree, packed.arrays
        arrays = {name: damaged(getattr(tree, name), rng) for name in ("word", "begin", "suffix") if rng.random() < 0.6}
        broken = NgramTree(
            **{"level": tree.level, "word": tree.word, "begin": tree.begin, "suffix": tree.suffix} | arrays
        )
        query(BackoffModel(broken, exact.logp, exact.backoff, exact.vocab, "damaged"), rng)
        arrays = {name: damaged(getattr(parts, name), rng) for name in ("bits", "index") if rng.random() < 0.7}
        query(PackedModel(replace(parts, **arrays), packed.quantised, packed.vocab, "damaged"), rng)
        print(seed, flush=True)


if __name__ == "__main__":
    np.seterr(all="ignore")
    logging.getLogger("lmmix").setLevel(logging.ERROR)
    main(*sys.argv[1:])
