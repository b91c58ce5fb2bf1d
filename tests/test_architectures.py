"""Every architecture: the contract, learning by heart, storing, and contexts of sentences and documents."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from conformance import check_language_model  # noqa: E402
from random_networks import shape_of  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.lm import load, remembers  # noqa: E402
from lmmix.neural.batches import PADDING  # noqa: E402
from lmmix.neural.settings import ARCHITECTURES  # noqa: E402
from lmmix.neural.training.streams import Streams  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.vocab import BOS, EOS  # noqa: E402

LINES = ["a b c d e", "f g h i j k", "l m n", "b a", "k j i h a b c"] * 6
TEXT = corpus_from_lines(LINES)
VALID = corpus_from_lines(["a b c h i", "l m", "f g h a b c d e k"], TEXT.vocab)
SMALL = {"embedding": 12, "batch_tokens": 24, "max_length": 6, "threads": 1}
SHAPES = {"hidden": 24, "layers": 2, "heads": 2, "kv_heads": 1, "window": 5}
NEXT_WORD = "lmmix.neural.model:NeuralModel"
"""The class of language models that predict the next word; masked ones are in test_masked."""

ARCHS = sorted(name for name, architecture in ARCHITECTURES.items() if architecture.model == NEXT_WORD)


def shape(arch):
    """The settings of `SHAPES` that the architecture has."""
    return shape_of(arch, SHAPES)


@pytest.mark.parametrize("context", ["sentence", "document"])
@pytest.mark.parametrize("arch", ARCHS)
def test_conforms_and_is_stored(arch, context, tmp_path):
    model = train_neural(TEXT, VALID, arch=arch, context=context, epochs=2, **SMALL, **shape(arch))
    assert remembers(model) == (context == "document")
    assert f"arch:{arch}|" in model.signature
    check_language_model(model, VALID, tolerance=1e-5)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.signature == model.signature
    np.testing.assert_array_equal(again.score(VALID), model.score(VALID))


@pytest.mark.parametrize("arch", ARCHS)
def test_learns_a_text_by_heart(arch):
    lines = ["a b c d e", "f g h i j k", "l m n"] * 4
    text = corpus_from_lines(lines)
    settings = {**SMALL, **shape(arch), "embedding": 32, "dropout": 0.0, "batch_tokens": 1000, "max_length": 20}
    model = train_neural(text, text, arch=arch, epochs=200, patience=200, samples=0, learning_rate=0.01, **settings)
    # The first word is one of three; all others follow from it.
    best = -math.log(3) * len(lines) / len(text.ids)
    assert model.score(text).mean() == pytest.approx(best, abs=0.03)


@pytest.mark.parametrize("arch", ARCHS)
def test_gradients_reach_every_weight(arch):
    before, after = (
        train_neural(TEXT, VALID, arch=arch, epochs=epochs, weight_decay=0.0, **SMALL, **shape(arch)).network
        for epochs in (1, 2)
    )
    for (name, one), other in zip(before.state_dict().items(), after.state_dict().values()):
        if one.is_floating_point():
            assert not torch.equal(one, other), name


def test_streams_hold_every_event_once_and_go_on():
    streams = Streams(TEXT, 24, 5)
    rng = np.random.default_rng(3)
    places, last = [], None
    for number, handle in enumerate(streams.epoch(rng)):
        batch = streams.batch(handle)
        real = batch.events != PADDING
        assert batch.goes_on == (number > 0)
        places.append(batch.places[real])
        np.testing.assert_array_equal(batch.events[real], TEXT.ids[batch.places[real]])
        before = TEXT.ids[batch.places - 1]
        np.testing.assert_array_equal(batch.inputs, np.where(before == EOS, BOS, before))
        if last is not None:
            both = real[:, 0] & (last.events[:, -1] != PADDING)
            total = len(TEXT.ids)
            np.testing.assert_array_equal(batch.places[both, 0], (last.places[both, -1] + 1) % total)
        last = batch
    np.testing.assert_array_equal(np.sort(np.concatenate(places)), np.arange(len(TEXT.ids)))


@pytest.mark.parametrize("settings", [{"word_dropout": 0.3}, {"weight_drop": 0.5}])
def test_regularised_training_differs_but_still_learns(settings):
    def trained(**more):
        return train_neural(TEXT, TEXT, arch="lstm", epochs=15, patience=15, learning_rate=0.03, **SMALL, **more)

    plain, regularised = trained(), trained(**settings)
    assert plain.signature != regularised.signature
    assert regularised.training["history"][-1]["valid_ppl"] < 0.8 * regularised.training["history"][0]["valid_ppl"]
