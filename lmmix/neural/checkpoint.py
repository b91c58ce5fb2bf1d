"""What a training run must remember to go on after an interruption as if there had been none.

One safetensors file: the weights, the best weights so far, the moments of the optimiser, and as JSON in
its header the run (what makes its numbers) and the epochs done. Random numbers need no state: every epoch
draws its own from (seed, epoch).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, SettingError
from lmmix.fileio import PathLike, atomic_write, explain_errors
from lmmix.neural.backend import safetensors, torch

Tensors = dict[str, torch.Tensor]

HEADER = "lmmix"


def save_checkpoint(
    path: PathLike,
    run: dict[str, Any],
    epochs: list[dict[str, Any]],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Tensors,
) -> None:
    """Write the state behind the last of `epochs` (their log records), atomically. Raises InputError."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
    # Clones, because safetensors takes no two tensors in one memory.
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    header = {HEADER: json.dumps({"run": run, "epochs": epochs})}
    with atomic_write(path) as stream:
        stream.write(safetensors.save(copies, metadata=header))


def load_checkpoint(
    path: PathLike, run: dict[str, Any], network: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[list[dict[str, Any]], Tensors]:
    """Put `network` and `optimizer` into the state of a checkpoint; returns (epochs done, best weights).

    Raises FormatError for a damaged file, SettingError if it comes from another run than `run`.
    """
    header, tensors = _read(Path(path))
    for name, value in run.items():
        if header["run"].get(name) != value:
            raise SettingError(
                f"{path}: this checkpoint is of another run ({name} was {header['run'].get(name)!r}, now {value!r}); "
                "give the same settings, or another checkpoint"
            )
    try:
        network.load_state_dict(_under("network.", tensors))
        groups = optimizer.state_dict()["param_groups"]
        state: dict[int, Tensors] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            number, _, moment = name.partition(".")
            state.setdefault(int(number), {})[moment] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except (RuntimeError, ValueError):
        raise FormatError(f"{path}: the tensors of this checkpoint do not fit its settings") from None
    return header["epochs"], _under("best.", tensors)


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    with explain_errors(path, "read"):
        content = path.read_bytes()
    try:
        tensors = safetensors.load(content)
        size = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][HEADER])
        return {"run": dict(header["run"]), "epochs": list(header["epochs"])}, tensors
    except Exception as error:  # safetensors has errors of its own, and passes on others for odd headers
        reason = " ".join(str(error).split())
        raise FormatError(f"{path}: not a checkpoint of lmmix, or a damaged one: {reason}") from None
