"""Rewriting texts before they are compared: named steps, which stand in the signature of a metric."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from lmmix.errors import SettingError
from lmmix.vocab import words_of


class _Spaces(dict[int, int]):
    """For `str.translate`: punctuation and symbols but apostrophes become a space, looked up once a character."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        space = unicodedata.category(character)[0] in "PS" and character not in APOSTROPHES
        self[code] = ord(" ") if space else code
        return self[code]


APOSTROPHES = "'’"
_SPACES = _Spaces()
_OUTSIDE = re.compile(rf"(?<![^\W_])[{APOSTROPHES}]|[{APOSTROPHES}](?![^\W_])")


def _without_punctuation(text: str) -> str:
    """Punctuation and symbols (Unicode's P and S) part words; apostrophes inside words stay."""
    return _OUTSIDE.sub(" ", text.translate(_SPACES))


STEPS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "nopunct": _without_punctuation,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "nospace": lambda text: "".join(words_of(text)),
    "chars": lambda text: " ".join("".join(words_of(text))),
}
"""Small letters; no punctuation; composed or compatible Unicode; no white space; each character a word."""


class Normaliser:
    """Steps that rewrite a text, in their order. Raises SettingError for an unknown one."""

    def __init__(self, steps: Sequence[str] = ()) -> None:
        for step in steps:
            if step not in STEPS:
                raise SettingError(f"there is no normalisation {step!r}; there are {', '.join(STEPS)}")
        self.steps = tuple(steps)

    def __call__(self, text: str) -> str:
        """The text rewritten."""
        for step in self.steps:
            text = STEPS[step](text)
        return text

    @property
    def signature(self) -> str:
        """The steps, for the signature of a metric."""
        return f"norm:{'+'.join(self.steps) or 'none'}"
