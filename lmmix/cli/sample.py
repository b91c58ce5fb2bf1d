"""lmmix sample."""

from __future__ import annotations

import click

from lmmix.cli.common import json_option, model_tokenizer_option, print_json, seed_option, with_progress


@click.command()
@click.argument("model")
@click.option("-n", "count", type=int, default=1, show_default=True, metavar="N", help="Sentences.")
@click.option("--prefix", default="", metavar="WORDS", help="What every sentence begins with.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Below 1: likelier words.")
@click.option("--top-k", type=int, metavar="K", help="Draw from the K likeliest words only.")
@click.option("--max-words", type=int, default=200, show_default=True, help="Longest sentence behind the prefix.")
@click.option("--unk", is_flag=True, help="<unk> may be drawn.")
@seed_option
@model_tokenizer_option
@json_option
@with_progress
def command(
    model: str,
    count: int,
    prefix: str,
    temperature: float,
    top_k: int | None,
    max_words: int,
    unk: bool,
    seed: int,
    tokenizer: str | None,
    as_json: bool,
) -> None:
    """Draw sentences from MODEL.

    MODEL is an ARPA file, .lmx, KenLM binary, mixture, the folder of a network (of lmmix or Hugging Face), or what
    lmmix adapt or lmmix words wrote; of the last slowly, for each word takes a step for every word of the vocabulary.

    \b
    lmmix sample model.lmx -n 10
    lmmix sample mix.json -n 3 --prefix "the cat" --temperature 0.8 --top-k 50 --seed 7
    """
    from lmmix.lm import load
    from lmmix.sampling import sample

    sentences = sample(
        load(model, tokenizer),
        count,
        prefix,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
        max_words=max_words,
        unk=unk,
    )
    for sentence in sentences:
        if as_json:
            print_json({"text": sentence})
        else:
            click.echo(sentence)
