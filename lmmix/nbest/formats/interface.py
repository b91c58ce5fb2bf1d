"""What passes between the formats and those who use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lmmix.nbest.utterance import Rescored

Write = Callable[[Rescored], None]


@dataclass(frozen=True)
class ReadOptions:
    """What some formats need besides the path of the lists.

    Attributes
    ----------
    scores : tuple of paths
        Further scores: folders with a file an utterance (SRILM), files of costs (Kaldi).
    manifest : path, optional
        The utterances and their references (NeMo).
    """

    scores: tuple[str, ...] = ()
    manifest: str | None = None
