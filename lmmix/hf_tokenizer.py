"""The tokeniser in a folder of a Hugging Face model, and its pieces as the words of a vocabulary."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lmmix.errors import FormatError, InputError
from lmmix.fileio import file_fingerprint
from lmmix.hf_library import LOCAL, transformers_for
from lmmix.tokenize import DIGEST_MARK, HF, SPACE_MARK
from lmmix.vocab import BOS, EOS, SPACE, SPECIALS, UNK, Vocab

PIECES_IN = ("sentencepiece.bpe.model", "spiece.model", "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
"""The files, one of which holds the pieces of a tokeniser."""

MORE_IN = ("added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json")
"""The files that may hold more of it."""

BYTE_SPACE_MARK = "\u0120"
"""Ġ, which stands for a space in byte-level BPE (Radford et al. 2019)."""

_ESCAPED = re.compile(rf"{SPACE.pattern}|\\(?=x[0-9a-f]{{2}})")


class HfTokenizer:
    """The pieces that a fast tokeniser of transformers makes of each line.

    White space around a line is left out, that within it is the tokeniser's affair. Whether something stands for a
    space before the first word is up to the tokeniser, too: with byte-level BPE usually nothing, with SentencePiece
    `▁`. Special pieces written in a text are read as such.

    Names of pieces are their own, but for three. The end of a sentence (the tokeniser's eos, or else its sep) is
    `</s>`; its beginning (bos, cls, or else the end) is `<s>`, unless it is the end as well; its unk is `<unk>`, unless
    it is one of these. White space in a piece is written as `\\x20`, and so is the backslash of a piece that reads
    like this, and the bracket of a piece that has one of those three names by chance.

    Attributes
    ----------
    name : str
        `hf:FOLDER#DIGEST`, with a digest of the files of the tokeniser.
    begin, end : int
        The model's ids of beginning and end.
    unk, mask : int or None
        The model's ids of these special pieces.
    """

    def __init__(self, folder: str) -> None:
        self.name = f"{HF}:{Path(folder).absolute()}{DIGEST_MARK}{files_digest(folder)}"
        with transformers_for(folder) as transformers:
            whole = transformers.AutoTokenizer.from_pretrained(folder, **LOCAL)
        if not hasattr(whole, "backend_tokenizer"):
            raise FormatError(f"{folder}: its tokeniser is a slow one ({type(whole).__name__}); lmmix reads fast ones")
        self._model: Any = whole.backend_tokenizer
        self._model.no_padding()
        self._model.no_truncation()
        end = _first(whole.eos_token_id, whole.sep_token_id)
        if end is None:
            raise FormatError(f"{folder}: its tokeniser has no end of a sentence; name an eos_token in its files")
        self.end = end
        self.begin = int(_first(whole.bos_token_id, whole.cls_token_id, end))  # type: ignore[arg-type]
        self.unk = None if whole.unk_token_id in (self.begin, self.end) else whole.unk_token_id
        self.mask: int | None = whole.mask_token_id

    @cached_property
    def space_mark(self) -> str | None:
        """`▁` if any piece begins with it, else `Ġ` if any does, else None; None for WordPiece, which keeps no space.

        The first word of a line has no mark where the tokeniser puts no space before it.
        """
        if type(self._model.model).__name__ == "WordPiece":
            return None
        marks = (SPACE_MARK, BYTE_SPACE_MARK)
        return next((mark for mark in marks if any(name.startswith(mark) for name in self._names.values())), None)

    @cached_property
    def _names(self) -> dict[int, str]:
        """The name of each of the model's ids; a piece of no character, which no text holds, has none."""
        special = {self.unk: SPECIALS[UNK], self.begin: SPECIALS[BOS], self.end: SPECIALS[EOS]}
        pieces = sorted((i, piece) for piece, i in self._model.get_vocab(with_added_tokens=True).items() if piece)
        return {i: special.get(i) or _name(piece) for i, piece in pieces}

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: i for i, name in self._names.items()}

    def vocab(self) -> tuple[Vocab, np.ndarray]:
        """The pieces in the order of the model, behind the special words, and (V,) int64 their ids in it, −1 if none.

        `<s>` has the id of the beginning even where that is the end as well.
        """
        vocab = Vocab.from_words(self._names.values(), self.name)
        ids = np.array([self._ids.get(word, -1) for word in vocab.words], np.int64)
        ids[BOS] = self.begin
        return vocab, ids

    def transform(self, chunk: bytes) -> bytes:
        lines = [line.strip(" \t\v\f\r\0") for line in chunk.decode().split("\n")]
        names = self._names
        found: list[Any] = self._model.encode_batch(lines, add_special_tokens=False)
        return "\n".join(" ".join([names[i] for i in line.ids]) for line in found).encode()

    def detokenize(self, tokens: list[str]) -> str:
        ids = [self._ids[token] for token in tokens if token in self._ids]
        return self._model.decode(ids, skip_special_tokens=False)


def files_digest(folder: str) -> str:
    """16 hexadecimal digits of the SHA-256 of the tokeniser's files in `folder`. Raises InputError if there is none."""
    if not any((Path(folder) / name).is_file() for name in PIECES_IN):
        raise InputError(f"{folder}: cannot read: there is no tokeniser in this folder (tokenizer.json)")
    files = [Path(folder) / name for name in (*PIECES_IN, *MORE_IN)]
    content = "".join(f"{file.name} {file_fingerprint(file)}\n" for file in files if file.is_file())
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _first(*ids: int | None) -> int | None:
    return next((i for i in ids if i is not None), None)


def _name(piece: str) -> str:
    if piece in SPECIALS:
        return _escape(piece[0]) + piece[1:]
    return _ESCAPED.sub(lambda found: _escape(found[0]), piece)


def _escape(character: str) -> str:
    return f"\\x{ord(character):02x}"
