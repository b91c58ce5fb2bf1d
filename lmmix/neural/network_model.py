"""What every language model that is a network of lmmix has in common."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cached_property
from typing import Any, TypeVar

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.fileio import PathLike
from lmmix.neural.backend import choose_device
from lmmix.neural.networks.network import Network
from lmmix.vocab import Vocab

Model = TypeVar("Model", bound="NetworkModel")


class NetworkModel:
    """A trained network with its vocabulary.

    Attributes
    ----------
    vocab : Vocab
        The event space; row i of the embedding is word i.
    network : Network
        On the device where it computes.
    context : {"sentence", "document"}
        Whether each sentence starts from nothing, or the network remembers the text before it.
    training : dict
        How it was trained: settings, seed, epochs and their perplexities.
    """

    def __init__(
        self, network: Network, vocab: Vocab, context: str = "sentence", training: dict[str, Any] | None = None
    ) -> None:
        self.network = network.eval()
        self.vocab = vocab
        self.context = context
        self.training = training or {}
        self.device = network.device

    def signs(self) -> list[str]:
        """What the signature has to say beside network and vocabulary."""
        raise NotImplementedError

    def validation_perplexity(self, corpus: Corpus) -> float:
        """What training goes by."""
        raise NotImplementedError

    @cached_property
    def signature(self) -> str:
        """Architecture, vocabulary and the digest of the weights; found when it is first asked for.

        Training makes a model at each validation, of which nobody asks it.
        """
        network, vocab = self.network, self.vocab
        shape = (f"{name}:{value}" for name, value in asdict(network.settings).items())
        words = (f"tokens:{vocab.tokenizer}", f"vocab:{vocab.fingerprint}", "eos:yes", "dtype:float32")
        weights = f"weights:{weights_digest(network)}"
        return "|".join([f"arch:{network.arch}", *shape, weights, *self.signs(), *words, f"lmmix:{__version__}"])

    def to(self: Model, device: str) -> Model:
        """This model, moved to `device` (`cpu`, `cuda`, `cuda:1`). Raises SettingError."""
        self.device = choose_device(device)
        self.network.to(self.device)
        return self

    def save(self, path: PathLike) -> None:
        """Write the model as a folder; see `lmmix.neural.store`. Raises InputError."""
        from lmmix.neural.store import save_neural

        save_neural(self, path)


def weights_digest(network: Network) -> str:
    """16 hexadecimal digits of the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
