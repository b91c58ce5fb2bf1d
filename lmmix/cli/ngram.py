"""lmmix ngram."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lmmix.cli.common import (
    Function,
    Numbers,
    check_output,
    check_packing,
    json_option,
    memory_options,
    output_option,
    packing_options,
    print_json,
    refuse_overwriting,
    save_model,
    text_options,
    threads_option,
    tokenizer_of_counts,
    tokenizer_option,
    vocab_option,
    with_progress,
)

if TYPE_CHECKING:
    from lmmix.corpus import Corpus
    from lmmix.ngram.backoff import BackoffModel
    from lmmix.ngram.settings import SmoothingSettings
    from lmmix.scratch import Scratch
    from lmmix.vocab import Vocab


def smoothing_options(function: Function) -> Function:
    """Options that say how counts become probabilities."""
    for option in (
        click.option("--closed", is_flag=True, help="<unk> gets probability 0 unless the text contains it."),
        click.option("--vocab-pad", type=int, default=0, metavar="N", help="At least N words (--vocab_pad of KenLM)."),
        click.option(
            "--min-counts",
            type=Numbers(),
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
@click.argument("inputs", nargs=-1, required=True, metavar="TEXT...")
@output_option
@click.option(
    "--order", type=int, metavar="N", help="Length of the longest n-grams; default: 5, or that of the counts."
)
@smoothing_options
@click.option("--counts", "from_counts", is_flag=True, help="TEXTs are count files (text or .lmc), added up.")
@click.option("--weights", metavar="FILE", help="One weight, 0 or more, for each line of the texts.")
@vocab_option
@tokenizer_option
@text_options
@packing_options
@memory_options
@threads_option
@json_option
@with_progress
def command(
    inputs: tuple[str, ...],
    output: str,
    order: int | None,
    from_counts: bool,
    weights: str | None,
    vocab: str | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    quantize: int | None,
    float32: bool,
    memory: int | None,
    tmp: str | None,
    threads: int | None,
    as_json: bool,
    **smoothing: Any,
) -> None:
    """Train an n-gram model on TEXTs.

    The output ends in .lmx (lmmix's own binary, memory-mapped) or is ARPA (.arpa, .arpa.gz, …). The model is the
    same, byte for byte, with any --memory.

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
    lmmix ngram huge.txt.gz -o huge.lmx --memory 2G --tmp /scratch
    lmmix ngram --counts a.counts b.lmc -o ab.arpa
    lmmix ngram train.txt -o weighted.arpa --weights weights.txt --smoothing wb
    """
    from lmmix.errors import SettingError
    from lmmix.scratch import Scratch
    from lmmix.vocab import Vocab

    check_output(output, as_json)
    check_packing(output, quantize, float32)
    if sum(map(bool, (from_counts, weights, memory))) > 1:
        raise SettingError("--counts, --weights and --memory exclude one another; choose one")
    if memory and (quantize is not None or float32):
        raise SettingError("--memory cannot bound the packing of a model: write it as it is, then lmmix convert it")
    if tmp and not memory:
        raise SettingError("--tmp is the folder for what --memory keeps on disk; give --memory too")
    held_out, dev = smoothing["held_out"], smoothing["tune_discounts"]
    refuse_overwriting(output, (*inputs, *(path for path in (vocab, weights, held_out, dev) if path)))
    reading: dict[str, Any] = {
        "tokenizer": tokenizer, "errors": errors, "replace_specials": replace_specials, "threads": threads,
    }  # fmt: skip
    settings = partial(_settings, reading, **smoothing)
    words = Vocab.read(vocab, tokenizer) if vocab else None
    corpus = None
    with Scratch(memory, tmp) as scratch:
        if from_counts:
            model = _trained_on_counts(inputs, order, words, settings, reading)
        else:
            length = 5 if order is None else order
            model, corpus = _trained_on_texts(inputs, length, words, weights, settings, reading, scratch)
        signature = save_model(model, output, quantize, float32, threads)
        _print_summary(model, corpus, signature, output, as_json)


def _settings(
    reading: dict[str, Any],
    words: Vocab,
    *,
    held_out: str | None,
    tune_discounts: str | None,
    backoff: bool,
    backoff_unigrams: bool,
    **others: Any,
) -> SmoothingSettings:
    """The settings that the options of `smoothing_options` ask for; held-out texts are read with these words."""
    from lmmix.corpus import read_corpus
    from lmmix.ngram.settings import SmoothingSettings

    reading = {**reading, "tokenizer": words.tokenizer}
    return SmoothingSettings(
        interpolated=False if backoff else None,
        interpolate_unigrams=not backoff_unigrams,
        held_out=read_corpus(held_out, words, **reading) if held_out else None,
        tune_discounts=read_corpus(tune_discounts, words, **reading) if tune_discounts else None,
        **others,
    )


def _trained_on_counts(
    paths: tuple[str, ...],
    order: int | None,
    words: Vocab | None,
    settings: Callable[[Vocab], SmoothingSettings],
    reading: dict[str, Any],
) -> BackoffModel:
    from lmmix.ngram.count_file import read_counts
    from lmmix.ngram.estimate import estimate

    named = tokenizer_of_counts(reading["tokenizer"])
    counts, found = read_counts(paths, words, order=order, tokenizer=named, threads=reading["threads"])
    return estimate(counts, found, settings(found), reading["threads"])


def _trained_on_texts(
    paths: tuple[str, ...],
    order: int,
    words: Vocab | None,
    weights: str | None,
    settings: Callable[[Vocab], SmoothingSettings],
    reading: dict[str, Any],
    scratch: Scratch,
) -> tuple[BackoffModel, Corpus]:
    from lmmix.corpus import read_corpus
    from lmmix.ngram.estimate import train_ngram
    from lmmix.weighted import read_weighted_corpus

    if weights:
        corpus, weight = read_weighted_corpus(paths, weights, words, **reading)
    else:
        corpus, weight = read_corpus(paths, words, scratch=scratch, **reading), None
    return train_ngram(corpus, order, settings(corpus.vocab), reading["threads"], weight, scratch), corpus


def _print_summary(model: BackoffModel, corpus: Corpus | None, signature: str, output: str, as_json: bool) -> None:
    counts = [count for count in model.tree.counts() if count]
    if as_json:
        oov = {"oov": len(corpus.oov_at)} if corpus else {}
        print_json({"ngrams": counts, **oov, "parameters": list(model.parameters), "signature": signature})
    elif output != "-":
        click.echo(f"{output}: {', '.join(f'{count} {n}-grams' for n, count in enumerate(counts, 1))}")
        if corpus:
            click.echo(f"from {corpus.n_sentences} sentences, {corpus.n_words} words, {len(corpus.oov_at)} OOVs")
        click.echo(signature)
