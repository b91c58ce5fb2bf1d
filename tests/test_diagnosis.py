"""What is told about the members of a mixture equals its slow twin, and fits into tables and JSON."""

from __future__ import annotations

import json

import naive_diagnosis as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmix.errors import SettingError
from lmmix.fileio import json_ready
from lmmix.mix import diagnosis
from lmmix.mix.diagnosis import curve_table, member_shares, overlap, shares_report, weights_by_bucket
from lmmix.mix.em import fit_em

VALUES = st.one_of(st.just(-np.inf), st.floats(-30, 0))


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(logp, weights by event, buckets)."""
    events, members = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    logp = np.array(draw(st.lists(VALUES, min_size=events * members, max_size=events * members)))
    weights = np.array(draw(st.lists(st.floats(0.01, 1), min_size=events * members, max_size=events * members)))
    weights = weights.reshape(events, members)
    bucket = np.array(draw(st.lists(st.integers(-2, 3), min_size=events, max_size=events)))
    return logp.reshape(events, members), weights / weights.sum(axis=1, keepdims=True), bucket


@given(matrices())
def test_shares(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logp, weights, _ = data
    expected = naive.shares(np.exp(logp), weights)
    shares = member_shares(logp, np.log(weights))
    for row, parts in zip(shares, expected):
        np.testing.assert_allclose(row, np.full(len(row), np.nan) if parts is None else parts, rtol=1e-9, atol=1e-300)
    report = shares_report(shares)
    known = [parts for parts in expected if parts is not None]
    assert report.events == len(known)
    if known:
        np.testing.assert_allclose(report.share, np.mean(known, axis=0), rtol=1e-9)
        assert report.effective == pytest.approx(naive.effective(expected))
        assert report.leads.sum() == pytest.approx(1) and 1 - 1e-9 <= report.effective <= logp.shape[1] + 1e-9


@given(matrices())
def test_overlap(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logp = data[0]
    members = logp.shape[1]
    expected = [[naive.overlap(np.exp(logp), j, k) for k in range(members)] for j in range(members)]
    np.testing.assert_allclose(overlap(logp).matrix, expected, rtol=1e-9, atol=1e-15)


@given(matrices())
def test_weights_by_bucket(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logp, weights, bucket = data
    report = weights_by_bucket(logp, np.log(weights), bucket)
    expected = naive.by_bucket(np.exp(logp), weights, bucket.tolist())
    assert report.buckets.tolist() == sorted(expected)
    for kind, events, weight, share in zip(report.buckets.tolist(), report.events, report.weight, report.share):
        assert events == expected[kind][0]
        np.testing.assert_allclose(weight, expected[kind][1], rtol=1e-9)
        means = expected[kind][2]
        np.testing.assert_allclose(share, np.full(len(share), np.nan) if means is None else means, rtol=1e-9)


def test_nothing_overflows_and_pieces_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    far = np.array([[-1e5, 0.0], [-1e308, -5e307], [-2000.0, -2000.0]])
    np.testing.assert_allclose(overlap(far).matrix, [[1, 1 / 3], [1 / 3, 1]])
    np.testing.assert_allclose(member_shares(far, np.log([0.5, 0.5])), [[0, 1], [0, 1], [0.5, 0.5]])
    logp = np.random.default_rng(1).normal(-5, 3, (1000, 3))
    whole = overlap(logp).matrix
    monkeypatch.setattr(diagnosis, "PIECE_EVENTS", 64)
    np.testing.assert_array_equal(overlap(logp, threads=1).matrix, overlap(logp, threads=2).matrix)
    np.testing.assert_allclose(overlap(logp).matrix, whole, rtol=1e-12)


def test_shares_with_the_best_weights_are_these() -> None:
    logp = np.random.default_rng(2).normal(-5, 2, (500, 3))
    em = fit_em(logp, tolerance=1e-10)
    np.testing.assert_allclose(shares_report(member_shares(logp, np.log(em.weights))).share, em.weights, atol=1e-4)


def test_tables_and_json() -> None:
    logp = np.log([[0.2, 0.2], [0.4, 0.1]])
    names = ["a.arpa", "b.lmx"]
    log_weights = np.log([0.5, 0.5])
    shares, alike = shares_report(member_shares(logp, log_weights)), overlap(logp)
    buckets = weights_by_bucket(logp, log_weights, np.array([1, 3]))
    assert shares.table(names) == (
        ["model", "share", "leads"], [["a.arpa", "0.6500", "1.0000"], ["b.lmx", "0.3500", "0.0000"]],
    )  # fmt: skip
    assert alike.table(names) == (
        ["overlap", "1", "2"], [["1 a.arpa", "1.000", "0.700"], ["2 b.lmx", "0.700", "1.000"]],
    )  # fmt: skip
    header, rows = buckets.table({1: "unigram"})
    assert header == ["bucket", "events", "weight 1", "weight 2", "share 1", "share 2"]
    assert rows == [
        ["unigram", "1", "0.5000", "0.5000", "0.5000", "0.5000"], ["3", "1", "0.5000", "0.5000", "0.8000", "0.2000"],
    ]  # fmt: skip
    described = json.loads(json.dumps(json_ready([shares.as_json(), alike.as_json(), buckets.as_json()])))
    assert described[0]["share"] == pytest.approx([0.65, 0.35]) and described[0]["events"] == 2
    assert described[1][0] == pytest.approx([1, 0.7])
    assert described[2][1]["bucket"] == 3 and described[2][1]["share"] == pytest.approx([0.8, 0.2])


def test_curve_of_em() -> None:
    em = fit_em(np.random.default_rng(3).normal(-5, 2, (200, 3)))
    curve = [{"ppl": float(np.exp(-logp / em.events)), "gap": gap} for logp, gap in em.curve]
    header, rows = curve_table(curve)
    assert header == ["pass", "ppl", "gap"] and len(rows) == min(12, len(em.curve))
    assert rows[0][0] == "1" and rows[-1] == [str(len(em.curve)), f"{em.ppl:.6g}", f"{em.gap:.6g}"]
    assert len(curve_table([{"ppl": 2.0}] * 300)[1]) == 12 and curve_table([]) == (["pass"], [])


def test_no_event_with_probability() -> None:
    logp = np.full((2, 2), -np.inf)
    assert shares_report(member_shares(logp, np.log([0.5, 0.5]))).events == 0
    assert np.isnan(overlap(logp).matrix).all()
    assert np.isnan(weights_by_bucket(logp, np.log([0.5, 0.5]), np.zeros(2, np.int64)).share).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingError, match=r"buckets \(2,\) and log-weights \(3,\) do not fit a matrix \(3, 2\)"):
        weights_by_bucket(np.zeros((3, 2)), np.zeros(3), np.zeros(2, np.int64))
