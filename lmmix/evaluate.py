"""Texts of several systems against references: values, intervals, and whether a system is better than the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.fileio import PathLike, atomic_write, read_text_lines
from lmmix.metrics.alignment import aligned, printed
from lmmix.metrics.error_rate import ErrorRate
from lmmix.metrics.metric import Metric
from lmmix.metrics.significance import (
    SAMPLES,
    Comparison,
    Interval,
    paired_randomisation,
    resampled,
)
from lmmix.nbest.references import texts_by_id
from lmmix.progress import task
from lmmix.vocab import words_of

TESTS = ("bootstrap", "randomisation")
"""Where p-values come from: paired bootstrap, or approximate randomisation with ten times as many trials."""

MOST_SAMPLES = 10**6
"""More would only take memory: the p-value of so many has three digits anywhere that matters."""


@dataclass(frozen=True)
class Texts:
    """What systems made of the same sentences.

    Attributes
    ----------
    names : list of n str
        The ids of the sentences, or their line numbers from 1.
    references : list of n tuples of str
    systems : list of lists of n str
    """

    names: list[str]
    references: list[tuple[str, ...]]
    systems: list[list[str]]


@dataclass(frozen=True)
class Result:
    """What a metric says of a system.

    Attributes
    ----------
    sums : (k,) float64
        Of the statistics of all sentences.
    interval : Interval
    comparison : Comparison or None
        With the first system; None for that.
    """

    sums: np.ndarray
    interval: Interval
    comparison: Comparison | None


def evaluate(
    texts: Texts, metric: Metric, *, test: str = TESTS[0], samples: int = SAMPLES, seed: int = 1
) -> list[Result]:
    """The value of each system with its bootstrap interval, and its difference to the first with a p-value.

    `samples` texts are drawn, the same ones for all systems. Raises InputError, SettingError.
    """
    if test not in TESTS:
        raise SettingError(f"there is no test {test!r}; there are {', '.join(TESTS)}")
    if not 1 <= samples <= MOST_SAMPLES:
        raise SettingError(f"samples is {samples}; it must be from 1 to {MOST_SAMPLES}")
    if not texts.names or not texts.systems:
        raise InputError("there is nothing to evaluate: it takes a sentence and a system at least")
    rows = []
    with task(metric.name, len(texts.names)) as advance:
        for refs, *outputs in zip(texts.references, *texts.systems):
            rows.append(metric.statistics(refs, outputs))
            advance(1)
    systems = list(np.stack(rows, axis=1))
    drawn = resampled(metric, systems, samples, seed)
    results = []
    for s, system in enumerate(systems):
        comparison = drawn.comparison(0, s) if s else None
        if comparison and test != TESTS[0]:
            p = paired_randomisation(metric, systems[0], system, 10 * samples, seed)
            comparison = replace(comparison, p=p)
        results.append(Result(system.sum(axis=0), drawn.interval(s), comparison))
    return results


def read_texts(references: Sequence[PathLike], systems: Sequence[PathLike], by_id: bool | None = None) -> Texts:
    """The texts of all files in the order of the first: a line a sentence, or `by_id` ``id word word …`` in any order.

    If `by_id` is None, lines are sentences, and refused if they look as if they had ids: two lines or more that begin
    with different words, line by line the same ones in all files.
    Raises FormatError with file and line where a file has other lines or ids than the first, or an id twice,
    InputError for an empty one and for lines that seem to have ids.
    """
    files = {path: texts_by_id(path) if by_id else _by_line(path) for path in (*references, *systems)}
    first = references[0]
    if not files[first]:
        raise InputError(f"{first}: there is no text in it")
    what = "id" if by_id else "line"
    advice = f"all files must have the same {what}s"
    for path, lines in files.items():
        for name, (number, _) in lines.items():
            if name not in files[first]:
                raise FormatError(f"{path}:{number}: {first} has no {what} {name}; {advice}")
        for name, (number, _) in files[first].items():
            if name not in lines:
                raise FormatError(f"{path}: there is no {what} {name}, which is {first}:{number}; {advice}")
    names = list(files[first])
    columns = {path: [lines[name][1] for name in names] for path, lines in files.items()}
    if by_id is None:
        _check_no_ids([columns[path] for path in files], first)
    return Texts(names, list(zip(*(columns[path] for path in references))), [columns[path] for path in systems])


def _check_no_ids(files: Sequence[Sequence[str]], first: PathLike) -> None:
    """Raise InputError if the first words of the lines of all files are the same, and each stands once."""
    heads = [[(words_of(line) or [""])[0] for line in lines] for lines in files]
    there = heads[0]
    if len(there) > 1 and all(there) and len(set(there)) == len(there) and all(one == there for one in heads):
        raise InputError(
            f"{first}: the lines of all files begin with the same words, each of them once ({there[0]!r:.40}, "
            f"{there[1]!r:.40}, …), as lines 'id word word …' do; give --ids, or --lines if these are words"
        )


def _by_line(path: PathLike) -> dict[str, tuple[int, str]]:
    return {str(number): (number, line) for number, line in read_text_lines(path)}


def write_alignments(path: PathLike, texts: Texts, titles: Sequence[str], metrics: Sequence[Metric]) -> None:
    """Write how the words (wer) or characters (cer) of each sentence are aligned, in sclite's form.

    `titles` are the names of the systems. Raises SettingError if no metric aligns, InputError if there are
    several references.
    """
    rates: list[ErrorRate] = [metric for metric in metrics if isinstance(metric, ErrorRate)]
    if not rates:
        raise SettingError("alignments are those of wer and cer; add one of them (--metric wer)")
    for name, references in zip(texts.names, texts.references):
        if len(references) != 1:
            raise InputError(f"sentence {name}: alignments are with one reference, not with {len(references)}")
    with atomic_write(path) as stream:
        for rate in rates:
            for title, outputs in zip(titles, texts.systems):
                stream.write(f"System name: {title}\nSignature: {rate.signature}\n\n".encode())
                for name, (reference,), output in zip(texts.names, texts.references, outputs):
                    substitutions, insertions, deletions, length = rate.statistics([reference], [output])[0].astype(int)
                    counts = f"{length - substitutions - deletions} {substitutions} {deletions} {insertions}"
                    lines = printed(aligned(rate.units(reference), rate.units(output)))
                    stream.write(f"id: ({name})\nScores: (#C #S #D #I) {counts}\n{lines}\n".encode())
