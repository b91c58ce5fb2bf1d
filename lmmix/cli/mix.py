"""lmmix mix."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from lmmix.cli.common import (
    Words,
    check_output,
    json_option,
    model_tokenizer_option,
    output_option,
    print_json,
    print_table,
    refuse_overwriting,
    seed_option,
    text_options,
    threads_option,
    with_progress,
)

if TYPE_CHECKING:
    from lmmix.mixing import MixtureFit

METHODS = (
    "em", "buckets", "counts", "bayes", "context", "fourier", "nystroem", "network", "sentence", "online", "auto",
)  # fmt: skip
"""As in `lmmix.mixing.METHODS`, which `--help` need not load."""

SPREADS = ("uniform", "unigram", "chars")
"""As in `lmmix.mix.union.SPREADS`."""

CACHE = "Also mix the words of the text so far, which count half after HALF_LIFE events (120); may be repeated."


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--dev", required=True, multiple=True, metavar="TEXT", help="Held-out text; may be repeated.")
@output_option
@click.option("--method", type=click.Choice(METHODS), default="em", show_default=True, help="See below.")
@click.option("--tolerance", type=float, default=1e-6, show_default=True, help="Gap to the best, nats per event (em).")
@click.option("--spread", type=click.Choice(SPREADS), help="Mix models of different vocabularies: spread <unk> so.")
@click.option("--cache", type=float, multiple=True, is_flag=False, flag_value=120.0, metavar="HALF_LIFE", help=CACHE)
@click.option("--features", type=Words(), metavar="NAMES", help="Of the history: length,backoff,likelihood,average,…")
@click.option("--counts", multiple=True, metavar="FILE.lmc", help="Counts of a model's text; once for each model.")
@click.option("--window", type=int, metavar="N", help="Events that likelihoods look back; default: the sentence.")
@click.option("--scale", type=float, metavar="X", help="Exponent of the likelihood (bayes); default: the best.")
@click.option("--prior", type=float, default=1.0, show_default=True, help="Spread of the prior of gates.")
@click.option("--units", type=int, default=100, show_default=True, help="Size of the map (fourier, nystroem).")
@seed_option
@model_tokenizer_option
@text_options
@threads_option
@json_option
@with_progress
def command(
    models: tuple[str, ...],
    dev: tuple[str, ...],
    output: str,
    method: str,
    spread: str | None,
    cache: tuple[float, ...],
    tokenizer: str | None,
    features: list[str] | None,
    counts: tuple[str, ...],
    errors: str,
    replace_specials: bool,
    threads: int | None,
    as_json: bool,
    **numbers: Any,
) -> None:
    """Find a mixture of MODELs on held-out text and write it as a model of its own.

    \b
    One weight a model:
      em        maximum likelihood, with a certificate
    Weights that depend on the words before:
      buckets   on how many of them each model knows
      bayes     on how well each model predicted the last words
      counts    on how often the text of each model has them (--counts)
      context   on all of that: a softmax of features (--features)
      fourier, nystroem, network
                the same through a kernel, or through a small network
      sentence  one model a sentence, which one shows as it goes on
    Weights that follow the text:
      online    across sentences
    Not sure:
      auto      what cross-validation on the held-out text prefers

    \b
    lmmix mix a.arpa b.lmx lstm/ --dev valid.txt -o mix.json
    lmmix mix a.lmx b.lmx c.lmx --dev valid.txt --method context -o mix.json
    lmmix mix a.lmx b.lmx --counts a.lmc --counts b.lmc --dev valid.txt --method counts -o mix.json
    lmmix ppl mix.json test.txt
    """
    from lmmix.adaptive.cache import cache_description
    from lmmix.corpus import read_corpus
    from lmmix.lm import load
    from lmmix.mixing import MixSettings, fit_mixture

    started = time.perf_counter()
    check_output(output, as_json)
    refuse_overwriting(output, (*models, *dev, *counts))
    if features is not None:
        numbers["features"] = features
    settings = MixSettings(**numbers, threads=threads)
    members = [load(path, tokenizer, threads) for path in models]
    text = read_corpus(dev, tokenizer=members[0].vocab.tokenizer, errors=errors, replace_specials=replace_specials)
    fit = fit_mixture(
        members,
        text,
        models,
        method=method,
        spread=spread,
        described_members=[cache_description(half_life) for half_life in cache],
        counts=counts,
        settings=settings,
    )
    report = _report(fit)
    fit.mixture.save(output, report)
    seconds = time.perf_counter() - started
    if as_json:
        print_json({**report, "seconds": seconds})
    elif output != "-":
        _print(fit, seconds)


def _report(fit: MixtureFit) -> dict[str, Any]:
    return {
        "method": fit.method,
        "models": fit.mixture.names,
        "member_ppl": fit.member_ppl,
        "ppl": fit.ppl,
        "events": fit.events,
        "skipped": fit.skipped,
        "fit_seconds": fit.seconds,
        **fit.facts,
    }


def _print(fit: MixtureFit, seconds: float) -> None:
    weights = fit.facts.get("weights")
    header = ["model", "perplexity", *(["weight"] if weights else [])]
    rows = [[name, f"{ppl:.3f}"] for name, ppl in zip(fit.mixture.names, fit.member_ppl)]
    if weights:
        rows = [[*row, f"{weight:.6f}"] for row, weight in zip(rows, weights)]
    print_table(header, [*rows, ["mixture", f"{fit.ppl:.3f}", *(["1"] if weights else [])]])
    if "linear_ppl" in fit.facts:
        click.echo(f"one weight a model: {fit.facts['linear_ppl']:.3f}")
    if "chosen" in fit.facts:
        click.echo(f"chosen: {fit.facts['chosen']}")
        table = fit.facts["cross_validation"]
        print_table(
            ["method", "perplexity", "gain", "error"],
            [[r["method"], f"{r['ppl']:.3f}", f"{r['gain']:.5f}", f"{r['error']:.5f}"] for r in table],
        )
    if "gap" in fit.facts:
        click.echo(f"no weights are better by more than {fit.facts['gap']:.1e} nats per event")
    click.echo(f"{fit.events} events; weights found in {fit.seconds:.2f} s, {seconds:.2f} s in all")
    if fit.skipped:
        click.echo(f"{fit.skipped} OOVs left out: no model gives <unk> a probability")
