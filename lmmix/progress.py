"""Progress of long work: the library says how far it is, whoever runs it decides how to show it.

Library code writes ``with task("counting", total) as advance: advance(n)``; nothing is shown unless a
front end (the command line) has installed a display with `show_with`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Display(Protocol):
    """What a front end provides: `task` shows one piece of work and gives the function that advances it."""

    def task(self, label: str, total: float | None, unit: str) -> AbstractContextManager[Callable[[float], None]]:
        """Show work called `label` of `total` units, and their speed if `unit` names them.

        Gives the function that adds units done.
        """
        ...


_display: list[Display] = []


@contextmanager
def show_with(display: Display) -> Iterator[None]:
    """Show the progress of everything inside the block on `display`."""
    _display.append(display)
    try:
        yield
    finally:
        _display.pop()


@contextmanager
def task(label: str, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
    """One piece of work called `label` of `total` units (None: unknown); yields a function that adds units done.

    With a `unit` such as `tokens`, the display says how many are done in a second.
    """
    if not _display:
        yield lambda amount: None
        return
    with _display[-1].task(label, total, unit) as advance:
        yield advance
