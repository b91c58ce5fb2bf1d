"""Hypotheses as SRILM writes them, in the three forms of its manual page nbest-format."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Context, Decimal

from lmmix.errors import FormatError
from lmmix.nbest.formats.numbers import is_number, number
from lmmix.vocab import BOS, EOS, SPECIALS, words_of

HEADERS = ("NBestList1.0", "NBestList2.0")
"""First lines of the first and the second form; the third has none."""

BYTELOG = 1024 / 10000.5
"""Natural logarithm of a bytelog of 1, with the constant that SRILM computes with."""

ACOUSTIC, LM, WORDS = "acoustic", "lm", "words"

_BRACKETED = re.compile(r"\((.*)\)")
_MARKS = ("(", "st:", "et:", "g:", "a:", ")")
"""What stands around the four numbers behind a word of the second form."""
_STATE = re.compile(r".*-[0-9]")
_CONTEXT = Context(prec=40)
_LN10 = Decimal(10).ln(_CONTEXT)

Hypothesis = tuple[list[str], dict[str, float]]
"""Words and scores."""


def parser_of(header: str) -> Callable[[str, str], Hypothesis]:
    """What reads a line below this header, or without one; it takes the line and ``file:line``."""
    return {HEADERS[0]: _first, HEADERS[1]: _second}.get(header, _third)


def is_hypothesis(line: str) -> bool:
    """Whether a line looks like the third form."""
    cells = words_of(line)
    return len(cells) >= 3 and all(map(is_number, cells[:2])) and cells[2].isdecimal()


def without_marks(words: list[str]) -> str:
    """The text of these words: without `<s>` in front and `</s>` behind."""
    begin = 1 if words[:1] == [SPECIALS[BOS]] else 0
    end = len(words) - 1 if words[-1:] == [SPECIALS[EOS]] else len(words)
    return " ".join(words[begin:end])


def bytelog(text: str, name: str, where: str) -> float | None:
    """The natural logarithm of a bytelog in brackets; None if there are no brackets."""
    found = _BRACKETED.fullmatch(text)
    return BYTELOG * number(found[1], name, where) if found else None


def _first(line: str, where: str) -> Hypothesis:
    words = words_of(line) or [""]
    score = bytelog(words[0], "score", where)
    if score is None:
        raise FormatError(f"{where}: begins with {words[0]!r:.40}, not with a score in brackets")
    return words[1:], {"score": score}


def _second(line: str, where: str) -> Hypothesis:
    tokens, scores = _first(line, where)
    if len(tokens) % 11:
        raise FormatError(f"{where}: is cut off; a word must be 'word ( st: number et: number g: number a: number )'")
    words = []
    acoustic = lm = 0.0
    end_before = -1.0
    for i in range(0, len(tokens), 11):
        word, rest = tokens[i], tokens[i + 1 : i + 11]
        if (*rest[:2], *rest[3::2]) != _MARKS:
            raise FormatError(
                f"{where}: behind {word!r:.40} stands {' '.join(rest)!r:.80}, not ( st: … et: … g: … a: … )"
            )
        begin, end, g, a = (number(rest[k], _MARKS[k // 2], where) for k in (2, 4, 6, 8))
        if begin > end_before and not _STATE.fullmatch(word):
            words.append(word)
            acoustic, lm, end_before = acoustic + a, lm + g, end
    return words, scores | {ACOUSTIC: BYTELOG * acoustic, LM: BYTELOG * lm}


def _third(line: str, where: str) -> Hypothesis:
    words = words_of(line)
    if len(words) < 3:
        raise FormatError(f"{where}: has {len(words)} words; a line must be 'acoustic lm nwords word word …'")
    acoustic, lm = (_natural(text, name, where) for text, name in zip(words, (ACOUSTIC, LM)))
    return words[3:], {ACOUSTIC: acoustic, LM: lm, WORDS: number(words[2], WORDS, where)}


def _natural(text: str, name: str, where: str) -> float:
    """The natural logarithm of the log10 in a text."""
    value = number(text, name, where)
    found = _natural_of(Decimal(text)) if value else value
    if math.isinf(found):
        raise FormatError(f"{where}: the score {name!r} is {text!r:.40}, too large for a natural logarithm")
    return found


def _natural_of(log10: Decimal) -> float:
    """Rounded once, so that `_log10` can undo it."""
    return float(_CONTEXT.multiply(log10, _LN10))


def _log10(value: float) -> str:
    """A text from which `_natural` gives back the same float64: the nearest float64, or else 17 digits."""
    short = repr(value / math.log(10))
    return short if _natural_of(Decimal(short)) == value else str(Context(prec=17).divide(Decimal(value), _LN10))


def third_form(text: str, acoustic: float, lm: float, words: float) -> str:
    """A line of the third form; scores are natural logarithms."""
    count = str(int(words)) if words.is_integer() else repr(words)
    return " ".join([_log10(acoustic), _log10(lm), count, *words_of(text)])
