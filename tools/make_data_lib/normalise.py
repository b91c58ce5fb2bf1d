"""Turns running text into normalised sentences, as used in speech recognition.

Everything is lower case, one sentence per line, without punctuation.
Apostrophes inside words stay.  Plain whole numbers are spelled out.  A sentence
that still holds anything but a-z and apostrophes is dropped as a whole, because
removing only the odd part would leave a sentence that nobody would say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

MIN_WORDS = 3
MAX_WORDS = 80

# What a careful reader would say for these abbreviations.  They are replaced
# before the sentences are split, since their dots are no sentence ends.
SPOKEN_FORMS = [
    (re.compile(r"\be\.\s?g\.,?", re.I), "for example"),
    (re.compile(r"\bi\.\s?e\.,?", re.I), "that is"),
    (re.compile(r"\betc\.(?=\s*[a-z,;:)])"), "et cetera"),
    (re.compile(r"\betc\."), "et cetera."),
    (re.compile(r"\bvs\."), "versus"),
    (re.compile(r"\bcf\."), "compare"),
    (re.compile(r"\bviz\."), "namely"),
    (re.compile(r"\bMr\."), "mister"),
    (re.compile(r"\bMrs\."), "missis"),
    (re.compile(r"\bDr\."), "doctor"),
    (re.compile(r"\bSt\."), "saint"),
    (re.compile(r"\s&\s"), " and "),
    (re.compile(r"(?<=\d)\s?%"), " percent"),
]

# Characters that Unicode decomposition does not turn into ASCII by itself.
TO_ASCII = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201b": "'",
        "\u0060": "'",
        "\u00b4": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u00ab": '"',
        "\u00bb": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": " - ",
        "\u2013": " - ",
        "\u2014": " - ",
        "\u2015": " - ",
        "\u2026": "... ",
        "\u00a0": " ",
        "\u00ad": "",
        "\u200b": "",
        "\u00e6": "ae",
        "\u00c6": "Ae",
        "\u0153": "oe",
        "\u00df": "ss",
        "\u00f8": "o",
    }
)

# A sentence ends at . ! or ? (and any closing quotes or brackets) when a
# capital letter, perhaps quoted or bracketed, starts the next word.
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z])")

# Punctuation that is silent: it becomes a space.  A dot, comma or colon does so
# only where no letter or digit follows; "apt.conf" and "2.15" stay
# odd and so take their sentence with them.
SILENT = re.compile(
    r"[!?;\"()\[\]]|[.,:](?![A-Za-z0-9])|--+|(?<=[A-Za-z])-(?=[A-Za-z])"
    r"|(?<=\s)-(?=\s)|-(?=\s|$)|(?<=,)(?=\d)"
)
OUTER_APOSTROPHE = re.compile(r"(?<![a-z])'+|'+(?![a-z])")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def number_words(number: int) -> str:
    """Spells out a whole number below one million."""
    if number < 20:
        return ONES[number]
    if number < 100:
        ones = " " + ONES[number % 10] if number % 10 else ""
        return TENS[number // 10] + ones
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = " " + number_words(number % size) if number % size else ""
    return f"{number_words(number // size)} {name}{rest}"


def spoken_number(digits: str) -> str:
    """Spells out a token of digits; four digits from 1100 to 1999 are a year.

    Tokens that are too long or start with a zero are returned as they are, so
    that the caller drops their sentence.
    """
    if len(digits) > 6 or (len(digits) > 1 and digits[0] == "0"):
        return digits
    number = int(digits)
    if 1100 <= number <= 1999:
        century, year = divmod(number, 100)
        tail = "hundred" if year == 0 else ("oh " if year < 10 else "") + number_words(year)
        return f"{number_words(century)} {tail}"
    return number_words(number)


def to_ascii(text: str) -> str:
    """Maps typographic characters to ASCII ones and strips accents."""
    decomposed = unicodedata.normalize("NFKD", text.translate(TO_ASCII))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def split_sentences(paragraph: str) -> list[str]:
    """Cuts one paragraph of ASCII text into raw sentences."""
    text = " ".join(paragraph.split())
    for pattern, spoken in SPOKEN_FORMS:
        text = pattern.sub(spoken, text)
    return SENTENCE_END.split(text)


def normalise_sentence(raw: str) -> str | None:
    """Returns the normalised sentence, or None if it has to be dropped."""
    text = SILENT.sub(" ", raw).lower()
    words = [spoken_number(t) if t.isdigit() else t for t in text.split()]
    words = OUTER_APOSTROPHE.sub(" ", " ".join(words)).split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS:
        return None
    if not all(WORD.fullmatch(word) for word in words):
        return None
    return " ".join(words)


def normalise(paragraphs: Iterable[str]) -> Iterator[str]:
    """Yields the normalised sentences of the paragraphs, each sentence once.

    Repeated sentences are mostly boilerplate, and keeping one copy only makes
    sure that no sentence of a test part also stands in a training part.
    """
    seen: set[str] = set()
    for paragraph in paragraphs:
        for raw in split_sentences(to_ascii(paragraph)):
            sentence = normalise_sentence(raw)
            if sentence and sentence not in seen:
                seen.add(sentence)
                yield sentence
