"""lmmix merge."""

from __future__ import annotations

import time
from typing import Any

import click

from lmmix.cli.common import (
    check_output,
    check_packing,
    json_option,
    output_option,
    packing_options,
    print_json,
    print_table,
    refuse_overwriting,
    save_model,
    threads_option,
    with_progress,
)


@click.command()
@click.argument("mixture", metavar="MIX")
@output_option
@packing_options
@threads_option
@json_option
@with_progress
def command(mixture: str, output: str, quantize: int | None, float32: bool, threads: int | None, as_json: bool) -> None:
    """Write the linear mixture MIX of n-gram models, a file of lmmix mix, as one n-gram model (.lmx or ARPA).

    It has the n-grams of all members with the probabilities of the mixture, and back-offs computed anew. For words
    that no member has seen after a history it differs from the mixture a little.

    \b
    lmmix mix a.arpa b.lmx --dev valid.txt -o mix.json
    lmmix merge mix.json -o both.arpa.gz
    """
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.mix.flatten import flattened
    from lmmix.mix.mixture import Mixture
    from lmmix.ngram.merge import merge_models

    started = time.perf_counter()
    refuse_overwriting(output, (mixture,))
    check_output(output, as_json)
    check_packing(output, quantize, float32)
    model = load(mixture, threads=threads)
    if not isinstance(model, Mixture):
        raise SettingError(f"{mixture} is no mixture but a {type(model).__name__}; lmmix mix makes one of models")
    members, weights, names = flattened(model, mixture)
    refuse_overwriting(output, tuple(names))
    merged = merge_models(members, weights, names, threads)
    signature = save_model(merged, output, quantize, float32, threads)
    counts = merged.tree.counts()
    own = [_counts(member) for member in members]
    seconds = time.perf_counter() - started
    if as_json:
        parts = [
            {"model": name, "weight": weight, "ngrams": ngrams} for name, weight, ngrams in zip(names, weights, own)
        ]
        print_json({"members": parts, "ngrams": counts, "signature": signature, "seconds": seconds})
    elif output != "-":
        rows = [[name, f"{weight:.6f}", *_shares(ngrams, counts)] for name, weight, ngrams in zip(names, weights, own)]
        header = ["model", "weight", *(f"{n}-grams" for n in range(1, len(counts) + 1))]
        print_table(header, [*rows, [output, "1", *map(str, counts)]])
        click.echo(f"{sum(counts)} n-grams ({seconds:.2f} s); in brackets the share of them that a model has itself")


def _counts(model: Any) -> list[int]:
    """How many n-grams of each order a model has, packed or not."""
    return model.counts() if hasattr(model, "counts") else model.tree.counts()


def _shares(own: list[int], union: list[int]) -> list[str]:
    """For each order how many n-grams a member has, and the share of those of the union."""
    return [f"{some} ({some / max(1, of):.1%})" for some, of in zip(own + [0] * len(union), union)]
