"""lmmix approximate."""

from __future__ import annotations

import click

from lmmix.cli.common import (
    Numbers,
    check_output,
    check_packing,
    json_option,
    load_ngram,
    model_tokenizer_option,
    output_option,
    packing_options,
    print_json,
    refuse_overwriting,
    save_model,
    seed_option,
    text_options,
    threads_option,
    with_progress,
)


@click.command()
@click.argument("model", metavar="MODEL")
@output_option
@click.option("--order", type=int, default=3, show_default=True, metavar="N", help="Length of the longest n-grams.")
@click.option("-n", "sentences", type=int, default=100_000, show_default=True, help="Sentences to draw from MODEL.")
@click.option("--smoothing", default="mkn", show_default=True, metavar="NAME[,NAME…]", help="As of lmmix ngram.")
@click.option(
    "--min-counts", type=Numbers(), default="1", show_default=True, metavar="N,N,…", help="As of lmmix ngram."
)
@click.option("--max-words", type=int, default=1000, show_default=True, help="Longest sentence.")
@click.option("--ngrams", metavar="NGRAM", help="Draw nothing: the n-grams of this model get MODEL's probabilities …")
@click.option("--text", multiple=True, metavar="TEXT", help="… as they are on the average in this text.")
@text_options
@packing_options
@seed_option
@model_tokenizer_option
@threads_option
@json_option
@with_progress
def command(
    model: str,
    output: str,
    order: int,
    sentences: int,
    smoothing: str,
    min_counts: list[int],
    max_words: int,
    ngrams: str | None,
    text: tuple[str, ...],
    errors: str,
    replace_specials: bool,
    quantize: int | None,
    float32: bool,
    seed: int,
    tokenizer: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Write an n-gram model (.lmx or ARPA) that is as near as can be to MODEL, a network or a mixture.

    It is trained on sentences drawn from MODEL; or, with --ngrams, it has the n-grams of another model with what
    MODEL says of them.

    \b
    lmmix approximate lstm -o lstm.arpa.gz --order 4 -n 1000000
    lmmix approximate lstm -o lstm.lmx --ngrams kn5.lmx --text train.txt
    lmmix mix kn5.lmx lstm.lmx --dev valid.txt -o mix.json && lmmix merge mix.json -o both.arpa.gz
    """
    from lmmix.approximation import approximate, check_approximation, convert_ngrams
    from lmmix.corpus import read_corpus
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.ngram.settings import SmoothingSettings

    refuse_overwriting(output, (model, *text, *([ngrams] if ngrams else [])))
    check_output(output, as_json)
    check_packing(output, quantize, float32)
    if bool(ngrams) != bool(text):
        raise SettingError("--ngrams and --text go together: n-grams, and the text whose histories they stand behind")
    settings = SmoothingSettings(smoothing, min_counts=min_counts)
    if not ngrams:
        check_approximation(order, sentences, settings, seed, max_words)
    source = load(model, tokenizer, threads)
    if ngrams:
        given = load_ngram(ngrams, tokenizer or source.vocab.tokenizer, threads)
        corpus = read_corpus(text, given.vocab, errors=errors, replace_specials=replace_specials, threads=threads)
        result = convert_ngrams(source, given, corpus, threads)
    else:
        result = approximate(source, order, sentences, settings, seed=seed, max_words=max_words, threads=threads)
    signature = save_model(result, output, quantize, float32, threads)
    counts = result.tree.counts()
    if as_json:
        print_json({"ngrams": counts, "signature": signature})
    elif output != "-":
        click.echo(f"{output}: {', '.join(f'{count} {n}-grams' for n, count in enumerate(counts, 1))}")
        click.echo(signature)
