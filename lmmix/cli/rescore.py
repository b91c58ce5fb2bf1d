"""lmmix rescore."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmmix.cli.common import json_option, model_tokenizer_option, print_json, print_table, seed_option, with_progress

if TYPE_CHECKING:
    from lmmix.lm import LanguageModel
    from lmmix.nbest.rescore import RescoreReport


@click.command()
@click.argument("nbest")
@click.option("--lm", "models", multiple=True, metavar="MODEL", help="Language model or mixture; may be repeated.")
@click.option("--ref", metavar="FILE", help="References, lines 'id word word …'; by default those in the list.")
@click.option("--tune", type=click.Choice(["wer"]), help="Find feature weights on these lists.")
@click.option("--weights-out", metavar="FILE", help="Write the weights found.")
@click.option("--weights", metavar="FILE", help="Use these weights.")
@click.option("-o", "--output", metavar="FILE", help="Write the lists with all scores, totals and the best texts.")
@click.option("--best-out", metavar="FILE", help="Write the best hypotheses, lines 'id word word …'.")
@model_tokenizer_option
@click.option("--restarts", type=int, default=10, show_default=True, help="Random starts of the tuning.")
@seed_option
@json_option
@with_progress
def command(
    nbest: str,
    models: tuple[str, ...],
    ref: str | None,
    tune: str | None,
    weights_out: str | None,
    weights: str | None,
    output: str | None,
    best_out: str | None,
    tokenizer: str | None,
    restarts: int,
    seed: int,
    as_json: bool,
) -> None:
    """Rescore the n-best lists in NBEST with language models; tune feature weights or use given ones.

    NBEST has a line of JSON an utterance: {"id": …, "ref": …, "hyps": [{"text": …, "scores": {…}}, …]}.

    \b
    lmmix rescore dev.jsonl --lm mix.json --tune wer --weights-out weights.json
    lmmix rescore test.jsonl --lm mix.json --weights weights.json -o rescored.jsonl
    """
    from lmmix.nbest.lists import add_references, read_nbest, write_best, write_nbest
    from lmmix.nbest.rescore import load_weights, rescore, save_weights

    given = load_weights(weights) if weights else None
    lists = read_nbest(nbest)
    if ref:
        add_references(lists, ref)
    report = rescore(lists, _loaded(models, tokenizer), weights=given, tune=tune, restarts=restarts, seed=seed)
    if weights_out:
        save_weights(report, weights_out)
    if output:
        write_nbest(report.lists, report.total, output)
    if best_out:
        write_best(report.lists, report.total, best_out)
    if as_json:
        print_json(report.as_json())
    elif "-" not in (output, best_out):
        _print_report(report)


def _loaded(paths: tuple[str, ...], tokenizer: str | None) -> dict[str, LanguageModel]:
    """The models by the names of their files without suffix, which must differ."""
    from lmmix.errors import SettingError
    from lmmix.lm import load

    models: dict[str, LanguageModel] = {}
    for path in paths:
        name = re.sub(r"\.(arpa|lmx|json|gz|bz2|xz|zst)(?=\.|$)", "", Path(path).resolve().name)
        if name in models:
            raise SettingError(f"two models are called {name!r}; their features need different names: rename a file")
        models[name] = load(path, tokenizer)
    return models


def _print_report(report: RescoreReport) -> None:
    click.echo(f"{report.utterances} utterances, {report.hypotheses} hypotheses, {report.seconds:.2f} s")
    print_table(["feature", "weight"], [[name, f"{weight:.6g}"] for name, weight in report.weights.items()])
    for name, coverage in report.coverage.items():
        click.echo(
            f"{name}: {coverage.oov} of {coverage.words} words are OOVs, "
            f"{coverage.zeroprob_hypotheses} hypotheses have probability 0"
        )
    if report.wer is not None and report.wer_first is not None and report.wer_oracle is not None:
        click.echo(
            "WER on the lists that the weights were tuned on:" if report.tuned else "WER with the given weights:"
        )
        click.echo(f"  first-best  {100 * report.wer_first:6.2f} %")
        click.echo(f"  rescored    {100 * report.wer:6.2f} %")
        click.echo(f"  oracle      {100 * report.wer_oracle:6.2f} %")
