"""Pieces of words: SentencePiece models trained on a text, for the tokeniser `sentencepiece:MODEL`."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import chain

from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike, atomic_write, decode_utf8, read_line_chunks
from lmmix.progress import task
from lmmix.tokenize import SPACE_MARK
from lmmix.vocab import SPACE, SPECIALS, UNK

TYPES = ("unigram", "bpe", "char")
"""Ways to find pieces: Kudo (2018), Sennrich, Haddow & Birch (2016), or every character."""

SIZE = 8000

LEAST_SIZE, LARGEST_SIZE = 261, 1 << 20
"""A piece more than the 256 bytes and 4 special pieces; and many more than a language has words in use."""

COVERAGE = 0.9995
"""Share of the characters of a text that are pieces themselves, by default; the rarest are spelled in bytes."""

LONGEST = 4000
"""Characters of a line that SentencePiece sees at a time. No piece spans words, so cuts between them are no loss."""


def train_pieces(
    texts: Sequence[PathLike],
    output: PathLike,
    size: int = SIZE,
    kind: str = "unigram",
    coverage: float = COVERAGE,
    errors: str = "strict",
) -> list[str]:
    """Write a SentencePiece model of `texts` as the file `output`; returns its pieces in order of id.

    Pieces begin words with `▁` and never span them. The text is taken as it is, without Unicode normalisation, and
    characters that are no pieces are spelled in bytes, so every text comes back from its pieces. The word `<unk>`,
    where a text has it for others, is one piece. The same texts and settings give the same model.

    Parameters
    ----------
    texts : paths
        UTF-8, one sentence a line, plain or compressed; ``-`` is standard input.
    size : int
        Pieces, the 256 bytes and 4 special ones included, `LEAST_SIZE` to `LARGEST_SIZE`; of type `char` there are as
        many as there are characters.
    kind : {"unigram", "bpe", "char"}
    coverage : float
        Share of the characters of the texts that are pieces themselves.
    errors : {"strict", "replace"}
        A byte that is not UTF-8 is an error, or becomes U+FFFD.

    Raises
    ------
    SettingError
        A setting that is not allowed, or pieces that these texts cannot give.
    InputError
        A file that cannot be read or written, or texts without a word.
    """
    import sentencepiece

    _check_settings(size, kind, coverage, errors)
    lines = _lines(texts, errors)
    first = next(lines, None)
    if first is None:
        raise InputError(f"{', '.join(map(str, texts))}: no word to make pieces of")
    content = _trained(chain([first], lines), size, kind, coverage)
    with atomic_write(output) as stream:
        stream.write(content)
    model = sentencepiece.SentencePieceProcessor(model_proto=content)
    return [model.id_to_piece(i) for i in range(model.get_piece_size())]


def _check_settings(size: int, kind: str, coverage: float, errors: str) -> None:
    if kind not in TYPES:
        raise SettingError(f"the type of pieces is {kind!r}; it must be one of {', '.join(TYPES)}")
    if kind != "char" and not LEAST_SIZE <= size <= LARGEST_SIZE:
        raise SettingError(
            f"size is {size}; it must be from {LEAST_SIZE} to {LARGEST_SIZE}: 256 bytes and 4 special pieces are in it"
        )
    if not 0 < coverage <= 1:
        raise SettingError(f"coverage is {coverage}; it must be above 0 and at most 1")
    if errors not in ("strict", "replace"):
        raise SettingError(f"errors is {errors!r}; it must be 'strict' or 'replace'")


def _trained(lines: Iterator[str], size: int, kind: str, coverage: float) -> bytes:
    """What the file of the model holds."""
    import sentencepiece

    model = io.BytesIO()
    failed: list[InputError] = []
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_noting(lines, failed),
            model_writer=model,
            model_type=kind,
            vocab_size=LARGEST_SIZE if kind == "char" else size,
            hard_vocab_limit=kind != "char",
            character_coverage=coverage,
            byte_fallback=True,
            normalization_rule_name="identity",
            user_defined_symbols=[SPACE_MARK + SPECIALS[UNK]],
            max_sentence_length=1 << 24,
            # Threads add up floating-point numbers in shares that depend on how many there are.
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        if failed:
            raise failed[0] from None
        raise SettingError(_refusal(str(error), size, kind, coverage)) from None
    return model.getvalue()


def _refusal(message: str, size: int, kind: str, coverage: float) -> str:
    """What SentencePiece said, in terms of the settings here."""
    if found := re.search(r"smaller than required_chars\D*\d+ vs (\d+)", message):
        return (
            f"size is {size}; at a coverage of {coverage} this text needs {found[1]} pieces or more, one for each "
            "character: raise --size or lower --coverage"
        )
    if found := re.search(r"size too high \(\d+\).*<= (\d+)", message):
        return f"size is {size}; this text gives {found[1]} pieces at most: lower --size, or take more text"
    # The message begins with a place in the source and the condition that does not hold.
    reason = " ".join(message.rpartition("] ")[2].split()) or "SentencePiece says no more; try another --size or --type"
    return f"{size} pieces of type {kind} cannot be made of this text: {reason}"


def _noting(lines: Iterator[str], failed: list[InputError]) -> Iterator[str]:
    """The lines; SentencePiece makes an error of its own of one in reading them, so it is kept in `failed`."""
    try:
        yield from lines
    except InputError as error:
        failed.append(error)
        raise


def _lines(texts: Sequence[PathLike], errors: str) -> Iterator[str]:
    """The lines that hold a word, words parted by single spaces, cut between words where they are long."""
    for path in texts:
        with task(f"reading {path}") as advance:
            number = 1
            for chunk in read_line_chunks(path):
                text = chunk.decode("utf-8", "replace") if errors == "replace" else decode_utf8(chunk, path, number)
                for line in text.split("\n"):
                    yield from _cut(" ".join(word for word in SPACE.split(line) if word))
                number += chunk.count(b"\n")
                advance(len(chunk))


def _cut(line: str) -> Iterator[str]:
    while (end := line.find(" ", LONGEST)) >= 0:
        yield line[:end]
        line = line[end + 1 :]
    if line:
        yield line
