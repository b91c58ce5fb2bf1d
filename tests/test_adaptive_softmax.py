"""The adaptive softmax: its naive twin, its gradients, its contract as the output of a network."""

from __future__ import annotations

import math

import naive_adaptive_softmax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from conformance import check_language_model  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.lm import load  # noqa: E402
from lmmix.neural.networks.adaptive_softmax import PARTS, AdaptiveSoftmax  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.vocab import BOS  # noqa: E402

SIZE = 5


def drawn(n_words, seed):
    """A layer with weights by chance, vectors and features for it."""
    torch.manual_seed(seed)
    layer = AdaptiveSoftmax(n_words, SIZE)
    layer.initialise(torch.randint(0, 20, (n_words,)))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer, torch.randn(n_words, SIZE), torch.randn(7, SIZE)


@settings(max_examples=25, deadline=None)
@given(n_words=st.integers(3, 130), seed=st.integers(0, 1000))
def test_agrees_with_its_naive_twin(n_words, seed):
    layer, vectors, features = drawn(n_words, seed)
    clusters = [part.tolist() for part in layer.order.split(layer.sizes)]
    assert sorted(word for words in clusters for word in words) == list(range(n_words))
    assert len(clusters) == (3 if n_words >= 2 * PARTS[0] else 1)
    with torch.no_grad():
        p = layer.distribution(features, vectors).numpy()
    for row in range(len(features)):
        twin = naive_adaptive_softmax.distribution(
            features[row].numpy(), vectors.numpy(), layer.bias.detach().numpy(), layer.group_vectors.detach().numpy(),
            layer.group_bias.detach().numpy(), clusters, BOS,
        )  # fmt: skip
        np.testing.assert_allclose(p[row], [twin[word] for word in range(n_words)], rtol=1e-4, atol=1e-9)
    assert (p[:, BOS] == 0).all()
    np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-12)
    events = torch.from_numpy(np.random.default_rng(seed).integers(0, n_words, len(features)))
    with torch.no_grad():
        logp = layer.event_logp(features, events, vectors).numpy()
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(logp, np.log(p[np.arange(len(events)), events.numpy()]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_words", [6, 60])
def test_loss_and_its_gradients(n_words):
    """Against automatic differentiation of ln p from the whole distribution."""
    layer, vectors, features = drawn(n_words, 3)
    events = np.array([0, 2, 3, 4, 5, n_words - 1, n_words - 1])
    leaves = [vectors.requires_grad_(), features.requires_grad_(), *layer.parameters()]
    loss = layer.loss(features, events, vectors, torch.float32, np.random.default_rng(1))
    plain = -layer.distribution(features, vectors)[torch.arange(7), torch.from_numpy(events)].log().sum()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    for ours, theirs in zip(torch.autograd.grad(loss, leaves), torch.autograd.grad(plain, leaves, allow_unused=True)):
        np.testing.assert_allclose(ours, theirs if theirs is not None else 0.0, atol=1e-5)


def test_groups_follow_frequency_and_start_at_the_unigram_model():
    counts = torch.from_numpy(np.random.default_rng(5).integers(0, 1000, 100))
    layer = AdaptiveSoftmax(100, SIZE)
    layer.initialise(counts)
    ordered = counts[layer.order[:-1]]
    assert (ordered[1:] <= ordered[:-1]).all()
    assert layer.order[-1] == BOS
    weights = (counts + 1.0).numpy()
    weights[BOS] = 0.0
    with torch.no_grad():
        p = layer.distribution(torch.zeros(1, SIZE), torch.zeros(100, SIZE))[0].numpy()
    np.testing.assert_allclose(p, weights / weights.sum(), rtol=1e-5)


def test_no_events():
    layer, vectors, features = drawn(60, 1)
    assert layer.event_logp(features[:0], torch.zeros(0, dtype=torch.int64), vectors).shape == (0,)
    loss = layer.loss(features[:0], np.zeros(0, np.int64), vectors, torch.float32, np.random.default_rng(1))
    assert loss.item() == 0.0


def test_network_with_it(tmp_path):
    """Many words, in an order that is not that of their frequency."""
    rng = np.random.default_rng(2)
    lines = [" ".join(f"w{(word * 37) % 61}" for word in rng.zipf(1.3, 8) % 61) for _ in range(60)]
    text = corpus_from_lines(lines)
    shape = {"softmax": "adaptive", "embedding": 12, "hidden": 12, "batch_tokens": 60, "threads": 1}
    model = train_neural(text, text, epochs=4, **shape)
    assert "|softmax:adaptive|" in model.signature
    history = [record["valid_ppl"] for record in model.training["history"]]
    assert history[-1] < history[0] < len(text.vocab)
    assert math.isfinite(history[-1])
    check_language_model(model, corpus_from_lines(lines[:4], text.vocab), tolerance=1e-5)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.signature == model.signature
    np.testing.assert_array_equal(again.score(text), model.score(text))
