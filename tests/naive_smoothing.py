"""Slow, obvious twins of the smoothings, written from their papers with dictionaries of tuples."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import naive_ngram
from naive_ngram import Ngram


def absolute_discount(of: Mapping[int, int]) -> float:
    """n1 / (n1 + 2 n2), from the line through them, or 0.5."""
    for n in (of, naive_ngram.on_a_line(of, 2)):
        if n.get(1) and n.get(2):
            return n[1] / (n[1] + 2 * n[2])
    return 0.5


def katz_ratios(of: Mapping[int, int]) -> list[float]:
    """d_1…d_5 of Katz (1987), from the line through the counts of counts, or 1."""
    result = []
    for r in range(1, 6):
        chosen = 1.0
        for n in (naive_ngram.on_a_line(of, 6), of):
            if all(n.get(i) for i in range(1, 7)) and 6 * n[6] / n[1] <= 1 - 1e-6:
                good_turing = (r + 1) * n[r + 1] / n[r]
                common = 6 * n[6] / n[1]
                ratio = (good_turing / r - common) / (1 - common)
                chosen = ratio if 0 < ratio < 1 else chosen
        result.append(chosen)
    return result


def bucket_of(total: float) -> int:
    """⌊log2 C⌋, 0 for sums of counts below 1."""
    return max(0, math.floor(math.log2(total)))


class Smoothed:
    """p(word | history) with one smoothing an order.

    `names` are those of the orders, parameters included; `interpolated` says which form, for each order.
    `minimum` are the cut-offs. `lambdas`, for jm, gives λ by order and ⌊log2 C(h)⌋.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[str]],
        names: Sequence[str],
        vocab: Sequence[str],
        interpolated: Sequence[bool],
        minimum: Sequence[int] | None = None,
        pad: int = 0,
        closed: bool = False,
        weight: float | None = None,
        lambdas: Sequence[Mapping[int, float]] = (),
    ) -> None:
        self.order = len(names)
        self.names = names
        self.interpolated = interpolated
        self.minimum = minimum or [1] * self.order
        self.lambdas = lambdas
        self.raw: Mapping[Ngram, float] = naive_ngram.counts(sentences, self.order)
        if weight is not None:
            self.raw = {ngram: count * weight for ngram, count in self.raw.items()}
        self.events = [word for word in vocab if word != "<s>" and not (closed and self._closed_out(word))]
        self.events += [f"padding {i}" for i in range(pad - len(self.events))]
        self.uniform = 1.0 / len(self.events)
        self._known: dict[Ngram, float] = {}
        self._count()
        self.table = [self._discounts(n, name) for n, name in enumerate(names, 1)]

    def _closed_out(self, word: str) -> bool:
        return word == "<unk>" and ("<unk>",) not in self.raw

    def _count(self) -> None:
        left: dict[Ngram, set[str]] = defaultdict(set)
        for ngram in self.raw:
            left[ngram[1:]].add(ngram[0])
        self.count = {}
        for ngram, count in self.raw.items():
            name = self.names[len(ngram) - 1].split(":")[0]
            if ngram == ("<s>",):
                continue
            continuation = name in ("kn", "mkn") and len(ngram) < self.order and ngram[0] != "<s>"
            self.count[ngram] = len(left[ngram]) if continuation else count
        self.followers: dict[Ngram, list[Ngram]] = defaultdict(list)
        for ngram in self.count:
            self.followers[ngram[:-1]].append(ngram)

    def _discounts(self, n: int, name: str) -> list[float]:
        """What is taken from counts 0, 1, 2, … and more."""
        kind, _, given = name.partition(":")
        of = Counter(count for ngram, count in self.count.items() if len(ngram) == n)
        if kind == "mkn":
            return [0.0, *(map(float, given.split("/")) if given else naive_ngram.modified_discounts(of))]
        if kind in ("kn", "abs"):
            return [0.0, float(given) if given else absolute_discount(of)]
        if kind == "katz":
            return [0.0, *(r * (1 - d) for r, d in enumerate(katz_ratios(of), 1)), 0.0]
        return [0.0]

    def kept(self, ngram: Ngram) -> bool:
        """Whether the n-gram is in the model."""
        minimum = self.minimum[len(ngram) - 1]
        return ngram in self.count and (minimum <= 1 or self.raw[ngram] >= minimum)

    def alpha(self, ngram: Ngram) -> float:
        """Discounted relative frequency of an n-gram that is in the model."""
        n, context = len(ngram), ngram[:-1]
        count = self.count[ngram]
        total = sum(self.count[follower] for follower in self.followers[context])
        kind, _, given = self.names[n - 1].partition(":")
        if kind == "wb":
            return count / (total + len(self.followers[context]))
        if kind == "add":
            delta = float(given)
            return (count + delta) / (total + delta * len(self.events))
        if kind == "jm":
            return self.lambdas[n - 1][bucket_of(total)] * count / total
        if kind == "stupid":
            return count / total
        table = self.table[n - 1]
        if kind == "katz" and not sum(self._taken(follower) for follower in self.followers[context]):
            total += 1
        return (count - table[min(count, len(table) - 1)]) / total

    def _taken(self, ngram: Ngram) -> float:
        if not self.kept(ngram):
            return self.count[ngram]
        table = self.table[len(ngram) - 1]
        return table[min(self.count[ngram], len(table) - 1)]

    def prob(self, word: str, history: Ngram) -> float:
        """p(word | the last order − 1 words of history)."""
        if not self.order:
            return self.uniform
        return self._prob(word, history[max(0, len(history) - self.order + 1) :])

    def _lower(self, word: str, history: Ngram) -> float:
        if word not in self.events:
            return 0.0
        return self._prob(word, history[1:]) if history else self.uniform

    def _prob(self, word: str, history: Ngram) -> float:
        key = (*history, word)
        if key not in self._known:
            self._known[key] = self._new_prob(word, history)
        return self._known[key]

    def _new_prob(self, word: str, history: Ngram) -> float:
        if not self.followers.get(history) or word not in self.events:
            return self._lower(word, history)
        n = len(history) + 1
        name = self.names[n - 1]
        kept = [ngram for ngram in self.followers[history] if self.kept(ngram)]
        alpha = {ngram[-1]: self.alpha(ngram) for ngram in kept}
        if name.startswith("stupid"):
            if not history:
                return alpha.get(word, 0.0)
            return alpha[word] if word in alpha else float(name.split(":")[1]) * self._lower(word, history)
        left = 1.0 - math.fsum(alpha.values())
        others = [event for event in self.events if event not in alpha]
        if self.interpolated[n - 1] or not others:
            return alpha.get(word, 0.0) + left * self._lower(word, history)
        if word in alpha:
            return alpha[word]
        return left * self._lower(word, history) / math.fsum(self._lower(other, history) for other in others)


def jelinek_mercer_weights(
    sentences: Sequence[Sequence[str]], dev: Sequence[Sequence[str]], order: int, vocab: Sequence[str]
) -> list[dict[int, float]]:
    """λ by order and bucket, each where the derivative of the log-likelihood and its prior is 0, by bisection."""
    lambdas: list[dict[int, float]] = []
    raw = naive_ngram.counts(sentences, order)
    totals: Counter[Ngram] = Counter()
    for ngram, count in raw.items():
        if ngram != ("<s>",):
            totals[ngram[:-1]] += count
    for n in range(1, order + 1):
        lower = Smoothed(sentences, ["jm"] * (n - 1), vocab, [True] * (n - 1), lambdas=lambdas)
        pairs: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for sentence in dev:
            words = ["<s>", *(word if word in vocab else "<unk>" for word in sentence), "</s>"]
            for end in range(1, len(words)):
                history = tuple(words[end - n + 1 : end])
                learnt = words[end] != "<unk>" or ("<unk>",) in raw
                if learnt and end - n + 1 >= 0 and totals[history]:
                    below = lower.prob(words[end], tuple(words[:end]))
                    seen = raw[(*history, words[end])] / totals[history]
                    pairs[bucket_of(totals[history])].append((seen, below))
        size = 1 + max(bucket_of(total) for context, total in totals.items() if len(context) == n - 1 and total)
        lambdas.append({bucket: _root(pairs[bucket]) for bucket in range(size)})
    return lambdas


def _root(pairs: Sequence[tuple[float, float]]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        slope = sum((a - b) / (middle * a + (1 - middle) * b) for a, b in pairs) + 1 / middle - 1 / (1 - middle)
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2
