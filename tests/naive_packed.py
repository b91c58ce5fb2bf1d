"""Slow, obvious twins: integers packed as text of bits, a tree as a dictionary, an interpreter of OpenFst text."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence


def bits_of(values: Sequence[int], width: int) -> str:
    """The integers one after the other, lowest bit first, as a text of 0 and 1."""
    return "".join(format(value, f"0{width}b")[::-1] if width else "" for value in values)


def words_of(bits: str) -> list[int]:
    """The text of bits cut into integers of 64, lowest bit first; zeros fill the last one."""
    bits += "0" * (-len(bits) % 64)
    return [int(bits[i : i + 64][::-1], 2) for i in range(0, len(bits), 64)]


def select(bits: str, rank: int) -> int:
    """The place of the one with `rank` ones before it."""
    return [place for place, bit in enumerate(bits) if bit == "1"][rank]


class Fst:
    """OpenFst text as a back-off acceptor: the back-off arc is taken where there is no other."""

    def __init__(self, text: str, backoff_label: str) -> None:
        self.label = backoff_label
        self.arcs: dict[int, dict[str, tuple[int, float]]] = defaultdict(dict)
        self.final: dict[int, float] = {}
        self.start: int | None = None
        for line in text.splitlines():
            fields = line.split("\t")
            source = int(fields[0])
            self.start = source if self.start is None else self.start
            if len(fields) == 2:
                assert source not in self.final
                self.final[source] = float(fields[1])
            else:
                target, label, output, cost = fields[1:]
                assert label == output and label not in self.arcs[source]
                self.arcs[source][label] = (int(target), float(cost))

    def costs(self, words: Sequence[str]) -> list[float]:
        """The cost of each word of a sentence and of its end."""
        state = self.start
        out = []
        for word in [*words, None]:
            cost = 0.0
            while state is not None and word not in self.arcs[state] and (word is not None or state not in self.final):
                state, more = self.arcs[state].get(self.label, (None, math.inf))
                cost += more
            if state is None:
                out += [math.inf] * (len(words) + 1 - len(out))
                break
            if word is None:
                out.append(cost + self.final[state])
            else:
                state, more = self.arcs[state][word]
                out.append(cost + more)
        return out
