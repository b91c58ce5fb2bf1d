"""lmmix mix."""

from __future__ import annotations

import time

import click

from lmmix.cli.common import (
    json_option,
    model_tokenizer_option,
    output_option,
    print_json,
    print_table,
    refuse_overwriting,
    text_options,
    threads_option,
    with_progress,
)


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--dev", required=True, multiple=True, metavar="TEXT", help="Held-out text; may be repeated.")
@output_option
@click.option("--method", type=click.Choice(["em"]), default="em", show_default=True, help="How to find weights.")
@click.option("--tolerance", type=float, default=1e-6, show_default=True, help="Gap to the best, nats per event.")
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
    tolerance: float,
    tokenizer: str | None,
    errors: str,
    replace_specials: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Find the weights of a linear mixture of MODELs on held-out text and write it as a model of its own.

    \b
    lmmix mix a.arpa b.lmx lstm/ --dev valid.txt -o mix.json
    lmmix ppl mix.json test.txt
    """
    from lmmix.corpus import read_corpus
    from lmmix.lm import load
    from lmmix.mix.mixture import fit_mixture

    started = time.perf_counter()
    refuse_overwriting(output, (*models, *dev))
    members = [load(path, tokenizer) for path in models]
    text = read_corpus(dev, tokenizer=members[0].vocab.tokenizer, errors=errors, replace_specials=replace_specials)
    fit = fit_mixture(members, text, models, tolerance=tolerance, threads=threads)
    report = {
        "method": method,
        "models": list(models),
        "weights": fit.em.weights.tolist(),
        "member_ppl": fit.member_ppl,
        "ppl": fit.em.ppl,
        "gap": fit.em.gap,
        "iterations": fit.em.iterations,
        "events": fit.em.events,
        "skipped": fit.skipped,
    }
    fit.mixture.save(output, report)
    seconds = time.perf_counter() - started
    if as_json:
        print_json({**report, "seconds": seconds})
    elif output != "-":
        rows = [
            [name, f"{ppl:.3f}", f"{weight:.6f}"] for name, ppl, weight in zip(models, fit.member_ppl, fit.em.weights)
        ]
        print_table(["model", "perplexity", "weight"], [*rows, ["mixture", f"{fit.em.ppl:.3f}", "1"]])
        click.echo(
            f"no weights are better by more than {fit.em.gap:.1e} nats per event "
            f"({fit.em.iterations} passes over {fit.em.events} events, {seconds:.2f} s)"
        )
        if fit.skipped:
            click.echo(f"{fit.skipped} OOVs left out: no model gives <unk> a probability")
