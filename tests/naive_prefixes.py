"""Prefixes that sentences share, found with a set."""

from __future__ import annotations

from collections.abc import Sequence

Prefix = tuple[int, ...]


def prefixes(sentences: Sequence[Sequence[int]]) -> set[Prefix]:
    """Every beginning of a sentence, the sentence itself included, the empty one not."""
    return {tuple(sentence[:n]) for sentence in sentences for n in range(1, len(sentence) + 1)}


def histories(sentences: Sequence[Sequence[int]]) -> set[Prefix]:
    """What stands before the events: every beginning of a sentence, the empty one included, the sentence itself not."""
    return {tuple(sentence[:n]) for sentence in sentences for n in range(len(sentence))}
