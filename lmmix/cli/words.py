"""lmmix words."""

from __future__ import annotations

import logging

import click

from lmmix.cli.common import (
    check_output,
    json_option,
    model_tokenizer_option,
    output_option,
    print_json,
    refuse_overwriting,
)


@click.command()
@click.argument("model")
@click.option("--vocab", required=True, metavar="FILE", help="The words, one a line; others are <unk>.")
@output_option
@model_tokenizer_option
@json_option
def command(model: str, vocab: str, output: str, tokenizer: str | None, as_json: bool) -> None:
    """Write a file that gives words the probabilities that MODEL, one of pieces of words, gives them.

    MODEL has tokens of `chars`, `bytes`, `sentencepiece:MODEL` or `hf:FOLDER`, with `▁` or `Ġ` before words; it may be
    the folder of a causal Hugging Face model. The file names it and the vocabulary and is a model over words, for other
    commands. It mixes with models that were trained with the same vocabulary. The probability of <unk> is what the
    words leave of 1, which takes long where it is asked for; sampling takes as long at every word.

    \b
    lmmix words lstm-pieces --vocab words.txt -o lstm-words.json
    lmmix words gpt2 --vocab words.txt -o gpt2-words.json
    lmmix mix lstm-words.json kn5.lmx --dev valid.txt -o mix.json
    """
    from lmmix.lm import load
    from lmmix.vocab import Vocab
    from lmmix.words.model import WordModel

    check_output(output, as_json)
    refuse_overwriting(output, (model, vocab))
    made = WordModel(load(model, tokenizer), Vocab.read(vocab))
    if made.spellings.unspelled:
        logging.getLogger("lmmix").warning("%s", made.spellings.loss())
    made.save(output, model, vocab)
    if as_json:
        print_json({"words": len(made.vocab) - 3, "vocab": made.vocab.fingerprint, "signature": made.signature})
    elif output != "-":
        click.echo(f"{output}: {len(made.vocab) - 3} words in {len(made.model.vocab)} pieces")
