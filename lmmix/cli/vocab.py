"""lmmix vocab."""

from __future__ import annotations

import click

from lmmix.cli.common import (
    json_option,
    output_option,
    print_json,
    refuse_overwriting,
    text_options,
    tokenizer_option,
    with_progress,
)


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@output_option
@click.option("--min-count", type=int, default=1, show_default=True, help="Leave out rarer words.")
@click.option("--size", type=int, metavar="N", help="Keep the N most frequent words.")
@tokenizer_option
@text_options
@json_option
@with_progress
def command(
    texts: tuple[str, ...],
    output: str,
    min_count: int,
    size: int | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    as_json: bool,
) -> None:
    """Write the vocabulary of TEXTs: one word a line, the most frequent first.

    \b
    lmmix vocab a.txt b.txt.gz -o words.txt --min-count 2
    """
    from lmmix.corpus import limited_vocab, read_corpus

    refuse_overwriting(output, texts)
    corpus = read_corpus(texts, tokenizer=tokenizer, errors=errors, replace_specials=replace_specials)
    vocab = limited_vocab(corpus, min_count, size)
    vocab.write(output)
    oov = len(corpus.recode(vocab).oov_at)
    if as_json:
        print_json({"words": len(vocab) - 3, "fingerprint": vocab.fingerprint, "tokens": corpus.n_words, "oov": oov})
    elif output != "-":
        share = 100 * oov / corpus.n_words
        click.echo(f"{output}: {len(vocab) - 3} words; {oov} of {corpus.n_words} tokens ({share:.2f} %) are outside it")
