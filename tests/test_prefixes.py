"""Networks read what sentences have in common only once, and give the same numbers."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from naive_prefixes import histories, prefixes  # noqa: E402
from random_networks import random_network  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.neural import prefixes as shared_prefixes  # noqa: E402
from lmmix.neural import reading, scoring  # noqa: E402
from lmmix.neural.masked_model import MaskedModel  # noqa: E402
from lmmix.neural.model import NeuralModel  # noqa: E402
from lmmix.neural.networks.network import make_network  # noqa: E402
from lmmix.neural.prefixes import SharedPrefixes  # noqa: E402
from lmmix.neural.reading import SLAB  # noqa: E402
from lmmix.neural.settings import ARCHITECTURES, make_settings  # noqa: E402
from lmmix.progress import show_with  # noqa: E402
from lmmix.vocab import BOS, Vocab  # noqa: E402

VOCAB = Vocab.from_words(["a", "b", "c", "d"])
SHAPES = {"embedding": 8, "hidden": 12, "layers": 2}

# Few words, and beginnings that come again, so that much is shared; "z" is no word of the vocabulary.
WORDS = st.lists(st.sampled_from("abz"), max_size=5)
LINES = st.lists(st.tuples(st.sampled_from(["", "a b a", "a b a b b a", "b"]), WORDS), min_size=1, max_size=12).map(
    lambda pairs: [f"{head} {' '.join(tail)}".strip() for head, tail in pairs]
)


def random_model(arch: str, scale: float = 8.0) -> NeuralModel:
    """A network with weights by chance, so large that a wrong history shows."""
    return NeuralModel(random_network(arch, SHAPES, len(VOCAB), 3, scale), VOCAB)


def masked_model() -> MaskedModel:
    shape = {"embedding": 8, "hidden": 8, "layers": 1, "heads": 2}
    network = make_network("masked", make_settings("masked", "tiny", shape)[0], len(VOCAB))
    network.initialise(torch.ones(len(VOCAB)))
    return MaskedModel(network, VOCAB)


MODELS = {arch: random_model(arch) for arch in sorted(ARCHITECTURES) if arch != "masked"}


def scored(model, corpus, pays, group_events=1 << 15):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SHARING_PAYS", pays)
        patch.setattr(shared_prefixes, "GROUP_EVENTS", group_events)
        return model.score(corpus, threads=1)


@settings(max_examples=30)
@given(lines=LINES, group_events=st.sampled_from([1, 7, 20, 1 << 15]))
def test_same_numbers_as_whole_sentences(lines, group_events):
    corpus = corpus_from_lines(lines, VOCAB)
    for arch, model in MODELS.items():
        once, whole = scored(model, corpus, math.inf, group_events), scored(model, corpus, 0.0)
        np.testing.assert_allclose(once, whole, rtol=0, atol=1e-5, err_msg=arch)


@given(lines=LINES)
def test_every_prefix_is_there_once(lines):
    corpus = corpus_from_lines(lines, VOCAB)
    sentences = [corpus.ids[b:e].tolist() for b, e in zip(corpus.offsets[:-1], corpus.offsets[1:])]
    shared = SharedPrefixes.of(corpus)
    assert shared.events == len(prefixes(sentences))
    assert len(shared.groups) == 1
    read, scored_events = [], []
    known = {0: ()}
    for number, depth in enumerate(shared.depths(shared.groups[0])):
        here = {}
        for place, (parent, word) in enumerate(zip(depth.parents.tolist(), depth.inputs.tolist())):
            assert (word == BOS) == (number == 0)
            here[place] = () if word == BOS else (*known[parent], word)
        read += here.values()
        known = here
        assert (np.diff(depth.rows) >= 0).all()
        scored_events += [
            (*known[row], int(corpus.ids[place])) for row, place in zip(depth.rows.tolist(), depth.places)
        ]
        for run, row in enumerate(depth.run_rows.tolist()):
            begin, end = depth.runs.begin[run], depth.runs.end[run]
            before = (*known[row], int(corpus.ids[begin - 1]))
            for place in range(begin, end):
                read.append(before)
                before = (*before, int(corpus.ids[place]))
                scored_events.append(before)
    assert sorted(read) == sorted(histories(sentences))
    assert sorted(scored_events) == sorted(prefixes(sentences))


def test_network_reads_shared_words_once(monkeypatch):
    model = MODELS["lstm"]
    words = []
    forward = type(model.network).forward

    def counting(self, inputs, memory):
        words.append(inputs.numel())
        return forward(self, inputs, memory)

    monkeypatch.setattr(type(model.network), "forward", counting)
    lists = corpus_from_lines([f"a b a b {end}" for end in ("a", "b", "a b")] * 20, VOCAB)
    model.score(lists, threads=1)
    # `<s> a b a b`, then the last words of three.
    assert sum(words) == 5 + 2 + 1
    words.clear()
    different = corpus_from_lines(["a b c d", "b c d a", "c d a b"], VOCAB)
    model.score(different, threads=1)
    assert sum(words) == len(different.ids)


def test_runs_longer_than_a_slab():
    rng = np.random.default_rng(1)
    tail = " ".join(rng.choice(list("abcd"), 2 * SLAB + 5))
    corpus = corpus_from_lines(["a b", f"a c {tail}", f"a d {tail} a"], VOCAB)
    once, whole = (scored(MODELS["gru"], corpus, pays) for pays in (math.inf, 0.0))
    np.testing.assert_allclose(once, whole, rtol=0, atol=1e-4)


def test_threads_do_not_matter(monkeypatch):
    monkeypatch.setattr(shared_prefixes, "GROUP_EVENTS", 16)
    rng = np.random.default_rng(2)
    corpus = corpus_from_lines([" ".join(rng.choice(list("ab"), 6)) for _ in range(60)], VOCAB)
    one, two = (MODELS["lstm"].score(corpus, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("arch", ["lstm", "masked"])
@pytest.mark.parametrize("pays", [0.0, math.inf])
def test_by_default_as_many_threads_as_torch_has(monkeypatch, arch, pays):
    found = []
    original = reading.thread_map

    def spy(function, items, threads):
        found.append((threads, torch.get_num_threads()))
        return original(function, items, 1)

    monkeypatch.setattr(reading, "thread_map", spy)
    monkeypatch.setattr(scoring, "SHARING_PAYS", pays)
    corpus, before = corpus_from_lines(["a b", "a b c"], VOCAB), torch.get_num_threads()
    model = MODELS["lstm"] if arch == "lstm" else masked_model()
    try:
        torch.set_num_threads(3)
        model.score(corpus)
        model.validation_perplexity(corpus)
    finally:
        torch.set_num_threads(before)
    assert found == [(3, 1), (3, 1)]


def test_progress_counts_the_different_sentences(monkeypatch):
    told = []

    class Display:
        @contextlib.contextmanager
        def task(self, label, total, unit):
            told.append([total, 0.0])

            def advance(amount):
                told[-1][1] += amount

            yield advance

    monkeypatch.setattr(scoring, "SHARING_PAYS", math.inf)
    with show_with(Display()):
        MODELS["lstm"].score(corpus_from_lines(["a b", "a b", "a b c"], VOCAB), threads=1)
    assert told == [[2, 2.0]]
