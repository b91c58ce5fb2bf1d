"""Slow, obvious twin of renormalising and pruning: dictionaries of tuples, and the formulas of Stolcke (1998)."""

from __future__ import annotations

import math

import numpy as np

from lmmix.ngram.backoff import BackoffModel

Ngram = tuple[str, ...]


class NaiveModel:
    """A back-off model as dictionaries of plain probabilities."""

    def __init__(self, model: BackoffModel) -> None:
        tree, words = model.tree, model.vocab.words
        self.order = model.order
        self.words = [word for word in words if word != "<s>"]
        ngrams: list[Ngram] = [()] * tree.size
        for node in range(int(tree.level[tree.order])):
            for child in range(tree.begin[node], tree.begin[node + 1]):
                ngrams[child] = (*ngrams[node], words[tree.word[child]])
        self.ngrams = ngrams
        self.p = {ngram: math.exp(logp) for ngram, logp in zip(ngrams[1:], model.logp[1:])}
        self.bow = {ngram: math.exp(backoff) for ngram, backoff in zip(ngrams[1:], model.backoff[1:])}

    def prob(self, word: str, history: Ngram) -> float:
        if (*history, word) in self.p:
            return self.p[(*history, word)]
        return self.bow.get(history, 1.0) * self.prob(word, history[1:]) if history else 0.0

    def contexts(self, length: int) -> dict[Ngram, list[Ngram]]:
        """The n-grams in each context of a length."""
        found: dict[Ngram, list[Ngram]] = {ngram: [] for ngram in self.bow if len(ngram) == length}
        for ngram in self.p:
            if len(ngram) == length + 1:
                found[ngram[:-1]].append(ngram)
        return found

    def masses(self, ngrams: list[Ngram]) -> tuple[float, float]:
        """(1 − Σ p(w | h), 1 − Σ p(w | h′)): numerator and denominator of the back-off."""
        explicit = math.fsum(self.p[ngram] for ngram in ngrams)
        return 1 - explicit, 1 - math.fsum(self.prob(ngram[-1], ngram[1:-1]) for ngram in ngrams)

    def renormalise(self) -> None:
        total = math.fsum(p for ngram, p in self.p.items() if len(ngram) == 1)
        self.p.update({ngram: p / total for ngram, p in self.p.items() if len(ngram) == 1})
        for length in range(1, self.order):
            for history, ngrams in self.contexts(length).items():
                self._renormalise(history, ngrams)

    def _renormalise(self, history: Ngram, ngrams: list[Ngram]) -> None:
        self.bow[history] = 1.0
        if not ngrams:
            return
        numerator, denominator = self.masses(ngrams)
        explicit = 1 - numerator
        if denominator <= 1e-12:
            for ngram in ngrams:
                self.p[ngram] = self.p[ngram] / explicit if explicit > 0 else self.prob(ngram[-1], ngram[1:-1])
        elif numerator < 0:
            self.bow[history] = 0.0
            for ngram in ngrams:
                self.p[ngram] /= explicit
        else:
            self.bow[history] = numerator / denominator

    def context_prob(self, history: Ngram) -> float:
        """The product of the conditional probabilities, `<s>` counted as `</s>`."""
        product = 1.0
        for i, word in enumerate(history):
            product *= self.prob("</s>" if word == "<s>" else word, history[:i])
        return product

    def growth(self, ngram: Ngram, weight: float, numerator: float, denominator: float) -> float:
        """exp(ΔH) − 1 for leaving out one n-gram whose context comes up with probability `weight`."""
        p, q = self.p[ngram], self.prob(ngram[-1], ngram[1:-1])
        if q == 0:
            return math.inf if p > 0 else 0.0
        bow = self.bow[ngram[:-1]]
        numerator = numerator if bow > 0 else 0.0
        after = (max(numerator, 0) + p) / (max(denominator, 0) + q)
        change = p * (math.log(q) + math.log(after) - math.log(p)) if p > 0 else 0.0
        if numerator > 0:
            change += numerator * ((math.log(after) if after > 0 else -math.inf) - math.log(bow))
        return math.exp(-weight * change) - 1

    def prune(self, threshold: float, weights: dict[Ngram, float], min_order: int = 2) -> None:
        """Renormalise, prune from the highest order down, renormalise; `weights` are P(h)."""
        self.renormalise()
        for order in range(self.order, min_order - 1, -1):
            used = {ngram[:-1] for ngram in self.p if len(ngram) == order + 1}
            for history, ngrams in self.contexts(order - 1).items():
                numerator, denominator = self.masses(ngrams)
                gone = [
                    ngram
                    for ngram in ngrams
                    if ngram not in used
                    and threshold > 0
                    and self.growth(ngram, weights[history], numerator, denominator) < threshold
                ]
                for ngram in gone:
                    del self.p[ngram]
                    self.bow.pop(ngram, None)
        self.renormalise()

    def stationary(self) -> dict[Ngram, float]:
        """How often each context is what was said last, by solving for the stationary distribution of all states.

        A state is the longest context known; behind `</s>` comes the state `<s>`.
        """
        states = [(), *(ngram for ngram in self.bow if ngram[-1] != "</s>")]
        number = {state: i for i, state in enumerate(states)}
        matrix = np.zeros((len(states), len(states)))
        for state in states:
            for word in self.words:
                after = ("<s>",) if word == "</s>" else (*state, word)
                while after not in number:
                    after = after[1:]
                matrix[number[state], number[after]] += self.prob(word, state)
        equations = np.vstack([matrix.T - np.eye(len(states)), np.ones(len(states))])
        share = np.linalg.lstsq(equations, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
        visits = dict.fromkeys(states, 0.0)
        for state in states:
            for i in range(len(state) + 1):
                if state[i:] in visits:
                    visits[state[i:]] += share[number[state]]
        return visits
