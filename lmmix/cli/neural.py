"""lmmix neural."""

from __future__ import annotations

from typing import Any

import click

from lmmix.cli.common import (
    json_option,
    lies_in,
    output_option,
    print_json,
    refuse_overwriting,
    seed_option,
    text_options,
    threads_option,
    tokenizer_of_counts,
    tokenizer_option,
    vocab_option,
    with_progress,
)
from lmmix.neural.settings import ARCHITECTURES


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@output_option
@click.option("--valid", required=True, multiple=True, metavar="TEXT", help="Text that says when to stop.")
@click.option("--arch", metavar="NAME", help=", ".join(ARCHITECTURES) + "; default: lstm.")
@click.option("--size", metavar="NAME", help="tiny, small or medium; default: tiny.")
@click.option("--start-from", metavar="DIR", help="Go on from this network, in its words and shape, more slowly.")
@click.option("--context", metavar="NAME", help="sentence (each starts from nothing) or document; default: sentence.")
@click.option("--epochs", type=int, metavar="N", help="Passes over the text; default: as the size says.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Override a setting, as hidden=300.")
@click.option("--teacher", metavar="MODEL", help="Learn from this model, too; its words are those of the network.")
@click.option("--temperature", type=float, metavar="T", help="Of the teacher and the network; default: 1.")
@click.option("--soft-weight", type=float, metavar="A", help="Weight of the teacher, from 0 to 1; default: 0.5.")
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1; default: a GPU if there is one.")
@click.option("--max-minutes", type=float, metavar="M", help="End training by then.")
@click.option("--checkpoint", metavar="FILE", help="Written now and then; training goes on from it if it is there.")
@click.option("--checkpoint-seconds", type=float, default=60.0, show_default=True, metavar="S", help="How often.")
@click.option("--log", metavar="FILE", help="A record of each epoch: CSV if FILE ends in .csv, else JSON lines.")
@vocab_option
@tokenizer_option
@text_options
@threads_option
@seed_option
@json_option
@with_progress
def command(
    texts: tuple[str, ...],
    output: str,
    valid: tuple[str, ...],
    teacher: str | None,
    vocab: str | None,
    start_from: str | None,
    tokenizer: str,
    errors: str,
    replace_specials: bool,
    overrides: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a neural language model on TEXTs and write it as a folder.

    --size names a set of settings, of which --set changes single ones (learning_rate, hidden, layers, dropout,
    weight_drop, softmax, optimizer, schedule, samples, …; an unknown one lists them all). A run that was killed goes on
    from its --checkpoint and ends with the same weights. Masked networks score whole sentences only, for rescoring.

    \b
    lmmix neural train.txt -o lstm --valid valid.txt --vocab words.txt
    lmmix neural train.txt -o lstm --valid valid.txt --size small --set dropout=0.4
    lmmix neural train.txt -o small --valid valid.txt --teacher mix.json --soft-weight 0.7
    lmmix neural ours.txt -o fitted --valid ours_valid.txt --start-from lstm
    torchrun --standalone --nproc-per-node 2 -m lmmix neural train.txt -o lstm --valid valid.txt
    """
    from lmmix.corpus import read_corpus
    from lmmix.fileio import check_folder_target
    from lmmix.lm import FOLDER_CONFIG, load
    from lmmix.neural.training.train import train_neural
    from lmmix.parallel import process_rank
    from lmmix.vocab import Vocab

    check_folder_target(output, FOLDER_CONFIG)
    inputs = (*texts, *valid, *(path for path in (vocab, start_from, teacher) if path is not None))
    _check_places(inputs, output, settings["checkpoint"], settings["log"])
    parsed = _parsed(overrides, {*settings, "corpus", "valid", "teacher", "start_from"})
    models: dict[str, Any] = {
        name: load(path, tokenizer_of_counts(tokenizer), settings["threads"])
        for name, path in (("start_from", start_from), ("teacher", teacher))
        if path is not None
    }
    # The words of the network: those that were asked for, or those of a model that it learns from.
    words = Vocab.read(vocab, tokenizer) if vocab else next((model.vocab for model in models.values()), None)
    if words is not None and start_from is not None:
        words.check_same_events(models["start_from"].vocab, str(vocab), start_from)
    reading = {
        "tokenizer": words.tokenizer if words else tokenizer,
        "errors": errors,
        "replace_specials": replace_specials,
    }
    corpus = read_corpus(texts, words, **reading)  # type: ignore[arg-type]
    held_out = read_corpus(valid, corpus.vocab, **reading)  # type: ignore[arg-type]
    model = train_neural(corpus, held_out, **models, **settings, **parsed)
    if process_rank():
        return
    model.save(output)
    if as_json:
        print_json({"signature": model.signature, "training": model.training})
    else:
        if start_from is not None:
            before, after = (model.training[name] for name in ("ppl_before", "valid_ppl"))
            click.echo(f"validation perplexity: {before:.3f} before, {after:.3f} now")
        click.echo(f"{output}: {model.signature}")


def _check_places(inputs: tuple[str, ...], output: str, checkpoint: str | None, log: str | None) -> None:
    """Raise SettingError if what is written would replace an input, or be lost when the folder is."""
    from lmmix.errors import SettingError

    refuse_overwriting(output, inputs)
    for path in (checkpoint, log):
        if path is None:
            continue
        refuse_overwriting(path, inputs)
        if lies_in(path, output):
            raise SettingError(f"{path} lies in {output}, which the model replaces as a whole; choose another place")


def _parsed(overrides: tuple[str, ...], taken: set[str]) -> dict[str, Any]:
    """NAME=VALUE pairs, values as whole numbers or numbers where they are."""
    from lmmix.errors import SettingError

    values: dict[str, Any] = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingError(f"--set {text}: it must be NAME=VALUE")
        if name in taken:
            raise SettingError(f"--set {text}: {name} is no setting of the network; use its own option")
        values[name] = _number(value)
    return values


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
