"""Finding a mixture of models on held-out text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lmmix.corpus import Corpus
from lmmix.errors import EventSpaceError, SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel, described, load_count_table
from lmmix.logmath import perplexity
from lmmix.mix.held_out import HeldOut, score_held_out
from lmmix.mix.mixture import Mixture
from lmmix.mix.select import select_members
from lmmix.mix.union import one_event_space
from lmmix.mix_methods import METHODS, MixSettings
from lmmix.tokenize import same_tokens


@dataclass(frozen=True)
class MixtureFit:
    """A mixture with how it was found.

    Attributes
    ----------
    method : str
    mixture : Mixture
    ppl : float
        Of the mixture on the held-out text.
    member_ppl : (K,) list of float
        Of each member alone on the same events.
    events, skipped : int
        Events that counted, and OOVs that did not because no member gives `<unk>` a probability.
    seconds : float
        From the matrix to the mixture; the members scored the text before.
    facts : dict
        What the method has to tell: weights, gap, iterations and so on.
    held : HeldOut
        The matrix.
    """

    method: str
    mixture: Mixture
    ppl: float
    member_ppl: list[float]
    events: int
    skipped: int
    seconds: float
    facts: dict[str, Any] = field(repr=False)
    held: HeldOut = field(repr=False)


def fit_mixture(
    models: Sequence[LanguageModel],
    dev: Corpus,
    paths: Sequence[PathLike | None] | None = None,
    *,
    method: str = "em",
    spread: str | None = None,
    described_members: Sequence[dict[str, Any]] = (),
    counts: Sequence[PathLike] = (),
    min_gain: float | None = None,
    max_members: int | None = None,
    settings: MixSettings | None = None,
) -> MixtureFit:
    """Find a mixture of `models` on held-out text, which none of them was trained on.

    Parameters
    ----------
    models : sequence of LanguageModel
    dev : Corpus
        The held-out text.
    paths : sequence of paths, optional
        The files of the models, without which the mixture cannot be saved.
    method : str
        One of `METHODS`: `em` finds one weight a model, the others weights that depend on the history or on the text so
        far.
    spread : {"uniform", "unigram", "chars"}, optional
        How models of different vocabularies come into one event space, see `lmmix.mix.union`.
    described_members : sequence of dict
        Further members that are made over the vocabulary of the models, see `lmmix.lm.described`: caches.
    counts : sequence of paths
        `.lmc` files, one a member, for the method and the feature of that name.
    min_gain : float, optional
        Leave out models that gain less than so many per cent of perplexity, see `lmmix.mix.select`.
    max_members : int, optional
        Leave out models until so many are left.
    settings : MixSettings, optional

    OOVs count as the event `<unk>`; where no model gives that a probability (closed vocabularies) they are left out and
    counted. Raises SettingError, EventSpaceError for models of different vocabularies, InputError for a word of the
    vocabulary that every model gives probability 0.
    """
    if method not in METHODS:
        raise SettingError(f"no way of mixing is called {method!r}; there are {', '.join(METHODS)}")
    settings = settings or MixSettings()
    if spread is not None and (min_gain is not None or max_members is not None):
        raise SettingError("models cannot be left out of a union of vocabularies: choose them first, then spread <unk>")
    members = one_event_space(models, spread, [str(path) for path in paths] if paths else None)
    members += [described(description, members[0].vocab) for description in described_members]
    if paths is not None:
        paths = [*paths, *(None for _ in described_members)]
    try:
        held = score_held_out(members, dev, paths, settings.threads)
    except EventSpaceError as error:
        if not all(same_tokens(members[0].vocab.tokenizer, member.vocab.tokenizer) for member in members):
            raise
        raise EventSpaceError(f"{error}, or mix them over the union (--spread chars)") from None
    if counts:
        settings = replace(settings, tables=_tables(counts, held))
    selection: dict[str, Any] = {}
    if min_gain is not None or max_members is not None:
        held, kept, selection = _selected(held, min_gain or 0.0, max_members, settings)
        if counts:
            settings = replace(settings, tables=[settings.tables[k] for k in kept])
    started = time.perf_counter()
    mixture, facts, held = METHODS[method](held, settings)
    seconds = time.perf_counter() - started
    ppl = perplexity(held.events * held.mean_logp(mixture), held.events)
    return MixtureFit(
        method, mixture, ppl, held.member_ppl(), held.events, held.skipped, seconds, selection | facts, held
    )


def _tables(counts: Sequence[PathLike], held: HeldOut) -> list[Any]:
    if len(counts) != len(held.members):
        raise SettingError(
            f"there are {len(counts)} files of counts for {len(held.members)} members ({', '.join(held.names)}); each "
            "member needs one, so caches and counts do not go together"
        )
    return [load_count_table(path, held.corpus.vocab) for path in counts]


def _selected(
    held: HeldOut, min_gain: float, max_members: int | None, settings: MixSettings
) -> tuple[HeldOut, list[int], dict[str, Any]]:
    """The held-out text under those models that are worth it, which they are, and the gains of all of them."""
    found = select_members(
        held.rows, held.names, min_gain=min_gain, max_members=max_members,
        tolerance=settings.tolerance, threads=settings.threads,
    )  # fmt: skip
    rows = [{"model": row.name, "gain_percent": row.gain_percent, "dropped": row.dropped} for row in found.members]
    return held.of_members(found.kept), found.kept, {"selection": rows}
