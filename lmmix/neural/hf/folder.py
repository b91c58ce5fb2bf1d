"""Reading the folder of a Hugging Face model: its weights, its tokeniser, and what it can be used for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError
from lmmix.fileio import PathLike, file_fingerprint
from lmmix.hf_library import LOCAL, transformers_for
from lmmix.hf_tokenizer import HfTokenizer
from lmmix.lm import HF_CONFIG
from lmmix.neural.backend import torch
from lmmix.neural.hf.causal import HfCausalModel
from lmmix.neural.hf.events import PieceEvents
from lmmix.neural.hf.masked import HfMaskedModel

CAUSAL, MASKED = "causal", "masked"

TOLERANCE = 1e-3
"""How much logits may differ between two ways of reading the same, in parts of the largest."""


def load_hf(path: PathLike, device: str = "cpu") -> HfCausalModel | HfMaskedModel:
    """The causal or masked model in the folder `path`, on `device`; weights are read from safetensors files only.

    Raises FormatError for a folder that lacks something or holds something else, MissingDependencyError without
    transformers, SettingError for a device that is not there.
    """
    folder = Path(path)
    with transformers_for(folder) as transformers:
        config = transformers.AutoConfig.from_pretrained(folder, **LOCAL)
        kind = _kind(folder, config, transformers)
    _check_weights(folder)
    pieces = HfTokenizer(str(folder))
    network = _read_network(folder, config, kind)
    vocab, ids = pieces.vocab()
    outputs = network.get_output_embeddings().weight.shape[0]
    if ids.max() >= outputs:
        raise FormatError(
            f"{folder}: the tokeniser has pieces up to {ids.max()}, and the network has {outputs} outputs"
        )
    events, limit, digest = PieceEvents(ids, pieces.end, outputs), _limit(network), _digest(folder)
    if kind == CAUSAL:
        _check_causal(folder, network, pieces)
        return HfCausalModel(network, vocab, events, limit, digest).to(device)
    if pieces.mask is None:
        raise FormatError(f"{folder}: its tokeniser has no mask_token, which a masked model needs")
    return HfMaskedModel(network, vocab, events, limit, digest, pieces.mask).to(device)


def _kind(folder: Path, config: Any, transformers: Any) -> str:
    names = list(config.architectures or [])
    auto = transformers.models.auto.modeling_auto
    known = {CAUSAL: auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MASKED: auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES}
    if not config.is_encoder_decoder:
        for kind, classes in known.items():
            if set(names) & set(classes.values()):
                return kind
    what = ", ".join(names) or f"{config.model_type} without architectures in {HF_CONFIG}"
    raise FormatError(f"{folder}: holds {what}; lmmix reads causal and masked language models (not encoder-decoders)")


def _weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _check_weights(folder: Path) -> None:
    if _weight_files(folder):
        return
    pickles = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth"), *folder.glob("*.ckpt")])
    if pickles:
        raise FormatError(
            f"{folder}: its weights are a pickle ({pickles[0].name}), which could run any code when it is read; "
            "write them as safetensors (save_pretrained of transformers does)"
        )
    raise FormatError(f"{folder}: has no weights (model.safetensors)")


def _read_network(folder: Path, config: Any, kind: str) -> Any:
    with transformers_for(folder) as transformers:
        auto = transformers.AutoModelForCausalLM if kind == CAUSAL else transformers.AutoModelForMaskedLM
        network, facts = auto.from_pretrained(
            folder, config=config, use_safetensors=True, output_loading_info=True, **LOCAL
        )
        network = network.float().eval()
    if missing := sorted(facts["missing_keys"]):
        raise FormatError(f"{folder}: its weights lack {missing[0]} and {len(missing) - 1} more that the network needs")
    return network


def _limit(network: Any) -> int | None:
    """The most pieces that the network reads; None if its configuration knows of no limit."""
    for name, module in network.named_modules():
        # RoBERTa and its kin count positions from behind that of the padding.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return module.num_embeddings - module.padding_idx - 1
    return getattr(network.config.get_text_config(), "max_position_embeddings", None)


def _check_causal(folder: Path, network: Any, pieces: HfTokenizer) -> None:
    """Refuse a network that looks ahead, as a masked one under a causal name does, or keeps nothing of what it read."""
    pair = torch.tensor([[pieces.begin, pieces.end]])
    with torch.inference_mode():
        whole = network(input_ids=pair, use_cache=False).logits[0]
        first = network(input_ids=pair[:, :1], use_cache=True)
        cache = getattr(first, "past_key_values", None)
        if not hasattr(cache, "batch_select_indices"):
            raise FormatError(f"{folder}: {type(network).__name__} keeps no keys and values of what it read")
        second = network(input_ids=pair[:, 1:], use_cache=True, past_key_values=cache).logits[0]
    apart = (torch.cat([first.logits[0], second]) - whole).abs().max()
    if not apart <= TOLERANCE * whole.abs().max().clamp(min=1.0):
        raise FormatError(f"{folder}: {type(network).__name__} is not causal: what comes later changes what was before")


def _digest(folder: Path) -> str:
    """16 hexadecimal digits that name the weights and what the configuration says of them."""
    files = [folder / HF_CONFIG, *_weight_files(folder)]
    return hashlib.sha256("".join(map(file_fingerprint, files)).encode()).hexdigest()[:16]
