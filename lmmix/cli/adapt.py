"""lmmix adapt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmmix.cli.common import (
    Numbers,
    check_output,
    json_option,
    output_option,
    print_json,
    print_table,
    refuse_overwriting,
    text_options,
    with_progress,
)

if TYPE_CHECKING:
    from lmmix.neural.adaptation.tune import Adaptation


@click.command()
@click.argument("network")
@click.option("--method", type=click.Choice(["cache", "dynamic"]), required=True, help="See above.")
@click.option("--dev", required=True, multiple=True, metavar="TEXT", help="Held-out text; may be repeated.")
@output_option
@click.option("--window", type=Numbers(), metavar="N,…", help="Events that the cache holds; default: 100,500,2000.")
@click.option("--segment", type=int, metavar="N", help="Events between two steps of learning; default: 20.")
@text_options
@json_option
@with_progress
def command(
    network: str,
    method: str,
    dev: tuple[str, ...],
    output: str,
    window: list[int] | None,
    segment: int | None,
    errors: str,
    replace_specials: bool,
    as_json: bool,
) -> None:
    """Make a NETWORK follow the text that it reads, and find on held-out text how fast.

    \b
    cache    words that came in histories like this one become likelier (continuous cache)
    dynamic  the weights learn from the text, a step every few words (dynamic evaluation)

    The result is a small file that names the network; it is a model that reads a text across its sentences, for ppl and
    mix. The held-out text should be as the texts that it is meant for, in their order.

    \b
    lmmix adapt lstm --method cache --dev valid.txt -o cached.json
    lmmix mix kn5.lmx cached.json --dev valid.txt -o mix.json
    """
    from lmmix.corpus import read_corpus
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.neural.adaptation.adapted_file import save_adapted
    from lmmix.neural.adaptation.features import check_adaptable
    from lmmix.neural.adaptation.tune import SEGMENT, WINDOWS, tune_cache, tune_dynamic

    if (window is not None and method != "cache") or (segment is not None and method != "dynamic"):
        raise SettingError("--window is for --method cache, --segment for --method dynamic")
    refuse_overwriting(output, (network, *dev))
    check_output(output, as_json)
    model = check_adaptable(load(network))
    text = read_corpus(dev, model.vocab, errors=errors, replace_specials=replace_specials)
    if method == "cache":
        found = tune_cache(model, text, window or WINDOWS)
    else:
        found = tune_dynamic(model, text, SEGMENT if segment is None else segment)
    save_adapted(found.model, output, network, found.report())
    if as_json:
        print_json({"signature": found.model.signature, **found.report()})
    elif output != "-":
        _print(found)


def _print(found: Adaptation) -> None:
    header = list(found.tried[0])
    rows = [[f"{row[name]:.3f}" if name == "ppl" else f"{row[name]:.4g}" for name in header] for row in found.tried]
    print_table(["perplexity" if name == "ppl" else name for name in header], rows)
    click.echo(f"the network alone: {found.network_ppl:.3f}; with the best of these: {found.ppl:.3f}")
