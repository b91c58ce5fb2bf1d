"""kill -9 at random moments of training: every resume ends with the weights of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("context", "optimizer", "kills"),
    [
        ("document", "asgd", 10),
        pytest.param("sentence", "adamw", 10, marks=pytest.mark.slow),
        pytest.param("document", "adamw", 10, marks=pytest.mark.slow),
        pytest.param("sentence", "asgd", 10, marks=pytest.mark.slow),
    ],
)
def test_killed_ten_times(tmp_path, context, optimizer, kills):
    script = Path(__file__).with_name("killed_training.py")
    arguments = [sys.executable, str(script), str(tmp_path), context, optimizer, str(kills), "5"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    ends = list(map(int, done.stdout.split()))
    # On a machine that has become faster meanwhile the run may end before all kills.
    survived = kills - ends.count(signal.SIGKILL)
    assert ends == [signal.SIGKILL] * (kills - survived) + [0] * survived and survived <= kills // 2
    whole, killed = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed"))
    assert killed == whole
    whole, killed = ((tmp_path / name / "lmmix.json").read_bytes() for name in ("whole", "killed"))
    assert killed == whole
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "killed.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) == len(json.loads(whole)["training"]["history"])
