"""lmmix ngram."""

from __future__ import annotations

import click

from lmmix.cli.common import (
    json_option,
    output_option,
    print_json,
    refuse_overwriting,
    text_options,
    threads_option,
    tokenizer_option,
    vocab_option,
    with_progress,
)


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@output_option
@click.option("--order", type=int, default=5, show_default=True, help="Length of the longest n-grams.")
@click.option(
    "--smoothing", default="mkn", show_default=True, metavar="NAME", help="mkn: interpolated modified Kneser-Ney."
)
@vocab_option
@tokenizer_option
@text_options
@threads_option
@json_option
@with_progress
def command(
    texts: tuple[str, ...],
    output: str,
    order: int,
    smoothing: str,
    vocab: str | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Train an n-gram model on TEXTs.

    The output ends in .lmx (lmmix's own binary, memory-mapped) or is ARPA (.arpa, .arpa.gz, …).

    \b
    lmmix ngram train.txt.gz -o model.arpa.gz --order 3
    lmmix ngram news.txt -o news.lmx --vocab words.txt
    """
    from lmmix.corpus import read_corpus
    from lmmix.ngram.estimate import train_ngram
    from lmmix.vocab import Vocab

    refuse_overwriting(output, (*texts, vocab or "-"))
    words = Vocab.read(vocab, tokenizer) if vocab else None
    corpus = read_corpus(texts, words, tokenizer=tokenizer, errors=errors, replace_specials=replace_specials)
    model = train_ngram(corpus, order, smoothing, threads)
    model.save(output, threads)
    counts = [count for count in model.tree.counts() if count]
    if as_json:
        print_json({"ngrams": counts, "oov": len(corpus.oov_at), "signature": model.signature})
    elif output != "-":
        sizes = ", ".join(f"{count} {n}-grams" for n, count in enumerate(counts, 1))
        click.echo(f"{output}: {sizes}")
        click.echo(f"from {corpus.n_sentences} sentences, {corpus.n_words} words, {len(corpus.oov_at)} OOVs")
        click.echo(model.signature)
