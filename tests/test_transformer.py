"""The Transformer decoder against its twin, read in slabs of any size, and what its settings may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import naive_transformer as naive  # noqa: E402

from lmmix.errors import SettingError  # noqa: E402
from lmmix.neural.networks.network import forgotten, make_network, taken  # noqa: E402
from lmmix.neural.networks.transformer import RootMeanSquareNorm  # noqa: E402
from lmmix.neural.settings import SIZES, make_settings  # noqa: E402
from lmmix.neural.shapes import TransformerSettings  # noqa: E402

N_WORDS = 11
SHAPE = TransformerSettings(embedding=24, hidden=20, layers=2, heads=6, kv_heads=2, window=5, dropout=0.3)

LAW = settings(max_examples=40)
texts = st.lists(st.integers(0, N_WORDS - 1), min_size=1, max_size=16)
"""Longer than the window, and than what two layers of it reach."""


def make(shape=SHAPE, seed=1):
    """A network of random weights, gains included, that says more than an untrained one."""
    torch.manual_seed(seed)
    network = make_network("transformer", shape, N_WORDS)
    network.initialise(torch.ones(N_WORDS))
    with torch.no_grad():
        network.embedding.weight.mul_(10.0)
        for module in network.modules():
            if isinstance(module, RootMeanSquareNorm):
                module.gain.uniform_(0.5, 2.0)
    return network.eval()


NETWORK = make()


def weights(network):
    """The weights of a network for the twin."""
    tensors = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    shape = network.settings
    cuts = [shape.embedding, shape.embedding + shape.kv_heads * shape.head_units]
    layers = []
    for level in range(shape.layers):
        w = {name.removeprefix(f"blocks.{level}."): tensor for name, tensor in tensors.items()}
        wq, wk, wv = np.split(w["ask.weight"], cuts)
        w1, w3 = np.split(w["enter.weight"], 2)
        rest = {"rms_att": w["attention_norm.gain"], "rms_ffn": w["hidden_norm.gain"]}
        layers.append({"wq": wq, "wk": wk, "wv": wv, "w1": w1, "w3": w3, "wo": w["answer.weight"], **rest})
        layers[-1]["w2"] = w["leave.weight"]
    return {"token_embedding": tensors["embedding.weight"], "rms_final": tensors["norm.gain"], "layers": layers}


def read(network, rows, memory=None):
    with torch.inference_mode():
        features, memory = network(torch.tensor(rows), network.start(len(rows)) if memory is None else memory)
        return features.numpy(), memory


def test_equals_its_twin():
    words = [1, 5, 3, 3, 9, 10, 0, 7, 2, 1, 4, 8, 6]
    shape = NETWORK.settings
    expected = naive.features(words, weights(NETWORK), shape.heads, shape.kv_heads, shape.window)
    np.testing.assert_allclose(read(NETWORK, [words])[0][0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("heads, kv_heads, window", [(1, 1, 1), (2, 2, 3), (3, 1, 100)])
def test_equals_its_twin_in_other_shapes(heads, kv_heads, window):
    shape = TransformerSettings(embedding=12, hidden=7, layers=1, heads=heads, kv_heads=kv_heads, window=window)
    network, words = make(shape, 2), [4, 4, 0, 9, 2, 7, 1]
    expected = naive.features(words, weights(network), heads, kv_heads, window)
    np.testing.assert_allclose(read(network, [words])[0][0], expected, rtol=1e-4, atol=1e-4)


@LAW
@given(words=texts, cuts=st.lists(st.integers(1, 9), max_size=8))
def test_slabs_of_any_size_give_what_the_whole_gives(words, cuts):
    whole, _ = read(NETWORK, [words])
    memory, parts, start = None, [], 0
    for length in [*cuts, len(words)]:
        if slab := words[start : start + length]:
            features, memory = read(NETWORK, [slab], memory)
            parts.append(features)
            assert memory[0].shape[2] <= SHAPE.window - 1
        start += length
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-4, atol=1e-5)


@LAW
@given(first=texts, second=texts, length=st.integers(1, 16))
def test_forgotten_and_taken_rows_are_as_if_read_alone(first, second, length):
    """One text goes on, the other is forgotten and begins anew with the same words, in memories that swapped places."""
    both = np.resize(np.array([first, first]), (2, len(first)))
    _, memory = read(NETWORK, both.tolist())
    memory = taken(forgotten(memory, torch.tensor([True, False])), torch.tensor([1, 0, 1]))
    words = np.resize(second, length).tolist()
    found, memory = read(NETWORK, [words] * 3, memory)
    more, _ = read(NETWORK, [second] * 3, memory)
    found = np.concatenate([found, more], 1)
    on, _ = read(NETWORK, [first + words + second])
    anew, _ = read(NETWORK, [words + second])
    expected = np.stack([on[0, len(first) :], anew[0], on[0, len(first) :]])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_places_that_all_have_forgotten_take_no_memory():
    _, memory = read(NETWORK, [[3, 4, 5, 6], [3, 4, 5, 6]])
    _, memory = read(NETWORK, [[3], [4]], forgotten(memory, torch.tensor([True, True])))
    assert memory[0].shape[2] == 1 and memory[2].tolist() == [1, 1]


def test_memory_is_nothing_before_the_first_word():
    for tensor in NETWORK.start(3):
        assert len(tensor) == 3 and not tensor.any()


@pytest.mark.parametrize("window", [1, 2, 4])
def test_what_lies_behind_the_windows_of_all_layers_is_not_seen(window):
    layers = 2
    network = make(TransformerSettings(embedding=8, hidden=8, layers=layers, heads=2, kv_heads=1, window=window))
    reach = layers * (window - 1)
    words = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    before, _ = read(network, [words])
    after, _ = read(network, [[8, *words[1:]]])
    changed = np.abs(after - before).max(-1)[0] > 1e-6
    assert changed[: reach + 1].all() and not changed[reach + 1 :].any()


def test_training_reads_slabs_as_scoring_does():
    """The window is the same in training: without dropout a carried memory gives the numbers of scoring."""
    shape = TransformerSettings(embedding=12, hidden=8, layers=2, heads=2, kv_heads=1, window=4, dropout=0.0)
    network, words = make(shape), torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 5]])
    expected, _ = read(network, words.tolist())
    network.train()
    one, memory = network(words[:, :5], network.start(1))
    two, _ = network(words[:, 5:], memory)
    np.testing.assert_allclose(torch.cat([one, two], 1).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_long_documents_lose_no_precision():
    """A word far into a text has the features that it has at its beginning, if the window holds the same words."""
    shape = TransformerSettings(embedding=12, hidden=8, layers=1, heads=2, kv_heads=1, window=8)
    network, pattern = make(shape), [3, 1, 4, 1, 5, 9, 2, 6]
    early, memory = read(network, [pattern * 2])
    for _ in range(60):
        late, memory = read(network, [pattern * 40], memory)
    np.testing.assert_allclose(late[0, -8:], early[0, -8:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_allowed(size):
    shape, _ = make_settings("transformer", size, {})
    assert isinstance(shape, TransformerSettings) and shape.head_units % 2 == 0


@pytest.mark.parametrize(
    "values, words",
    [
        ({"embedding": 12, "heads": 4}, "embedding is 12; with 4 heads it must be a multiple of 8"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads is 3; it must divide the number of heads, 4"),
        ({"window": 0}, "window is 0; it must be a whole number, 1 or more"),
    ],
)
def test_settings_that_do_not_fit(values, words):
    with pytest.raises(SettingError, match=words):
        make_settings("transformer", "tiny", values)
