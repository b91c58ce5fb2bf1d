"""A training run that goes on from a checkpoint ends as if it had never stopped."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, InputError, SettingError  # noqa: E402
from lmmix.neural.training.checkpoint import save_checkpoint  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.neural.training.trainer import Trainer  # noqa: E402

LINES = ["a b c d e", "f g h", "i j k l a b", "c d", "e f g h i j", "k l", "a c e g i k", "b d f h"] * 6
TEXT = corpus_from_lines(LINES)
VALID = corpus_from_lines(LINES[:4], TEXT.vocab)
SETTINGS = {"epochs": 4, "embedding": 8, "hidden": 8, "batch_tokens": 40, "samples": 6, "patience": 4, "threads": 1}


class Interrupted(Exception):
    pass


@pytest.fixture
def stop_in_epoch(monkeypatch):
    """Makes training fail in the middle of an epoch, as a power cut would."""

    def arrange(epoch):
        original = Trainer._step
        steps = []

        def step(self, batch, epoch_number):
            steps.append(1)
            if len(self.epochs) == epoch and len(steps) % 3 == 0:
                raise Interrupted
            return original(self, batch, epoch_number)

        monkeypatch.setattr(Trainer, "_step", step)

    yield arrange
    monkeypatch.undo()


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_resumed_run_equals_uninterrupted_one(tmp_path, stop_in_epoch, monkeypatch, epoch):
    whole = train_neural(TEXT, VALID, **SETTINGS)
    checkpoint, log = tmp_path / "run.ckpt", tmp_path / "log.jsonl"
    stop_in_epoch(epoch)
    with pytest.raises(Interrupted):
        train_neural(TEXT, VALID, checkpoint=checkpoint, log=log, **SETTINGS)
    monkeypatch.undo()
    resumed = train_neural(TEXT, VALID, checkpoint=checkpoint, log=log, **SETTINGS)
    assert resumed.signature == whole.signature
    assert resumed.training == whole.training
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name])
    assert [json.loads(line)["epoch"] for line in log.read_text().splitlines()] == [1, 2, 3, 4]


@pytest.mark.parametrize("context", ["sentence", "document"])
@pytest.mark.parametrize("optimizer", ["adamw", "asgd"])
def test_interrupted_at_every_step(tmp_path, monkeypatch, context, optimizer):
    """Each life of the run makes one step more than the one before could keep, so every step is resumed from."""
    settings = {
        **SETTINGS, "epochs": 3, "context": context, "optimizer": optimizer, "average_after": 1, "max_length": 4,
        "batch_tokens": 60, "schedule": "plateau", "momentum": 0.5, "learning_rate": 0.1,
    }  # fmt: skip
    whole = train_neural(TEXT, VALID, **settings)
    checkpoint, log = tmp_path / "run.ckpt", tmp_path / "log.jsonl"
    original = Trainer._step
    made = []

    def step(self, batch, epoch):
        if made:
            raise Interrupted
        made.append(1)
        return original(self, batch, epoch)

    monkeypatch.setattr(Trainer, "_step", step)
    lives = 0
    while True:
        lives += 1
        made.clear()
        try:
            model = train_neural(TEXT, VALID, checkpoint=checkpoint, checkpoint_seconds=0, log=log, **settings)
            break
        except Interrupted:
            continue
    assert lives > 10
    assert model.signature == whole.signature
    assert model.training == whole.training
    assert len(log.read_text().splitlines()) == 3


def test_log_is_complete_if_only_the_log_was_not_written(tmp_path, monkeypatch):
    checkpoint, log = tmp_path / "run.ckpt", tmp_path / "log.csv"
    train_neural(TEXT, VALID, checkpoint=checkpoint, log=log, **SETTINGS)
    whole = log.read_text()
    log.unlink()
    train_neural(TEXT, VALID, checkpoint=checkpoint, log=log, **SETTINGS)
    assert log.read_text() == whole


def test_finished_run_is_not_run_again(tmp_path, stop_in_epoch):
    checkpoint = tmp_path / "run.ckpt"
    first = train_neural(TEXT, VALID, checkpoint=checkpoint, **SETTINGS)
    stop_in_epoch(4)
    again = train_neural(TEXT, VALID, checkpoint=checkpoint, **SETTINGS)
    assert again.signature == first.signature
    assert again.training == first.training


def test_checkpoint_of_another_run(tmp_path):
    checkpoint = tmp_path / "run.ckpt"
    train_neural(TEXT, VALID, checkpoint=checkpoint, **{**SETTINGS, "epochs": 1})
    with pytest.raises(SettingError, match=r"run.ckpt: this checkpoint is of another run \(epochs was 1, now 4\)"):
        train_neural(TEXT, VALID, checkpoint=checkpoint, **SETTINGS)
    with pytest.raises(SettingError, match="this checkpoint is of another run \\(arch was 'lstm', now 'gru'\\)"):
        train_neural(TEXT, VALID, arch="gru", checkpoint=checkpoint, **{**SETTINGS, "epochs": 1})
    with pytest.raises(SettingError, match="text was"):
        train_neural(TEXT, TEXT, checkpoint=checkpoint, **{**SETTINGS, "epochs": 1})


def test_interrupted_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run.ckpt"
    train_neural(TEXT, VALID, checkpoint=checkpoint, **{**SETTINGS, "epochs": 1})
    before = checkpoint.read_bytes()

    def save(tensors, metadata):
        raise KeyboardInterrupt

    monkeypatch.setattr("lmmix.neural.training.checkpoint.safetensors.save", save)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(checkpoint, {}, {}, {})
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


@pytest.mark.parametrize("end", [7, 100, 1000, -1])
def test_checkpoint_cut_short(tmp_path, end):
    checkpoint = tmp_path / "run.ckpt"
    train_neural(TEXT, VALID, checkpoint=checkpoint, **{**SETTINGS, "epochs": 1})
    checkpoint.write_bytes(checkpoint.read_bytes()[:end])
    with pytest.raises(FormatError, match="run.ckpt: not a checkpoint of lmmix, or a damaged one"):
        train_neural(TEXT, VALID, checkpoint=checkpoint, **{**SETTINGS, "epochs": 1})


@pytest.mark.parametrize("name", ["checkpoint", "log"])
def test_files_that_cannot_be_written_are_told_before_the_work(tmp_path, monkeypatch, name):
    monkeypatch.delattr(Trainer, "_step")
    with pytest.raises(InputError, match="nowhere/file: cannot write: No such file or directory"):
        train_neural(TEXT, VALID, **{name: tmp_path / "nowhere" / "file"}, **SETTINGS)


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"\x02" + b"\0" * 7 + b"{}"])
def test_damaged_checkpoint(tmp_path, content):
    checkpoint = tmp_path / "run.ckpt"
    checkpoint.write_bytes(content)
    with pytest.raises(FormatError, match="run.ckpt: not a checkpoint of lmmix, or a damaged one") as caught:
        train_neural(TEXT, VALID, checkpoint=checkpoint, **SETTINGS)
    assert "\n" not in str(caught.value)
