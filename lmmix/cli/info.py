"""lmmix info."""

from __future__ import annotations

from typing import Any

import click

from lmmix.cli.common import json_option, print_json, with_progress


@click.command()
@click.argument("path", metavar="FILE")
@click.option(
    "--check", is_flag=True, help="Look at every byte of an .lmx or .lmi file; a large one is mostly trusted else."
)
@json_option
@with_progress
def command(path: str, check: bool, as_json: bool) -> None:
    """What a model holds: kind, order, counts, vocabulary, size, signature.

    \b
    lmmix info model.arpa.gz
    lmmix info mix.json --json
    lmmix info model.lmx --check
    """
    from lmmix.describe import describe

    facts = describe(path, check)
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        click.echo(f"{key:<12} {_shown(value)}")


def _shown(value: Any) -> str:
    return ", ".join(_shown(item) for item in value) if isinstance(value, list) else str(value)
