"""Selection among many models: gains are what the definition says, and nothing worth keeping is dropped."""

from __future__ import annotations

import math

import naive_mix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_em import matrix

from lmmix.errors import SettingError
from lmmix.mix import events
from lmmix.mix.events import MatrixEvents
from lmmix.mix.select import select_members


def many(seed: int, useful: int = 3, useless: int = 12, rows: int = 800) -> np.ndarray:
    """A few models that differ, and many that are worse copies of them."""
    rng = np.random.default_rng(seed)
    good = matrix(seed, rows, useful, 1.5)
    copies = good[:, rng.integers(0, useful, useless)] - rng.random((rows, useless))
    return np.hstack([good, copies])


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 5), st.sampled_from([0.02, 0.5, 2.0]), st.sampled_from([0.0, 0.1, 1.0]))
def test_gains_equal_naive(seed: int, members: int, spread: float, min_gain: float) -> None:
    logp = matrix(seed, 200, members, spread)
    found = select_members(logp, min_gain=min_gain, tolerance=1e-8)
    p = np.exp(logp)
    if len(found.kept) > 1:
        whole = naive_mix.log_likelihood(p, naive_mix.best_weights(p[:, found.kept]) @ np.eye(members)[found.kept])
        for k in found.kept:
            others = [j for j in found.kept if j != k]
            without = naive_mix.log_likelihood(p[:, others], naive_mix.best_weights(p[:, others]))
            assert found.members[k].gain == pytest.approx((whole - without) / 200, abs=1e-6)
            assert found.members[k].gain_percent >= min_gain - 1e-3
    loss = (found.whole.logp - found.fit.logp) / 200
    assert loss <= len(found.members) * math.log1p(min_gain / 100) + 1e-6
    for k, row in enumerate(found.members):
        assert (row.dropped is None) == (k in found.kept) and (row.weight > 0 or k not in found.kept or row.gain < 1e-6)
        assert row.ppl == pytest.approx(math.exp(-logp[:, k].mean()), rel=1e-9)


def test_useless_models_go_at_once_and_useful_ones_stay() -> None:
    found = select_members(many(1), [f"m{k}" for k in range(15)])
    assert found.kept == [0, 1, 2]
    assert {row.dropped for row in found.members[3:]} == {1} and max(
        row.gain_percent for row in found.members[3:]
    ) < 0.1
    assert [row.name for row in found.members] == [f"m{k}" for k in range(15)]
    assert found.fit.weights.tolist() == [row.weight for row in found.members[:3]]


def test_bounds_are_bounds() -> None:
    from lmmix.mix.select import _Elimination

    state = _Elimination(many(2, 4, 4), None, 1e-8, 1)
    for gone, bound in zip(sets := [[0], [3], [1, 5], [0, 1, 2], [4, 5, 6, 7]], state._bounds(sets)):
        without = state._without(gone)
        assert without is not None and (state.fit.logp - without.logp) / 800 <= bound
    assert state._bounds([list(range(8))])[0] == math.inf


def test_of_models_that_are_the_same_one_stays() -> None:
    logp = matrix(3, 400, 2)
    found = select_members(np.hstack([logp, logp, logp]))
    assert len(found.kept) == 2 and {k % 2 for k in found.kept} == {0, 1}
    assert found.fit.logp == pytest.approx(found.whole.logp, abs=400 * 2e-6)


def test_at_most_so_many() -> None:
    logp = many(4, useful=5, useless=3)
    found = select_members(logp, max_members=2)
    assert len(found.kept) == 2 and {row.dropped for row in found.members} >= {None, 1, 2}
    only = select_members(logp, max_members=1)
    assert only.members[only.kept[0]].gain == math.inf and only.fit.weights.tolist() == [1.0]


def test_model_that_alone_knows_an_event_is_indispensable() -> None:
    logp = matrix(5, 300, 4)
    logp[7, :3], logp[9, 1:] = -np.inf, -np.inf
    found = select_members(logp, min_gain=50.0)
    assert found.kept == [0, 3] and found.members[3].gain == math.inf and found.members[3].gain_percent == math.inf
    assert found.members[1].ppl == math.inf
    with pytest.raises(SettingError, match="max_members is 1, but 2 models know events"):
        select_members(logp, max_members=1)


def test_counts_are_repetitions_and_one_model_is_no_choice() -> None:
    logp, counts = many(6, rows=100), np.random.default_rng(6).integers(1, 4, 100)
    counted, repeated = select_members(logp, counts=counts), select_members(np.repeat(logp, counts, axis=0))
    assert counted.kept == repeated.kept
    assert counted.members[0].gain == pytest.approx(repeated.members[0].gain, abs=3e-6)
    assert select_members(logp[:, :1]).kept == [0]


def test_large_matrices_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    logp = many(7, rows=5000)
    kept = select_members(logp)
    monkeypatch.setattr(events, "SAMPLE_EVENTS", 100)
    monkeypatch.setattr(events, "PIECE_NUMBERS", 2000)
    assert MatrixEvents(logp).sample() is not None
    streamed = select_members(logp)
    assert streamed.kept == kept.kept
    np.testing.assert_allclose(streamed.fit.weights, kept.fit.weights, atol=1e-3)


def test_hundreds_of_models() -> None:
    found = select_members(many(8, useful=4, useless=296, rows=2000), max_members=10)
    assert found.kept == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "options", [{"min_gain": -1.0}, {"min_gain": math.nan}, {"max_members": 0}, {"names": ["a"]}, {"tolerance": 0.0}]
)
def test_bad_settings_are_refused(options: dict) -> None:
    with pytest.raises(SettingError, match="min_gain|max_members|names|tolerance"):
        select_members(matrix(1, 20, 3), **options)
