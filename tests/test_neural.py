"""The LSTM language model: training, the contract of every model, and the folder it is stored in."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from conformance import check_language_model  # noqa: E402

from lmmix.corpus import Corpus, corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, InputError, LmmixError, MissingDependencyError, SettingError  # noqa: E402
from lmmix.lm import LanguageModel, load  # noqa: E402
from lmmix.mix.linear import LinearMixture  # noqa: E402
from lmmix.neural import backend  # noqa: E402
from lmmix.neural.backend import choose_precision  # noqa: E402
from lmmix.neural.batches import PADDING, Pieces  # noqa: E402
from lmmix.neural.model import NeuralModel  # noqa: E402
from lmmix.neural.networks.recurrent import LstmNetwork  # noqa: E402
from lmmix.neural.networks.sampling import Sampler, inclusion_probabilities  # noqa: E402
from lmmix.neural.networks.softmax import TiedSoftmax, event_logp, softmax_loss  # noqa: E402
from lmmix.neural.reading import SLAB  # noqa: E402
from lmmix.neural.settings import SIZES, make_settings  # noqa: E402
from lmmix.neural.store import load_neural  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.ngram.estimate import train_ngram  # noqa: E402
from lmmix.vocab import BOS, EOS, UNK, Vocab  # noqa: E402

TEXT = ["the cat sat on the mat", "a dog saw the cat", "the dog sat", "a cat saw a dog on the mat", "<unk> sat"]
SMALL = {"embedding": 8, "hidden": 12, "dropout": 0.1, "batch_tokens": 24, "threads": 1}


def random_lines(n: int, seed: int, words: int = 30) -> list[str]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, n)
    return [" ".join(f"w{i}" for i in rng.zipf(1.4, length) % words) for length in lengths]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small only get slower by threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus():
    return corpus_from_lines(TEXT + random_lines(60, 1))


@pytest.fixture(scope="module")
def valid(corpus):
    return corpus_from_lines(TEXT[:2] + random_lines(20, 2), corpus.vocab)


@pytest.fixture(scope="module")
def model(corpus, valid):
    """Two layers and a projection, so that every part of the network is there."""
    return train_neural(corpus, valid, epochs=3, layers=2, learning_rate=0.01, **SMALL)


def fold(model, corpus):
    """ln p of every event by advancing one sentence at a time."""
    logp = []
    for begin, end in zip(corpus.offsets[:-1], corpus.offsets[1:]):
        state = model.start(1)
        for word in corpus.ids[begin:end]:
            found, state = model.advance(state, np.array([word]))
            logp.append(found[0])
    return np.array(logp)


# The contract


def test_conforms_alone_and_in_a_mixture_with_an_ngram_model(model, corpus):
    text = corpus_from_lines([*TEXT, *random_lines(10, 4)], model.vocab)
    check_language_model(model, text, tolerance=1e-5)
    ngram = train_ngram(corpus, 2)
    check_language_model(LinearMixture([ngram, model], [0.4, 0.6]), text, tolerance=1e-5)


def test_is_a_language_model(model, corpus):
    assert isinstance(model, LanguageModel)
    assert "arch:lstm|embedding:8|dropout:0.1|softmax:full|hidden:12|layers:2|" in model.signature
    assert f"vocab:{corpus.vocab.fingerprint}" in model.signature
    assert "\n" not in model.signature


def test_score_is_folded_advance(model):
    text = corpus_from_lines(["", "the cat sat", "unheard of", "", *TEXT, *random_lines(20, 3)], model.vocab)
    logp = model.score(text)
    assert logp.dtype == np.float64
    assert logp.shape == text.ids.shape
    np.testing.assert_allclose(logp, fold(model, text), atol=1e-5)


def test_score_of_a_sentence_longer_than_a_slab(model):
    rng = np.random.default_rng(5)
    long = " ".join(f"w{i}" for i in rng.integers(0, 30, 2 * SLAB + 3))
    text = corpus_from_lines(["the dog", long, "the cat"], model.vocab)
    np.testing.assert_allclose(model.score(text), fold(model, text), atol=1e-4)


def test_score_does_not_depend_on_the_company(model):
    text = corpus_from_lines(TEXT, model.vocab)
    together = model.score(text)
    for s, line in enumerate(TEXT):
        alone = model.score(corpus_from_lines([line], model.vocab))
        np.testing.assert_allclose(alone, together[text.offsets[s] : text.offsets[s + 1]], atol=1e-5)


def test_score_recodes_other_vocabularies(model):
    other = corpus_from_lines(["mat cat zebra the", "zebra"])
    same = corpus_from_lines(["mat cat <unk> the", "<unk>"], model.vocab)
    np.testing.assert_array_equal(model.score(other), model.score(same))


def test_score_of_nothing(model):
    nothing = Corpus(np.zeros(0, np.int32), np.zeros(1, np.int64), model.vocab)
    assert model.score(nothing).shape == (0,)
    assert model.score(corpus_from_lines([""], model.vocab)).shape == (1,)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_distribution_sums_to_one_and_agrees_with_advance(model, data):
    n = data.draw(st.integers(1, 4))
    word = st.integers(0, len(model.vocab) - 1)
    history = data.draw(st.lists(st.lists(word, min_size=n, max_size=n), max_size=6))
    state = model.start(n)
    for words in history:  # `<s>` and `</s>` inside a history too
        _, state = model.advance(state, np.array(words))
    distribution = model.distribution(state)
    assert distribution.shape == (n, len(model.vocab))
    assert distribution.dtype == np.float64
    np.testing.assert_allclose(distribution.sum(1), 1.0, atol=1e-9)
    assert (distribution[:, BOS] == 0).all()
    words = np.array(data.draw(st.lists(word.filter(lambda w: w != BOS), min_size=n, max_size=n)))
    logp, _ = model.advance(state, words)
    np.testing.assert_allclose(logp, np.log(distribution[np.arange(n), words]), atol=1e-5)


def test_bos_is_no_event(model):
    logp, _ = model.advance(model.start(1), np.array([BOS]))
    assert logp[0] == -math.inf


def test_state_of_no_history(model):
    state = model.start(0)
    logp, state = model.advance(state, np.array([], np.int64))
    assert logp.shape == (0,)
    assert model.distribution(state).shape == (0, len(model.vocab))


@pytest.mark.parametrize("words", [[0, 0], [-1], [10_000], [[0]]])
def test_words_that_are_no_ids(model, words):
    with pytest.raises(SettingError, match="words must be 1 ids"):
        model.advance(model.start(1), np.array(words))


def test_threads_do_not_matter(model, valid):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = model.score(valid)
        torch.set_num_threads(2)
        two = model.score(valid)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one, two)


# Training


def test_learns_a_text_by_heart():
    lines = ["a b c d e", "f g h i j k", "l m n"] * 4
    text = corpus_from_lines(lines)
    model = train_neural(text, text, epochs=60, dropout=0.0, patience=60, batch_tokens=32, samples=0, threads=1)
    # The first word is one of three; all others follow from it.
    best = -math.log(3) * len(lines) / len(text.ids)
    assert model.score(text).mean() == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("samples", [0, 12])
def test_training_helps(corpus, valid, samples):
    one = train_neural(corpus, valid, epochs=1, samples=samples, learning_rate=1e-9, **SMALL)
    many = train_neural(corpus, corpus, epochs=30, samples=samples, learning_rate=0.02, **SMALL)
    assert many.score(corpus).mean() > one.score(corpus).mean() + 0.3


def test_same_seed_same_weights(corpus, valid):
    def weights(seed):
        return train_neural(corpus, valid, epochs=2, seed=seed, samples=20, **SMALL).network.state_dict()

    before = torch.random.get_rng_state()
    first, second, other = weights(7), weights(7), weights(8)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_early_stopping_keeps_the_best(valid, corpus, tmp_path):
    log = tmp_path / "log.jsonl"
    model = train_neural(
        corpus, valid, epochs=40, learning_rate=0.05, patience=2, log=log, warmup=0.0, **{**SMALL, "dropout": 0.0}
    )
    records = [json.loads(line) for line in log.read_text().splitlines()]
    ppls = [record["valid_ppl"] for record in records]
    best = int(np.argmin(ppls))
    assert len(records) == best + 3 < 40
    assert math.exp(-model.score(valid).mean()) == pytest.approx(ppls[best], rel=1e-6)
    assert model.training["best_epoch"] == best + 1
    assert set(records[0]) == {
        "epoch", "train_loss", "valid_ppl", "learning_rate", "tokens_per_second", "seconds",
    }  # fmt: skip


def test_time_limit(corpus, valid):
    model = train_neural(corpus, valid, epochs=10_000, max_minutes=0.01, patience=10_000, **SMALL)
    assert 1 <= len(model.training["history"]) < 1000


def test_bfloat16_trains_like_float32(corpus, valid):
    def ppl(precision):
        model = train_neural(corpus, valid, epochs=4, learning_rate=0.01, precision=precision, **SMALL)
        return math.exp(-model.score(valid).mean())

    assert ppl("bfloat16") == pytest.approx(ppl("float32"), rel=0.03)


def test_precision_follows_from_the_hardware(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert choose_precision("auto", cpu) == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert choose_precision("auto", cpu) == torch.float32


def test_vocabulary_larger_than_the_text():
    vocab = Vocab.from_words([f"w{i}" for i in range(100)])
    text = corpus_from_lines(["w1 w2 w3", "w99 zebra"], vocab)
    model = train_neural(text, text, epochs=1, samples=10, **SMALL)
    assert np.isfinite(model.score(text)).all()


# The softmax


def test_loss_is_cross_entropy_with_its_gradients():
    torch.manual_seed(0)
    features, weights, bias = torch.randn(40, 6), torch.randn(11, 6), torch.randn(11)
    targets, zeros = torch.randint(0, 11, (40,)), torch.zeros(11)
    got = [tensor.clone().requires_grad_() for tensor in (features, weights, bias)]
    want = [tensor.clone().requires_grad_() for tensor in (features, weights, bias)]
    loss = softmax_loss(got[0], targets, got[1], got[2], zeros, torch.float32)
    expected = torch.nn.functional.cross_entropy(want[0] @ want[1].t() + want[2], targets, reduction="sum")
    torch.testing.assert_close(loss, expected)
    (2 * loss).backward()
    (2 * expected).backward()
    for ours, theirs in zip(got, want):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_event_logp_far_below_one():
    features, weights = torch.tensor([[1.0]]), torch.tensor([[0.0], [-500.0]])
    logp = event_logp(features, torch.tensor([1]), weights, torch.zeros(2))
    assert logp.item() == pytest.approx(-500.0)


@pytest.mark.parametrize("samples", [1, 5, 49, 97, 98, 99, 1000, 0])
def test_inclusion_probabilities_add_up(samples):
    counts = np.random.default_rng(0).zipf(1.3, 99).clip(0, 10_000)
    chances = inclusion_probabilities(counts, samples)
    assert chances.sum() == pytest.approx(samples if 0 < samples < 98 else 98)
    assert chances[BOS] == 0
    assert (np.delete(chances, BOS) > 0).all()
    assert chances.max() <= 1


def test_sampled_sum_is_unbiased():
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    n_words, events = 40, np.array([5, 30, 5])
    features, weights, bias = torch.randn(3, 4), 0.5 * torch.randn(n_words, 4), torch.randn(n_words)
    softmax = TiedSoftmax(n_words)
    softmax.sampler = Sampler(inclusion_probabilities(np.arange(n_words)[::-1] + 1, 15))
    softmax.bias.data = bias
    logits = features @ weights.t() + bias
    logits[:, BOS] = -math.inf
    own = logits[torch.arange(3), torch.from_numpy(events)]
    # exp(−ln p) of one event is its estimate of Σ exp(l) / exp(l of the event).
    estimates = [
        math.exp(softmax.loss(features[:1], events[:1], weights, torch.float32, generator).item()) for _ in range(3000)
    ]
    exact = (logits[0].exp().sum() / own[0].exp()).item()
    error = np.std(estimates) / math.sqrt(len(estimates))
    assert np.mean(estimates) == pytest.approx(exact, abs=4 * error)


# Batches


def test_batches_hold_every_event_once(corpus):
    pieces = Pieces.of(corpus, max_length=4)
    seen = []
    for chosen in pieces.shuffled_batches(20, np.random.default_rng(0)):
        inputs, events, places, _ = pieces.padded(chosen)
        assert inputs.shape == events.shape
        assert events.size <= 20
        real = events != PADDING
        np.testing.assert_array_equal(events[real], corpus.ids[places[real]])
        starts = np.isin(places, corpus.offsets) & real
        assert (inputs[starts] == BOS).all()
        inside = real & ~starts
        np.testing.assert_array_equal(inputs[inside], corpus.ids[places[inside] - 1])
        seen.append(places[real])
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(corpus.ids)))


def test_batches_of_scoring_waste_little(corpus):
    pieces = Pieces.of(corpus)
    places = sum(pieces.padded(chosen)[0].size for chosen in pieces.batches(100))
    assert len(corpus.ids) <= places < 1.2 * len(corpus.ids)


# Storing


def test_save_and_load_give_the_same_numbers(model, valid, tmp_path):
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert isinstance(again, NeuralModel)
    np.testing.assert_array_equal(model.score(valid), again.score(valid))
    assert again.signature == model.signature
    assert again.training == model.training
    assert again.vocab == model.vocab
    again.save(tmp_path / "n")
    for file in (tmp_path / "m").iterdir():
        assert file.read_bytes() == (tmp_path / "n" / file.name).read_bytes()


@pytest.fixture
def folder(model, tmp_path):
    model.save(tmp_path / "m")
    return tmp_path / "m"


def change_config(folder, **changes):
    config = json.loads((folder / "lmmix.json").read_text())
    (folder / "lmmix.json").write_text(json.dumps({**config, **changes}))


def expect_error(folder, pattern, error=FormatError):
    with pytest.raises(error, match=pattern) as caught:
        load_neural(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_weights_missing(folder):
    (folder / "weights.safetensors").unlink()
    expect_error(folder, "weights.safetensors is missing")


def test_config_missing(folder):
    (folder / "lmmix.json").unlink()
    expect_error(folder, "cannot read", InputError)


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"", lambda b: b"\0" * 64, lambda b: b[:-3]])
def test_weights_damaged(folder, damage):
    file = folder / "weights.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    expect_error(folder, "weights.safetensors: damaged")


def test_one_bit_of_the_weights_flipped(folder):
    file = folder / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    expect_error(folder, "checksum")


def test_shapes_that_do_not_fit(folder):
    settings = json.loads((folder / "lmmix.json").read_text())["settings"]
    change_config(folder, settings={**settings, "hidden": 13})
    expect_error(folder, r"tensor 'layers.0.bias_hh_l0' is 48 float32, and the settings want 52 float32")
    change_config(folder, settings={**settings, "layers": 3})
    expect_error(folder, "absent")


def test_other_vocabulary(folder):
    with open(folder / "vocab.txt", "a") as file:
        file.write("zebra\n")
    expect_error(folder, "vocab.txt: not the vocabulary of this model")


def test_vocabulary_in_another_order(folder):
    lines = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join(lines[::-1]) + "\n")
    expect_error(folder, "vocab.txt: damaged or changed")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "gpt"},
        {"arch": "gpt"},
        {"context": "page"},
        {"version": 3},
        {"settings": {}, "version": "1"},
        {"settings": {"heads": 3}},
        {"settings": {"hidden": -1}},
        {"settings": {"hidden": "many"}},
        {"files": 3},
        {"tokenizer": None},
    ],
)
def test_config_that_is_wrong(folder, changes):
    change_config(folder, **changes)
    expect_error(folder, "lmmix.json")


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"arch": "gpt"}, "'gpt'; there are .*rnn, gru, lstm"),
        ({"size": "huge"}, "'huge'; there are tiny, small, medium"),
        ({"dropout": -0.1}, "dropout is -0.1; it must be"),
        ({"dropout": 1}, "dropout is 1; it must be"),
        ({"layers": 0}, "layers is 0; it must be a whole number from 1 to 1000"),
        ({"hidden": 2.5}, "hidden is 2.5"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"heads": 4}, "no setting of lstm is called 'heads'"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"device": "toaster"}, "device is 'toaster'"),
        ({"device": "mps"}, "device is 'mps'"),
        ({"threads": 0}, "threads is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"max_minutes": 0}, "max_minutes is 0"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds is -1"),
        ({"checkpoint_seconds": math.nan}, "checkpoint_seconds is nan"),
        ({"checkpoint": "-"}, "checkpoint is '-'; .* must be a file"),
        ({"log": "-"}, "log is '-'; .* must be a file"),
    ],
)
def test_bad_settings(corpus, valid, arguments, pattern):
    with pytest.raises(SettingError, match=pattern) as caught:
        train_neural(corpus, valid, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu(corpus, valid, folder):
    with pytest.raises(SettingError, match="device is 'cuda', but torch sees 0 GPUs"):
        train_neural(corpus, valid, device="cuda")
    with pytest.raises(SettingError, match="GPUs"):
        load_neural(folder, device="cuda:1")


def test_loss_that_is_no_number(corpus, valid):
    with pytest.raises(LmmixError, match="the loss is (nan|inf) in epoch 1, batch [0-9]+; use a learning_rate"):
        train_neural(corpus, valid, learning_rate=1e38, **SMALL)


def test_text_without_sentences(corpus):
    nothing = Corpus(np.zeros(0, np.int32), np.zeros(1, np.int64), corpus.vocab)
    with pytest.raises(InputError, match="validation text has no sentence"):
        train_neural(corpus, nothing)
    with pytest.raises(InputError, match="training text has no sentence"):
        train_neural(nothing, corpus)


def test_named_sizes_are_allowed():
    for size in SIZES:
        network, _ = make_settings("lstm", size, {"epochs": None})
        with torch.device("meta"):
            assert len(LstmNetwork(network, 100).layers) == network.layers


def test_special_words_of_a_trained_model(model):
    distribution = model.distribution(model.start(1))[0]
    assert distribution[UNK] > 0
    assert distribution[EOS] > 0


# The optional packages


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_package_that_is_not_installed(monkeypatch, package):
    for name in ("torch", "safetensors.torch") if package == "torch" else ("safetensors.torch",):
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.find_spec(backend.__name__)
    with pytest.raises(MissingDependencyError, match=rf"'{package}': pip install 'lmmix\[neural\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_the_package_alone_does_not_load_torch():
    code = "import sys, lmmix.neural, lmmix.neural.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
