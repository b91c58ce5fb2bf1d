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
    from lmmix.mix_report import MixReport
    from lmmix.mixing import MixtureFit

METHODS = (
    "em", "newton", "lbfgs", "divergence", "regression", "buckets", "counts", "bayes", "context", "fourier", "nystroem",
    "network", "sentence", "loglinear", "online", "auto",
)  # fmt: skip
"""As in `lmmix.mix_methods.METHODS`, which `--help` need not load."""

SPREADS = ("uniform", "unigram", "chars")
"""As in `lmmix.mix.union.SPREADS`."""

HALF_LIFE = 250.0
"""As in `lmmix.adaptive.cache`."""


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--dev", required=True, multiple=True, metavar="TEXT", help="Held-out text; may be repeated.")
@output_option
@click.option("--method", type=click.Choice(METHODS), default="em", show_default=True, help="See above.")
@click.option(
    "--cache",
    type=float,
    multiple=True,
    is_flag=False,
    flag_value=HALF_LIFE,
    metavar="[HALF_LIFE]",
    help="A further member: the words of the text so far, which count half after 250 events; may be repeated.",
)
@click.option("--spread", type=click.Choice(SPREADS), help="Models of different vocabularies: how to spread <unk>.")
@click.option("--min-gain", type=float, metavar="PERCENT", help="Leave out models that gain less perplexity.")
@click.option("--max-members", type=int, metavar="N", help="Leave out models until N are left.")
@click.option("--tolerance", type=float, default=1e-6, show_default=True, help="Gap to the best, nats per event.")
@click.option("--dirichlet", type=float, default=1.0, show_default=True, help="Prior of static weights; 1 is none.")
@click.option("--features", type=Words(), metavar="NAMES", help="length,backoff,likelihood,average,counts,position.")
@click.option("--counts", multiple=True, metavar="FILE.lmc", help="Counts of a model's text; once for each member.")
@click.option("--window", type=int, metavar="N", help="Events that likelihoods look back; default: all; bayes: 2.")
@click.option("--scale", type=float, metavar="X", help="Exponent of the likelihood (bayes); default: the best.")
@click.option("--prior", type=float, default=0.2, show_default=True, help="Spread of the prior of gates.")
@click.option("--units", type=int, default=100, show_default=True, help="Size of the map (fourier, nystroem).")
@click.option("--target", metavar="MODEL", help="The model to go towards (divergence, regression).")
@click.option("--histories", type=int, metavar="N", help="Look at N histories (divergence, regression); default: all.")
@click.option("--show", is_flag=True, help="Print shares, overlap of models, weights by context.")
@seed_option
@model_tokenizer_option
@text_options
@threads_option
@json_option
@with_progress
def command(
    models: tuple[str, ...], dev: tuple[str, ...], output: str, show: bool, as_json: bool, **options: Any
) -> None:
    """Find a mixture of MODELs on held-out text and write it as a model of its own.

    MODELs are n-gram models, networks, mixtures, or dumps of SRILM's ngram -debug 2 on the held-out text.

    \b
    One weight a model:
      em        maximum likelihood, with a certificate; newton, lbfgs: the same by other ways
      divergence, regression
                as near as can be to the distributions of a --target, or (regression) to the words that came
    Weights that depend on the words before:
      buckets   on how many of them each model knows
      bayes     on how well each model predicted the last words
      counts    on how often the text of each model has them (--counts)
      context   on all of that: a softmax of --features (default: length,backoff,likelihood,average)
      fourier, nystroem, network
                the same through a kernel, or through a small network
      sentence  one model a sentence, which one shows as it goes on
    Powers instead of weights:
      loglinear normalised in every history
    Weights that follow the text:
      online    across sentences
    Not sure:
      auto      what cross-validation on the held-out text prefers

    \b
    lmmix mix a.arpa b.lmx lstm/ --dev valid.txt -o mix.json
    lmmix mix a.lmx b.lmx --cache --dev valid.txt --method context -o mix.json
    lmmix mix a.lmx b.lmx --counts a.lmc --counts b.lmc --dev valid.txt --method counts -o mix.json
    lmmix mix ours.lmx theirs.arpa --spread chars --dev valid.txt -o mix.json
    lmmix ppl mix.json test.txt
    """
    from lmmix.mix_report import mix_report

    started = time.perf_counter()
    check_output(output, as_json)
    target = options["target"]
    refuse_overwriting(output, (*models, *dev, *options["counts"], *([target] if target else [])))
    fit = _fit(models, dev, output, **options)
    seen = mix_report(fit, options["threads"])
    report = {**_report(fit), **seen.as_json()}
    fit.mixture.save(output, report)
    seconds = time.perf_counter() - started
    if as_json:
        print_json({**report, "seconds": seconds})
    elif output != "-":
        _print(fit, seconds)
        if show:
            _show(fit, seen)


def _files(model: Any) -> list[str]:
    """The files of the members of a mixture, and of theirs."""
    members = getattr(model, "members", [])
    own = [str(path) for path in getattr(model, "paths", None) or [] if path is not None]
    return own + [file for member in members for file in _files(member)]


def _fit(
    models: tuple[str, ...],
    dev: tuple[str, ...],
    output: str,
    *,
    method: str,
    cache: tuple[float, ...],
    spread: str | None,
    min_gain: float | None,
    max_members: int | None,
    features: list[str] | None,
    counts: tuple[str, ...],
    target: str | None,
    tokenizer: str | None,
    errors: str,
    replace_specials: bool,
    threads: int | None,
    **numbers: Any,
) -> MixtureFit:
    from lmmix.adaptive.cache import cache_description
    from lmmix.corpus import read_corpus
    from lmmix.lm import load
    from lmmix.mix_methods import MixSettings
    from lmmix.mixing import fit_mixture

    if features is not None:
        numbers["features"] = features
    big = load(target, tokenizer, threads) if target else None
    settings = MixSettings(**numbers, target=big, threads=threads)
    members = [load(path, tokenizer, threads) for path in models]
    refuse_overwriting(output, tuple(file for member in members for file in _files(member)))
    # In its own vocabulary the text keeps the spelling of words that the first model lacks, which others may know.
    first = members[0].vocab
    alike = spread is None and not any(hasattr(member, "over") for member in members)
    vocab = first if alike else None
    text = read_corpus(
        dev, vocab, tokenizer=first.tokenizer, errors=errors, replace_specials=replace_specials, threads=threads
    )
    return fit_mixture(
        members,
        text,
        models,
        method=method,
        spread=spread,
        described_members=[cache_description(half_life) for half_life in cache],
        counts=counts,
        min_gain=min_gain,
        max_members=max_members,
        settings=settings,
    )


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
    facts = fit.facts
    if "selection" in facts:
        _print_selection(facts["selection"])
    weights = facts.get("weights")
    header = ["model", "perplexity", *(["weight"] if weights else [])]
    rows = [[name, f"{ppl:.3f}"] for name, ppl in zip(fit.mixture.names, fit.member_ppl)]
    if weights:
        rows = [[*row, f"{weight:.6f}"] for row, weight in zip(rows, weights)]
    print_table(header, [*rows, ["mixture", f"{fit.ppl:.3f}"] + ([f"{sum(weights):.6g}"] if weights else [])])
    if "linear_ppl" in facts:
        click.echo(f"one weight a model gives {facts['linear_ppl']:.3f}")
    if "chosen" in facts:
        _print_choice(facts["chosen"], facts["cross_validation"])
    if "gap" in facts:
        click.echo(f"no weights are better by more than {facts['gap']:.1e} nats per event")
    if "divergence" in facts:
        click.echo(
            f"{facts['divergence']:.4f} nats per history from the target, of which no weights can save ", nl=False
        )
        click.echo(f"more than {facts['divergence_gap']:.1e}")
    if "regret_per_event" in facts:
        regret = facts["regret_per_event"]
        than = "worse" if regret > 0 else "better"
        click.echo(f"{abs(regret):.4f} nats per event {than} than the best fixed weights")
    click.echo(f"{fit.events} events; weights found in {fit.seconds:.2f} s, {seconds:.2f} s in all")
    if fit.skipped:
        click.echo(f"{fit.skipped} OOVs left out: no model gives <unk> a probability")


def _print_selection(rows: list[dict[str, Any]]) -> None:
    fates = ["kept" if row["dropped"] is None else f"dropped in step {row['dropped']}" for row in rows]
    print_table(
        ["model", "gain", ""], [[r["model"], f"{r['gain_percent']:.3f} %", fate] for r, fate in zip(rows, fates)]
    )


def _print_choice(chosen: str, table: list[dict[str, Any]]) -> None:
    click.echo(f"chosen by cross-validation: {chosen}")
    rows = [[row["method"], f"{row['ppl']:.3f}", f"{row['gain']:.5f}", f"{row['error']:.5f}"] for row in table]
    print_table(["method", "perplexity", "gain", "± (nats)"], rows)


def _show(fit: MixtureFit, seen: MixReport) -> None:
    from lmmix.mix.diagnosis import curve_table

    names = fit.mixture.names
    if seen.shares is not None:
        click.echo("\nshares in the probability of events, and of events in which the share is the largest")
        print_table(*seen.shares.table(names))
    click.echo("\noverlap: 1 for the same probabilities, 0 if each is good only where the other is not")
    print_table(*seen.overlap.table(names))
    if seen.contexts is not None:
        click.echo("\nweights and shares by the longest context that a model knows (words)")
        print_table(*seen.contexts.table())
    if fit.facts.get("curve"):
        click.echo("\nhow the weights were found")
        print_table(*curve_table(fit.facts["curve"]))
