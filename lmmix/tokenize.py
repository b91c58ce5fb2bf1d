"""Tokenisers: how a line of text becomes tokens. A tokeniser has a name that says all about it.

Every tokeniser rewrites text into tokens parted by single spaces; from there on all text goes the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from lmmix.errors import InputError, SettingError
from lmmix.fileio import file_fingerprint

PIECES = "sentencepiece"
HF = "hf"
DIGEST_MARK = "#"

SPACE_MARK = "\u2581"
"""Stands for a space where tokens are smaller than words, as in SentencePiece."""


_SPACES = re.compile(rb"[ \t\v\f\r\0]+")
"""What parts words on a line: ASCII white space, and NUL as in KenLM."""

_BYTE_NAMES = [chr(byte) if 0x21 <= byte < 0x7F else f"<0x{byte:02X}>" for byte in range(256)]
_BYTE_NAMES[0x20] = SPACE_MARK
_NAMED_BYTES = {name: bytes([byte]) for byte, name in enumerate(_BYTE_NAMES)}


class Tokenizer(Protocol):
    """Text to tokens and back."""

    name: str

    @property
    def space_mark(self) -> str | None:
        """What tokens that begin a word begin with; None where nothing does: tokens are words, or no space is kept."""
        ...

    def transform(self, chunk: bytes) -> bytes:
        """Whole lines of UTF-8 text with their tokens parted by spaces; the number of lines stays."""
        ...

    def detokenize(self, tokens: list[str]) -> str:
        """The text of one line from its tokens."""
        ...


class WhitespaceTokenizer:
    """Words are what stands between ASCII white space (and NUL, as in KenLM)."""

    name = "whitespace"
    space_mark = None

    def transform(self, chunk: bytes) -> bytes:
        return chunk

    def detokenize(self, tokens: list[str]) -> str:
        return " ".join(tokens)


class CharacterTokenizer:
    """Every character is a token; runs of white space become one `▁`."""

    name = "chars"
    space_mark = SPACE_MARK

    def transform(self, chunk: bytes) -> bytes:
        lines = chunk.decode().split("\n")
        return "\n".join(" ".join(SPACE_MARK.join(line.split())) for line in lines).encode()

    def detokenize(self, tokens: list[str]) -> str:
        return "".join(tokens).replace(SPACE_MARK, " ")


class ByteTokenizer:
    """Every byte of the UTF-8 text is a token; runs of white space become one `▁`.

    Printable ASCII characters are their own names, the others are called as SentencePiece calls them: `<0xE2>`.
    """

    name = "bytes"
    space_mark = SPACE_MARK

    def transform(self, chunk: bytes) -> bytes:
        lines = (_SPACES.sub(b" ", line).strip(b" ") for line in chunk.split(b"\n"))
        return "\n".join(" ".join(map(_BYTE_NAMES.__getitem__, line)) for line in lines).encode()

    def detokenize(self, tokens: list[str]) -> str:
        return b"".join(_NAMED_BYTES.get(token) or token.encode() for token in tokens).decode(errors="replace")


class SentencePieceTokenizer:
    """The pieces of a SentencePiece model. Its name holds the absolute path and a digest of the model file."""

    space_mark = SPACE_MARK

    def __init__(self, path: str) -> None:
        import sentencepiece

        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=path)
        except (OSError, RuntimeError):
            raise InputError(f"{path}: cannot read: not a SentencePiece model") from None
        self.name = full_name(f"{PIECES}:{path}")

    def transform(self, chunk: bytes) -> bytes:
        # Tabs and the like would be characters to models that do not normalise.
        lines = _SPACES.sub(b" ", chunk).decode().split("\n")
        return "\n".join(" ".join(pieces) for pieces in self._model.encode(lines, out_type=str)).encode()

    def detokenize(self, tokens: list[str]) -> str:
        return self._model.decode_pieces(tokens)

    def pieces(self) -> list[str]:
        return [self._model.id_to_piece(number) for number in range(self._model.get_piece_size())]


_WITHOUT_FILE: dict[str, type[Tokenizer]] = {
    kind.name: kind for kind in (WhitespaceTokenizer, CharacterTokenizer, ByteTokenizer)
}


def full_name(name: str) -> str:
    """The name with the absolute path and a digest of the model file, if it names one. Raises InputError."""
    kind, _, place = name.partition(":")
    if kind not in _DIGESTS or not place or DIGEST_MARK in place:
        return name
    return f"{kind}:{Path(place).absolute()}{DIGEST_MARK}{_DIGESTS[kind](place)}"


def _sentencepiece_digest(path: str) -> str:
    if not Path(path).is_file():
        raise InputError(f"{path}: cannot read: there is no such SentencePiece model")
    return file_fingerprint(path)


def _hf_digest(folder: str) -> str:
    from lmmix.hf_tokenizer import files_digest

    return files_digest(folder)


_DIGESTS: dict[str, Callable[[str], str]] = {PIECES: _sentencepiece_digest, HF: _hf_digest}
"""The kinds of tokenisers that are read from files, and what names their content."""


def is_full_name(name: str) -> bool:
    """Whether `full_name` gives names like this one, so that a file may hold it."""
    kind, _, place = name.partition(":")
    return name in _WITHOUT_FILE or (kind in _DIGESTS and DIGEST_MARK in place)


def tokens_name(name: str) -> str:
    """What decides whether two tokenisers make the same tokens: the name, but for where a model file lies."""
    kind, _, place = name.partition(":")
    return f"{kind}{DIGEST_MARK}{place.partition(DIGEST_MARK)[2]}" if kind in _DIGESTS else name


def same_tokens(one: str, other: str) -> bool:
    """Whether two names are those of tokenisers that make the same tokens."""
    return tokens_name(full_name(one)) == tokens_name(full_name(other))


@lru_cache(maxsize=8)
def tokenizer(name: str) -> Tokenizer:
    """The tokeniser called `whitespace`, `chars`, `bytes`, `sentencepiece:MODEL` or `hf:FOLDER`.

    Raises SettingError, InputError, and for the last what `lmmix.hf_tokenizer` raises.
    """
    if name in _WITHOUT_FILE:
        return _WITHOUT_FILE[name]()
    kind, _, place = name.partition(":")
    if kind not in _DIGESTS or not place:
        raise SettingError(
            f"no tokeniser is called {name!r}; there are whitespace, chars, bytes, sentencepiece:MODEL and hf:FOLDER"
        )
    path, _, digest = place.partition(DIGEST_MARK)
    if digest and full_name(f"{kind}:{path}") != name:
        thing = "SentencePiece model" if kind == PIECES else "tokeniser"
        raise InputError(f"{path}: this {thing} is not the one that the language model was trained with")
    if kind == PIECES:
        return SentencePieceTokenizer(path)
    from lmmix.hf_tokenizer import HfTokenizer

    return HfTokenizer(path)
