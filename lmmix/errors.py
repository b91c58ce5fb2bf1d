"""The one tree of errors. A message says what, where, the value, what is allowed and what to do.

The command line prints the message of an `LmmixError` on one line and exits 1; anything else is a bug
and keeps its traceback.
"""

from __future__ import annotations


class LmmixError(Exception):
    """A mistake in the input or in how lmmix was called; its text is one line for the user."""


class InputError(LmmixError):
    """A file cannot be read or written, or its content cannot be used."""


class FormatError(InputError):
    """A file is not what its format promises; the message names file and line where it can."""


class SettingError(LmmixError):
    """An argument has a value that is not allowed."""


class EventSpaceError(LmmixError):
    """Two things do not share one event space (vocabulary and tokeniser), so their numbers do not compare."""


class MissingDependencyError(LmmixError):
    """An optional package is not installed; the message holds the command that installs it."""

    def __init__(self, package: str, needed_for: str, extra: str) -> None:
        super().__init__(f"{needed_for} needs the package {package!r}: pip install 'lmmix[{extra}]'")
