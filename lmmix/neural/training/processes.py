"""Training in several processes at once, each on its share of every batch: torchrun and DistributedDataParallel.

All processes hold the same weights. Each reads its share of a batch, the gradients are added up over the processes,
and each makes the same step with the sum, so that the weights stay the same bit for bit. What one process decides or
does alone (time, validation, files) the first one does, and tells the others.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lmmix.errors import LmmixError, SettingError
from lmmix.neural.backend import choose_device, torch
from lmmix.neural.networks.network import Memory

Result = TypeVar("Result")

dist = torch.distributed


@dataclass(frozen=True)
class Processes:
    """The processes of a run; there may be one only.

    Attributes
    ----------
    rank : int
        The number of this process, from 0.
    ranks : int
        How many there are.
    device : torch.device
        Where this process computes.
    """

    rank: int
    ranks: int
    device: torch.device

    def joined(self, objective: torch.nn.Module) -> Any:
        """`objective`, such that the gradients of its network are the mean over the processes."""
        if self.ranks == 1:
            return objective
        return torch.nn.parallel.DistributedDataParallel(objective)

    def total(self, value: float) -> float:
        """The sum of a number over the processes."""
        if self.ranks == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return float(tensor)

    def first(self, work: Callable[[], Result]) -> Result:
        """What `work` gives in the first process; its LmmixError is raised in all of them."""
        if self.ranks == 1:
            return work()
        told: list[Any] = [None, None]
        raised: LmmixError | None = None
        if self.rank == 0:
            try:
                told[0] = work()
            except LmmixError as error:
                raised, told[1] = error, str(error)
        dist.broadcast_object_list(told, device=self.device)
        if told[1] is not None:
            raise raised or LmmixError(told[1])
        return told[0]

    def whole(self, memory: Memory, rows: int) -> Memory:
        """The memory of all `rows` texts of a batch from that of each process's share."""
        if self.ranks == 1:
            return memory
        gathered: list[Any] = [None] * self.ranks
        dist.all_gather_object(gathered, tuple(tensor.cpu() for tensor in memory))
        together = []
        for shares in zip(*gathered):
            tensor = shares[0].new_zeros((rows, *shares[0].shape[1:]))
            for rank, share in enumerate(shares):
                mine = tensor[rank :: self.ranks]
                mine.copy_(share[: len(mine)])
            together.append(tensor)
        return tuple(together)

    def share(self, memory: Memory) -> Memory:
        """This process's share of the memory of all texts of a batch: the texts of `batches.Batch.share`."""
        rows = len(memory[0]) if memory else 0
        if self.rank >= rows:
            return tuple(torch.zeros_like(tensor[:1]) for tensor in memory)
        return tuple(tensor[self.rank :: self.ranks].contiguous() for tensor in memory)


def local_processes() -> int:
    """How many processes torchrun has started on this machine; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def join_processes(device: str | None) -> Processes:
    """The processes that torchrun has started, which know of each other from here on; this one alone without torchrun.

    `device` is what the user wants (None: a GPU if there is one); of several GPUs, each process of a machine has one of
    its own. Raises SettingError for a device that is not there.
    """
    place = choose_device(device)
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        return Processes(0, 1, place)
    if place.type == "cuda":
        if place.index is not None:
            raise SettingError(
                f"device is {device!r}; with several processes it must be 'cuda': each takes its own GPU"
            )
        place = choose_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(place)
    # Joined once and not for each run: a second meeting place at the same port may be taken for the first.
    if not dist.is_initialized():
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return Processes(dist.get_rank(), ranks, place)
