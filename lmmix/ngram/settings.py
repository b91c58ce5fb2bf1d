"""How a model is estimated from counts: names of smoothings and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.ngram.additive import additive
from lmmix.ngram.jelinek_mercer import jelinek_mercer
from lmmix.ngram.katz import katz
from lmmix.ngram.kneser_ney import absolute, kneser_ney, modified_kneser_ney
from lmmix.ngram.smoothing import BACKOFF, CONSTANT, INTERPOLATED, Smoothing
from lmmix.ngram.stupid_backoff import stupid_backoff
from lmmix.ngram.witten_bell import witten_bell

SMOOTHINGS: dict[str, Callable[..., Smoothing]] = {
    "mkn": modified_kneser_ney,
    "kn": kneser_ney,
    "abs": absolute,
    "wb": witten_bell,
    "katz": katz,
    "jm": jelinek_mercer,
    "add": additive,
    "stupid": stupid_backoff,
}
"""What makes each smoothing; takes the numbers behind its name, as in `abs:0.5`."""


@dataclass(frozen=True)
class SmoothingSettings:
    """How a model is estimated from counts.

    Attributes
    ----------
    smoothing : str
        A name of `SMOOTHINGS`, with numbers behind a colon (`abs:0.5`, `mkn:0.5/1/1.5`), or several names with
        commas between: those of order 1, 2, …, the last for all higher orders. Kneser–Ney below the highest order
        works on adjusted counts, whatever stands above it; all others work on raw counts.
    interpolated : bool, optional
        Interpolated or back-off; by default as usual for the smoothing.
    min_counts : sequence of int
        N-grams of order 1, 2, … that occur less often are left out; the last is for all higher orders.
    held_out : Corpus, optional
        A text like those to come, which `jm` needs.
    tune_discounts : Corpus, optional
        A text on which the discounts are tuned. Here and in `held_out`, words that the vocabulary lacks are left
        out unless the training text has `<unk>` too.
    vocab_pad : int
        There are at least so many words with a probability (`--vocab_pad` of KenLM): those beyond the vocabulary
        have their share as words that do not occur, so the others sum to less than 1.
    closed : bool
        `<unk>` has probability 0 unless the text contains it.
    interpolate_unigrams : bool
        If False, unigrams back off even in an interpolated model: what discounts leave goes to words that do not
        occur, as in SRILM and IRSTLM and with `--interpolate_unigrams 0` of KenLM.
    """

    smoothing: str = "mkn"
    interpolated: bool | None = None
    min_counts: Sequence[int] = (1,)
    held_out: Corpus | None = None
    tune_discounts: Corpus | None = None
    vocab_pad: int = 0
    closed: bool = False
    interpolate_unigrams: bool = True

    def smoothings(self, order: int) -> list[Smoothing]:
        """The smoothing of each order 1…`order`. Raises SettingError for names, numbers or forms that cannot be."""
        found = [_parsed(name.strip()) for name in self.smoothing.split(",")]
        if len(found) > order:
            raise SettingError(f"smoothing is {self.smoothing!r}: {len(found)} names for the {order} orders there are")
        for n, smoothing in enumerate(found, 1):
            self.form(smoothing, n)
            if CONSTANT in smoothing.forms and any(other != smoothing for other in found):
                raise SettingError(f"smoothing is {self.smoothing!r}; {smoothing.name} stands alone for all orders")
        return found + [found[-1]] * (order - len(found))

    def forms(self, smoothings: Sequence[Smoothing]) -> list[str]:
        """The form of each order, given its smoothing."""
        return [self.form(smoothing, n) for n, smoothing in enumerate(smoothings, 1)]

    def form(self, smoothing: Smoothing, order: int) -> str:
        """INTERPOLATED, BACKOFF or CONSTANT. Raises SettingError if the smoothing lacks the form asked for."""
        if order == 1 and not self.interpolate_unigrams and BACKOFF in smoothing.forms:
            return BACKOFF
        if self.interpolated is None:
            return smoothing.forms[0]
        form = INTERPOLATED if self.interpolated else BACKOFF
        if form not in smoothing.forms:
            raise SettingError(f"smoothing {smoothing.name} is always {smoothing.forms[0]}; it cannot be {form}")
        return form


def _parsed(text: str) -> Smoothing:
    name, _, numbers = text.partition(":")
    if name not in SMOOTHINGS:
        raise SettingError(f"smoothing is {text!r}; there is {', '.join(SMOOTHINGS)}")
    try:
        return SMOOTHINGS[name](*(float(number) for number in numbers.split("/") if numbers))
    except (ValueError, TypeError) as error:
        raise SettingError(f"smoothing is {text!r}; {name} does not take these numbers") from error
