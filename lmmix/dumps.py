"""Word probabilities that another tool has written for a text, read as a model of that text.

The format is that of SRILM's ``ngram -ppl TEXT -debug 2``: for each sentence the sentence itself, a line an event and
two lines of sums, which are passed over::

    the zebra sat
    ⇥p( the | <s> ) ⇥= [2gram] 0.166815 [ -0.777764 ]
    ⇥p( <unk> | the ...) ⇥= [OOV] 0 [ -inf ]
    …

The number in brackets is log10 p. Before it may stand more of its kind (`[post=…]`), behind it a count (`*2`).
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from array import array
from copy import copy
from pathlib import Path
from typing import NoReturn

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import PathLike, read_text_lines
from lmmix.lm import State
from lmmix.logmath import LN10
from lmmix.vocab import EOS, SPECIALS, UNK, Vocab

logger = logging.getLogger("lmmix")

ROUNDING = 1e-6
"""How far above 0 the log10 of a probability may be that should be 1."""

_BEGIN = re.compile(r"[ \t]+p\( ")
_EVENT = re.compile(r"[ \t]+p\( ([^ \t\v\f\r\0]+) \| .*\[ ([^ \t]+) \](?: \*([^ \t]+))?")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf)", re.ASCII)
_SUMS = re.compile(r"(?:file .*: )?\d+ sentences, ")


class SrilmDump:
    """The probabilities of one text as a `LanguageModel` that can score this text and nothing else.

    It can be a member of a mixture whose weights are wanted, not of one that is to be queried. A dump does not tell
    the vocabulary of the model behind it: `vocab` is the words of the dump, and `over` makes a dump over the
    vocabulary of the models that it is to be mixed with.

    Attributes
    ----------
    path : Path
        Where it was read from.
    text : Corpus
        The events of the dump; `<unk>` is what its model did not know.
    logp : (T,) float64
        Natural log-probability of each event.
    lines : (T,) int64
        The line of the file that each event stands in.
    vocab, signature
        See `lmmix.lm.LanguageModel`.
    """

    def __init__(self, path: PathLike, text: Corpus, logp: np.ndarray, lines: np.ndarray) -> None:
        self.path = Path(path)
        self.text = text
        self.logp = logp
        self.lines = lines
        self.vocab = text.vocab
        digest = hashlib.sha256(text.ids.tobytes() + logp.tobytes()).hexdigest()[:16]
        self.signature = (
            f"dump:srilm|file:{self.path.name}|events:{len(logp)}|numbers:{digest}|"
            f"tokens:{self.vocab.tokenizer}|eos:yes"
        )

    def over(self, vocab: Vocab) -> SrilmDump:
        """This dump as a model over `vocab`. Raises EventSpaceError if that lacks one of its words."""
        lost = np.flatnonzero(self.text.vocab.translation(vocab)[UNK + 1 :] == UNK)
        if len(lost):
            word = UNK + 1 + int(lost[0])
            line = self.lines[int(np.argmax(self.text.ids == word))]
            raise EventSpaceError(
                f"{self.path}:{line}: the word {self.text.vocab.words[word]!r} is not in the vocabulary of the models "
                "that the dump is to be mixed with: its model has more words; train all with one vocabulary"
            )
        other = copy(self)
        other.vocab = vocab
        return other

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`, which must be the text of the dump.

        `<unk>` in the dump or in the text stands for any word. Raises InputError, with line, sentence and word, for
        another text. Warns where `<unk>` has a probability in the dump, but is a word in `vocab`.
        """
        # In its own words the text keeps the spelling of those outside the vocabulary.
        mine, theirs = self.text.recode(corpus.vocab).ids, corpus.ids
        events = min(len(mine), len(theirs))
        mine, theirs = mine[:events], theirs[:events]
        any_word = ((self.text.ids[:events] == UNK) & (theirs != EOS)) | ((theirs == UNK) & (mine != EOS))
        wrong = np.flatnonzero((mine != theirs) & ~any_word)
        if len(wrong) or len(corpus.ids) != len(self.logp):
            self._refuse(corpus, int(wrong[0]) if len(wrong) else events)
        known = corpus.recode(self.vocab).ids != UNK
        hidden = int(np.count_nonzero((self.text.ids == UNK) & known & (self.logp > -np.inf)))
        if hidden:
            logger.warning(
                "%s: %d events are <unk> there but words of the vocabulary here: the probability of all unknown "
                "words counts for each of them, and the perplexity is too low", self.path, hidden,
            )  # fmt: skip
        return self.logp.copy()

    def _refuse(self, corpus: Corpus, at: int) -> NoReturn:
        """Raise the InputError for the event at which text and dump part."""
        remedy = "make the dump from this text, word for word"
        if at >= len(self.logp):
            place, word = _place(corpus, at)
            raise InputError(f"{self.path}: the dump ends where the text has {word!r} ({place}); {remedy}")
        line, mine = self.lines[at], self.text.vocab.words[self.text.ids[at]]
        if at >= len(corpus.ids):
            place, _ = _place(self.text, at)
            raise InputError(f"{self.path}:{line}: {mine!r} ({place}) stands behind the end of the text; {remedy}")
        place, word = _place(corpus, at)
        raise InputError(f"{self.path}:{line}: {mine!r} where the text has {word!r} ({place}); {remedy}")

    def start(self, n: int) -> State:
        """Raises SettingError: what is not in its text, a dump does not know."""
        self._cannot()

    def advance(self, state: State, words: np.ndarray) -> tuple[np.ndarray, State]:
        """Raises SettingError, as `start`."""
        self._cannot()

    def distribution(self, state: State) -> np.ndarray:
        """Raises SettingError, as `start`."""
        self._cannot()

    def _cannot(self) -> NoReturn:
        raise SettingError(
            f"{self.path}: a dump holds the probabilities of one text and can score nothing else; use the model itself"
        )


def _place(corpus: Corpus, at: int) -> tuple[str, str]:
    """(where an event stands, the event)."""
    sentence = int(np.searchsorted(corpus.offsets, at, side="right"))
    word = at - int(corpus.offsets[sentence - 1]) + 1
    return f"word {word} of sentence {sentence}", corpus.vocab.words[corpus.ids[at]]


def read_dump(path: PathLike, tokenizer: str = "whitespace") -> SrilmDump:
    """Read a dump, plain or compressed; `tokenizer` is what made the tokens of its text.

    Raises FormatError, with the line, for an event that cannot be read, is no probability or stands for more than one
    (``ngram -counts``), and for a sentence without `</s>` (``ngram -no-eos``); InputError for a file without events.
    """
    ids = {word: i for i, word in enumerate(SPECIALS)}
    events, log10p, lines = array("i"), array("d"), array("q")
    for number, line in read_text_lines(path):
        if _BEGIN.match(line):
            word, value = _event(path, number, line)
            events.append(ids.setdefault(word, len(ids)))
            log10p.append(value)
            lines.append(number)
        elif events and events[-1] != EOS and _SUMS.match(line):
            raise FormatError(f"{path}:{number}: the sentence above has no </s>; make the dump without -no-eos")
    if not events:
        raise InputError(f"{path}: no word probabilities in it; make it with ngram -ppl TEXT -debug 2")
    if events[-1] != EOS:
        raise FormatError(f"{path}:{lines[-1]}: the last sentence has no </s>; the file has been cut off")
    codes = np.array(events)
    offsets = np.concatenate([[0], 1 + np.flatnonzero(codes == EOS)])
    text = Corpus(codes, offsets, Vocab.from_words(ids, tokenizer))
    return SrilmDump(path, text, np.array(log10p) * LN10, np.array(lines))


def _event(path: PathLike, number: int, line: str) -> tuple[str, float]:
    """(word, log10 p) of a line."""
    found = _EVENT.match(line)
    if found is None:
        raise FormatError(f"{path}:{number}: {line.strip()[:80]!r} is not like 'p( word | ...) = [3gram] 0.1 [ -1 ]'")
    word, log10p, count = found.groups()
    value = float(log10p) if _NUMBER.fullmatch(log10p) else math.nan
    if not value <= ROUNDING:
        raise FormatError(f"{path}:{number}: {log10p[:20]!r} is no log10 of a probability, a number up to 0")
    if count is not None and count != "1":
        raise FormatError(
            f"{path}:{number}: {word!r} counts {count[:20]} times: this is a dump of counts; make one of a text (-ppl)"
        )
    if word == "<s>":
        raise FormatError(f"{path}:{number}: <s> is no event; take it out of the text and make the dump again")
    return word, min(0.0, value)
