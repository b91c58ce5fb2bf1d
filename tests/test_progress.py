"""What a display of progress is told, and what the bar of the command line shows."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from lmmix.cli import common
from lmmix.progress import show_with, task


def test_bar_says_the_speed_of_work_whose_unit_is_known(monkeypatch, capsys):
    monkeypatch.setattr(common, "PATIENCE", -1.0)
    with show_with(common._TerminalDisplay()), task("training", 40, "tokens") as advance:
        for _ in range(4):
            advance(10)
    column = common._bar("tokens").columns[-1]

    class Task:
        speed = 12345.6

    assert column.render(Task()).plain == "12,346 tokens/s"
    assert common._bar("").columns[-1].render(Task()).plain == ""


def test_training_shows_tokens_and_the_last_validation_perplexity():
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from lmmix.corpus import corpus_from_lines
    from lmmix.neural.training.train import train_neural

    class Recorder:
        def __init__(self):
            self.seen = []

        @contextmanager
        def task(self, label, total, unit):
            done = []
            yield done.append
            self.seen.append((label, total, unit, sum(done)))

    text = corpus_from_lines(["a b c", "d e"] * 8)
    with show_with(recorder := Recorder()):
        model = train_neural(text, text, epochs=2, embedding=4, hidden=4, batch_tokens=20, threads=1)
    ppl = model.training["history"][0]["valid_ppl"]
    events = len(text.ids)
    assert [entry for entry in recorder.seen if entry[2]] == [
        ("training, epoch 1 of 2", events, "tokens", events),
        (f"training, epoch 2 of 2, valid ppl {ppl:.1f}", events, "tokens", events),
    ]
