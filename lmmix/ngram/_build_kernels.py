"""Kernels that put n-grams that come in any sequence where they belong in a tree: behind those of the same context."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel


@kernel("void(i4[::1], i8, i4[::1])")
def _count_children(context, above, children):
    """Add to children[i] how often the node above + i is the context."""
    for row in range(context.size):
        children[np.uint64(context[row] - above)] += 1


@kernel("void(i4[::1], i4[::1], f8[::1], f8[::1], i4[::1], i8, i8, i4[::1], i4[::1], f8[::1], f8[::1], i4[::1])")
def _place(context, word, log10p, log10bow, line, above, first, place, words, log10ps, log10bows, lines):
    """Put rows at the next free places of their contexts; place[i] is that of the node above + i.

    Where `log10bow` is empty the rows have no back-offs. The first node of their order is `first`.
    """
    for row in range(context.size):
        parent = np.uint64(context[row] - above)
        node = np.uint64(place[parent])
        place[parent] += 1
        words[node] = word[row]
        log10ps[node] = log10p[row]
        if row < log10bow.size:
            log10bows[node] = log10bow[row]
        lines[node - np.uint64(first)] = line[row]


@kernel("b1(i4[::1], i4[::1], i8, i8)")
def _is_sorted(word, begin, above, first):
    """Whether the last words of the children of each of the nodes above … first − 1 ascend, each there once."""
    for parent in range(np.uint64(above), np.uint64(first)):
        for node in range(np.uint64(begin[parent]) + np.uint64(1), np.uint64(begin[parent + np.uint64(1)])):
            if word[node - np.uint64(1)] >= word[node]:
                return False
    return True
