"""lmmix ppl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmmix.cli.common import (
    json_option,
    model_tokenizer_option,
    print_json,
    text_options,
    threads_option,
    with_progress,
)

if TYPE_CHECKING:
    from lmmix.corpus import Corpus
    from lmmix.lm import LanguageModel
    from lmmix.score import ScoreReport


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--tokens", is_flag=True, help="Print every event: word, ln p, n-gram length hit, shares of members.")
@click.option("--srilm", is_flag=True, help="Print every event and the sums as SRILM's ngram -ppl -debug 2 does.")
@model_tokenizer_option
@text_options
@threads_option
@json_option
@with_progress
def command(
    model: str,
    texts: tuple[str, ...],
    tokens: bool,
    srilm: bool,
    tokenizer: str | None,
    errors: str,
    replace_specials: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Perplexity of MODEL on each TEXT, in the conventions of SRILM and KenLM.

    MODEL is an ARPA file, .lmx, .lmi, KenLM binary, mixture, the folder of a network (of lmmix or Hugging Face), what
    lmmix adapt or lmmix words wrote, or what --srilm or SRILM printed for the TEXT.

    \b
    lmmix ppl model.arpa test.txt
    lmmix ppl mix.json test.txt --tokens
    lmmix ppl mix.json a.txt b.txt --json
    lmmix ppl mix.json test.txt --srilm > test.dump
    """
    from lmmix.corpus import read_corpus
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.score import perplexity

    if srilm and (tokens or as_json):
        raise SettingError("--srilm has a form of its own: leave out --tokens and --json")
    language_model = load(model, tokenizer, threads)
    # Where words are shown, the text keeps a vocabulary of its own, which knows how OOVs are spelt.
    vocab = None if tokens or srilm else language_model.vocab
    made_by = language_model.vocab.tokenizer
    for text in texts:
        corpus = read_corpus(
            text, vocab, tokenizer=made_by, errors=errors, replace_specials=replace_specials, threads=threads
        )
        if srilm:
            _print_srilm(language_model, corpus, text, threads)
            continue
        if tokens:
            _print_tokens(language_model, corpus, threads, as_json)
            continue
        report = perplexity(language_model, corpus, threads)
        if as_json:
            print_json({"model": model, "text": text, **report.as_json()})
        else:
            _print_report(text, report)


def _print_report(text: str, report: ScoreReport) -> None:
    click.echo(
        f"{text}: {report.sentences} sentences, {report.words} words, {report.oov} OOVs, "
        f"{report.zeroprob} zero probabilities, {report.empty_lines} empty lines"
    )
    click.echo(f"  ppl         {report.ppl:12.3f}   all events, OOVs as <unk> (KenLM: including OOVs)")
    click.echo(f"  ppl_no_oov  {report.ppl_no_oov:12.3f}   without OOVs (KenLM: excluding OOVs; SRILM: ppl)")
    click.echo(f"  ppl1        {report.ppl1:12.3f}   per word, </s> not counted (SRILM: ppl1)")
    click.echo(f"  bits/char   {report.bits_per_char:12.4f}   all events")
    click.echo(f"  logp        {report.logp:12.1f}   natural log, in {report.seconds:.2f} s")
    click.echo(f"  {report.signature}")


def _print_srilm(model: LanguageModel, corpus: Corpus, text: str, threads: int | None) -> None:
    from lmmix.dump_write import dump_lines

    for line in dump_lines(model, corpus, text, threads):
        click.echo(line)


def _print_tokens(model: LanguageModel, corpus: Corpus, threads: int | None, as_json: bool) -> None:
    from lmmix.score import token_scores

    if not as_json:
        click.echo("word\tlogp\tngram\tshares")
    for token in token_scores(model, corpus, threads):
        if as_json:
            print_json(token.__dict__)
            continue
        hits = ",".join(map(str, token.hits)) or "-"
        shares = ",".join(f"{share:.4f}" for share in token.shares) or "-"
        click.echo(f"{token.word}\t{token.logp:.6f}\t{'OOV' if token.oov else hits}\t{shares}")
