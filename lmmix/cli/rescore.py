"""lmmix rescore."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lmmix.cli.common import (
    Words,
    json_option,
    model_tokenizer_option,
    print_json,
    print_table,
    refuse_overwriting,
    seed_option,
    threads_option,
    with_progress,
)
from lmmix.cli.nbest_options import (
    bounds_of,
    fixed_of,
    list_options,
    loaded_models,
    metric_options,
    metrics_of,
    utterances_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.report import RescoreReport
    from lmmix.nbest.rescore import Rescoring
    from lmmix.nbest.weights import Weights


@click.command()
@click.argument("nbest")
@click.option("--lm", "models", multiple=True, metavar="[NAME=]MODEL", help="Language model or mixture; repeatable.")
@click.option("--fold-lm", multiple=True, metavar="NAME=PATH", help="One for each fold: {} in PATH is its number.")
@list_options
@metric_options
@click.option("--tune", metavar="METRIC", help="Find feature weights on these lists: wer, cer, bleu, …")
@click.option("--method", default="mert", show_default=True, metavar="NAME", help="How to find them.")
@click.option("--counts", type=Words(), metavar="NAME,…", help="Counts to weigh: words, chars, rank; default: words.")
@click.option("--fix", multiple=True, metavar="NAME=W", help="A weight that is known.")
@click.option("--bound", multiple=True, metavar="NAME=A:B", help="The least and the largest weight.")
@click.option("--folds", type=int, default=0, metavar="K", help="Measure also by cross-validation over utterances.")
@click.option("--restarts", type=int, default=20, show_default=True, help="Random starts of the tuning.")
@click.option("--weights-out", metavar="FILE", help="Write the weights found.")
@click.option("--weights", metavar="FILE", help="Use these weights.")
@click.option("--decide", metavar="RULE", help="How to choose; default: best, or what --weights says.")
@click.option("--temperature", type=float, metavar="T", help="Of the posteriors that a rule works with.")
@click.option("-o", "--output", metavar="FILE", help="Write the lists with all scores, totals and the chosen texts.")
@click.option("--output-format", metavar="NAME", help="Format of the output; default: that of the input.")
@click.option("--best-out", metavar="FILE", help="Write the chosen texts, lines 'id word word …'.")
@model_tokenizer_option
@threads_option
@seed_option
@json_option
@with_progress
def command(nbest: str, as_json: bool, output: str | None, best_out: str | None, **given: Any) -> None:
    """Rescore the n-best lists in NBEST with language models; tune feature weights or use given ones.

    \b
    lmmix rescore dev.jsonl --lm mix.json --tune wer --weights-out weights.json
    lmmix rescore test.jsonl --lm mix.json --weights weights.json -o rescored.jsonl
    """
    from lmmix.nbest.formats.registry import nbest_writer, recognised
    from lmmix.nbest.rescore import Rescoring
    from lmmix.nbest.write_best import best_writer

    for path in (output, best_out, given["weights_out"]):
        refuse_overwriting(path or "-", (nbest, *given["models"], *given["refs"]))
    metrics = metrics_of((*((given["tune"],) if given["tune"] else ()), *given["metrics"]), given["steps"])
    models = loaded_models(given["models"], given["fold_lm"], given["folds"], given["tokenizer"], given["threads"])
    run = Rescoring(models, metrics, given["threads"])
    weights, blocks = _weights(run, nbest, given)
    if weights_out := given["weights_out"]:
        weights.save(weights_out)
    with ExitStack() as stack:
        writers = []
        if output:
            form = given["output_format"] or given["form"] or recognised(nbest)
            writers.append(stack.enter_context(nbest_writer(output, form)))
        if best_out:
            writers.append(stack.enter_context(best_writer(best_out)))
        for lists in blocks:
            for rescored in run.apply(lists, weights).utterances():
                for write in writers:
                    write(rescored)
    report = run.report(weights)
    if as_json:
        print_json(report.as_json())
    elif "-" not in (output, best_out):
        _print_report(report)


def _weights(run: Rescoring, nbest: str, given: dict[str, Any]) -> tuple[Weights, Iterable[NbestLists]]:
    """Weights, found or read, and the lists in blocks with their features."""
    from lmmix.errors import SettingError
    from lmmix.nbest.lists import NbestLists, blocks
    from lmmix.nbest.rescore import counts_by_default, counts_of
    from lmmix.nbest.tuning.tune import TuneSettings
    from lmmix.nbest.weights import load_weights

    if bool(given["weights"]) == bool(given["tune"]):
        raise SettingError("rescoring needs either weights (--weights FILE) or a goal to tune them to (--tune wer)")
    utterances = utterances_of(nbest, given)
    if given["weights"]:
        weights = load_weights(given["weights"])
        weights = replace(weights, decision=_decision(weights.decision, given))

        def with_features() -> Iterable[NbestLists]:
            for lists in blocks(utterances):
                run.add_features(lists, counts_of(weights))
                yield lists

        return weights, with_features()
    names = ("metric", "method", "folds", "restarts", "seed")
    settings = TuneSettings(
        **{name: given["tune" if name == "metric" else name] for name in names},
        fixed=fixed_of(given["fix"]),
        bounds=bounds_of(given["bound"]),
    )
    lists = NbestLists(list(utterances))
    lists.check_references()
    counts = given["counts"]
    run.add_features(lists, counts_by_default(lists) if counts is None else counts)
    return run.tune(lists, settings, _decision(None, given)), [lists]


def _decision(known: Any, given: dict[str, Any]) -> Any:
    """How to decide: as `known` says, but for what the options say."""
    from lmmix.nbest.decide.decision import DecisionSettings

    said = {"rule": given["decide"], "temperature": given["temperature"]}
    return replace(known or DecisionSettings(), **{name: value for name, value in said.items() if value is not None})


def _print_report(report: RescoreReport) -> None:
    click.echo(f"{report.utterances} utterances, {report.hypotheses} hypotheses, {report.seconds:.2f} s")
    print_table(["feature", "weight"], [[name, f"{weight:.6g}"] for name, weight in report.weights.values.items()])
    for name, coverage in report.coverage.items():
        click.echo(
            f"{name}: {coverage.oov} of {coverage.words} words are OOVs, "
            f"{coverage.zeroprob_hypotheses} hypotheses have probability 0"
        )
    for name, scores in report.scores.items():
        click.echo(
            f"{name} " + ("on the lists that the weights were tuned on:" if report.tuned else "with these weights:")
        )
        labels = {"first": "first-best", "": "rescored", "oracle": "oracle", "worst": "worst"}
        for what, value in scores.values().items():
            click.echo(f"  {labels[what]:<11} {scores.metric.factor * value:6.2f}")
