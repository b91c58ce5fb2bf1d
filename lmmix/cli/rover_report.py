"""The report of `lmmix rover` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmmix.cli.common import print_table
from lmmix.cli.rescore_report import shown

if TYPE_CHECKING:
    from lmmix.nbest.evaluation import Scores
    from lmmix.nbest.rover_report import RoverReport


def print_report(report: RoverReport) -> None:
    """How many texts changed, and by each metric the systems, the vote, and the vote against the best system."""
    click.echo(
        f"{report.utterances} utterances, {report.hypotheses} different hypotheses, "
        f"{report.new} chosen texts that no system has"
    )
    if report.scores and report.shared < report.utterances:
        click.echo(f"measured on the {report.shared} utterances that all systems have")
    if not report.scores:
        print_table(["system", "changed"], [[name, str(changed)] for name, changed in report.changed.items()])
    for metric in report.scores:
        _print_metric(report, metric)


def _print_metric(report: RoverReport, name: str) -> None:
    together = report.scores[name]
    rows = [[system, *_cells(scores[name]), str(report.changed[system])] for system, scores in report.systems.items()]
    rows.append(["together", *_cells(together), ""])
    factor = together.metric.factor
    for label, what in (("most probable", "first"), ("oracle", "oracle")):
        rows.append([label, f"{factor * together.values()[what]:.2f}", "", ""])
    click.echo(f"\n{together.metric.signature}")
    print_table(["system", name, "95 % interval", "changed"], rows)
    difference, p = shown(report.difference(name), together.metric)
    click.echo(f"together against {report.best_alone(name)}, the best system: {difference}, p {p}")


def _cells(scores: Scores) -> tuple[str, str]:
    """The value of the chosen texts and its interval."""
    value, low, high = (
        f"{scores.metric.factor * number:.2f}"
        for number in (scores.interval.value, scores.interval.low, scores.interval.high)
    )
    return value, f"{low} … {high}"
