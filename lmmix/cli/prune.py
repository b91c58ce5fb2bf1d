"""lmmix prune."""

from __future__ import annotations

import click

from lmmix.cli.common import (
    check_output,
    check_packing,
    json_option,
    load_ngram,
    model_tokenizer_option,
    packing_options,
    print_json,
    print_table,
    refuse_overwriting,
    save_model,
    threads_option,
    with_progress,
)


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--threshold", type=float, metavar="X", help="Leave out n-grams that change perplexity less, as 1e-8.")
@click.option(
    "--target", "size", type=int, metavar="N", help="Leave at most N n-grams of all orders, unigrams counted."
)
@click.option("--renormalise", "only_renormalise", is_flag=True, help="Leave out nothing; compute back-offs anew.")
@click.option(
    "--history",
    default="stationary",
    show_default=True,
    metavar="HOW",
    help="What says how often a context comes up: stationary (the model in the long run), product (as SRILM; wrong "
    "for Kneser-Ney models) or another model's file.",
)
@click.option("--min-order", type=int, default=2, show_default=True, help="The shortest n-grams that may go.")
@packing_options
@model_tokenizer_option
@threads_option
@json_option
@with_progress
def command(
    source: str,
    target: str,
    threshold: float | None,
    size: int | None,
    only_renormalise: bool,
    history: str,
    min_order: int,
    quantize: int | None,
    float32: bool,
    tokenizer: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Make the n-gram model IN smaller by relative-entropy pruning, and write it as OUT (.lmx or ARPA).

    \b
    lmmix prune big.arpa.gz small.arpa.gz --threshold 1e-8
    lmmix prune big.lmx small.lmx --target 1000000
    lmmix prune strange.arpa normal.arpa --renormalise
    """
    from lmmix.errors import SettingError
    from lmmix.ngram.prune import HISTORIES, prune_entropy
    from lmmix.ngram.renormalise import renormalise

    files = (source,) if history in HISTORIES else (source, history)
    refuse_overwriting(target, files)
    check_output(target, as_json)
    check_packing(target, quantize, float32)
    if [threshold is not None, size is not None, only_renormalise].count(True) != 1:
        raise SettingError("give one of --threshold, --target and --renormalise")
    model = load_ngram(source, tokenizer, threads)
    if only_renormalise:
        result = renormalise(model, threads)
    else:
        by = history if history in HISTORIES else load_ngram(history, tokenizer, threads)
        result = prune_entropy(model, threshold, size, by, min_order, threads)
    signature = save_model(result, target, quantize, float32, threads)
    before, after = model.tree.counts(), result.tree.counts()
    if as_json:
        print_json({"before": before, "after": after, "signature": signature})
    elif target != "-":
        rows = [[f"{n}-grams", str(a), str(b)] for n, (a, b) in enumerate(zip(before, after), 1)]
        print_table([target, "before", "after"], [*rows, ["all", str(sum(before)), str(sum(after))]])
        click.echo(signature)
