"""lmmix rescore."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lmmix.cli.common import (
    Words,
    json_option,
    model_tokenizer_option,
    print_json,
    refuse_overwriting,
    seed_option,
    with_progress,
)
from lmmix.cli.nbest_options import (
    bounds_of,
    check_outputs,
    fixed_of,
    inputs_of,
    list_options,
    loaded_models,
    metric_names,
    metric_options,
    utterances_of,
)
from lmmix.cli.rescore_report import print_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmix.nbest.decide.decision import DecisionSettings
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.rescore import Rescoring
    from lmmix.nbest.tuning.tune import TuneSettings
    from lmmix.nbest.utterance import Utterance
    from lmmix.nbest.weights import Weights

OF_TUNING = (
    *("fold_lm", "method", "lm_normalise", "counts", "fix", "bound", "folds", "restarts", "seed"),
    *("plot", "plot_features"),
)
"""Options that do nothing where weights are given."""


@click.command()
@click.argument("nbest")
@click.option("--lm", "models", multiple=True, metavar="[NAME=]MODEL", help="Language model or mixture; repeatable.")
@click.option("--fold-lm", multiple=True, metavar="NAME=PATH", help="One for each fold, whose number is {} in PATH.")
@click.option("--members", is_flag=True, help="Weigh the members of mixtures one by one (log-linear).")
@list_options
@metric_options
@click.option("--tune", metavar="METRIC", help="Find feature weights on these lists: wer, cer, bleu, …")
@click.option("--method", default="expected", show_default=True, metavar="NAME", help="Or mert, pro, mira.")
@click.option("--lm-normalise", type=Words(), metavar="STEP,…", help="Rewrite texts before models read them, too.")
@click.option("--counts", type=Words(), metavar="NAME,…", help="Counts to weigh: words, chars, rank, none.")
@click.option("--fix", multiple=True, metavar="NAME=W", help="A weight that is known.")
@click.option("--bound", multiple=True, metavar="NAME=A:B", help="The least and the largest weight.")
@click.option("--folds", type=int, default=0, metavar="K", help="Measure also by cross-validation over utterances.")
@click.option("--restarts", type=int, default=20, show_default=True, help="Random starts of the tuning.")
@click.option("--plot", metavar="FILE", help="Draw the metric over two weights (.png, .svg, .pdf).")
@click.option("--plot-features", type=Words(), metavar="NAME,NAME", help="Which; default: the two heaviest.")
@click.option("--weights-out", metavar="FILE", help="Write the weights found.")
@click.option("--weights", metavar="FILE", help="Use these weights.")
@click.option("--decide", metavar="RULE", help="How to choose: best, mbr, vote; default: best, or what --weights says.")
@click.option("--temperature", type=float, metavar="T", help="Of the posteriors of mbr and vote; default: tuned, or 1.")
@click.option(
    "--risk", metavar="NAME", help="What mbr expects: wer, cer, bleu, chrf; default: what is tuned for, or wer."
)
@click.option("-o", "--output", metavar="FILE", help="Write the lists with all scores, totals and the chosen texts.")
@click.option("--output-format", metavar="NAME", help="Format of the output; default: that of the input.")
@click.option("--best-out", metavar="FILE", help="Write the chosen texts, lines 'id word word …'.")
@click.option("--changes", type=int, default=3, show_default=True, metavar="N", help="Utterances to show.")
@model_tokenizer_option
@click.option("--threads", type=int, metavar="N", help="Threads of the models; default, and for tuning: all cores.")
@seed_option
@json_option
@with_progress
def command(nbest: str, as_json: bool, output: str | None, best_out: str | None, **given: Any) -> None:
    """Rescore the n-best lists in NBEST with language models; tune feature weights or use given ones.

    A hypothesis has its own scores, ln p under each --lm (lm:NAME) with the number of its OOVs (oov:NAME), and
    counts: by default words, and rank if the lists have no scores. The highest weighted sum wins.

    Intervals hold 95 % of texts drawn from the same utterances (bootstrap). The p-value says how often exchanging the
    two outputs at random makes so large a difference.

    \b
    lmmix rescore dev.jsonl --lm mix.json --tune wer --weights-out weights.json
    lmmix rescore test.jsonl --lm mix.json --weights weights.json -o rescored.jsonl
    lmmix rescore dev.moses --ref dev.en --lm mix.json --tune bleu --folds 5
    lmmix rescore dev.jsonl --lm mix.json --lm inner=ilm.lmx --bound lm:inner=-1:0 --tune wer --decide mbr
    """
    from lmmix.nbest.formats.registry import nbest_writer, recognised
    from lmmix.nbest.rescore import Rescoring, metrics_to_measure
    from lmmix.nbest.weights import load_weights
    from lmmix.nbest.write_best import best_writer

    _check(given)
    others = (best_out, given["weights_out"], given["plot"])
    for path in filter(None, (output, *others)):
        refuse_overwriting(path, (nbest, *inputs_of(given)))
    form = given["output_format"] or given["form"] or recognised(nbest)
    check_outputs(output, form, others, as_json)
    known = load_weights(given["weights"]) if given["weights"] else None
    settings = _tune_settings(given) if given["tune"] else None
    decision = _decision(known, given)
    metrics = metrics_to_measure(metric_names(given["metrics"]), settings, known, given["steps"])
    must_measure = bool(given["tune"] or given["metrics"])
    run = Rescoring(loaded_models(given), metrics, given["threads"], given["changes"], must_measure)
    with ExitStack() as stack:
        writers = []
        if output:
            writers.append(stack.enter_context(nbest_writer(output, form)))
        if best_out:
            writers.append(stack.enter_context(best_writer(best_out)))
        utterances = utterances_of(nbest, given)
        if settings:
            blocks = _tuned(run, utterances, settings, decision, form if output else None, given)
        elif known:
            blocks = _weighted(run, utterances, replace(known, decision=decision))
        for lists, weights in blocks:
            for rescored in run.apply(lists, weights).utterances():
                for write in writers:
                    write(rescored)
    if given["weights_out"]:
        weights.save(given["weights_out"])
    if given["plot"]:
        run.draw(given["plot"], given["plot_features"] or ())
    report = run.report(weights)
    if as_json:
        print_json(report.as_json())
    elif "-" not in (output, *others):
        print_report(report)


def _check(given: dict[str, Any]) -> None:
    """Raise SettingError for options that exclude each other."""
    from lmmix.errors import SettingError
    from lmmix.nbest.plot import check_picture

    if bool(given["weights"]) == bool(given["tune"]):
        raise SettingError("rescoring needs either weights (--weights FILE) or a goal to tune them to (--tune wer)")
    if given["tune"]:
        if given["plot"]:
            check_picture(given["plot"])
        if given["plot_features"] and not given["plot"]:
            raise SettingError("--plot-features is for a picture; give --plot FILE")
        if given["counts"] == [] or ("none" in (given["counts"] or ()) and len(given["counts"]) > 1):
            raise SettingError("--counts takes names of counts, parted by commas, or none alone")
        return
    asked = click.get_current_context().get_parameter_source
    for name in OF_TUNING:
        if asked(name) is ParameterSource.COMMANDLINE:
            raise SettingError(f"--{name.replace('_', '-')} is for tuning; give --tune METRIC, or leave it out")


def _tune_settings(given: dict[str, Any]) -> TuneSettings:
    from lmmix.nbest.tuning.tune import TuneSettings

    return TuneSettings(
        metric=given["tune"],
        **{name: given[name] for name in ("method", "folds", "restarts", "seed")},
        fixed=fixed_of(given["fix"]),
        bounds=bounds_of(given["bound"]),
    )


def _decision(known: Weights | None, given: dict[str, Any]) -> DecisionSettings:
    """How to decide: as given weights say, but for what options say. Raises SettingError for those without effect."""
    from lmmix.errors import SettingError
    from lmmix.nbest.decide.decision import DecisionSettings
    from lmmix.nbest.decide.temperature import LIST_RULES

    said = {"rule": given["decide"], "temperature": given["temperature"], "loss": given["risk"]}
    default = known.decision if known else DecisionSettings()
    decision = replace(default, **{name: value for name, value in said.items() if value is not None})
    if given["temperature"] is not None and decision.rule not in LIST_RULES:
        raise SettingError(f"--temperature is for the rules {' and '.join(LIST_RULES)}; give --decide, or leave it out")
    if given["risk"] is not None and decision.rule != "mbr":
        raise SettingError("--risk is for the rule mbr; give --decide mbr, or leave it out")
    return decision


def _weighted(
    run: Rescoring, utterances: Iterator[Utterance], weights: Weights
) -> Iterator[tuple[NbestLists, Weights]]:
    """The lists in blocks with their features, and the weights that are known."""
    from lmmix.nbest.lists import blocks

    for lists in blocks(utterances):
        run.add_weighed_features(lists, weights)
        yield lists, weights


def _tuned(
    run: Rescoring,
    utterances: Iterator[Utterance],
    settings: TuneSettings,
    decision: DecisionSettings,
    form: str | None,
    given: dict[str, Any],
) -> Iterator[tuple[NbestLists, Weights]]:
    """All lists in one block with their features, and the weights found on them."""
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.plot import features_to_draw
    from lmmix.nbest.rescore import counts_by_default
    from lmmix.nbest.tuned import names_to_weigh

    lists = NbestLists(list(utterances))
    steps = tuple(given["lm_normalise"] or ())
    counts = counts_by_default(lists) if given["counts"] is None else given["counts"]
    counts = () if counts == ["none"] else counts
    # What is wrong with references, or with the lists for the output, shows before models read anything.
    for metric in run.metrics:
        lists.statistics(metric)
    if form:
        new = [name for name in (*run.feature_names, *counts) if name not in lists.features]
        _check_format(lists, new, form)
    run.add_features(lists, counts, steps)
    if given["plot"]:
        features_to_draw(names_to_weigh(lists, settings), given["plot_features"] or ())
    weights = run.tune(lists, settings, decision)
    yield lists, replace(weights, normalise=steps)


def _check_format(lists: NbestLists, features: Sequence[str], form: str) -> None:
    """Raise InputError if the format cannot hold the lists with totals and these features."""
    import numpy as np

    from lmmix.nbest.formats.registry import check_can_hold
    from lmmix.nbest.utterance import Rescored

    def like_result(one: Utterance) -> Rescored:
        zeros = np.zeros(len(one.texts))
        return Rescored(one, dict.fromkeys(features, zeros), zeros, 0, one.texts[0])

    check_can_hold(map(like_result, lists.utterances), form)
