"""JSON in lists: one value of a line, and back to text."""

from __future__ import annotations

import json
import re
from typing import Any

from lmmix.errors import FormatError
from lmmix.fileio import json_ready, parse_json

_HALF = re.compile(r"\\u[dD]")


def from_json(line: str, where: str) -> Any:
    """The value in a line. Raises FormatError with the column."""
    try:
        value = parse_json(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}:{error.colno}: not valid JSON: {error.msg}") from None
    if may_hold_halves(line):
        refuse_half_characters(value, where)
    return value


def may_hold_halves(text: str) -> bool:
    """Whether there can be an escaped half of a character in JSON."""
    return _HALF.search(text) is not None


def refuse_half_characters(value: Any, where: str) -> None:
    """Raise FormatError if a text in a value read from JSON is not Unicode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FormatError(f"{where}: a text holds half a surrogate pair, which is no character") from None


def to_json(value: Any) -> str:
    """JSON in one line; null for numbers that are infinite or undefined, which only fields that are kept can hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(json_ready(value), ensure_ascii=False, allow_nan=False)
