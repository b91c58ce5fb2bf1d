"""lmmix evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmmix.cli.common import (
    check_output,
    json_option,
    print_json,
    print_table,
    refuse_overwriting,
    seed_option,
    with_progress,
)
from lmmix.cli.nbest_options import metric_options, metrics_of

if TYPE_CHECKING:
    from lmmix.evaluate import Result
    from lmmix.metrics.metric import Metric


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("systems", nargs=-1, required=True, metavar="HYP...")
@click.option("--ref", "more", multiple=True, metavar="FILE", help="More references: a file for each.")
@click.option(
    "--ids/--lines",
    default=None,
    help="Lines are 'id word word …' in any order, or a sentence each (default, if they do not look like the former).",
)
@metric_options
@click.option("--test", default="bootstrap", show_default=True, metavar="NAME", help="bootstrap or randomisation.")
@click.option("--samples", type=int, default=1000, show_default=True, metavar="N", help="Texts drawn for intervals.")
@click.option("--alignments", metavar="FILE", help="Write how words (wer) or characters (cer) are aligned.")
@seed_option
@json_option
@with_progress
def command(reference: str, systems: tuple[str, ...], as_json: bool, alignments: str | None, **given: Any) -> None:
    """Compare each HYP with REF, sentence by sentence; with several HYP, each with the first one.

    Intervals hold 95 % of texts drawn from the same sentences (bootstrap). The p-value says how often chance makes
    a difference as large as the one found.

    \b
    lmmix evaluate ref.txt first.txt rescored.txt
    lmmix evaluate ref.txt rescored.txt --ids --normalise lower,nopunct --metric wer,cer --alignments errors.txt
    lmmix evaluate ref.de a.de b.de --metric bleu,chrf,ter --test randomisation
    """
    from lmmix.evaluate import evaluate, read_texts, write_alignments

    references = (reference, *given["more"])
    metrics = metrics_of(given["metrics"] or ("wer",), given["steps"])
    if alignments:
        check_output(alignments, as_json)
        refuse_overwriting(alignments, (*references, *systems))
    texts = read_texts(references, systems, given["ids"])
    settings = {name: given[name] for name in ("test", "samples", "seed")}
    results = [(metric, evaluate(texts, metric, **settings)) for metric in metrics]
    if alignments:
        write_alignments(alignments, texts, systems, metrics)
    if as_json:
        found = {metric.name: _as_json(metric, systems, result) for metric, result in results}
        print_json({"sentences": len(texts.names), **settings, "metrics": found})
    elif alignments != "-":
        click.echo(f"{len(texts.names)} sentences")
        for metric, result in results:
            click.echo(f"\n{metric.signature}")
            _print_results(metric, systems, result)


def _print_results(metric: Metric, systems: tuple[str, ...], results: list[Result]) -> None:
    counts = metric.columns if metric.linear else ()
    header = ["", metric.name, "95 % interval", *counts]
    compared = len(results) > 1
    if compared:
        header += ["difference", "95 % interval", "p"]
    rows = []
    for system, result in zip(systems, results):
        row = [system, *_cells(result.interval, metric), *(f"{sum_:.10g}" for sum_ in result.sums[: len(counts)])]
        if result.comparison:
            row += [*_cells(result.comparison, metric), f"{result.comparison.p:.4f}"]
        elif compared:
            row += ["", "", ""]
        rows.append(row)
    print_table(header, rows)


def _cells(interval: Any, metric: Metric) -> tuple[str, str]:
    """A value and its interval as they are shown."""
    value, low, high = (f"{metric.factor * number:.2f}" for number in (interval.value, interval.low, interval.high))
    return value, f"{low} … {high}"


def _as_json(metric: Metric, systems: tuple[str, ...], results: list[Result]) -> dict[str, Any]:
    from dataclasses import asdict

    found = [
        {
            "system": system,
            **asdict(result.interval),
            "sums": dict(zip(metric.columns, result.sums.tolist())),
            "difference": asdict(result.comparison) if result.comparison else None,
        }
        for system, result in zip(systems, results)
    ]
    return {"signature": metric.signature, "higher_is_better": metric.higher_is_better, "systems": found}
