"""The signature of an estimated model: every choice that affects its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lmmix import __version__
from lmmix.lm import NO_DISTRIBUTION
from lmmix.ngram.settings import SmoothingSettings
from lmmix.ngram.smoothing import BACKOFF, CONSTANT, INTERPOLATED, Rule, Smoothing
from lmmix.vocab import Vocab

_INTERPOLATED = {INTERPOLATED: "yes", BACKOFF: "no", CONSTANT: "no"}


def signature_of(
    settings: SmoothingSettings,
    smoothings: Sequence[Smoothing],
    order: int,
    rules: Sequence[Rule],
    vocab: Vocab,
    closed: bool,
) -> str:
    """One line; where all orders agree a value stands once, else with commas between, the last for all above."""
    forms = settings.forms(smoothings)
    parts = [f"order:{order}", f"smoothing:{_run(smoothing.name for smoothing in smoothings)}"]
    parts.append(f"interpolated:{_run(_INTERPOLATED[form] for form in forms)}")
    parts += [NO_DISTRIBUTION] if CONSTANT in forms else []
    parts += ["unigrams:uniform"] if forms[0] == INTERPOLATED else []
    parts += ["discounts:tuned"] if settings.tune_discounts else []
    parts += _notes(rules)
    if max(settings.min_counts) > 1:
        parts.append("min-counts:" + ",".join(map(str, settings.min_counts)))
    parts += [f"vocab-pad:{settings.vocab_pad}"] if settings.vocab_pad else []
    parts += ["closed:yes"] if closed else []
    return "|".join(
        [*parts, f"tokens:{vocab.tokenizer}", f"vocab:{vocab.fingerprint}", "eos:yes", f"lmmix:{__version__}"]
    )


def _notes(rules: Sequence[Rule]) -> list[str]:
    """What the rules of some orders have to say, each with its orders."""
    notes: dict[str, list[str]] = {}
    for n, rule in enumerate(rules, 1):
        for key, note in rule.notes().items():
            notes.setdefault(key, []).append(f"{n}:{note}")
    return [f"{key}:{','.join(values)}" for key, values in notes.items()]


def _run(values: Iterable[str]) -> str:
    run = list(values)
    while len(run) > 1 and run[-1] == run[-2]:
        run.pop()
    return ",".join(run)
