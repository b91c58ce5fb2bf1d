"""lmmix folds."""

from __future__ import annotations

from typing import Any

import click

from lmmix.cli.common import Words, refuse_overwriting, with_progress
from lmmix.cli.nbest_options import inputs_of, list_options, utterances_of


@click.command()
@click.argument("nbest")
@click.option("--folds", type=int, default=5, show_default=True, metavar="K", help="How many parts.")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where to write the texts.")
@click.option("--normalise", type=Words(), metavar="STEP,…", help="Rewrite references: lower, nopunct, nfc, …")
@list_options
@with_progress
def command(nbest: str, folds: int, output: str, normalise: list[str] | None, **given: Any) -> None:
    """Write the references of n-best lists as texts to train on, so that weights can be tuned on the same lists.

    A model that knows the references is trusted too much. So for each fold k one is trained on DIR/k.txt, the
    references of the other folds, and scores the utterances of fold k; the final one is trained on DIR/all.txt.
    DIR/k.held.txt has the references of fold k, for mixing and stopping. Models go elsewhere: a DIR that holds
    anything but such texts stays as it is, and is refused.

    \b
    lmmix folds train.jsonl --folds 5 -o folds
    mkdir models
    for k in 0 1 2 3 4; do lmmix ngram folds/$k.txt -o models/$k.lmx --order 4; done
    lmmix rescore train.jsonl --fold-lm ours=models/{}.lmx --folds 5 --tune wer --weights-out weights.json
    lmmix ngram folds/all.txt -o models/ours.lmx --order 4
    lmmix rescore test.jsonl --lm models/ours.lmx --weights weights.json
    """
    from lmmix.fileio import check_folder_target
    from lmmix.metrics.normalise import Normaliser
    from lmmix.nbest.folds import MARKER, check_nothing_else, write_fold_texts

    refuse_overwriting(output, (nbest, *inputs_of(given)))
    check_nothing_else(output)
    check_folder_target(output, MARKER)
    write_fold_texts(list(utterances_of(nbest, given)), folds, output, Normaliser(normalise or ()))
    click.echo(
        f"{output}: all.txt, and 0.txt to {folds - 1}.txt without the references of their fold, "
        f"which are in 0.held.txt to {folds - 1}.held.txt"
    )
