"""Models of llama2.c: `.bin` files of its first format ("version 0"), which has a header of seven int32 and no magic.

llama2.c learns stories one behind the other, each with `<s>` in front and nothing behind. So the end of a story is
told by the `<s>` of the next, and its own `</s>` never occurs: where the stories that stories260K makes up itself end,
it gives 35 % to 97 % to `<s>`, about 1e-7 elsewhere, and 3e-13 to `</s>`. Here the row of `<s>` stands in both rows of
the embedding: in that of `<s>`, which is only read, and in that of `</s>`, which is only predicted. llama2.c's own
`</s>` is left out of the softmax. A sentence is a whole story on one line.
"""

from __future__ import annotations

import math
import struct
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from lmmix.errors import FormatError, SettingError
from lmmix.fileio import PathLike, explain_errors, file_fingerprint
from lmmix.neural.backend import torch
from lmmix.neural.model import NeuralModel
from lmmix.neural.networks.network import Network, make_network
from lmmix.neural.shapes import TransformerSettings, check_network
from lmmix.tokenize import SentencePieceTokenizer, tokenizer
from lmmix.vocab import BOS, EOS, SPECIALS, Vocab

ARCH = "transformer"

NEWER_MAGIC = b"24ka"
"""First bytes of the formats "version 1" and later."""


class Header(NamedTuple):
    """The seven numbers in front of the weights; `vocab_size` is below 0 if the output layer has weights of its own."""

    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    vocab_size: int
    seq_len: int

    def settings(self) -> TransformerSettings:
        """The shape as settings of ours. Raises SettingError."""
        settings = TransformerSettings(
            embedding=self.dim,
            dropout=0.0,
            hidden=self.hidden_dim,
            layers=self.n_layers,
            heads=self.n_heads,
            kv_heads=self.n_kv_heads,
            window=self.seq_len,
        )
        check_network(settings)
        return settings

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The arrays of float32 in the file by llama2.c's names, in their order."""
        n, d, h, half = self.n_layers, self.dim, self.hidden_dim, self.dim // self.n_heads // 2
        shared = 2 * half * self.n_kv_heads
        shapes: dict[str, tuple[int, ...]] = {
            "token_embedding": (abs(self.vocab_size), d),
            "rms_att": (n, d),
            "wq": (n, d, d),
            "wk": (n, shared, d),
            "wv": (n, shared, d),
            "wo": (n, d, d),
            "rms_ffn": (n, d),
            "w1": (n, h, d),
            "w2": (n, d, h),
            "w3": (n, h, d),
            "rms_final": (d,),
            "freq_cis_real": (self.seq_len, half),
            "freq_cis_imag": (self.seq_len, half),
        }
        if self.vocab_size < 0:
            shapes["wcls"] = (-self.vocab_size, d)
        return shapes


def read_llama2c(path: PathLike, tokenizer_name: str) -> NeuralModel:
    """The model in a llama2.c file, over the pieces of the tokeniser `sentencepiece:MODEL` that it was trained with.

    Raises InputError for a file that cannot be read, FormatError for one that is damaged or of another format, whose
    output layer has weights of its own, or that has not as many pieces as the tokeniser, SettingError for a tokeniser
    of another kind.
    """
    with explain_errors(path, "read"), open(path, "rb") as stream:
        content = stream.read()
    header = _read_header(path, content)
    settings = _checked_settings(path, header, len(content))
    vocab = _vocab(path, header.vocab_size, tokenizer_name)
    arrays = _arrays(header, content)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise FormatError(f"{path}: damaged: the weights {name} hold what is no number")
    network = make_network(ARCH, settings, len(vocab))
    _set_weights(network, arrays)
    return NeuralModel(network, vocab, "sentence", {"converted_from": "llama2.c", "file": file_fingerprint(path)})


def _read_header(path: PathLike, content: bytes) -> Header:
    size = struct.calcsize("<7i")
    if content.startswith(NEWER_MAGIC):
        version = int.from_bytes(content[4:8], "little")
        raise FormatError(f"{path}: version {version} of llama2.c's format; export the model as version 0")
    if len(content) < size:
        raise FormatError(f"{path}: not a llama2.c model: {len(content)} bytes are less than its header has")
    return Header(*struct.unpack("<7i", content[:size]))


def _checked_settings(path: PathLike, header: Header, size: int) -> TransformerSettings:
    """The settings, if header and file can be true."""
    numbers = ", ".join(f"{name} {value}" for name, value in header._asdict().items())
    try:
        settings = header.settings()
    except SettingError as error:
        raise FormatError(f"{path}: not a llama2.c model, or damaged: {error} (header: {numbers})") from None
    wanted = struct.calcsize("<7i") + 4 * sum(map(math.prod, header.shapes().values()))
    if size != wanted:
        raise FormatError(
            f"{path}: not a llama2.c model, or damaged: it has {size} bytes, and its header wants {wanted} ({numbers})"
        )
    if header.vocab_size < 0:
        raise FormatError(
            f"{path}: its output layer has weights of its own; lmmix reads models that share the embedding"
        )
    return settings


def _vocab(path: PathLike, size: int, name: str) -> Vocab:
    """The pieces of the tokeniser, if they are as many as the model has."""
    pieces = tokenizer(name)
    if not isinstance(pieces, SentencePieceTokenizer):
        raise SettingError(
            f"the tokeniser of {path} is {name!r}; it must be sentencepiece:MODEL, the model it was trained with"
        )
    words = pieces.pieces()
    if len(words) != size:
        raise FormatError(
            f"{path}: it has {size} pieces, and {name} has {len(words)}; give the tokeniser it was trained with"
        )
    if tuple(words[: len(SPECIALS)]) != SPECIALS:
        raise FormatError(f"{path}: the first pieces of {name} are {words[:3]}; a llama2.c model has {list(SPECIALS)}")
    return Vocab.from_words(words[len(SPECIALS) :], name)


def _arrays(header: Header, content: bytes) -> dict[str, np.ndarray]:
    shapes = header.shapes()
    weights = np.frombuffer(content, "<f4", offset=struct.calcsize("<7i"))
    ends = list(accumulate(map(math.prod, shapes.values())))
    return {name: part.reshape(shapes[name]) for name, part in zip(shapes, np.split(weights, ends[:-1]))}


def _set_weights(network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Give the network the weights of a file; the output layer has no bias."""
    embedding = arrays["token_embedding"].copy()
    embedding[EOS] = embedding[BOS]
    tensors = {
        "embedding.weight": embedding,
        "output.bias": np.zeros(len(embedding), np.float32),
        "norm.gain": arrays["rms_final"],
    }
    for level in range(len(arrays["wq"])):
        w = {name: array[level] for name, array in arrays.items() if name.startswith(("w", "rms_att", "rms_ffn"))}
        tensors |= {
            f"blocks.{level}.attention_norm.gain": w["rms_att"],
            f"blocks.{level}.ask.weight": np.concatenate([w["wq"], w["wk"], w["wv"]]),
            f"blocks.{level}.answer.weight": w["wo"],
            f"blocks.{level}.hidden_norm.gain": w["rms_ffn"],
            f"blocks.{level}.enter.weight": np.concatenate([w["w1"], w["w3"]]),
            f"blocks.{level}.leave.weight": w["w2"],
        }
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
