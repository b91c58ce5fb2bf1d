"""What commands share: options, the progress bar, printing of JSON."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

PATIENCE = 1.0
"""Seconds after which work gets a progress bar."""

output_option = click.option("-o", "--output", required=True, metavar="FILE", help="Where to write; - is stdout.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
threads_option = click.option("--threads", type=int, metavar="N", help="Threads; default: all cores.")
seed_option = click.option("--seed", type=int, default=1, show_default=True, help="Seed of all randomness.")
vocab_option = click.option("--vocab", metavar="FILE", help="Vocabulary, one word a line; others become <unk>.")


def text_options(function: Function) -> Function:
    """Options of every command that reads text."""
    for option in (
        click.option("--replace-specials", is_flag=True, help="Treat <s> and </s> inside a line as space."),
        click.option(
            "--errors",
            type=click.Choice(["strict", "replace"]),
            default="strict",
            show_default=True,
            help="Bytes that are not UTF-8: stop, or read as U+FFFD.",
        ),
    ):
        function = option(function)
    return function


tokenizer_option = click.option(
    "--tokenizer",
    metavar="NAME",
    default="whitespace",
    show_default=True,
    help="whitespace, chars or sentencepiece:MODEL.",
)


model_tokenizer_option = click.option(
    "--tokenizer",
    metavar="NAME",
    help="What made the tokens of an ARPA file, which cannot say so itself; default: whitespace.",
)


def refuse_overwriting(output: str, inputs: tuple[str, ...]) -> None:
    """Raise SettingError if the output would replace one of the inputs."""
    from lmmix.errors import SettingError

    for path in inputs:
        if path != "-" and output != "-" and os.path.realpath(path) == os.path.realpath(output):
            raise SettingError(f"{output} is an input of this command; choose another name for the output")


def with_progress(function: Function) -> Function:
    """Show a progress bar on a terminal for whatever takes longer than a second."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not sys.stderr.isatty():
            return function(*args, **kwargs)
        from lmmix.progress import show_with

        with show_with(_TerminalDisplay()):
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


class _TerminalDisplay:
    """One bar at a time on standard error; a task within a task shows in place of the outer one."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def task(self, label: str, total: float | None) -> Iterator[Callable[[float], None]]:
        started = time.monotonic()
        done = 0.0
        bar: Any = None
        with ExitStack() as stack:

            def advance(amount: float) -> None:
                nonlocal done, bar
                done += amount
                if bar is None and self._depth == 1 and time.monotonic() - started > PATIENCE:
                    bar = stack.enter_context(_bar())
                    bar.add_task(label, total=total)
                if bar is not None:
                    bar.update(bar.task_ids[0], completed=done)

            self._depth += 1
            try:
                yield advance
            finally:
                self._depth -= 1


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)


def print_json(value: Any) -> None:
    """One line of JSON; numbers that are not finite become null."""
    from lmmix.fileio import json_ready

    click.echo(json.dumps(json_ready(value), ensure_ascii=False, allow_nan=False))


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Columns aligned, the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        click.echo("  ".join(cells).rstrip())
