"""lmmix convert."""

from __future__ import annotations

import click

from lmmix.cli.common import model_tokenizer_option, threads_option, with_progress


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--repair", is_flag=True, help="Mend a faulty ARPA file and say what was wrong, instead of stopping.")
@model_tokenizer_option
@threads_option
@with_progress
def command(source: str, target: str, repair: bool, tokenizer: str | None, threads: int | None) -> None:
    """Write the n-gram model IN as OUT: .lmx, or ARPA compressed by suffix.

    \b
    lmmix convert model.arpa.gz model.lmx
    lmmix convert --repair strange.arpa clean.arpa
    """
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.ngram.arpa import read_arpa
    from lmmix.ngram.backoff import BackoffModel

    model = read_arpa(source, True, tokenizer or "whitespace") if repair else load(source, tokenizer)
    if not isinstance(model, BackoffModel):
        raise SettingError(f"{source}: only n-gram models (ARPA or .lmx) can be converted")
    model.save(target, threads)
