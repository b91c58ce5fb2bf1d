"""Slow, obvious twins of the models that learn from the text they read or look up one."""

from __future__ import annotations

from collections import Counter

BOS, EOS = "<s>", "</s>"


def cache(
    sentences: list[list[str]], events: set[str], order: int, half_life: float, prior: float, unk: bool
) -> list[float]:
    """p of each event of the sentences (each ends in `</s>`) by what was read before; `events` are all but `<s>`."""
    read: list[tuple[str, str]] = []
    out = []
    for sentence in sentences:
        before = BOS
        for word in sentence:
            out.append(cache_distribution(read, before, events, order, half_life, prior, unk)[word])
            read.append((before, word))
            before = word
    return out


def cache_distribution(
    read: list[tuple[str, str]], before: str, events: set[str], order: int, half_life: float, prior: float, unk: bool
) -> dict[str, float]:
    """p of each event behind the word `before`, after the pairs (word before, event) that were read."""
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for age, (context, word) in enumerate(reversed(read)):
        if word != "<unk>" or unk:
            words[word] += 0.5 ** (age / half_life)
            pairs[context, word] += 0.5 ** (age / half_life)
    p = {w: (words[w] + prior / len(events)) / (sum(words.values()) + prior) for w in events}
    if order == 1:
        return p
    total = sum(count for (context, _), count in pairs.items() if context == before)
    return {w: (pairs[before, w] + prior * p[w]) / (total + prior) for w in events}


class Infinigram:
    """Counts of every piece of every sentence of a training text (each ends in `</s>`)."""

    def __init__(self, sentences: list[list[str]], min_count: int = 1) -> None:
        self.min_count = min_count
        self.after: dict[tuple[str, ...], Counter[str]] = {}
        for sentence in sentences:
            words = [BOS, *sentence]
            for end in range(1, len(words)):
                for begin in range(end + 1):
                    self.after.setdefault(tuple(words[begin:end]), Counter())[words[end]] += 1

    def context(self, history: list[str]) -> tuple[str, ...]:
        """The longest suffix of the history, which begins with `<s>`, that is known."""
        for begin in range(len(history)):
            known = self.after.get(tuple(history[begin:]), Counter())
            if sum(known.values()) >= self.min_count:
                return tuple(history[begin:])
        return ()

    def count(self, context: tuple[str, ...]) -> int:
        """How often something stands behind the context."""
        return sum(self.after[context].values())

    def p(self, word: str, history: list[str]) -> float:
        """count(h* w) / count(h*)."""
        context = self.context(history)
        return self.after[context][word] / self.count(context)


def backward_order(sentences: list[list[str]], number: dict[str, int]) -> list[int]:
    """The places of all events, sorted by the words that lead up to them in their sentence, read backwards."""
    keys = []
    for sentence in sentences:
        for end in range(1, len(sentence) + 1):
            backwards = [number[word] for word in reversed(sentence[:end])]
            keys.append(([*backwards, number[EOS]], len(keys)))
    return [place for _, place in sorted(keys)]
