"""What `lmmix mix --method auto` chooses, beside one weight a model (EM) and each way alone, on test texts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench_lib.auto_texts import Texts, plain, texts_in
from lmmix.adaptive.cache import CacheModel
from lmmix.adaptive.infinigram import train_infinigram
from lmmix.corpus import Corpus, corpus_from_lines, limited_vocab
from lmmix.lm import LanguageModel
from lmmix.mix.held_out import HeldOut, score_held_out
from lmmix.mix_methods import AUTO, METHODS, MixSettings
from lmmix.ngram.context_counts import ContextCounts
from lmmix.ngram.counts import count_ngrams
from lmmix.ngram.estimate import train_ngram

ORDERS = (2, 3, 4, 5)
PARTS = 4
SIZES = (20, 100, 500, None)
"""Sentences to find mixtures on; None: all."""

DRAWS = {20: 5, 100: 3}
"""How many stretches of the held-out text of such a size, from different places."""

BOUND = 0.5
"""Per cent of perplexity that `auto` may lose against EM."""


@dataclass(frozen=True)
class Row:
    """One choice: test perplexity of each way, found on so many sentences, and of what `auto` took."""

    text: str
    members: str
    sentences: int | None
    events: int
    ppl: dict[str, float]
    chosen: str
    seconds: float

    def loss(self, method: str) -> float:
        """Per cent by which a way is worse than EM."""
        return 100 * (self.ppl[method] / self.ppl["em"] - 1)


@dataclass(frozen=True)
class Case:
    """Models with what they say of a held-out text and of a test text."""

    members: str
    held: HeldOut
    test: HeldOut
    settings: MixSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools/bench auto`."""
    parser.add_argument("folder", type=Path, help="the data sets, each in a folder of its own")
    parser.add_argument("--only", default="", metavar="NAME", help="texts whose names begin like that")
    parser.add_argument("--also", default="", metavar="NAMES", help="further ways to measure, with commas between")
    parser.add_argument("--all", action="store_true", help="print every choice, not only summaries")


def bench(arguments: argparse.Namespace) -> None:
    """Every text with every set of models and every size."""
    started = time.perf_counter()
    texts = texts_in(arguments.folder)
    methods = [*AUTO, *filter(None, arguments.also.split(","))]
    rows: list[Row] = []
    if arguments.all:
        print(_line("text", "models", "sentences", "events", *methods, "auto", "loss %", "chosen", "seconds"))
        print(_line(*["---"] * (8 + len(methods))))
    for name in texts:
        if not name.startswith(arguments.only):
            continue
        for case in _cases(name, texts):
            for size in SIZES:
                for held in _stretches(case.held, size):
                    rows.append(_measure(name, replace(case, held=held), size, methods))
                    if arguments.all:
                        _print_row(rows[-1], methods)
    _print_texts(rows)
    _print_methods(rows, ["auto", *methods])
    print(f"{len(rows)} choices, {time.perf_counter() - started:.0f} s in all with training")


def _cases(name: str, texts: dict[str, Texts]) -> Iterator[Case]:
    own = texts[name]
    if len(own.train) > 500:
        yield from _own_cases(own)
    if name not in ("ptb", "wikitext-2", "zh"):
        yield from _domain_cases(texts, own)


def _own_cases(texts: Texts) -> Iterator[Case]:
    """N-gram models of several orders, a cache and an ∞-gram model of one text, and models of its parts."""
    corpus = corpus_from_lines(texts.train)
    vocab = corpus.vocab
    models: list[LanguageModel] = [train_ngram(corpus, order) for order in ORDERS]
    models += [CacheModel(vocab), train_infinigram(corpus)]
    third = len(texts.train) // PARTS + 1
    parts = [corpus_from_lines(texts.train[k * third : (k + 1) * third], vocab) for k in range(PARTS)]
    first = len(models)
    models += [train_ngram(part, 3) for part in parts]
    sets = {
        "orders 2–5": range(4),
        "orders 2–5, cache": range(5),
        "3-gram, ∞-gram": (1, 5),
        "orders 2–5, cache, ∞-gram": range(6),
        f"{PARTS} parts": range(first, len(models)),
    }
    held, test = (score_held_out(models, corpus_from_lines(lines, vocab)) for lines in (texts.held, texts.test))
    for name, members in sets.items():
        tables = _tables(parts) if members[0] == first else []
        yield Case(name, _only(held, members), _only(test, members), MixSettings(tables=tables))


def _domain_cases(texts: dict[str, Texts], own: Texts) -> Iterator[Case]:
    """3-grams of several texts over one vocabulary, with and without a small one of the text itself."""
    domains = [plain(texts["wikitext-2"].train), texts["novels"].train, texts["commonvoice"].train]
    domains.append([line.replace(" N ", " ") for line in plain(texts["ptb"].train)])
    if own.train not in domains:
        domains.append(own.train)
    vocab = limited_vocab(corpus_from_lines([line for lines in domains for line in lines]), 2)
    corpora = [corpus_from_lines(lines, vocab) for lines in domains]
    models = [train_ngram(corpus, 3) for corpus in corpora]
    held, test = (score_held_out(models, corpus_from_lines(lines, vocab)) for lines in (own.held, own.test))
    tables = _tables(corpora)
    for count in sorted({4, len(models)}):
        chosen = range(count)
        name = "4 domains" if count == 4 else "4 domains and its own"
        yield Case(name, _only(held, chosen), _only(test, chosen), MixSettings(tables=tables[:count]))


def _tables(corpora: Sequence[Corpus]) -> list[Any]:
    return [ContextCounts(count_ngrams(corpus, 3), corpus.vocab) for corpus in corpora]


def _only(held: HeldOut, members: Sequence[int]) -> HeldOut:
    logp = np.ascontiguousarray(held.logp[:, list(members)])
    return replace(held, members=[held.members[k] for k in members], logp=logp)


def _stretches(held: HeldOut, size: int | None) -> Iterator[HeldOut]:
    """Sentences to find weights on: all, or the first so many of some places."""
    sentences = held.corpus.n_sentences
    if size is None:
        yield held
    elif size < sentences:
        for place in range(DRAWS.get(size, 1)):
            begin = place * (sentences - size) // max(1, DRAWS.get(size, 1) - 1)
            chosen = np.zeros(sentences, bool)
            chosen[begin : begin + size] = True
            yield held.part(chosen)


def _measure(text: str, case: Case, size: int | None, methods: Sequence[str]) -> Row:
    ppl, chosen, seconds = {}, "", 0.0
    for method in [*methods, "auto"]:
        if method == "counts" and not case.settings.tables:
            continue
        started = time.perf_counter()
        mixture, facts, _ = METHODS[method](case.held, case.settings)
        if method == "auto":
            chosen, seconds = facts["chosen"], time.perf_counter() - started
        ppl[method] = float(np.exp(-case.test.mean_logp(mixture)))
    return Row(text, case.members, size, case.held.events, ppl, chosen, seconds)


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _print_row(row: Row, methods: Sequence[str]) -> None:
    ppl = [f"{row.ppl[method]:.1f}" if method in row.ppl else "" for method in [*methods, "auto"]]
    size = row.sentences or "all"
    cells = row.text, row.members, size, row.events, *ppl, f"{row.loss('auto'):+.2f}", row.chosen, f"{row.seconds:.1f}"
    print(_line(*cells), flush=True)


def _print_texts(rows: Sequence[Row]) -> None:
    """For each text and size: what auto gains or loses."""
    sizes = [f"{size} sentences" if size else "all" for size in SIZES]
    print("\nTest perplexity of `auto` against EM in per cent: best … worst of all sets of models and stretches\n")
    print(_line("text", *sizes, "seconds at most"))
    print(_line("---", *["---:"] * (len(sizes) + 1)))
    for text in dict.fromkeys(row.text for row in rows):
        cells = []
        for size in SIZES:
            losses = [row.loss("auto") for row in rows if row.text == text and row.sentences == size]
            cells.append(f"{min(losses):+.2f} … {max(losses):+.2f}" if losses else "")
        print(_line(text, *cells, f"{max(row.seconds for row in rows if row.text == text):.1f}"))


def _print_methods(rows: Sequence[Row], methods: Sequence[str]) -> None:
    """For each way alone: how often it does harm, and what it gains."""
    print("\nEach way alone, against EM in per cent of test perplexity\n")
    print(_line("method", "times", f"worse by > {BOUND} %", "worst", "median", "best", "chosen by auto"))
    print(_line("---", *["---:"] * 6))
    for method in methods:
        losses = np.array([row.loss(method) for row in rows if method in row.ppl])
        if len(losses):
            chosen = sum(row.chosen == method for row in rows)
            figures = [f"{figure(losses):+.2f}" for figure in (np.max, np.median, np.min)]
            print(_line(method, len(losses), int((losses > BOUND).sum()), *figures, chosen))
    print()
