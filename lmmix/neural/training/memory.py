"""Whether a network can be trained in the memory that there is, found out before any of it is taken."""

from __future__ import annotations

from pathlib import Path

from lmmix.errors import SettingError
from lmmix.neural.backend import torch
from lmmix.neural.networks.network import make_network
from lmmix.neural.shapes import NetworkSettings
from lmmix.neural.training.processes import local_processes
from lmmix.neural.training.settings import TrainSettings

_MEMINFO = Path("/proc/meminfo")
_GROUPS = Path("/proc/self/cgroup")
_LIMITS = Path("/sys/fs/cgroup")

WORTH_A_LOOK = 1 << 26
"""Bytes below which nobody is asked what there is."""


def check_memory(
    arch: str, shape: NetworkSettings, settings: TrainSettings, n_words: int, device: torch.device
) -> None:
    """Raise SettingError if the weights of a run and what goes with them are more than `device` has free.

    Counted are weights, gradients, what the optimiser keeps, the best weights and the averaged ones; not what a step
    computes, which is small beside them for large vocabularies. Several processes on one machine share its memory.
    """
    with torch.device("meta"):
        try:
            network = make_network(arch, shape, n_words)
            weights = 4 * sum(tensor.numel() for tensor in network.parameters())
        except (RuntimeError, TypeError, OverflowError):  # sizes beyond the whole numbers of torch
            raise SettingError(f"a network of these sizes ({_sizes(shape, n_words)}) is beyond any memory") from None
    needed = weights * _copies(settings) * (local_processes() if device.type == "cpu" else 1)
    if needed <= WORTH_A_LOOK:
        return
    free = free_bytes(device)
    if free is not None and needed > free:
        raise SettingError(
            f"training this network ({_sizes(shape, n_words)}) takes {_gigabytes(needed)}, and {device} has "
            f"{_gigabytes(free)} free; take a smaller vocabulary or smaller layers"
        )


def free_bytes(device: torch.device) -> int | None:
    """Bytes that this process may still take on `device`; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [_group_bytes()]
    if _MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            found.append(1024 * int(lines["MemAvailable"].split()[0]))
    return min((number for number in found if number is not None), default=None)


def _copies(settings: TrainSettings) -> int:
    """How often every weight is there: itself, its gradient, the best one, and what the optimiser keeps."""
    kept = {
        "adamw": 2,
        "sgd": int(settings.momentum > 0),
        # The mean, and the weights that it takes the place of in validation.
        "asgd": int(settings.momentum > 0) + 2,
    }[settings.optimizer]
    # Several processes have the gradients once more, where they are added up.
    return 3 + kept + (local_processes() > 1)


def _group_bytes() -> int | None:
    """What the control groups of this process leave it: the least of their limits less what they use."""
    try:
        paths = [line.split(":", 2)[1:] for line in _GROUPS.read_text().splitlines()]
    except OSError:
        return None
    found = []
    for controllers, name in paths:
        if controllers == "":
            limit, used, root = "memory.max", "memory.current", _LIMITS
        elif "memory" in controllers.split(","):
            limit, used, root = "memory.limit_in_bytes", "memory.usage_in_bytes", _LIMITS / "memory"
        else:
            continue
        folder = root / name.lstrip("/")
        # In a container the name is often that outside of it, and the limit lies further up.
        for group in (folder, *folder.parents):
            found += _left(group, limit, used)
    return min(found, default=None)


def _left(group: Path, limit: str, used: str) -> list[int]:
    try:
        allowed, taken = (group / limit).read_text().strip(), (group / used).read_text()
        cache = dict(line.split() for line in (group / "memory.stat").read_text().splitlines()).get(
            "inactive_file", "0"
        )
        return [int(allowed) - int(taken) + int(cache)] if allowed != "max" else []
    except (OSError, ValueError):
        return []


def _sizes(shape: NetworkSettings, n_words: int) -> str:
    sizes = {name: getattr(shape, name) for name in ("embedding", "hidden", "layers") if hasattr(shape, name)}
    return ", ".join([f"{n_words:,} words", *(f"{name} {value}" for name, value in sizes.items())])


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:,.1f} GB"
