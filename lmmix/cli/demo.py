"""lmmix demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmmix.cli.common import json_option, print_json, print_table, threads_option, with_progress

if TYPE_CHECKING:
    from lmmix.demo import DemoReport


@click.command()
@click.option("--out", default="lmmix-demo", show_default=True, metavar="DIR", help="Folder for models and results.")
@threads_option
@json_option
@with_progress
def command(out: str, threads: int | None, as_json: bool) -> None:
    """The main job on the data that comes with lmmix, with a table at the end.

    Three n-gram models and an LSTM are trained, mixed on held-out text, and used to rescore the n-best lists of a
    real speech recogniser. Every number is measured on text that was used for neither training nor tuning.

    \b
    lmmix demo
    lmmix demo --out results --json
    """
    from lmmix.demo import run_demo

    report = run_demo(out, threads)
    if as_json:
        print_json(report.as_json())
    else:
        _print_report(report, out)


def _print_report(report: DemoReport, out: str) -> None:
    from lmmix.demo import DOMAINS, ORDER

    assert report.fit and report.test
    weights = [f"{weight:.4f}" for weight in report.fit.facts["weights"]]
    rows = [
        [f"{name} {ORDER}-gram" if name in DOMAINS else name, f"{report.ppl[name].ppl:.1f}", weight]
        for name, weight in zip(report.members, weights)
    ]
    print_table(["model", "test perplexity", "weight"], [*rows, ["mixture", f"{report.ppl['mixture'].ppl:.1f}", ""]])
    click.echo(
        f"no weights are better on the held-out text by more than {report.fit.facts['gap']:.1e} nats per event\n"
    )
    test = report.test
    rates = [("first-best", "first"), ("mixture", ""), ("oracle", "oracle")]
    rows = [[name, f"{100 * test.value('wer', what):.2f} %"] for name, what in rates]
    print_table([f"{test.utterances} test utterances", "WER"], rows)
    gain = test.scores["wer"].difference
    value, low, high = (100 * number for number in (gain.value, gain.low, gain.high))
    click.echo(f"difference to first-best: {value:+.2f}, in 95 % of samples from {low:+.2f} to {high:+.2f}")
    click.echo()
    seconds = [[name, f"{value:.1f}"] for name, value in report.seconds.items()]
    print_table(["step", "seconds"], [*seconds, ["all", f"{sum(report.seconds.values()):.1f}"]])
    click.echo(f"\nModels, weights and rescored lists are in {out}/; for example:")
    click.echo(f"  lmmix info {out}/mix.json")
    click.echo(f"  echo 'install the package with the graphical tool' | lmmix ppl {out}/mix.json - --tokens")
