"""Slow, obvious twins of the n-gram kernels, written from the definitions with dictionaries of tuples."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

Ngram = tuple[str, ...]


def counts(sentences: Sequence[Sequence[str]], order: int) -> Counter[Ngram]:
    """Occurrences of all n-grams of orders 1…order, `<s>` and `</s>` included, never over a sentence end."""
    found: Counter[Ngram] = Counter()
    for sentence in sentences:
        words = ["<s>", *sentence, "</s>"]
        for n in range(1, order + 1):
            found.update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return found


def on_a_line(of: Mapping[int, float], largest: int) -> dict[int, float]:
    """n_r = A·r^b through n_1…n_largest that are not zero, by the normal equations; empty without two of them."""
    points = [(math.log(r), math.log(of[r])) for r in range(1, largest + 1) if of.get(r)]
    if len(points) < 2:
        return {}
    mean_x, mean_y = (sum(point[k] for point in points) / len(points) for k in (0, 1))
    b = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return {r: math.exp(mean_y + b * (math.log(r) - mean_x)) for r in range(1, largest + 1)}


def modified_discounts(of: Mapping[int, int]) -> list[float]:
    """D1, D2, D3+ from counts of counts, from the line through them, or fixed."""
    result = []
    for r, fixed in ((1, 0.5), (2, 1.0), (3, 1.5)):
        chosen = fixed
        for n in (on_a_line(of, 4), of):
            if n.get(1) and n.get(2) and n.get(r):
                y = n[1] / (n[1] + 2 * n[2])
                value = r - (r + 1) * y * n.get(r + 1, 0) / n[r]
                chosen = value if 0 < value <= r else chosen
        result.append(chosen)
    return result


class KneserNey:
    """Interpolated modified Kneser–Ney as in Chen & Goodman (1999), section 3, with the given vocabulary."""

    def __init__(self, sentences: Sequence[Sequence[str]], order: int, vocab: Sequence[str]) -> None:
        self.order = order
        self.vocab = vocab
        raw = counts(sentences, order)
        left: dict[Ngram, set[str]] = defaultdict(set)
        for ngram in raw:
            left[ngram[1:]].add(ngram[0])
        self.count = {
            ngram: raw[ngram] if len(ngram) == order or ngram[0] == "<s>" else len(left[ngram])
            for ngram in raw
            if ngram != ("<s>",)
        }
        self.discount = [self._discounts(n) for n in range(1, order + 1)]
        self.followers: dict[Ngram, list[Ngram]] = defaultdict(list)
        for ngram in self.count:
            self.followers[ngram[:-1]].append(ngram)

    def _discounts(self, n: int) -> list[float]:
        of = Counter(c for ngram, c in self.count.items() if len(ngram) == n)
        return modified_discounts(of)

    def prob(self, word: str, history: Ngram) -> float:
        """p(word | the last order − 1 words of history)."""
        history = history[max(0, len(history) - self.order + 1) :]
        return self._prob(word, history)

    def _prob(self, word: str, history: Ngram) -> float:
        lower = self._prob(word, history[1:]) if history else 1.0 / (len(self.vocab) - 1)
        followers = self.followers.get(history, [])
        if not followers:
            return lower
        total = sum(self.count[ngram] for ngram in followers)
        discount = self.discount[len(history)]
        freed = sum(discount[min(self.count[ngram], 3) - 1] for ngram in followers)
        own = self.count.get((*history, word), 0)
        kept = own - discount[min(own, 3) - 1] if own else 0.0
        return (kept + freed * lower) / total


class Arpa:
    """An ARPA file as dictionaries; log10 throughout."""

    def __init__(self, text: str) -> None:
        self.logp: dict[Ngram, float] = {}
        self.backoff: dict[Ngram, float] = {}
        order = 0
        for line in text.splitlines():
            if line.endswith("-grams:"):
                order = int(line[1:].split("-")[0])
            elif order and line.strip() and not line.startswith("\\"):
                fields = line.split()
                ngram = tuple(fields[1 : 1 + order])
                self.logp[ngram] = float(fields[0])
                self.backoff[ngram] = float(fields[1 + order]) if len(fields) > 1 + order else 0.0

    def score(self, word: str, history: Ngram) -> tuple[float, int]:
        """(log10 p, length of the n-gram that was hit)."""
        if (*history, word) in self.logp:
            return self.logp[(*history, word)], len(history) + 1
        if not history:
            return -math.inf, 0
        logp, length = self.score(word, history[1:])
        return self.backoff.get(history, 0.0) + logp, length


def walk(
    logp: dict[Ngram, float], backoff: dict[Ngram, float], history: Ngram, word: str, order: int
) -> tuple[float, int]:
    """(ln p of `word`, length of the n-gram that was hit), adding from the longest context to the shortest."""
    total = 0.0
    for n in range(min(order - 1, len(history)), -1, -1):
        context = history[len(history) - n :]
        if (*context, word) in logp:
            return total + logp[(*context, word)], n + 1
        total += backoff.get(context, 0.0)
    raise KeyError(word)
