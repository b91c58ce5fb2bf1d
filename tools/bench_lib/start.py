"""Start-up."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bench_lib.timing import LMMIX, in_turns, measured


def bench() -> None:
    """Warm start-up times, the best of what a user waits for."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        text.write_text("the cat sat on the mat\nthe dog sat\n" * 50)
        model = Path(folder, "model.arpa")
        subprocess.run([*LMMIX, "ngram", str(text), "-o", str(model), "--order", "3"], check=True, capture_output=True)
        jobs = {
            "lmmix --help": lambda: measured([*LMMIX, "--help"]),
            "lmmix ppl, small ARPA, small text": lambda: measured([*LMMIX, "ppl", str(model), str(text)]),
        }
        in_turns(7, jobs)
