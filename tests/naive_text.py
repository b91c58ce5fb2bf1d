"""Slow, obvious twins of the text floors, written from their definitions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

SPECIALS = ["<unk>", "<s>", "</s>"]
SPACES = " \t\n\v\f\r\0"
BOM = b"\xef\xbb\xbf"


def naive_lines(content: bytes) -> list[bytes]:
    """Lines without their newline; a byte-order mark counts as nothing at the very start only."""
    content = content[len(BOM) :] if content[: len(BOM)] == BOM else content
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def naive_words(line: str) -> list[str]:
    """What stands between ASCII white space and NUL."""
    for space in SPACES:
        line = line.replace(space, " ")
    return [word for word in line.split(" ") if word]


@dataclass
class NaiveCorpus:
    """`sentences` holds words, each sentence with its `</s>`; `ids` holds them all as numbers."""

    words: list[str]
    sentences: list[list[str]]
    ids: list[int]
    oov_at: list[int]
    empty_lines: int
    chars: int


def naive_corpus(contents: list[bytes], vocab: list[str] | None = None, specials: bool = False) -> NaiveCorpus:
    """The corpus of some files; `vocab` lists words with the special ones; `specials` reads `<s>` as space."""
    sentences, empty, chars = [], 0, 0
    for content in contents:
        for line in naive_lines(content):
            words = naive_words(line.decode())
            if specials:
                words = [word for word in words if word not in ("<s>", "</s>")]
            assert "<s>" not in words and "</s>" not in words
            if words:
                sentences.append([*words, "</s>"])
            else:
                empty += 1
            chars += sum(len(word) + 1 for word in words)
    events = [word for sentence in sentences for word in sentence]
    if vocab is None:
        # Counter keeps the order of first appearance, and sorting keeps it among equals.
        counts = Counter(word for word in events if word not in SPECIALS)
        vocab = SPECIALS + sorted(counts, key=lambda word: -counts[word])
    oov_at = [t for t, word in enumerate(events) if word not in vocab]
    number = {word: i for i, word in enumerate(vocab)}
    return NaiveCorpus(vocab, sentences, [number.get(word, 0) for word in events], oov_at, empty, chars)


def naive_word_errors(reference: str, hypothesis: str) -> int:
    """Wagner and Fischer's table: distance[i][j] of the first i and the first j words."""
    left, right = reference.split(), hypothesis.split()
    distance = [[i + j if i == 0 or j == 0 else 0 for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            substitution = distance[i - 1][j - 1] + (left[i - 1] != right[j - 1])
            distance[i][j] = min(substitution, distance[i - 1][j] + 1, distance[i][j - 1] + 1)
    return distance[-1][-1]
