"""What lmmix makes of a damaged model file, held against a slow reader: the verdict on one seed."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from pathlib import Path
from unittest import mock

import fuzz_arpa
import fuzz_lmx
import naive_arpa
import naive_lmx
import numpy as np
from naive_arpa import BackoffTable, Refused

from lmmix.corpus import corpus_from_lines
from lmmix.errors import LmmixError
from lmmix.lm import load
from lmmix.logmath import LN10
from lmmix.ngram.packing import pack

KINDS = ("arpa", "lmx", "packed")
BITS = (None, 8, 2)
"""How the sound files are packed."""

IDENTICAL, OTHER, REJECTED = "accepted, the numbers of the sound file", "accepted, other numbers, right", "rejected"
FINE = (IDENTICAL, OTHER, REJECTED)

NAIVE = {"lmx": naive_lmx.read, "packed": naive_lmx.read_packed}

# A rejection must say where: line, section or the compressed data; array, header field or the size of the file.
ARPA_PLACE = re.compile(
    r":\d+: |:\d+:\d+: |ngram \d+=|cannot read: |not an ARPA file: .*first line|is empty|byte \d+ is NUL|\\end\\"
)
LMX_PLACE = re.compile(
    r"array '|header|truncated|not an lmmix artefact|artefact version|holds a|is empty|not a language model|:\d+: "
    r"|ARPA file|\.tokenizer|sentencepiece"
)


def judge(kind: str, seed: int, folder: Path) -> str:
    """One of FINE, or what is wrong. The file under test stays in `folder` until the next call."""
    if kind == "arpa":
        suffix, content, which = fuzz_arpa.damaged(seed)
        path = folder / f"damaged{suffix}"
    else:
        _, content, which = fuzz_lmx.damaged(seed, _sound_lmx(kind, folder))
        path = folder / "damaged.lmx"
    # A new file: the old one may still be mapped.
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    # Small files as large ones: in several chunks.
    chunk_bytes = (1 << 20, 1 << 20, 10, 100, 400)[seed % 5]
    with mock.patch("lmmix.ngram.arpa_text.CHUNK_BYTES", chunk_bytes):
        return judge_file(kind, path, which)


def judge_file(kind: str, path: Path, which: int) -> str:
    """The verdict on a file that was made of the sound file number `which`."""
    try:
        if kind == "arpa":
            twin = naive_arpa.read(naive_arpa.decompressed(path))
        else:
            twin = NAIVE[kind](path.read_bytes())
    except Refused:
        twin = None
    except Exception:
        if kind == "arpa":
            raise
        twin = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            verdict = _verdict(kind, path, which, twin)
        except LmmixError as error:
            verdict = _rejection(kind, path, str(error))
            if kind == "arpa" and twin is not None:
                verdict = f"FAILURE refused though sound: {error}"
        except Exception as error:
            verdict = f"FAILURE {type(error).__name__}: {error}"
    return verdict


def _rejection(kind: str, path: Path, message: str) -> str:
    place = ARPA_PLACE if kind == "arpa" else LMX_PLACE
    if "\n" in message or not message.startswith(str(path)) or not place.search(message[len(str(path)) :]):
        return f"FAILURE rejection names no place: {message}"
    return REJECTED


def _verdict(kind: str, path: Path, which: int, twin: BackoffTable | None) -> str:
    model = load(path)
    sentences = [line.split() for line in fuzz_arpa.SENTENCES[which]]
    if twin is not None:
        sentences += [[word for word in ngram if word not in ("<s>", "</s>")] for ngram in twin.logp]
    sentences = [words for words in sentences if words]
    corpus = corpus_from_lines([" ".join(words) for words in sentences], model.vocab)
    found = model.score(corpus)
    if twin is None:
        return "FAILURE accepted though not sound"
    scale = LN10 if kind == "arpa" else 1.0
    expected = np.array(scores(twin, sentences)) * scale
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-12):
        return "FAILURE wrong numbers"
    state = model.start(1)
    for word in ["<s>", *sentences[0]][: twin.order]:
        if word != "<s>":
            _, state = model.advance(state, np.array([model.vocab.id(word)], np.int32))
        if not (model.distribution(state)[:, 1] == 0).all():
            return "FAILURE <s> has a probability"
    return IDENTICAL if twin.__dict__ == _sound_table(kind, which, path.parent).__dict__ else OTHER


def scores(twin: BackoffTable, sentences: list[list[str]]) -> list[float]:
    """log p of every event of the sentences."""
    out = []
    for sentence in sentences:
        words = ["<s>", *sentence, "</s>"]
        out += [twin.score(words[i], tuple(words[:i])) for i in range(1, len(words))]
    return out


@lru_cache(maxsize=8)
def _sound_table(kind: str, which: int, folder: Path) -> BackoffTable:
    if kind == "arpa":
        return naive_arpa.read(fuzz_arpa.base(which).encode())
    return NAIVE[kind](_sound_lmx(kind, folder)[which])


@lru_cache(maxsize=2)
def _sound_lmx(kind: str, folder: Path) -> list[bytes]:
    """The sound files as `.lmx`, exact or packed."""
    made = []
    for which, bits in enumerate(BITS):
        path = folder / f"sound{which}.arpa"
        path.write_text(fuzz_arpa.base(which))
        model = load(path)
        made_as = pack(model, bits) if kind == "packed" else model
        made_as.save(path.with_suffix(".lmx"))
        made.append(path.with_suffix(".lmx").read_bytes())
    return made
