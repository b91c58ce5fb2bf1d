"""lmmix ngram."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from lmmix.cli.common import (
    Function,
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

if TYPE_CHECKING:
    from lmmix.corpus import Corpus
    from lmmix.ngram.backoff import BackoffModel


def smoothing_options(function: Function) -> Function:
    """Options that say how counts become probabilities."""
    for option in (
        click.option("--closed", is_flag=True, help="<unk> gets probability 0 unless the text contains it."),
        click.option("--vocab-pad", type=int, default=0, metavar="N", help="At least N words (--vocab_pad of KenLM)."),
        click.option(
            "--min-counts",
            default="1",
            show_default=True,
            metavar="N,N,…",
            help="Leave out n-grams of order 1, 2, … that occur less often; the last is for all higher orders.",
        ),
        click.option("--tune-discounts", metavar="FILE", help="Find the discounts that suit this held-out text best."),
        click.option("--held-out", metavar="FILE", help="Held-out text, on which jm finds its weights."),
        click.option("--backoff-unigrams", is_flag=True, help="What unigrams leave goes to words that do not occur."),
        click.option("--backoff", is_flag=True, help="Back off instead of interpolating."),
        click.option("--smoothing", default="mkn", show_default=True, metavar="NAME[,NAME…]", help="See above."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@output_option
@click.option("--order", type=int, default=5, show_default=True, help="Length of the longest n-grams.")
@smoothing_options
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
    backoff: bool,
    backoff_unigrams: bool,
    held_out: str | None,
    tune_discounts: str | None,
    min_counts: str,
    vocab_pad: int,
    closed: bool,
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
    Smoothings, with what may stand behind their names:
      mkn     modified Kneser-Ney; mkn:0.5/1/1.5 fixes its discounts D1, D2, D3+
      kn      original Kneser-Ney, one discount an order; kn:0.7
      abs     absolute discounting of raw counts; abs:0.5
      wb      Witten-Bell
      jm      Jelinek-Mercer, weights found by EM on --held-out; interpolated only
      katz    Katz with Good-Turing discounts of counts up to 5; back-off only
      add     additive, 1 to each count; add:0.1; back-off only
      stupid  stupid back-off by 0.4; stupid:0.3; scores, not probabilities
    Commas part the smoothings of order 1, 2, …; the last is for all higher orders.

    \b
    lmmix ngram train.txt.gz -o model.arpa.gz --order 3
    lmmix ngram news.txt -o news.lmx --vocab words.txt --min-counts 1,1,2
    lmmix ngram train.txt -o tuned.lmx --tune-discounts dev.txt
    lmmix ngram small.txt -o small.lmx --smoothing wb,mkn
    lmmix ngram train.txt -o katz.arpa --order 3 --smoothing katz --closed
    """
    from lmmix.corpus import read_corpus
    from lmmix.ngram.estimate import train_ngram
    from lmmix.ngram.settings import SmoothingSettings
    from lmmix.vocab import Vocab

    refuse_overwriting(output, (*texts, *(path for path in (vocab, held_out, tune_discounts) if path)))
    words = Vocab.read(vocab, tokenizer) if vocab else None
    read = functools.partial(read_corpus, tokenizer=tokenizer, errors=errors, replace_specials=replace_specials)
    corpus = read(texts, words)
    settings = SmoothingSettings(
        smoothing,
        interpolated=False if backoff else None,
        min_counts=_numbers(min_counts),
        held_out=read(held_out, corpus.vocab) if held_out else None,
        tune_discounts=read(tune_discounts, corpus.vocab) if tune_discounts else None,
        vocab_pad=vocab_pad,
        closed=closed,
        interpolate_unigrams=not backoff_unigrams,
    )
    model = train_ngram(corpus, order, settings, threads)
    model.save(output, threads)
    _print_summary(model, corpus, output, as_json)


def _numbers(text: str) -> list[int]:
    """Whole numbers with commas between. Raises SettingError."""
    from lmmix.errors import SettingError

    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise SettingError(f"--min-counts is {text!r}; it takes whole numbers with commas between, as 1,1,2") from None


def _print_summary(model: BackoffModel, corpus: Corpus, output: str, as_json: bool) -> None:
    counts = [count for count in model.tree.counts() if count]
    if as_json:
        oov, parameters = len(corpus.oov_at), list(model.parameters)
        print_json({"ngrams": counts, "oov": oov, "parameters": parameters, "signature": model.signature})
    elif output != "-":
        sizes = ", ".join(f"{count} {n}-grams" for n, count in enumerate(counts, 1))
        click.echo(f"{output}: {sizes}")
        click.echo(f"from {corpus.n_sentences} sentences, {corpus.n_words} words, {len(corpus.oov_at)} OOVs")
        click.echo(model.signature)
