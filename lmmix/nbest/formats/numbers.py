"""Numbers as files hold them: in text, and in JSON."""

from __future__ import annotations

import math
import re
from typing import Any

from lmmix.errors import FormatError

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)", re.IGNORECASE)


def is_number(text: str) -> bool:
    """Whether a text is a number, or stands for one that is infinite or undefined."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str, name: str, where: str) -> float:
    """The finite number in `text`, of the score called `name`; raises FormatError."""
    value = float(text) if is_number(text) else math.nan
    if not math.isfinite(value):
        raise FormatError(f"{where}: the score {name!r} is {text!r:.40}, not a finite number")
    return value


def as_text(value: float) -> str:
    """The shortest text that reads back to the same float64."""
    return repr(float(value))


def is_finite_number(value: Any) -> bool:
    """Whether a value read from JSON is a number that fits a float64."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
