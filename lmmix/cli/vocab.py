"""lmmix vocab."""

from __future__ import annotations

from typing import Any

import click

from lmmix.cli.common import (
    check_output,
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
@click.option("--held-out", metavar="FILE", help="Keep the words most probable in this text, weighing TEXTs by it.")
@tokenizer_option
@text_options
@json_option
@with_progress
def command(
    texts: tuple[str, ...],
    output: str,
    min_count: int,
    size: int | None,
    held_out: str | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    as_json: bool,
) -> None:
    """Write the vocabulary of TEXTs: one word a line, the most frequent first.

    With --held-out, a mixture of the unigram models of the TEXTs is fitted to that text, and the words that it
    finds most probable come first.

    \b
    lmmix vocab a.txt b.txt.gz -o words.txt --min-count 2
    lmmix vocab news.txt talks.txt --held-out dev.txt --size 20000 -o words.txt
    """
    from lmmix.corpus import Corpus, limited_vocab, read_corpus

    def read(paths: tuple[str, ...]) -> Corpus:
        return read_corpus(paths, tokenizer=tokenizer, errors=errors, replace_specials=replace_specials)

    check_output(output, as_json)
    refuse_overwriting(output, (*texts, held_out or "-"))
    facts: dict[str, Any] = {}
    if held_out:
        from lmmix.select_vocab import select_vocab

        judge = read((held_out,))
        chosen = select_vocab((read((text,)) for text in texts), judge, size, min_count)
        vocab, oov, tokens = chosen.vocab, chosen.oov, judge.n_words
        facts["weights"] = chosen.weights.tolist()
    else:
        corpus = read(texts)
        vocab, tokens = limited_vocab(corpus, min_count, size), corpus.n_words
        oov = len(corpus.recode(vocab).oov_at)
    vocab.write(output)
    if as_json:
        print_json({"words": len(vocab) - 3, "fingerprint": vocab.fingerprint, "tokens": tokens, "oov": oov, **facts})
    elif output != "-":
        for text, weight in zip(texts, facts.get("weights", ())):
            click.echo(f"{weight:.6f}  {text}")
        place = f" of {held_out}" if held_out else ""
        share = 100 * oov / tokens
        click.echo(f"{output}: {len(vocab) - 3} words; {oov} of {tokens} tokens{place} ({share:.2f} %) are outside it")
