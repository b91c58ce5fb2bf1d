"""Networks that follow the text they read: the contract, naive twins, files, tuning, and what is refused."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from conformance import check_language_model  # noqa: E402
from naive_adaptation import continuous_cache, dynamic_step  # noqa: E402
from random_networks import random_network  # noqa: E402

from lmmix.corpus import Corpus, corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, InputError, SettingError  # noqa: E402
from lmmix.lm import load, remembers  # noqa: E402
from lmmix.mix.linear import LinearMixture  # noqa: E402
from lmmix.neural.adaptation.adapted_file import save_adapted  # noqa: E402
from lmmix.neural.adaptation.continuous_cache import ContinuousCache  # noqa: E402
from lmmix.neural.adaptation.dynamic import DynamicEvaluation  # noqa: E402
from lmmix.neural.adaptation.tune import best_weight, tune_cache, tune_dynamic  # noqa: E402
from lmmix.neural.batches import words_before  # noqa: E402
from lmmix.neural.model import NeuralModel  # noqa: E402
from lmmix.neural.settings import ARCHITECTURES  # noqa: E402
from lmmix.ngram.estimate import train_ngram  # noqa: E402
from lmmix.vocab import BOS, Vocab  # noqa: E402

VOCAB = Vocab.from_words(["a", "b", "c", "d", "e"])
LINES = ["a b c", "d", "", "zebra a b c d", "e e a", "c b a b c", "a b c d e a b c d e"]
TEXT = corpus_from_lines(LINES, VOCAB)
SHAPES = {"embedding": 8, "hidden": 8, "layers": 2, "heads": 2, "window": 6}
ARCHS = sorted(set(ARCHITECTURES) - {"masked"})
KINDS = {
    ContinuousCache: {"window": 7, "theta": 0.4, "weight": 0.3},
    DynamicEvaluation: {"learning_rate": 0.02, "decay": 0.1, "segment": 4},
}


def random_model(arch="lstm", context="document", scale=4.0):
    return NeuralModel(random_network(arch, SHAPES, len(VOCAB), 5, scale), VOCAB, context)


@pytest.mark.parametrize("context", ["sentence", "document"])
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kind", KINDS)
def test_conforms(kind, arch, context):
    model = random_model(arch, context)
    before = model.score(TEXT)
    adapted = kind(model, **KINDS[kind])
    assert remembers(adapted)
    check_language_model(adapted, TEXT, tolerance=1e-5)
    assert not np.allclose(adapted.score(TEXT), before, atol=1e-3)
    np.testing.assert_array_equal(model.score(TEXT), before)


@pytest.mark.parametrize("kind", KINDS)
def test_conforms_in_a_mixture(kind):
    mixture = LinearMixture([train_ngram(TEXT, 2), kind(random_model(), **KINDS[kind])], [0.4, 0.6])
    check_language_model(mixture, TEXT, tolerance=1e-5)


@pytest.mark.parametrize("context", ["sentence", "document"])
@pytest.mark.parametrize(("window", "theta"), [(1, 2.0), (5, 0.0), (1000, 0.7)])
def test_cache_equals_its_naive_twin(context, window, theta):
    model = random_model(context=context)
    features, network, state = [], [], model.start(1)
    for word in TEXT.ids:
        features.append(state.features[0].numpy().astype(float))
        network.append(model.distribution(state)[0])
        _, state = model.advance(state, np.array([word]))
    expected = continuous_cache(np.array(network), np.array(features), TEXT.ids.tolist(), window, theta, 0.25)
    found = ContinuousCache(model, window=window, theta=theta, weight=0.25).score(TEXT)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_cache_over_several_blocks():
    rng = np.random.default_rng(0)
    text = corpus_from_lines([" ".join(rng.choice(list("abcde"), 9)) for _ in range(90)], VOCAB)
    model = random_model()
    cache = ContinuousCache(model, window=300, theta=0.5, weight=0.4)
    state, folded = cache.start(1), []
    for word in text.ids:
        logp, state = cache.advance(state, np.array([word]))
        folded.append(logp[0])
    np.testing.assert_allclose(cache.score(text), folded, rtol=0, atol=1e-4)


def naive_dynamic(model, text, learning_rate, decay, segment):
    """Dynamic evaluation of a network with document context, on a copy of it whose weights are set."""
    network = copy.deepcopy(model.network)
    trained = {name: tensor.detach().numpy().astype(float) for name, tensor in network.named_parameters()}
    weights, gradients, logp, memory = dict(trained), {name: [] for name in trained}, [], network.start(1)
    before, ids = words_before(text.ids), text.ids.astype(np.int64)
    for start in range(0, len(ids), segment):
        here = slice(start, start + segment)
        features, memory = network(torch.from_numpy(before[None, here]), memory)
        found = network.event_logp(features[0], torch.from_numpy(ids[here]))
        network.zero_grad()
        (-found.sum()).backward()
        memory = tuple(tensor.detach() for tensor in memory)
        logp += found.tolist()
        for name, parameter in network.named_parameters():
            gradients[name].append(parameter.grad.numpy().astype(float))
            weights[name] = dynamic_step(weights[name], trained[name], gradients[name], learning_rate, decay)
            parameter.data = torch.from_numpy(weights[name]).float()
    return np.array(logp)


@pytest.mark.parametrize("arch", ["lstm", "gru"])
def test_dynamic_evaluation_equals_its_naive_twin(arch):
    model = random_model(arch)
    settings = {"learning_rate": 0.02, "decay": 0.3, "segment": 5}
    found = DynamicEvaluation(model, **settings).score(TEXT)
    np.testing.assert_allclose(found, naive_dynamic(model, TEXT, **settings), rtol=0, atol=1e-4)


@pytest.mark.parametrize("context", ["sentence", "document"])
def test_without_learning_it_is_the_network(context):
    model = random_model(context=context)
    still = DynamicEvaluation(model, learning_rate=0.0, decay=0.5, segment=3)
    np.testing.assert_allclose(still.score(TEXT), model.score(TEXT), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(ContinuousCache(model, weight=0.0).score(TEXT), model.score(TEXT))


def test_adapting_helps_on_a_text_that_repeats_itself():
    text = corpus_from_lines(["a b a a b a a b"] * 20, VOCAB)
    model = random_model(scale=1.0)
    for adapted in (
        DynamicEvaluation(model, learning_rate=0.02, decay=0.0, segment=5),
        ContinuousCache(model, window=50, theta=1.0, weight=0.5),
    ):
        assert adapted.score(text).mean() > model.score(text).mean() + 0.1


def test_histories_do_not_disturb_each_other():
    adapted = DynamicEvaluation(random_model(), learning_rate=0.05, decay=0.0, segment=2)
    state = adapted.start(2)
    for words in ([3, 4], [3, 5], [4, 6], [5, 7]):
        logp, state = adapted.advance(state, np.array(words))
    alone = adapted.start(1)
    for word in (3, 3, 4, 5):
        single, alone = adapted.advance(alone, np.array([word]))
    assert logp[0] == pytest.approx(single[0], abs=1e-6)
    both = adapted.distribution(adapted.take(state, np.array([1, 0])))
    np.testing.assert_array_equal(both[::-1], adapted.distribution(state))
    # `<s>` is impossible, but no accident.
    logp, state = adapted.advance(state, np.array([BOS, BOS]))
    _, state = adapted.advance(state, np.array([3, 3]))
    assert np.isneginf(logp).all() and np.isfinite(adapted.distribution(state)).all()


# Tuning


def test_best_weight_is_the_best():
    rng = np.random.default_rng(1)
    network, cache = np.log(rng.random(50)), np.log(rng.random(50) * (rng.random(50) < 0.5) + 1e-300)
    found = best_weight(network, cache)

    def likelihood(weight):
        return np.log((1 - weight) * np.exp(network) + weight * np.exp(cache)).sum()

    assert likelihood(found) >= max(likelihood(w) for w in np.linspace(0, 0.99, 500)) - 1e-6
    assert best_weight(network, network - 1.0) == 0.0
    assert best_weight(network, np.full(50, -np.inf)) == 0.0
    assert best_weight(np.empty(0), np.empty(0)) == 0.0
    assert best_weight(network, np.zeros(50)) == pytest.approx(0.999)


def test_tuning_finds_what_helps():
    text = corpus_from_lines(["a b c d e e d c"] * 20, VOCAB)
    model = random_model(scale=1.0)
    cache = tune_cache(model, text, windows=[5, 60])
    dynamic = tune_dynamic(model, text, learning_rates=[1e-4, 0.02], decays=[0.0, 0.01], segment=5)
    assert len(cache.tried) == 14 and len(dynamic.tried) == 3
    assert dynamic.model.settings.learning_rate == 0.02
    for found in (cache, dynamic):
        assert found.ppl == min(row["ppl"] for row in found.tried) < found.network_ppl
        assert math.exp(-found.model.score(text).mean()) == pytest.approx(found.ppl, rel=1e-6)


# Files and the command


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded(kind, tmp_path):
    model = random_model()
    model.save(tmp_path / "net")
    adapted = kind(model, **KINDS[kind])
    (tmp_path / "sub").mkdir()
    save_adapted(adapted, tmp_path / "sub" / "a.json", tmp_path / "net")
    again = load(tmp_path / "sub" / "a.json")
    assert again.signature == adapted.signature
    np.testing.assert_array_equal(again.score(TEXT), adapted.score(TEXT))


def damaged(content, **changes):
    return json.dumps({name: value for name, value in {**content, **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"version": 7}, "version 7; this lmmix reads version 1"),
        ({"network": None}, "not a complete adapted network"),
        ({"network": {"path": "elsewhere", "fingerprint": ""}}, "is not there, which the adapted network needs"),
        ({"network": {"path": "net", "fingerprint": ""}}, "has changed since the adapted network was made"),
        ({"settings": {"window": -1, "theta": 0.3, "weight": 0.1}}, "window is -1; it must be"),
        ({"settings": {"window": "wide", "theta": 0.3, "weight": 0.1}}, "window is 'wide'; it must be"),
        ({"settings": {"window": 7, "theta": 0.3}}, "'settings' must hold theta, weight, window$"),
        ({"settings": [7]}, "'settings' must hold theta, weight, window$"),
        ({"network": "net"}, "'network' must hold fingerprint, path$"),
        ({"network": {"path": 1, "fingerprint": ""}}, "path and fingerprint of 'network' must be text"),
        ({"settings": {"windows": 1}}, "not a complete adapted network"),
        ({"settings": None}, "not a complete adapted network"),
    ],
)
def test_damaged_files(tmp_path, changes, pattern):
    model = random_model()
    model.save(tmp_path / "net")
    file = tmp_path / "a.json"
    save_adapted(ContinuousCache(model), file, tmp_path / "net")
    file.write_text(damaged(json.loads(file.read_text()), **changes))
    with pytest.raises(InputError, match=pattern) as caught:
        load(file)
    assert "\n" not in str(caught.value) and str(file) in str(caught.value)
    assert isinstance(caught.value, FormatError) or "elsewhere" in str(caught.value)


@pytest.mark.parametrize("method", ["cache", "dynamic"])
def test_command(method, run, tmp_path):
    random_model().save(tmp_path / "net")
    dev, out = tmp_path / "dev.txt", tmp_path / "a.json"
    dev.write_text("a b c d e\na b c\n" * 5)
    status, printed, _ = run("adapt", tmp_path / "net", "--method", method, "--dev", dev, "-o", out)
    assert status == 0 and "the network alone: " in printed
    status, printed, _ = run("ppl", out, dev, "--json")
    assert json.loads(printed)["ppl"] == pytest.approx(json.loads(out.read_text())["tuning"]["ppl"], rel=1e-6)
    status, _, error = run("adapt", out, "--method", method, "--dev", dev, "-o", tmp_path / "b.json")
    assert status == 1 and "only a network that predicts the next word can be adapted" in error
    status, _, error = run(
        "adapt", tmp_path / "net", "--method", method, "--dev", dev, "-o", out, "--window", "0", "--segment", "0"
    )
    assert status == 1 and "--window is for --method cache" in error


@pytest.mark.parametrize(
    ("kind", "values", "pattern"),
    [
        (ContinuousCache, {"window": 0}, "window is 0; it must be a whole number, 1 or more"),
        (ContinuousCache, {"theta": -0.1}, "theta is -0.1"),
        (ContinuousCache, {"weight": 1.0}, "weight is 1.0"),
        (ContinuousCache, {"weight": math.nan}, "weight is nan"),
        (DynamicEvaluation, {"learning_rate": -1.0}, "learning_rate is -1.0"),
        (DynamicEvaluation, {"decay": math.inf}, "decay is inf"),
        (DynamicEvaluation, {"segment": 0}, "segment is 0"),
    ],
)
def test_bad_settings(kind, values, pattern):
    with pytest.raises(SettingError, match=pattern):
        kind(random_model(), **values)


def test_other_models_and_empty_texts():
    ngram = train_ngram(TEXT, 1)
    for kind in KINDS:
        with pytest.raises(
            SettingError, match="only a network that predicts the next word can be adapted .*, not a BackoffModel"
        ):
            kind(ngram)
    nothing = Corpus(np.zeros(0, np.int32), np.zeros(1, np.int64), VOCAB)
    for tune in (tune_cache, tune_dynamic):
        with pytest.raises(InputError, match="held-out text has no sentence"):
            tune(random_model(), nothing)
        with pytest.raises(SettingError, match="only a network"):
            tune(ngram, TEXT)
    for kind in KINDS:
        assert kind(random_model()).score(nothing).shape == (0,)


@pytest.mark.parametrize("theta", [1e3, 1e30, 1e308])
def test_a_sharp_cache_is_no_accident(theta):
    model = random_model()
    cache = ContinuousCache(model, window=9, theta=theta, weight=0.3)
    check_language_model(cache, TEXT, tolerance=1e-5)
    logp = cache.score(TEXT)
    assert np.isfinite(logp).all() and logp[0] == pytest.approx(model.score(TEXT)[0], abs=1e-6)


def test_held_out_text_of_unknown_words_only(tmp_path, run):
    for tune in (tune_cache, tune_dynamic):
        with pytest.raises(InputError, match="no word of the held-out text is in the vocabulary \\(3 words"):
            tune(random_model(), corpus_from_lines(["x y", "z"]))


@pytest.mark.parametrize("place", ["net", "net/lmmix.json", "net/new.json", "other"])
def test_the_network_is_never_overwritten(place, run, tmp_path, monkeypatch):
    random_model().save(tmp_path / "net")
    (tmp_path / "other").mkdir()
    (tmp_path / "dev.txt").write_text("a b c\n")
    before = {file.name: file.read_bytes() for file in (tmp_path / "net").iterdir()}
    monkeypatch.delattr(ContinuousCache, "score")
    command = ["adapt", tmp_path / "net", "--method", "cache", "--dev", tmp_path / "dev.txt", "-o", tmp_path / place]
    status, _, error = run(*command)
    assert status == 1 and error.count("\n") == 1
    assert ("it is a folder" if place == "other" else "an input of this command") in error
    assert {file.name: file.read_bytes() for file in (tmp_path / "net").iterdir()} == before


def test_info_says_which_network_and_settings(run, tmp_path):
    random_model("gru").save(tmp_path / "net")
    save_adapted(ContinuousCache(random_model("gru"), window=7), tmp_path / "a.json", tmp_path / "net")
    facts = json.loads(run("info", tmp_path / "a.json", "--json")[1])
    assert [facts[name] for name in ("network", "window", "theta", "weight")] == ["net", 7, 0.3, 0.1]
    facts = json.loads(run("info", tmp_path / "net", "--json")[1])
    weights = sum(tensor.numel() for tensor in random_model("gru").network.parameters())
    assert [facts[name] for name in ("arch", "context", "weights")] == ["gru", "document", weights]
