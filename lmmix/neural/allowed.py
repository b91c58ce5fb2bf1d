"""What values settings may have, in words and as a test."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from lmmix.errors import SettingError


class Allowed(NamedTuple):
    """The types, the words of the message, and the test of a value that has one of the types."""

    types: tuple[type, ...]
    words: str
    holds: Callable[[Any], bool]


COUNT = Allowed((int,), "a whole number, 1 or more", lambda x: x >= 1)
TWO_OR_MORE = Allowed((int,), "a whole number, 2 or more", lambda x: x >= 2)
COUNT_OR_ZERO = Allowed((int,), "a whole number, 0 or more", lambda x: x >= 0)
LAYERS = Allowed((int,), "a whole number from 1 to 1000", lambda x: 1 <= x <= 1000)
POSITIVE = Allowed((int, float), "a number above 0", lambda x: 0 < x < math.inf)
PART = Allowed((int, float), "a number of at least 0 and below 1", lambda x: 0 <= x < 1)
PART_ABOVE_0 = Allowed((int, float), "a number above 0 and below 1", lambda x: 0 < x < 1)
SHARE = Allowed((int, float), "a number from 0 to 1", lambda x: 0 <= x <= 1)
NOT_NEGATIVE = Allowed((int, float), "a number, 0 or more", lambda x: 0 <= x < math.inf)


def one_of(*names: str) -> Allowed:
    """One of some names."""
    return Allowed((str,), " or ".join([", ".join(names[:-1]), names[-1]]), lambda x: x in names)


def check_settings(settings: Any, allowed: Mapping[str, Allowed]) -> None:
    """Raise SettingError for the first field of the dataclass `settings` whose value is not allowed."""
    for field in fields(settings):
        check_value(field.name, getattr(settings, field.name), allowed[field.name])


def check_value(name: str, value: Any, rule: Allowed) -> None:
    """Raise SettingError unless `value` is allowed for the setting called `name`."""
    if isinstance(value, bool) or not isinstance(value, rule.types) or not rule.holds(value):
        raise SettingError(f"{name} is {value!r}; it must be {rule.words}")
