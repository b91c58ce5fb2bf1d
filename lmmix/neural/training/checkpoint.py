"""What a training run must remember to go on after an interruption as if there had been none.

One safetensors file: all tensors of the run by name, and as JSON in its header the run (what makes its numbers) and
how far it is. Random numbers need no state: every step draws its own from (seed, epoch, step).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from lmmix.errors import FormatError, SettingError
from lmmix.fileio import PathLike, atomic_write, explain_errors
from lmmix.neural.backend import safetensors, torch

Tensors = dict[str, torch.Tensor]

HEADER = "lmmix"


class Checkpoint(NamedTuple):
    """How far a run is, as JSON, and its tensors; a tensor's name is GROUP.NAME."""

    progress: dict[str, Any]
    tensors: Tensors

    def group(self, name: str) -> Tensors:
        """The tensors of one group."""
        prefix = name + "."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def save_checkpoint(path: PathLike, run: dict[str, Any], progress: dict[str, Any], groups: dict[str, Tensors]) -> None:
    """Write the state of a run, atomically; no two tensors may share memory. Raises InputError."""
    content = {
        f"{group}.{name}": tensor.detach().cpu().contiguous()
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }
    header = {HEADER: json.dumps({"run": run, "progress": progress})}
    with atomic_write(path) as stream:
        stream.write(safetensors.save(content, metadata=header))


def load_checkpoint(path: PathLike, run: dict[str, Any]) -> Checkpoint:
    """The checkpoint in a file.

    Raises FormatError for a damaged file, SettingError if it comes from another run than `run`.
    """
    header, tensors = _read(Path(path))
    for name, value in run.items():
        if header["run"].get(name) != value:
            raise SettingError(
                f"{path}: this checkpoint is of another run ({name} was {header['run'].get(name)!r}, now {value!r}); "
                "give the same settings, or another checkpoint"
            )
    return Checkpoint(header["progress"], tensors)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The moments of an optimiser by NUMBER.NAME."""
    return {
        f"{number}.{name}": tensor
        for number, moments in optimizer.state_dict()["state"].items()
        for name, tensor in moments.items()
        if tensor is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Give an optimiser the moments that `optimizer_tensors` took. Raises ValueError if they are not its own."""
    state: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        number, _, moment = name.partition(".")
        state.setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    with explain_errors(path, "read"):
        content = path.read_bytes()
    try:
        tensors = safetensors.load(content)
        size = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][HEADER])
        return {"run": dict(header["run"]), "progress": dict(header["progress"])}, tensors
    except Exception as error:  # safetensors has errors of its own, and passes on others for odd headers
        reason = " ".join(str(error).split())
        raise FormatError(f"{path}: not a checkpoint of lmmix, or a damaged one: {reason}") from None
