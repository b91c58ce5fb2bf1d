"""The report of `lmmix rescore` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmmix.cli.common import print_table

if TYPE_CHECKING:
    from lmmix.nbest.changes import Change
    from lmmix.nbest.report import RescoreReport


def print_report(report: RescoreReport) -> None:
    """Weights, coverage, metrics and the utterances that changed most."""
    click.echo(f"{report.utterances} utterances, {report.hypotheses} hypotheses, {report.seconds:.2f} s\n")
    _print_weights(report)
    for name, coverage in report.coverage.items():
        click.echo(
            f"{name}: {coverage.oov} of {coverage.words} words are OOVs, in {coverage.oov_hypotheses} hypotheses; "
            f"{coverage.zeroprob_hypotheses} hypotheses have probability 0"
        )
    if report.scores:
        _print_scores(report)
    for what, changes in (("better", report.better), ("worse", report.worse)):
        for change in changes:
            _print_change(what, change)


def _print_weights(report: RescoreReport) -> None:
    header, rows = ["feature", "weight"], [[name, f"{w:.6g}"] for name, w in report.weights.values.items()]
    if report.without:
        metric = next(iter(report.scores.values())).metric
        header.append(f"{metric.name} without it")
        rows = [[*row, f"{metric.factor * report.without[row[0]]:.2f}"] for row in rows]
    print_table(header, rows)


def _print_scores(report: RescoreReport) -> None:
    rows = []
    for name, scores in report.scores.items():
        values = {what: f"{scores.metric.factor * value:.2f}" for what, value in scores.values().items()}
        gain = scores.difference
        difference = "{:+.2f} [{:+.2f}, {:+.2f}]".format(
            *(scores.metric.factor * value for value in (gain.value, gain.low, gain.high))
        )
        rows.append([name, values["first"], values[""], difference, f"{gain.p:.3f}", values["oracle"], values["worst"]])
    if report.held_out is not None:
        _print_cross_validated(report)
    where = "on the lists that the weights were tuned on:" if report.tuned else "with these weights:"
    click.echo(f"\n{where}")
    print_table(["", "first-best", "rescored", "difference [95 %]", "p", "oracle", "worst"], rows)


def _print_cross_validated(report: RescoreReport) -> None:
    scores = next(iter(report.scores.values()))
    gain, factor = report.cross_validated(), scores.metric.factor
    value = factor * (scores.values()["first"] + gain.value)
    click.echo(
        f"\ncross-validated {scores.metric.name}: {value:.2f}, "
        f"{factor * gain.value:+.2f} [{factor * gain.low:+.2f}, {factor * gain.high:+.2f}], p {gain.p:.3f}"
    )


def _print_change(what: str, change: Change) -> None:
    click.echo(f"\n{change.id}: {what} by {abs(change.gain):.4g}")
    rows = [*(["reference", ref] for ref in change.refs), ["first-best", change.first], ["rescored", change.chosen]]
    for label, text in rows:
        click.echo(f"  {label:<10}  {text}")
