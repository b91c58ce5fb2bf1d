"""Training that goes on from a trained network."""

from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, SettingError  # noqa: E402
from lmmix.neural.model import NeuralModel  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.ngram.estimate import train_ngram  # noqa: E402

FIRST = corpus_from_lines(["a b c d e", "f g h", "b a", "e d c b a", "h g f"] * 6)
OURS = ["a c e g", "b d f h", "zebra a c e g"] * 4
VALID = ["a c e g", "b d f h"]
SMALL = {"embedding": 8, "hidden": 12, "batch_tokens": 24, "threads": 1}


def trained(**more):
    return train_neural(FIRST, FIRST, epochs=2, context="document", **SMALL, **more)


MODEL = trained()


def test_goes_on_in_the_words_and_shape_of_the_first():
    ours, valid = corpus_from_lines(OURS), corpus_from_lines(VALID)
    weights = {name: tensor.clone() for name, tensor in MODEL.network.state_dict().items()}
    before = MODEL.score(valid)
    fitted = train_neural(
        ours,
        valid,
        start_from=MODEL,
        epochs=30,
        threads=1,
        learning_rate=0.02,
        dropout=0.1,
        batch_tokens=24,
        patience=30,
        max_length=8,
    )
    assert fitted.vocab == MODEL.vocab and fitted.network.arch == "lstm" and fitted.context == "document"
    assert fitted.network.settings.hidden == 12 and fitted.network.settings.dropout == 0.1
    assert fitted.score(valid).mean() > before.mean() + 0.1
    assert fitted.training["ppl_before"] == pytest.approx(math.exp(-before.mean()))
    assert fitted.training["start_from"] == MODEL.signature
    assert all(torch.equal(tensor, weights[name]) for name, tensor in MODEL.network.state_dict().items())


def test_learns_slowly_by_default():
    fitted = train_neural(FIRST, FIRST, start_from=MODEL, epochs=1, threads=1)
    assert fitted.training["learning_rate"] == pytest.approx(0.1 * MODEL.training["learning_rate"])


def test_keeps_the_first_network_if_nothing_is_better(caplog):
    with caplog.at_level(logging.WARNING, "lmmix"):
        fitted = train_neural(corpus_from_lines(["h h h h"] * 9), FIRST, start_from=MODEL, epochs=2, threads=1)
    np.testing.assert_array_equal(fitted.score(FIRST), MODEL.score(FIRST))
    assert fitted.training["best_epoch"] == 0
    assert fitted.training["valid_ppl"] == fitted.training["ppl_before"]
    assert "got no better" in caplog.text


def test_checkpoint_belongs_to_its_start(tmp_path):
    def run(model):
        return train_neural(
            FIRST, FIRST, start_from=model, epochs=1, threads=1, learning_rate=0.001, checkpoint=tmp_path / "c"
        )

    assert run(MODEL).signature == run(MODEL).signature
    with pytest.raises(SettingError, match="this checkpoint is of another run"):
        run(trained(seed=2))


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        ({"arch": "gru"}, "arch is 'gru', but the network to start from is 'lstm'; leave arch out"),
        ({"size": "small"}, "size is 'small', but the network to start from has a shape of its own"),
        ({"hidden": 13}, "hidden is 13, but the network to start from has 12; leave hidden out"),
        ({"wings": 2}, "no setting of lstm is called 'wings'"),
        ({"start_from": train_ngram(FIRST, 1)}, "goes on only from a network, not from a BackoffModel"),
    ],
)
def test_contradictions(values, pattern):
    with pytest.raises(SettingError, match=pattern) as caught:
        train_neural(FIRST, FIRST, **{"start_from": MODEL, **values})
    assert "\n" not in str(caught.value)


def test_command(run, tmp_path):
    MODEL.save(tmp_path / "net")
    text, out, words = tmp_path / "ours.txt", tmp_path / "out", tmp_path / "words.txt"
    text.write_text("\n".join(OURS) + "\n")
    words.write_text("a\nb\n")
    command = ["neural", text, "-o", out, "--valid", text, "--start-from", tmp_path / "net", "--epochs", "1"]
    status, printed, _ = run(*command, "--threads", "1")
    assert status == 0 and "validation perplexity: " in printed and " before, " in printed
    assert json.loads((out / "lmmix.json").read_text())["fingerprint"] == MODEL.vocab.fingerprint
    for option, message in (
        (["--arch", "rnn"], "arch is 'rnn'"),
        (["--size", "tiny"], "size is 'tiny'"),
        (["--vocab", words], "different vocabularies"),
    ):
        status, _, error = run(*command, *option)
        assert status == 1 and message in error and error.count("\n") == 1


def test_the_rate_is_a_tenth_of_the_first_however_often():
    first = train_neural(FIRST, FIRST, epochs=1, optimizer="sgd", momentum=0.5, learning_rate=2.0, **SMALL)
    second = train_neural(FIRST, FIRST, start_from=first, epochs=1, threads=1)
    third = train_neural(FIRST, FIRST, start_from=second, epochs=1, threads=1)
    for model in (second, third):
        names = ("optimizer", "momentum", "learning_rate", "first_rate")
        assert [model.training[name] for name in names] == ["sgd", 0.5, pytest.approx(0.2), 2.0]
    with pytest.raises(SettingError, match="trained with 'sgd'; give a learning_rate, too"):
        train_neural(FIRST, FIRST, start_from=second, optimizer="adamw", threads=1)
    other = train_neural(FIRST, FIRST, start_from=second, optimizer="adamw", learning_rate=0.01, epochs=1, threads=1)
    assert other.training["first_rate"] == 0.01


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", "fast"),
        ("learning_rate", -1.0),
        ("first_rate", math.inf),
        ("optimizer", 3),
        ("momentum", None),
    ],
)
def test_damaged_record(name, value):
    model = NeuralModel(MODEL.network, MODEL.vocab, "document", {**MODEL.training, name: value})
    with pytest.raises(FormatError, match=f"record of the network to start from is damaged: {name} is") as caught:
        train_neural(FIRST, FIRST, start_from=model, epochs=1)
    assert "\n" not in str(caught.value)


def test_info_says_how_it_was_trained(run, tmp_path):
    MODEL.save(tmp_path / "net")
    facts = json.loads(run("info", tmp_path / "net", "--json")[1])
    assert facts["epochs"] == 2 and facts["valid_ppl"] == MODEL.training["valid_ppl"]


def test_inputs_are_never_overwritten(run, tmp_path):
    MODEL.save(tmp_path / "net")
    (tmp_path / "t.txt").write_text("a b\n")
    net, text = tmp_path / "net", tmp_path / "t.txt"
    fixed = ["neural", text, "--valid", text, "--start-from", net]
    for options, message in (
        (["-o", net], "is an input of this command"),
        (["-o", tmp_path / "m", "--log", text], "is an input of this command"),
        (["-o", tmp_path / "m", "--checkpoint", net / "weights.safetensors"], "an input of this command"),
        (["-o", tmp_path / "m", "--checkpoint", tmp_path / "c", "--log", tmp_path / "c"], "they must be two files"),
        (["-o", tmp_path / "m", "--log", tmp_path / "m" / "log.csv"], "which the model replaces as a whole"),
    ):
        status, _, error = run(*fixed, *options)
        assert status == 1 and message in error and error.count("\n") == 1
    assert text.read_text() == "a b\n"
