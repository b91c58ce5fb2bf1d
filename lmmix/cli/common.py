"""What commands share: options, the progress bar, printing of JSON."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmmix.parallel import process_rank

if TYPE_CHECKING:
    from lmmix.ngram.backoff import BackoffModel

Function = TypeVar("Function", bound=Callable[..., Any])

PATIENCE = 1.0
"""Seconds after which work gets a progress bar."""


class Numbers(click.ParamType):
    """Whole numbers parted by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The numbers; a usage error if there is something else."""
        try:
            return [int(number) for number in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 1,1,2", param, ctx)


class Words(click.ParamType):
    """Names parted by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The names."""
        return [name.strip() for name in value.split(",") if name.strip()]


class Factors(click.ParamType):
    """Numbers parted by commas, with a fraction or not."""

    name = "factors"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """The numbers; a usage error if there is something else."""
        try:
            return [float(number) for number in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,0.5", param, ctx)


class Size(click.ParamType):
    """A number of bytes such as 512M or 2G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes; a usage error if the unit is missing or the number is none."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])B?", str(value).upper())
        if match is None:
            self.fail(f"{value!r} is not a size such as 512M or 2G", param, ctx)
        return int(float(match[1]) * 1024 ** (1 + "KMGT".index(match[2])))


output_option = click.option("-o", "--output", required=True, metavar="FILE", help="Where to write; - is stdout.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
threads_option = click.option("--threads", type=int, metavar="N", help="Threads; default: all cores.")
seed_option = click.option("--seed", type=int, default=1, show_default=True, help="Seed of all randomness.")
vocab_option = click.option("--vocab", metavar="FILE", help="Vocabulary, one word a line; others become <unk>.")


def memory_options(function: Function) -> Function:
    """Options that bound the memory of a command."""
    for option in (
        click.option("--tmp", metavar="DIR", help="Folder on a disk for --memory; default: the system's."),
        click.option("--memory", type=Size(), metavar="SIZE", help="Keep to so much memory (2G; 800M or more)."),
    ):
        function = option(function)
    return function


def load_ngram(path: str, tokenizer: str | None, threads: int | None) -> BackoffModel:
    """The n-gram model in a file, unpacked if it is a small .lmx. Raises SettingError for a model of another family."""
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.ngram.backoff import BackoffModel

    model: Any = load(path, tokenizer, threads)
    # Asked for what it can do: the class has kernels that other models need not load.
    if hasattr(model, "unpacked"):
        return model.unpacked(threads)
    if not isinstance(model, BackoffModel):
        raise SettingError(f"{path}: this takes n-gram models (ARPA or .lmx), not a {type(model).__name__}")
    return model


def tokenizer_of_counts(tokenizer: str) -> str | None:
    """What to tell the reader of count files: binary ones know, text ones are of white space unless told otherwise."""
    return None if tokenizer == "whitespace" else tokenizer


def packing_options(function: Function) -> Function:
    """Options of the small forms of .lmx."""
    for option in (
        click.option("--float32", is_flag=True, help="Write a small .lmx with numbers in float32."),
        click.option(
            "--quantize", type=int, metavar="BITS", help="Write a small .lmx with numbers of 2 to 16 bits (try 8)."
        ),
    ):
        function = option(function)
    return function


def save_model(model: Any, output: str, quantize: int | None, float32: bool, threads: int | None) -> str:
    """Write a back-off model, packed if that is asked for; returns the signature of what was written."""
    if quantize is None and not float32:
        model.save(output, threads)
        return model.signature
    from lmmix.ngram.packed_file import write_packed

    return write_packed(model, output, quantize, threads).signature


def check_packing(output: str, quantize: int | None, float32: bool) -> None:
    """Raise SettingError unless the small form that is asked for can be written as `output`."""
    from lmmix.errors import SettingError
    from lmmix.ngram.quantise import check_bits

    if (quantize is not None or float32) and not output.endswith(".lmx"):
        raise SettingError(f"{output}: --quantize and --float32 are for .lmx files")
    if quantize is not None and float32:
        raise SettingError("--quantize and --float32 exclude each other; choose one")
    check_bits(quantize)


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
    help="whitespace, chars, bytes, sentencepiece:MODEL or hf:FOLDER.",
)


model_tokenizer_option = click.option(
    "--tokenizer",
    metavar="NAME",
    help="What made the tokens of an ARPA file or a dump, which cannot say so: whitespace (default), chars, bytes, "
    "sentencepiece:MODEL or hf:FOLDER.",
)


def check_output(output: str, as_json: bool = False) -> None:
    """Find out before long work whether its result can be written. Raises SettingError, InputError."""
    from lmmix.errors import InputError, SettingError

    if output == "-":
        if as_json:
            raise SettingError("--json prints to standard output, where the result would go; give the result a name")
        return
    folder = os.path.dirname(os.path.realpath(output))
    if not os.path.isdir(folder):
        raise InputError(f"{output}: cannot write: there is no folder {folder}")
    if os.path.isdir(output):
        raise InputError(f"{output}: cannot write: it is a folder")
    if ".lmx." in os.path.basename(output):
        raise SettingError(f"{output}: an .lmx file is mapped into memory and cannot be compressed")


def refuse_overwriting(output: str, inputs: tuple[str, ...]) -> None:
    """Raise SettingError if the output would replace one of the inputs, lie in one, or as a folder hold one."""
    from lmmix.errors import SettingError

    for path in inputs:
        if path == "-" or output == "-":
            continue
        if os.path.realpath(path) == os.path.realpath(output):
            raise SettingError(f"{output} is an input of this command; choose another name for the output")
        if lies_in(output, path):
            raise SettingError(f"{output} lies in {path}, an input of this command; choose another place for it")
        if lies_in(path, output):
            raise SettingError(
                f"{path}, an input of this command, lies in {output}; choose another name for the output"
            )


def lies_in(path: str, folder: str) -> bool:
    """Whether a file lies, however deep, in a folder."""
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def with_progress(function: Function) -> Function:
    """Show a progress bar on a terminal for whatever takes longer than a second."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not sys.stderr.isatty() or process_rank():
            return function(*args, **kwargs)
        from lmmix.progress import show_with

        with show_with(_TerminalDisplay()):
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


class _TerminalDisplay:
    """One bar at a time on standard error; a task within a task does not show."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def task(self, label: str, total: float | None, unit: str) -> Iterator[Callable[[float], None]]:
        started = time.monotonic()
        done = 0.0
        bar: Any = None
        with ExitStack() as stack:

            def advance(amount: float) -> None:
                nonlocal done, bar
                done += amount
                if bar is None and self._depth == 1 and time.monotonic() - started > PATIENCE:
                    bar = stack.enter_context(_bar(unit))
                    bar.add_task(label, total=total)
                if bar is not None:
                    bar.update(bar.task_ids[0], completed=done)

            self._depth += 1
            try:
                yield advance
            finally:
                self._depth -= 1


def _bar(unit: str) -> Any:
    """A bar that says how many of `unit` are done in a second, unless that is empty."""
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} {unit}/s" if unit and task.speed else "")

    columns = [*Progress.get_default_columns(), Speed()]
    return Progress(*columns, console=Console(stderr=True), transient=True)


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
