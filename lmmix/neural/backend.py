"""The one place that imports torch and safetensors, so that their absence is told in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from lmmix.errors import MissingDependencyError, SettingError
from lmmix.parallel import thread_count

try:
    import torch
except ImportError:
    raise MissingDependencyError("torch", "a neural model", "neural") from None
try:
    import safetensors.torch as safetensors
except ImportError:
    raise MissingDependencyError("safetensors", "a neural model", "neural") from None

__all__ = ["choose_device", "choose_precision", "ids_on", "safetensors", "seeded", "torch", "torch_threads"]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str | None) -> torch.device:
    """The device called `name` (`cpu`, `cuda`, `cuda:1`), or CUDA where there is a GPU, else the CPU.

    Raises SettingError for a device that torch does not know or that is not there.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SettingError(f"device is {name!r}; it must be 'cpu', 'cuda' or 'cuda:NUMBER'")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise SettingError(f"device is {name!r}, but torch sees {count} GPUs here; use device 'cpu'")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of the matrix products in training: that called `name`, or for `auto` what the hardware is made for.

    `auto` is bfloat16 on GPUs that compute with it and on CPUs with AMX tiles, else float32: AVX-512's
    bfloat16 instructions alone are slower than float32. Nothing is timed, so runs repeat exactly.
    Raises SettingError.
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    if name != "auto":
        raise SettingError(f"precision is {name!r}; it must be auto, {' or '.join(PRECISIONS)}")
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
        fast = bool(has_amx and has_amx())
    return torch.bfloat16 if fast else torch.float32


def ids_on(device: torch.device, ids: np.ndarray) -> torch.Tensor:
    """Words or other whole numbers as int64 on `device`."""
    return torch.from_numpy(np.ascontiguousarray(ids, np.int64)).to(device)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's random numbers start from `seed` inside the block and go on as if it had not been outside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Torch computes on `threads` threads (None: all cores) inside the block. Raises SettingError."""
    before = torch.get_num_threads()
    torch.set_num_threads(thread_count(threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
