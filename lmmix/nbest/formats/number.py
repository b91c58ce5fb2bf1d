"""Numbers in lists that are plain text."""

from __future__ import annotations

import math

from lmmix.errors import FormatError
from lmmix.fileio import PathLike


def is_number(text: str) -> bool:
    """Whether a text is a number as programs print them, finite or not."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def number(text: str, path: PathLike, line: int) -> float:
    """The finite number that a text in a line of a file is. Raises FormatError."""
    value = float(text) if is_number(text) else math.nan
    if not math.isfinite(value):
        raise FormatError(f"{path}:{line}: {text.strip()!r:.40} is not a finite number")
    return value
