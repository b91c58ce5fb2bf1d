"""The report of `lmmix rescore` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmmix.cli.common import print_table

if TYPE_CHECKING:
    from lmmix.metrics.metric import Metric
    from lmmix.metrics.significance import Comparison
    from lmmix.nbest.changes import Change
    from lmmix.nbest.report import RescoreReport


def print_report(report: RescoreReport) -> None:
    """Weights, coverage, metrics and the utterances that changed most."""
    click.echo(f"{report.utterances} utterances, {report.hypotheses} hypotheses, {report.seconds:.2f} s")
    _print_settings(report)
    _print_weights(report)
    for name, coverage in report.coverage.items():
        click.echo(
            f"{name}: {coverage.oov} of {coverage.words} words are OOVs, in {coverage.oov_hypotheses} hypotheses; "
            f"{coverage.zeroprob_hypotheses} hypotheses have probability 0"
        )
    if report.scores:
        _print_scores(report)
        _print_errors(report)
    for what, changes in (("better", report.better), ("worse", report.worse)):
        for change in changes:
            _print_change(what, change, report.metric)


def _print_settings(report: RescoreReport) -> None:
    """How weights were found, what decides, and what is measured."""
    decision, tuning = report.weights.decision, report.weights.tuning
    said = [f"decision: {decision.rule}"]
    if decision.rule == "mbr":
        said.append(f"risk: {decision.loss or 'wer'}")
    if decision.rule != "best":
        said.append(f"temperature: {1.0 if decision.temperature is None else decision.temperature:.4g}")
    if tuning:
        said.append(f"weights: tuned for {tuning.get('metric')} by {tuning.get('method')}")
    click.echo("; ".join(said))
    for scores in report.scores.values():
        click.echo(scores.metric.signature)
    click.echo()


def _print_weights(report: RescoreReport) -> None:
    header, rows = ["feature", "weight"], [[name, f"{w:.6g}"] for name, w in report.weights.values.items()]
    if report.highest_sum is not None:
        metric = report.metric
        header.append(f"{metric.name} {'tuned without it' if report.tuned else 'with weight 0'}")
        rows = [[*row, f"{metric.factor * report.without[row[0]]:.2f}"] for row in rows]
        rows.append(["(all, highest sum)", "", f"{metric.factor * report.highest_sum:.2f}"])
    print_table(header, rows)


def _print_scores(report: RescoreReport) -> None:
    rows = []
    for name, scores in report.scores.items():
        values = {what: f"{scores.metric.factor * value:.2f}" for what, value in scores.values().items()}
        difference, p = shown(scores.difference, scores.metric)
        # What is found where metrics are not linear may not be the end.
        beyond = "" if scores.metric.linear else "~"
        ends = [f"{beyond}{values[what]}" for what in ("oracle", "worst")]
        rows.append([name, values["first"], values[""], difference, p, *ends])
    if report.held_out:
        metric = report.metric
        difference, p = shown(report.held_out.difference, metric)
        value = f"{metric.factor * report.held_out.value:.2f}"
        click.echo(f"\ncross-validated {metric.name} ({report.weights.decision.rule}): {value}, {difference}, p {p}")
    where = "on the lists that the weights were tuned on:" if report.tuned else "with these weights:"
    click.echo(f"\n{where}")
    print_table(["", "first-best", "rescored", "difference [95 %]", "p", "oracle", "worst"], rows)
    if not all(scores.metric.linear for scores in report.scores.values()):
        click.echo("~ at least so good or bad: not all choices can be tried")


def shown(difference: Comparison, metric: Metric) -> tuple[str, str]:
    """A difference with its interval, and its p-value."""
    ends = (metric.factor * value for value in (difference.value, difference.low, difference.high))
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*ends), f"{difference.p:.4f}"


def _print_errors(report: RescoreReport) -> None:
    """What sclite's summary says of word and character errors, in percent of the reference, and of sentences."""
    from lmmix.metrics.error_rate import ErrorRate

    rows = []
    for name, scores in report.scores.items():
        if not isinstance(scores.metric, ErrorRate):
            continue
        for label, statistics in (("first-best", scores.first), ("rescored", scores.chosen)):
            substitutions, insertions, deletions, length = statistics.sum(axis=0)
            wrong = scores.metric.sentence_loss(statistics) > 0
            parts = [length - substitutions - deletions, substitutions, deletions, insertions]
            parts.append(substitutions + deletions + insertions)
            percent = [f"{100 * part / length:.2f}" if length else "nan" for part in parts]
            rows.append([f"{name} {label}", f"{length:.0f}", *percent, f"{100 * wrong.mean():.2f}"])
    if rows:
        click.echo()
        print_table(["%", "reference", "correct", "sub", "del", "ins", "errors", "sentences"], rows)


def _print_change(what: str, change: Change, metric: Metric) -> None:
    click.echo(f"\n{change.id}: {what} by {_amount(abs(change.gain), metric)}")
    rows = [*(["reference", ref] for ref in change.refs), ["first-best", change.first], ["rescored", change.chosen]]
    for label, text in rows:
        click.echo(f"  {label:<10}  {text}")


def _amount(gain: float, metric: Metric) -> str:
    """A change of the loss of one sentence with its unit."""
    if metric.higher_is_better:
        return f"{metric.factor * gain:.2f} {metric.name} of the sentence"
    return f"{gain:.4g} {'error' if gain == 1 else 'errors'}"
