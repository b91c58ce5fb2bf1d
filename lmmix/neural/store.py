"""A neural model on disk: a folder with `lmmix.json`, `weights.safetensors` and `vocab.txt`.

`lmmix.json` holds the kind, the version of this format, the architecture and settings of the network, the tokeniser and
fingerprint of the vocabulary, the SHA-256 prefix of both other files, and how the model was trained.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, SettingError
from lmmix.fileio import PathLike, atomic_folder, explain_errors, file_fingerprint, read_json, write_json
from lmmix.lm import FOLDER_CONFIG
from lmmix.neural.backend import choose_device, safetensors, torch
from lmmix.neural.network_model import NetworkModel
from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.settings import find_architecture, find_class
from lmmix.neural.shapes import NetworkSettings, check_network
from lmmix.vocab import Vocab

KIND = "neural"
VERSION = 2
WEIGHTS = "weights.safetensors"
WORDS = "vocab.txt"


def save_neural(model: NetworkModel, path: PathLike) -> None:
    """Write `model` as the folder `path`, which is replaced as a whole if it exists. Raises InputError."""
    with atomic_folder(path, FOLDER_CONFIG) as folder:
        tensors = {name: tensor.cpu().contiguous() for name, tensor in model.network.state_dict().items()}
        (folder / WEIGHTS).write_bytes(safetensors.save(tensors))
        model.vocab.write(folder / WORDS)
        config = {
            "kind": KIND,
            "version": VERSION,
            "arch": model.network.arch,
            "context": model.context,
            "settings": asdict(model.network.settings),
            "tokenizer": model.vocab.tokenizer,
            "fingerprint": model.vocab.fingerprint,
            "files": {name: file_fingerprint(folder / name) for name in (WEIGHTS, WORDS)},
            "training": model.training,
        }
        write_json(folder / FOLDER_CONFIG, config)


def load_neural(path: PathLike, device: str = "cpu") -> NetworkModel:
    """The model in the folder `path`, on `device`.

    Raises InputError for a file that is missing, FormatError for one that is damaged or does not fit the
    others, SettingError for a device that is not there.
    """
    folder = Path(path)
    config = _read_config(folder / FOLDER_CONFIG)
    settings = _read_settings(folder / FOLDER_CONFIG, config["arch"], config["context"], config["settings"])
    for name in (WEIGHTS, WORDS):
        if not (folder / name).is_file():
            raise FormatError(f"{folder}: the file {name} is missing; save the model again")
    vocab = Vocab.read(folder / WORDS, config["tokenizer"])
    if vocab.fingerprint != config["fingerprint"]:
        raise FormatError(
            f"{folder / WORDS}: not the vocabulary of this model: its fingerprint is {vocab.fingerprint}, "
            f"and {FOLDER_CONFIG} wants {config['fingerprint']}"
        )
    network = _read_network(folder / WEIGHTS, config["arch"], settings, len(vocab))
    for name in (WEIGHTS, WORDS):
        if file_fingerprint(folder / name) != config["files"].get(name):
            raise FormatError(f"{folder / name}: damaged or changed (checksum does not match {FOLDER_CONFIG})")
    model = find_class(find_architecture(config["arch"]).model)
    return model(network.to(choose_device(device)), vocab, config["context"], config["training"])


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path)
    kinds = {
        "arch": str,
        "context": str,
        "settings": dict,
        "tokenizer": str,
        "fingerprint": str,
        "files": dict,
        "training": dict,
    }
    if not isinstance(config, dict) or config.get("kind") != KIND:
        raise FormatError(f'{path}: not a neural language model (no "kind": "{KIND}")')
    if config.get("version") != VERSION:
        raise FormatError(f"{path}: version {config.get('version')!r}; this lmmix reads version {VERSION}")
    for name, kind in kinds.items():
        if not isinstance(config.get(name), kind):
            raise FormatError(f"{path}: {name!r} is missing or is no {kind.__name__}")
    return config


def _read_settings(path: Path, arch: str, context: str, values: dict[str, Any]) -> NetworkSettings:
    try:
        architecture = find_architecture(arch)
        architecture.check_context(context)
        settings = architecture.settings(**values)
        check_network(settings)
    except TypeError:
        raise FormatError(f"{path}: the settings {', '.join(values)} are not those of {arch}") from None
    except SettingError as error:
        raise FormatError(f"{path}: {error}") from None
    return settings


def _read_network(path: Path, arch: str, settings: NetworkSettings, n_words: int) -> Network:
    with explain_errors(path, "read"):
        content = path.read_bytes()
    try:
        tensors = safetensors.load(content)
    except Exception as error:  # safetensors has errors of its own, and passes on others for odd headers
        raise FormatError(f"{path}: damaged: {' '.join(str(error).split())}") from None
    # A network on `meta` has shapes but no numbers: nothing is drawn, and no memory is used twice.
    with torch.device("meta"):
        network = make_network(arch, settings, n_words)
    wanted = network.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        there, need = (_describe(source.get(name)) for source in (tensors, wanted))
        if there != need:
            raise FormatError(f"{path}: the tensor {name!r} is {there}, and the settings want {need}")
    network.load_state_dict(tensors, assign=True)
    return network


def _describe(tensor: torch.Tensor | None) -> str:
    if tensor is None:
        return "absent"
    return f"{'×'.join(map(str, tensor.shape))} {str(tensor.dtype).removeprefix('torch.')}"
