"""Samples are as likely as the model says; settings do what they say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from conftest import LINES
from hypothesis import given
from hypothesis import strategies as st

from lmmix import sampling
from lmmix.corpus import corpus_from_lines
from lmmix.errors import InputError, SettingError
from lmmix.mix.linear import LinearMixture
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.sampling import sample, top_k
from lmmix.vocab import BOS, UNK


@pytest.fixture(scope="module")
def model() -> BackoffModel:
    return train_ngram(corpus_from_lines(LINES), 3)


def first_words(model: BackoffModel, n: int, **settings: object) -> Counter[str]:
    return Counter(line.split()[0] if line else "</s>" for line in sample(model, n, max_words=1, **settings))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("unk", [False, True])
@pytest.mark.parametrize("k", [None, 3])
def test_frequencies_are_probabilities(model: BackoffModel, temperature: float, unk: bool, k: int | None) -> None:
    from scipy.stats import chisquare

    p = model.distribution(model.start(1))[0]
    if not unk:
        p[UNK] = 0
    p = p ** (1 / temperature)
    if k:
        p[np.argsort(-p, kind="stable")[k:]] = 0
    p /= p.sum()
    n = 4000
    drawn = first_words(model, n, temperature=temperature, unk=unk, top_k=k)
    observed = np.array([drawn[word] for word in model.vocab.words])
    assert observed.sum() == n and (observed[p == 0] == 0).all()
    assert chisquare(observed[p > 0], n * p[p > 0]).pvalue > 0.001


def test_whole_sentences_have_the_probability_of_the_model(model: BackoffModel) -> None:
    n = 1000
    drawn = Counter(sample(model, n, unk=True))
    for line, count in drawn.most_common(5):
        p = np.exp(model.score_sentence(line))
        assert abs(count - n * p) < 4 * np.sqrt(n * p)


def test_low_temperature_is_greedy(model: BackoffModel) -> None:
    (line,) = set(sample(model, 20, temperature=1e-9, max_words=6))
    assert {line} == set(sample(model, 20, top_k=1, max_words=6))
    state, words = model.start(1), []
    for _ in range(6):
        p = model.distribution(state)[0]
        p[[UNK, BOS]] = 0
        word = int(p.argmax())
        if word == 2:
            break
        words.append(model.vocab.words[word])
        _, state = model.advance(state, np.array([word], np.int32))
    assert line == " ".join(words)


def test_seed_decides_and_n_and_batches_do_not(model: BackoffModel, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = sample(model, 50, seed=7)
    assert sample(model, 50, seed=7) == lines and sample(model, 50, seed=8) != lines
    assert sample(model, 3, seed=7) == lines[:3]
    monkeypatch.setattr(sampling, "BATCH_CELLS", 4 * len(model.vocab))
    assert sample(model, 50, seed=7) == lines


def test_prefix_begins_every_sentence(model: BackoffModel) -> None:
    lines = sample(model, 200, " the  dog ")
    assert all(line.split()[:2] == ["the", "dog"] for line in lines) and len(set(lines)) > 3
    state = model.start(1)
    for word in ("the", "dog"):
        _, state = model.advance(state, np.array([model.vocab.id(word)], np.int32))
    p = model.distribution(state)[0]
    share = sum(line == "the dog" for line in lines) / 200
    assert share == pytest.approx(p[2] / (1 - p[UNK]), abs=0.12)


def test_special_words_are_not_drawn(model: BackoffModel) -> None:
    words = Counter(word for line in sample(model, 300, temperature=50.0, max_words=30) for word in line.split())
    assert not {"<s>", "</s>", "<unk>"} & set(words) and set(words) == set(model.vocab.words[3:])
    assert any("<unk>" in line for line in sample(model, 300, temperature=50.0, max_words=30, unk=True))
    assert max(len(line.split()) for line in sample(model, 100, temperature=50.0, max_words=4)) == 4


def test_mixture_and_characters(model: BackoffModel) -> None:
    other = train_ngram(corpus_from_lines(LINES), 1)
    assert sample(LinearMixture([model, other], [1.0, 0.0]), 20) == sample(model, 20)
    text = corpus_from_lines(["ab ba", "aab ab"], tokenizer="chars")
    assert all(set(line) <= set("ab ") for line in sample(train_ngram(text, 3), 20, "a"))
    assert all(line.startswith("a") for line in sample(train_ngram(text, 3), 20, "a"))


def test_network() -> None:
    pytest.importorskip("torch")
    from lmmix.neural.model import NeuralModel
    from lmmix.neural.networks.network import make_network
    from lmmix.neural.shapes import RecurrentSettings

    vocab = corpus_from_lines(LINES).vocab
    network = NeuralModel(make_network("lstm", RecurrentSettings(), len(vocab)), vocab)
    lines = sample(network, 5, "the cat", max_words=8)
    assert lines == sample(network, 5, "the cat", max_words=8) and all(line.startswith("the cat") for line in lines)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_k": 0}, "top_k is 0"),
        ({"max_words": 0}, "max_words is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_settings(model: BackoffModel, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        sample(model, **settings)


def test_bad_prefix(model: BackoffModel) -> None:
    with pytest.raises(InputError, match="'zebra' of the prefix is not in the vocabulary"):
        sample(model, 1, "the zebra")
    with pytest.raises(InputError, match="<s> stands inside"):
        sample(model, 1, "<s> the")
    with pytest.raises(InputError, match="UTF-8"):
        sample(model, 1, "\udcff")


def test_nothing_to_draw(model: BackoffModel) -> None:
    logp = np.full_like(model.logp, -np.inf)
    logp[1 + UNK] = 0.0
    only_unk = BackoffModel(model.tree, logp, model.backoff, model.vocab, "only <unk>")
    with pytest.raises(InputError, match="no event but <unk>"):
        sample(only_unk)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=5, max_size=5), min_size=1, max_size=4))
def test_largest_equals_a_stable_sort(rows: list[list[float]]) -> None:
    values = np.array(rows)
    for k in range(1, 6):
        expected = [sorted(np.argsort(-row, kind="stable")[:k].tolist()) for row in values]
        assert sampling._largest(values, k).tolist() == expected


def test_top_k(model: BackoffModel) -> None:
    state = model.start(2)
    p = model.distribution(state)
    ids, probabilities = top_k(model, state, 4)
    for row in range(2):
        assert ids[row].tolist() == np.argsort(-p[row], kind="stable")[:4].tolist()
        assert probabilities[row].tolist() == p[row, ids[row]].tolist()
    for k in (0, len(model.vocab) + 1):
        with pytest.raises(SettingError, match=f"k is {k}"):
            top_k(model, state, k)


def test_command(run, folder) -> None:
    assert run("ngram", "train.txt", "-o", "m.lmx", "--order", "2")[0] == 0
    status, out, _ = run("sample", "m.lmx", "-n", "3", "--prefix", "the cat", "--seed", "5", "--temperature", "0.8")
    assert status == 0 and len(out.splitlines()) == 3 and all(line.startswith("the cat") for line in out.splitlines())
    as_json = run("sample", "m.lmx", "-n", "3", "--prefix", "the cat", "--seed", "5", "--temperature", "0.8", "--json")
    assert [f'{{"text": "{line}"}}' for line in out.splitlines()] == as_json[1].splitlines()
    status, out, err = run("sample", "m.lmx", "--prefix", "the zebra")
    assert (status, out) == (1, "") and "'zebra'" in err and err.count("\n") == 1
    status, _, err = run("sample", "m.lmx", "--temperature", "0")
    assert status == 1 and "temperature is 0.0" in err
