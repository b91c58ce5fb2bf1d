"""KenLM's programs, built from its source package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RIVALS = Path(__file__).resolve().parents[2] / "build" / "rivals"
KENLM_VERSION = "0.3.0"


def build() -> None:
    """Download and compile lmplz, build_binary, query and interpolate (cmake, Boost and Eigen headers needed)."""
    RIVALS.mkdir(parents=True, exist_ok=True)
    package = f"kenlm=={KENLM_VERSION}"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "kenlm", "-d", str(RIVALS), package]
    subprocess.run(pip, check=True)
    subprocess.run(["tar", "xf", f"kenlm-{KENLM_VERSION}.tar.gz"], cwd=RIVALS, check=True)
    source = RIVALS / f"kenlm-{KENLM_VERSION}"
    subprocess.run(["cmake", "-S", source, "-B", RIVALS, "-DCMAKE_BUILD_TYPE=Release"], check=True)
    subprocess.run(["make", "-j2", "lmplz", "build_binary", "query", "interpolate"], cwd=RIVALS, check=True)
