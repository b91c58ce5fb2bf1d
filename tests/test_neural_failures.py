"""Training that cannot go on says so in one line, and what it has kept stays good."""

from __future__ import annotations

import csv
import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import InputError, LmmixError, SettingError  # noqa: E402
from lmmix.neural.backend import safetensors  # noqa: E402
from lmmix.neural.settings import make_settings  # noqa: E402
from lmmix.neural.training import memory  # noqa: E402
from lmmix.neural.training.log import COLUMNS  # noqa: E402
from lmmix.neural.training.schedule import learning_rate  # noqa: E402
from lmmix.neural.training.settings import TrainSettings  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.neural.training.trainer import Trainer  # noqa: E402

LINES = ["a b c d e", "f g h", "i j k l a b", "c d"] * 6
TEXT = corpus_from_lines(LINES)
SETTINGS = {"epochs": 2, "embedding": 8, "hidden": 8, "batch_tokens": 30, "samples": 6, "threads": 1}
CPU = torch.device("cpu")


@pytest.mark.parametrize("poison", ["weight", "gradient"])
def test_no_number_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, poison):
    """A weight that is infinite behind a step is found before it is saved, a gradient before the step."""
    checkpoint = tmp_path / "run.ckpt"
    original = Trainer._step
    steps = []

    def step(self, batch, epoch):
        steps.append(1)
        bias = self.network.output.bias
        if len(steps) == 4 and poison == "gradient":
            bias.register_hook(lambda slope: slope * torch.nan)
        events = original(self, batch, epoch)
        if len(steps) == 4 and poison == "weight":
            with torch.no_grad():
                bias[3] = torch.inf
        return events

    monkeypatch.setattr(Trainer, "_step", step)
    pattern = {
        "weight": "^a weight is no number behind epoch 1, batch 4; use a learning_rate below 0.015$",
        "gradient": "^the gradient is nan in epoch 1, batch 4; use a learning_rate below 0.015$",
    }
    with pytest.raises(LmmixError, match=pattern[poison]):
        train_neural(TEXT, TEXT, checkpoint=checkpoint, checkpoint_seconds=0, **SETTINGS)
    monkeypatch.undo()
    assert all(tensor.isfinite().all() for tensor in safetensors.load_file(checkpoint).values())
    resumed = train_neural(TEXT, TEXT, checkpoint=checkpoint, **SETTINGS)
    assert resumed.signature == train_neural(TEXT, TEXT, **SETTINGS).signature


def test_texts_of_unknown_words_only():
    other = corpus_from_lines(["x y z", "y"])
    with pytest.raises(InputError, match="no word of the validation text is in the vocabulary \\(4 words"):
        train_neural(TEXT, other, **SETTINGS)
    with pytest.raises(InputError, match="no word of the training text is in the vocabulary \\(4 words"):
        train_neural(other.recode(TEXT.vocab), TEXT, **SETTINGS)


@pytest.mark.parametrize(
    ("sizes", "pattern"),
    [
        ({"hidden": 10**8}, r"hidden 100000000, layers 1\) takes [0-9,.]+ GB, and cpu has [0-9,.]+ GB free; take"),
        ({"hidden": 10**10}, "beyond any memory"),
        ({"hidden": 10**30}, "beyond any memory"),
        ({"embedding": 10**12}, "beyond any memory|GB free"),
        ({"layers": 10**9}, "layers is 1000000000; it must be a whole number from 1 to 1000"),
    ],
)
def test_network_larger_than_memory(sizes, pattern):
    with pytest.raises(SettingError, match=pattern) as caught:
        train_neural(TEXT, TEXT, **{**SETTINGS, **sizes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("optimizer", "copies"), [("adamw", 5), ("sgd", 3), ("asgd", 5)])
def test_memory_counts_every_copy_of_the_weights(monkeypatch, optimizer, copies):
    shape, settings = make_settings("rnn", "tiny", {"optimizer": optimizer, "embedding": 100, "hidden": 100})
    needed = 4 * copies * (200_000 * 101 + 2 * 100 * 101)
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed)
    memory.check_memory("rnn", shape, settings, 200_000, CPU)
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed - 1)
    with pytest.raises(SettingError, match="200,000 words"):
        memory.check_memory("rnn", shape, settings, 200_000, CPU)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("0::/a/b", ("memory.max", "memory.current")),
        ("4:memory:/a/b", ("memory/a/memory.limit_in_bytes", "memory/a/memory.usage_in_bytes")),
    ],
)
def test_memory_of_a_container(tmp_path, monkeypatch, line, names):
    """The least that any control group above this process leaves counts, and pages of files count as free."""
    (tmp_path / "memory" / "a").mkdir(parents=True)
    (tmp_path / "cgroup").write_text(f"1:cpu:/\n{line}\n")
    for name, content in zip(names, ("5000", "3000")):
        (tmp_path / name).write_text(content + "\n")
        (tmp_path / name).with_name("memory.stat").write_text("active_file 7\ninactive_file 100\n")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_LIMITS", tmp_path)
    assert memory.free_bytes(CPU) == 2100
    (tmp_path / names[0]).write_text("max\n")
    assert memory.free_bytes(CPU) != 2100


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_on_the_command_line(run, folder):
    status, out, err = run("neural", "train.txt", "-o", "m", "--valid", "dev.txt", "--device", "cuda")
    assert (status, out) == (1, "")
    assert err == "lmmix: error: device is 'cuda', but torch sees 0 GPUs here; use device 'cpu'\n"


def test_log_as_csv_and_json(tmp_path):
    for name in ("log.csv", "log.jsonl"):
        train_neural(TEXT, TEXT, log=tmp_path / name, **SETTINGS)
    with open(tmp_path / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [tuple(row) for row in rows] == [tuple(record) for record in records] == [COLUMNS] * 2
    for row, record in zip(rows, records):
        for name in ("epoch", "train_loss", "valid_ppl", "learning_rate"):
            assert float(row[name]) == record[name]


def test_one_step_changes_the_weights():
    text = corpus_from_lines(["a b c"])
    still = {"epochs": 1, "embedding": 8, "hidden": 8, "dropout": 0.0, "samples": 0, "threads": 1}
    one, none = (train_neural(text, text, learning_rate=rate, **still) for rate in (0.01, 1e-30))
    assert one.score(text).mean() > none.score(text).mean() + 0.002


def test_the_schedule_rises_from_the_first_step_and_falls_to_the_last():
    settings = TrainSettings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(settings, step / 50, 1 / 50, 0) for step in range(50)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert rates[6:] == pytest.approx([(50 - step) / 45 for step in range(6, 50)])


def test_advice_with_a_teacher():
    model = train_neural(TEXT, TEXT, **SETTINGS)
    with pytest.raises(LmmixError, match="use a learning_rate below 1e\\+38, or a temperature nearer to 1$"):
        train_neural(TEXT, TEXT, teacher=model, learning_rate=1e38, **SETTINGS)
    with pytest.raises(SettingError, match="^a masked network cannot learn from a teacher"):
        train_neural(TEXT, TEXT, arch="masked", teacher=model, **{**SETTINGS, "embedding": 16})
    with pytest.raises(SettingError, match="^softmax is 'adaptive'; a network that learns from a teacher must have"):
        train_neural(TEXT, TEXT, softmax="adaptive", teacher=model, **SETTINGS)
