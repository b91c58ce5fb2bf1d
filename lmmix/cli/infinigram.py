"""lmmix infinigram."""

from __future__ import annotations

import os

import click

from lmmix.cli.common import (
    check_output,
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
@click.option(
    "--min-count", type=int, default=1, show_default=True, help="Contexts that are rarer in TEXTs count as unknown."
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
    min_count: int,
    vocab: str | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Make an infinity-gram model of TEXTs: p of a word is its share behind the longest known context.

    The output ends in .lmi; it holds the text and a suffix array, 8 bytes a word. Words that never stood behind the
    context have probability 0, so mix it with a model that knows better.

    \b
    lmmix infinigram train.txt -o train.lmi
    lmmix mix train.lmx train.lmi --dev valid.txt -o mix.json
    """
    from lmmix.adaptive.infinigram import train_infinigram
    from lmmix.corpus import read_corpus
    from lmmix.errors import SettingError
    from lmmix.vocab import Vocab

    if not output.endswith(".lmi"):
        raise SettingError(f"{output}: write the model as .lmi, which is mapped into memory and cannot be compressed")
    if min_count < 1:
        raise SettingError(f"min_count is {min_count}; it must be 1 or more")
    check_output(output, as_json)
    refuse_overwriting(output, (*texts, vocab or "-"))
    known = Vocab.read(vocab, tokenizer) if vocab else None
    corpus = read_corpus(
        texts, known, tokenizer=tokenizer, errors=errors, replace_specials=replace_specials, threads=threads
    )
    model = train_infinigram(corpus, min_count)
    model.save(output)
    facts = {"events": len(corpus.ids), "words": len(corpus.vocab) - 3, "bytes": os.path.getsize(output)}
    if as_json:
        print_json({**facts, "signature": model.signature})
    else:
        events, different, size = facts.values()
        click.echo(f"{output}: {events} words and sentence ends, {different} different words, {size} bytes")
