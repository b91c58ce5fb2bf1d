"""The command line: parse, one library call, print. Commands are imported when they are used."""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib import import_module

import click

from lmmix import __version__
from lmmix.errors import LmmixError

COMMANDS = {
    "demo": "the main job on the data that comes with lmmix",
    "vocab": "a vocabulary from texts",
    "pieces": "a tokeniser of pieces of words from texts",
    "count": "n-gram counts of texts, sums of count files",
    "ngram": "an n-gram model from texts",
    "neural": "a neural model from texts",
    "adapt": "a network that follows the text it reads",
    "infinigram": "an unbounded n-gram model from texts, for mixing",
    "words": "word probabilities from a model of pieces of words",
    "mix": "weights of a mixture on held-out text",
    "merge": "a linear mixture of n-gram models as one of them",
    "approximate": "any model as an n-gram model",
    "ppl": "perplexity of a model on texts",
    "sample": "sentences drawn from a model",
    "rescore": "rescore n-best lists, tune feature weights",
    "folds": "texts of references for models that are tuned on the same lists",
    "rover": "join n-best lists of several systems, vote on words",
    "evaluate": "WER, BLEU and others of texts, and which system is better",
    "convert": "a model into another file format",
    "prune": "a smaller n-gram model, by relative entropy",
    "info": "what a file holds",
}


class _LazyGroup(click.Group):
    """Knows the names and short helps of its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"lmmix.cli.{cmd_name}"), "command")  # noqa: B009 (name of every module's command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lmmix")
def group() -> None:
    """Train n-gram and small neural language models, mix them, measure perplexity, rescore n-best lists.

    Texts are UTF-8, one sentence a line, plain or .gz, .bz2, .xz, .zst; - is standard input or output.
    """


def main() -> None:
    """Entry point: errors of the user on one line and exit status 1, usage errors 2, bugs with their traceback."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("lmmix: warning: %(message)s"))
    logger = logging.getLogger("lmmix")
    logger.addHandler(handler)
    logger.propagate = False
    # Ended from outside, a command still takes away its half-written files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        group(prog_name="lmmix")
    except LmmixError as error:
        _fail(str(error))
    except MemoryError:
        _fail("out of memory; use a lower order, a smaller vocabulary or less text")
    except BrokenPipeError:
        # Whoever read our output has stopped reading; what is left must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"input or output failed: {error}")


def _fail(message: str) -> None:
    click.echo(f"lmmix: error: {' '.join(message.splitlines())}", err=True)
    sys.exit(1)
