"""Tokenisers: how a line of text becomes tokens. A tokeniser has a name that says all about it.

Every tokeniser rewrites text into tokens parted by single spaces; from there on all text goes the same way.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Protocol

from lmmix.errors import InputError, SettingError

SPACE_MARK = "\u2581"
"""Stands for a space where tokens are smaller than words, as in SentencePiece."""


class Tokenizer(Protocol):
    """Text to tokens and back."""

    name: str

    def transform(self, chunk: bytes) -> bytes:
        """Whole lines of UTF-8 text with their tokens parted by spaces; the number of lines stays."""
        ...

    def detokenize(self, tokens: list[str]) -> str:
        """The text of one line from its tokens."""
        ...


class WhitespaceTokenizer:
    """Words are what stands between ASCII white space (and NUL, as in KenLM)."""

    name = "whitespace"

    def transform(self, chunk: bytes) -> bytes:
        return chunk

    def detokenize(self, tokens: list[str]) -> str:
        return " ".join(tokens)


class CharacterTokenizer:
    """Every character is a token; runs of white space become one `▁`."""

    name = "chars"

    def transform(self, chunk: bytes) -> bytes:
        lines = chunk.decode().split("\n")
        return "\n".join(" ".join(SPACE_MARK.join(line.split())) for line in lines).encode()

    def detokenize(self, tokens: list[str]) -> str:
        return "".join(tokens).replace(SPACE_MARK, " ")


class SentencePieceTokenizer:
    """The pieces of a SentencePiece model. Its name holds the path of the model file."""

    def __init__(self, path: str) -> None:
        import sentencepiece

        if not Path(path).is_file():
            raise InputError(f"{path}: cannot read: there is no such SentencePiece model")
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=path)
        except (OSError, RuntimeError):
            raise InputError(f"{path}: cannot read: not a SentencePiece model") from None
        self.name = f"sentencepiece:{path}"

    def transform(self, chunk: bytes) -> bytes:
        lines = [line.rstrip("\r") for line in chunk.decode().split("\n")]
        return "\n".join(" ".join(pieces) for pieces in self._model.encode(lines, out_type=str)).encode()

    def detokenize(self, tokens: list[str]) -> str:
        return self._model.decode_pieces(tokens)


@lru_cache(maxsize=8)
def tokenizer(name: str) -> Tokenizer:
    """The tokeniser called `whitespace`, `chars` or `sentencepiece:MODEL`. Raises SettingError, InputError."""
    if name == WhitespaceTokenizer.name:
        return WhitespaceTokenizer()
    if name == CharacterTokenizer.name:
        return CharacterTokenizer()
    kind, _, path = name.partition(":")
    if kind == "sentencepiece" and path:
        return SentencePieceTokenizer(path)
    raise SettingError(f"no tokeniser is called {name!r}; there are whitespace, chars and sentencepiece:MODEL")
