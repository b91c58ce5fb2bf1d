"""lmmix pieces."""

from __future__ import annotations

import click

from lmmix.cli.common import check_output, json_option, output_option, print_json, refuse_overwriting, with_progress

TYPES = ("unigram", "bpe", "char")
"""As in `lmmix.pieces.TYPES`."""


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@output_option
@click.option("--size", type=int, default=8000, show_default=True, metavar="N", help="Pieces, 256 bytes among them.")
@click.option(
    "--type", "kind", type=click.Choice(TYPES), default="unigram", show_default=True, help="How to find them."
)
@click.option("--coverage", type=float, default=0.9995, show_default=True, help="Share of characters that are pieces.")
@click.option("--list", "listing", metavar="FILE", help="Also write the pieces, one a line, for --vocab.")
@click.option("--errors", type=click.Choice(["strict", "replace"]), default="strict", show_default=True,
              help="Bytes that are not UTF-8: stop, or read as U+FFFD.")  # fmt: skip
@json_option
@with_progress
def command(
    texts: tuple[str, ...],
    output: str,
    size: int,
    kind: str,
    coverage: float,
    listing: str | None,
    errors: str,
    as_json: bool,
) -> None:
    """Find pieces of the words of TEXTs and write them as a SentencePiece model, a tokeniser for other commands.

    With --list, a model trained with --vocab FILE knows all pieces, those too that its text lacks.

    \b
    lmmix pieces train.txt -o words.model --size 4000
    lmmix neural train.txt -o lstm --valid valid.txt --tokenizer sentencepiece:words.model
    """
    from lmmix.pieces import train_pieces
    from lmmix.vocab import Vocab

    check_output(output, as_json)
    refuse_overwriting(output, texts)
    if listing is not None:
        check_output(listing, as_json)
        refuse_overwriting(listing, (*texts, output))
    pieces = train_pieces(texts, output, size, kind, coverage, errors)
    if listing is not None:
        Vocab.from_words(pieces).write(listing)
    if as_json:
        print_json({"pieces": len(pieces), "type": kind})
    elif output != "-":
        click.echo(f"{output}: {len(pieces)} pieces")
