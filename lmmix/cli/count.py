"""lmmix count."""

from __future__ import annotations

from typing import Any

import click

from lmmix.cli.common import (
    Factors,
    Numbers,
    check_output,
    json_option,
    output_option,
    print_json,
    refuse_overwriting,
    text_options,
    threads_option,
    tokenizer_of_counts,
    tokenizer_option,
    vocab_option,
    with_progress,
)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@output_option
@click.option(
    "--order", type=int, metavar="N", help="Length of the longest n-grams; default: 5, or that of the counts."
)
@click.option("--merge", is_flag=True, help="INPUTs are count files (text or .lmc): add them up.")
@click.option(
    "--scale",
    type=Factors(),
    metavar="X,X,…",
    help="With --merge: multiply the counts of each INPUT with its number, as 1,0.5.",
)
@click.option("--weights", metavar="FILE", help="One weight, 0 or more, for each line of the texts.")
@click.option(
    "--min-counts",
    type=Numbers(),
    metavar="N,N,…",
    help="Leave out rarer n-grams, by order: 1,1,2; the last holds on.",
)
@click.option("--only-order", is_flag=True, help="Write only the n-grams of length --order.")
@click.option(
    "--sort", "in_byte_order", is_flag=True, help="Sort lines by the bytes of their words, as ngram-merge does."
)
@vocab_option
@tokenizer_option
@text_options
@threads_option
@json_option
@with_progress
def command(
    inputs: tuple[str, ...],
    output: str,
    order: int | None,
    merge: bool,
    scale: list[float] | None,
    weights: str | None,
    min_counts: list[int] | None,
    only_order: bool,
    in_byte_order: bool,
    vocab: str | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Count the n-grams of texts, or add up count files.

    The output is text, one n-gram with a tab and its count a line, compressed by suffix, or ends in .lmc
    (lmmix's own binary, memory-mapped).

    \b
    lmmix count a.txt b.txt.gz -o ab.counts.gz --order 3
    lmmix count --merge a.counts b.counts.gz -o ab.lmc
    lmmix count --merge news.lmc mine.lmc --scale 0.1,1 -o both.lmc
    lmmix count train.txt -o often.counts --order 4 --min-counts 1,1,2
    """
    from lmmix.corpus import read_corpus
    from lmmix.errors import SettingError
    from lmmix.ngram.count_write import write_counts
    from lmmix.ngram.counts import count_ngrams
    from lmmix.ngram.cutoffs import cut_off
    from lmmix.vocab import Vocab
    from lmmix.weighted import read_weighted_corpus

    check_output(output, as_json)
    refuse_overwriting(output, (*inputs, vocab or "-", weights or "-"))
    if scale and not merge:
        raise SettingError("--scale multiplies the counts of count files (--merge); texts have --weights")
    words = Vocab.read(vocab, tokenizer) if vocab else None
    length = 5 if order is None else order
    reading: dict[str, Any] = {
        "tokenizer": tokenizer,
        "errors": errors,
        "replace_specials": replace_specials,
        "threads": threads,
    }
    if merge:
        from lmmix.ngram.count_file import read_counts

        if weights:
            raise SettingError("--weights are weights of the lines of texts; --merge reads count files")
        named = tokenizer_of_counts(tokenizer)
        counts, words = read_counts(inputs, words, order=order, tokenizer=named, scales=scale, threads=threads)
    elif weights:
        corpus, weight = read_weighted_corpus(inputs, weights, words, **reading)
        counts, words = count_ngrams(corpus, length, threads, weight), corpus.vocab
    else:
        corpus = read_corpus(inputs, words, **reading)
        counts, words = count_ngrams(corpus, length, threads), corpus.vocab
    if min_counts:
        counts = cut_off(counts, min_counts)
    only = (order or counts.tree.order) if only_order else None
    write_counts(counts, words, output, sort=in_byte_order, only_order=only, threads=threads)
    numbers = [number for number in counts.tree.counts() if number]
    if as_json:
        print_json({"ngrams": numbers, "words": len(words) - 3, "fingerprint": words.fingerprint})
    elif output != "-":
        click.echo(f"{output}: {', '.join(f'{number} {n}-grams' for n, number in enumerate(numbers, 1))}")
