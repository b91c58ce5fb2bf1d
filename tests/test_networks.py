"""Forward passes of feed-forward, convolutional and masked networks, against the papers written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import naive_networks as naive  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import SettingError  # noqa: E402
from lmmix.neural.batches import PADDING  # noqa: E402
from lmmix.neural.networks.masked import MASK  # noqa: E402
from lmmix.neural.networks.network import forgotten, make_network, taken  # noqa: E402
from lmmix.neural.settings import make_settings  # noqa: E402
from lmmix.neural.shapes import ConvolutionSettings, FeedForwardSettings, MaskedSettings  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402

WORDS = 9
few = st.integers(1, 3)
texts = st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=9)
feed_forward_shapes = st.builds(
    FeedForwardSettings, embedding=few, order=st.integers(2, 6), hidden=st.integers(1, 5), layers=few
)
convolution_shapes = st.builds(
    ConvolutionSettings, embedding=few, hidden=st.integers(1, 5), layers=few, kernel=st.integers(2, 4)
)


def network_of(arch, shape, seed=0):
    """A network whose weights are all drawn, so that none is missed by being zero."""
    network = make_network(arch, shape, WORDS).eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.7, generator=generator)
    return network


def read(network, words, memory=None):
    with torch.inference_mode():
        rows = torch.tensor(words).reshape(-1, np.shape(words)[-1])
        features, memory = network(rows, network.start(len(rows)) if memory is None else memory)
    return features.numpy(), memory


@settings(max_examples=30, deadline=None)
@given(feed_forward_shapes, texts)
def test_feed_forward_is_that_of_the_paper(shape, words):
    network = network_of("ff", shape)
    expected = naive.feed_forward(naive.weights_of(network), shape, words)
    np.testing.assert_allclose(read(network, words)[0][0], expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(convolution_shapes, texts)
def test_convolution_is_that_of_the_paper(shape, words):
    network = network_of("conv", shape)
    expected = naive.convolution(naive.weights_of(network), shape, words)
    np.testing.assert_allclose(read(network, words)[0][0], expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 2]),
    few,
    few,
    st.lists(st.none() | st.integers(0, WORDS - 1), min_size=1, max_size=9),
    st.integers(0, 3),
)
def test_encoder_is_that_of_the_papers_and_does_not_see_padding(pairs, heads, layers, words, padding):
    shape = MaskedSettings(embedding=2 * pairs * heads, hidden=5, layers=layers, heads=heads)
    network = network_of("masked", shape)
    expected = naive.encoder(naive.weights_of(network), shape, words)
    given = [MASK if word is None else word for word in words] + [PADDING] * padding
    np.testing.assert_allclose(read(network, given)[0][0, : len(words)], expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(
        feed_forward_shapes.map(lambda shape: ("ff", shape)), convolution_shapes.map(lambda shape: ("conv", shape))
    ),
    st.lists(st.tuples(*[st.integers(0, WORDS - 1)] * 3), min_size=1, max_size=12),
    st.lists(st.integers(0, 12), max_size=3),
)
def test_slabs_give_what_the_whole_gives(kind, columns, cuts):
    network = network_of(*kind)
    words = np.array(columns).T
    whole, _ = read(network, words)
    memory, parts = None, []
    for slab in np.split(words, sorted(min(cut, words.shape[1]) for cut in cuts), 1):
        if slab.shape[1]:
            features, memory = read(network, slab, memory)
            parts.append(features)
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "arch, shape",
    [("ff", FeedForwardSettings(2, order=2)), ("ff", FeedForwardSettings(2)), ("conv", ConvolutionSettings(2))],
)
def test_forgetting_makes_rows_new_and_taking_keeps_them(arch, shape):
    network = network_of(arch, shape)
    _, memory = read(network, [[3, 4, 5], [6, 7, 8]])
    new, _ = read(network, [[5], [5]], forgotten(memory, torch.tensor([True, False])))
    np.testing.assert_allclose(new[0], read(network, [[5]])[0][0], rtol=1e-5, atol=1e-6)
    kept, _ = read(network, [[5]], taken(memory, torch.tensor([1])))
    np.testing.assert_allclose(new[1], kept[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("arch", ["ff", "conv", "masked"])
def test_trains_in_bfloat16(arch):
    text = corpus_from_lines(["a b c d e", "f g h", "a"] * 4)
    model = train_neural(text, text, arch=arch, precision="bfloat16", epochs=1, embedding=8, hidden=8, batch_tokens=20)
    assert np.isfinite(model.score(text)).all() and np.isfinite(model.training["history"][0]["train_loss"])


@pytest.mark.parametrize(
    "arch, overrides, message",
    [
        ("ff", {"order": 1}, "order is 1; it must be a whole number, 2 or more"),
        ("conv", {"kernel": 1}, "kernel is 1; it must be a whole number, 2 or more"),
        ("masked", {"embedding": 20, "heads": 3}, "embedding is 20; with 3 heads it must be a multiple of 6"),
        ("masked", {"asked": 0.0}, "asked is 0.0; it must be a number above 0 and below 1"),
        ("masked", {"context": "document"}, "context is 'document'; with this architecture it must be sentence"),
    ],
)
def test_shapes_that_are_not_allowed(arch, overrides, message):
    with pytest.raises(SettingError, match=message):
        make_settings(arch, "tiny", overrides)
