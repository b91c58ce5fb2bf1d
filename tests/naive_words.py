"""Word probabilities from pieces, written from the definition, and worlds in which all words can be listed."""

from __future__ import annotations

import math

import numpy as np

from lmmix.tokenize import tokenizer
from lmmix.vocab import BOS, EOS, Vocab

END = "</s>"


def pieces_of(words: list[str], name: str) -> list[str]:
    """The pieces of words with single spaces between them."""
    return tokenizer(name).transform((" ".join(words) + "\n").encode()).decode().split()


def ids_of(words: list[str], pieces: Vocab) -> list[int]:
    return [pieces.id(piece) for piece in pieces_of(words, pieces.tokenizer)]


def string_logp(model, string: list[int]) -> float:
    """ln p that a sentence begins with these pieces, one piece at a time."""
    total, state = 0.0, model.start(1)
    for piece in string:
        p = float(model.distribution(state)[0, piece])
        total += math.log(p) if p > 0 else -math.inf
        state = model.advance(state, np.array([piece], np.int32))[1]
    return total


def following(model, string: list[int]) -> np.ndarray:
    """(V,) p of every next piece behind these at the beginning of a sentence."""
    state = model.start(1)
    for piece in string:
        state = model.advance(state, np.array([piece], np.int32))[1]
    return model.distribution(state)[0]


def ends_here(model, string: list[int]) -> float:
    """p that the next word begins behind these pieces, or the sentence ends."""
    pieces = model.vocab
    mark = "Ġ" if pieces.tokenizer.startswith("hf:") else "▁"
    marked = [piece.startswith(mark) for piece in pieces.words]
    if not string and not pieces_of(["a"], pieces.tokenizer)[0].startswith(mark):
        openers = [i for i in range(len(pieces)) if not marked[i] and i != BOS]
    else:
        openers = [i for i in range(len(pieces)) if marked[i] or i == EOS]
    p = following(model, string)
    return math.fsum(p[i] for i in openers)


def naive_distribution(model, vocab: Vocab, history: list[str]) -> dict[str, float]:
    """p of every word behind a history of words: p(pieces of hw, then an end of the word) / p(those of h, then one).

    The words of `vocab` must have pieces of their own.
    """
    before = ids_of(history, model.vocab) if history else []
    all_before = string_logp(model, before) + math.log(ends_here(model, before))
    out = {}
    for word in vocab.words[3:]:
        string = ids_of([*history, word], model.vocab)
        logp = string_logp(model, string)
        out[word] = math.exp(logp - all_before) * ends_here(model, string) if logp > -math.inf else 0.0
    out[END] = math.exp(string_logp(model, [*before, EOS]) - all_before)
    out["<unk>"] = 1.0 - math.fsum(out.values())
    return out


def uncorrected_sum(model, vocab: Vocab, history: list[str]) -> float:
    """Σ of the products of pieces over all words and `</s>`."""
    before = ids_of(history, model.vocab) if history else []
    strings = [ids_of([*history, word], model.vocab) for word in vocab.words[3:]] + [[*before, EOS]]
    return math.fsum(math.exp(string_logp(model, string) - string_logp(model, before)) for string in strings)


class World:
    """A language model over pieces whose sentences are made of some words in their own pieces, and nothing else.

    The probabilities are random; they depend on the pieces of the word so far and on the number of events mod 3. A
    state is (n, 2) of these two.
    """

    def __init__(self, words: list[str], name: str, seed: int) -> None:
        first = {word: tuple(pieces_of([word], name)) for word in words}
        later = {word: tuple(pieces_of([word, word], name)[len(first[word]) :]) for word in words}
        self.vocab = Vocab.from_words(sorted({piece for x in (first, later) for s in x.values() for piece in s}), name)
        self.signature = f"world|{seed}"
        ids = [{tuple(map(self.vocab.id, string)) for string in place.values()} for place in (first, later)]
        # A node is a place and the pieces of a word so far; of `after` come the next nodes.
        self.nodes = {(0, ()): 0}
        self.after: list[dict[int, int]] = [{}]
        for place in (0, 1):
            for string in sorted(ids[place]):
                for end in range(1, len(string) + 1):
                    self.node((place, string[:end]))
        for (place, string), number in list(self.nodes.items()):
            if string in ids[place] or not string:
                self.after[number][EOS] = 0
            if string in ids[place]:
                for other in sorted(ids[1]):
                    self.after[number][other[0]] = self.node((1, other[:1]))
            for longer, there in self.nodes.items():
                if longer[0] == place and len(longer[1]) == len(string) + 1 and longer[1][:-1] == string:
                    self.after[number][longer[1][-1]] = there
        rng = np.random.default_rng(seed)
        self.table = np.zeros((3, len(self.nodes), len(self.vocab)))
        for number, after in enumerate(self.after):
            self.table[:, number, list(after)] = rng.dirichlet(np.full(len(after), 0.7), size=3)

    def node(self, key):
        if key not in self.nodes:
            self.nodes[key] = len(self.nodes)
            self.after.append({})
        return self.nodes[key]

    def start(self, n):
        return np.zeros((n, 2), np.int64)

    def distribution(self, state):
        return self.table[state[:, 1], state[:, 0]]

    def advance(self, state, words):
        with np.errstate(divide="ignore"):
            logp = np.log(self.distribution(state)[np.arange(len(state)), words])
        node = [self.after[before].get(int(word), before) for before, word in zip(state[:, 0], words)]
        events = np.where(np.asarray(words) == EOS, 0, (state[:, 1] + 1) % 3)
        return logp, np.stack([np.array(node, np.int64), events], axis=1).reshape(-1, 2)

    def score(self, corpus, threads=None):
        state, out = self.start(1), []
        for word in corpus.recode(self.vocab).ids:
            logp, state = self.advance(state, np.array([word]))
            out.append(float(logp[0]))
        return np.array(out)
