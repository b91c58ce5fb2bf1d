"""Weights that depend on the history: gates, their features, and the mixtures that they make."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import naive_context
import numpy as np
import pytest
from conformance import check_language_model
from conftest import DEV, LINES
from hypothesis import given
from hypothesis import strategies as st

from lmmix.adaptive.cache import CacheModel
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import FormatError, InputError, SettingError
from lmmix.lm import load
from lmmix.mix.context import ContextMixture
from lmmix.mix.em import fit_em
from lmmix.mix.features import USUAL
from lmmix.mix.fit_context import fit_context, fit_own, fit_sentences
from lmmix.mix.fit_gate import _Goal, fit_gate
from lmmix.mix.gate import CosineMap, Gate, HiddenMap, LandmarkMap
from lmmix.mix.held_out import HeldOut, score_held_out
from lmmix.mix.histories import Historian
from lmmix.mix.linear import LinearMixture
from lmmix.mix.maps import fourier_map, nystroem_map
from lmmix.mix_methods import METHODS, MixSettings
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.context_counts import ContextCounts, load_context_counts
from lmmix.ngram.count_artefact import write_lmc
from lmmix.ngram.counts import count_ngrams
from lmmix.ngram.packing import pack

PLAIN = ("length", "backoff", "likelihood", "average", "position")


@pytest.fixture
def tables(corpus: Corpus, tmp_path: Path) -> list[Path]:
    """Counts of the texts behind two models."""
    paths = []
    for k, lines in enumerate((LINES[:4], LINES[4:])):
        paths.append(tmp_path / f"{k}.lmc")
        write_lmc(count_ngrams(corpus_from_lines(lines, corpus.vocab), 3), corpus.vocab, paths[-1])
    return paths


def random_gate(mixture: ContextMixture, seed: int = 0) -> Gate:
    rng = np.random.default_rng(seed)
    shape = len(mixture.members), len(mixture.features.columns)
    return Gate(rng.normal(0, 1, shape[0]), rng.normal(0, 0.5, shape))


class TestMixture:
    @pytest.mark.parametrize("window", [None, 1, 3])
    def test_conforms(self, models: list[BackoffModel], corpus: Corpus, window: int | None) -> None:
        mixture = ContextMixture(models, None, PLAIN, window)
        mixture.gate = random_gate(mixture)
        check_language_model(mixture, corpus)

    def test_with_counts_conforms(self, models: list[BackoffModel], corpus: Corpus, tables: list[Path]) -> None:
        counted = [load_context_counts(path, corpus.vocab) for path in tables]
        mixture = ContextMixture(models[:2], None, ("counts", "likelihood"), None, counted)
        mixture.gate = random_gate(mixture)
        check_language_model(mixture, corpus)
        state = mixture.advance(mixture.start(3), corpus.ids[:3])[1]
        rows = np.array([2, 0, 2, 1])
        some = mixture.distribution(mixture.take(state, rows))
        np.testing.assert_array_equal(some, mixture.distribution(state)[rows])

    def test_in_a_mixture_conforms(self, models: list[BackoffModel], corpus: Corpus) -> None:
        inner = ContextMixture(models[:2], None, PLAIN)
        inner.gate = random_gate(inner)
        outer = ContextMixture([LinearMixture([inner, models[2]], [0.5, 0.5]), models[0]], None, PLAIN)
        outer.gate = random_gate(outer)
        check_language_model(outer, corpus)

    @pytest.mark.parametrize("kind", ["fourier", "hidden"])
    def test_with_a_map_conforms(self, models: list[BackoffModel], corpus: Corpus, kind: str) -> None:
        mixture = ContextMixture(models, None, PLAIN)
        rng = np.random.default_rng(3)
        make = CosineMap if kind == "fourier" else HiddenMap
        mapping = make(rng.normal(0, 0.3, (len(mixture.features.columns), 5)), rng.normal(0, 1, 5))
        mixture.gate = Gate(np.zeros(3), rng.normal(0, 1, (3, 5)), mapping)
        check_language_model(mixture, corpus)

    def test_threads_reach_the_models(
        self, models: list[BackoffModel], corpus: Corpus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int | None] = []
        found = BackoffModel._found

        def watched(model: BackoffModel, text: Corpus, threads: int | None) -> Any:
            asked.append(threads)
            return found(model, text, threads)

        monkeypatch.setattr(BackoffModel, "_found", watched)
        ContextMixture(models, None, PLAIN).score(corpus, 3)
        assert asked == [3] * 6

    def test_text_in_pieces_is_the_same(
        self, models: list[BackoffModel], held: HeldOut, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mixture = ContextMixture(models, None, PLAIN)
        mixture.gate = random_gate(mixture)
        whole = mixture.combine(held.corpus, held.logp)
        monkeypatch.setattr("lmmix.mix.context.PIECE_EVENTS", 7)
        np.testing.assert_array_equal(mixture.combine(held.corpus, held.logp), whole)

    def test_file_round_trip(
        self, models: list[BackoffModel], corpus: Corpus, tables: list[Path], tmp_path: Path
    ) -> None:
        paths = [tmp_path / "a.lmx", tmp_path / "b.arpa"]
        for model, path in zip(models, paths):
            model.save(path)
        members = [load(path) for path in paths]
        counted = [load_context_counts(path, corpus.vocab) for path in tables]
        mixture = ContextMixture(members, None, ("counts", "length"), 2, counted, paths)
        rng = np.random.default_rng(1)
        mapping = HiddenMap(rng.normal(0, 1, (len(mixture.features.columns), 3)), np.zeros(3))
        mixture.gate = Gate(np.array([0.0, -np.inf]), rng.normal(0, 1, (2, 3)), mapping)
        (tmp_path / "sub").mkdir()
        mixture.save(tmp_path / "sub" / "mix.json")
        again = load(tmp_path / "sub" / "mix.json")
        np.testing.assert_array_equal(again.score(corpus), mixture.score(corpus))
        assert again.signature == mixture.signature
        tables[0].unlink()
        with pytest.raises(InputError, match="0.lmc is not there"):
            load(tmp_path / "sub" / "mix.json")

    def test_signature_names_the_counts(self, models: list[BackoffModel], corpus: Corpus, tables: list[Path]) -> None:
        a, b = (load_context_counts(path, corpus.vocab) for path in tables)
        one, two, again = (ContextMixture(models[:2], None, ("counts",), None, t) for t in ([a, b], [b, a], [a, b]))
        assert one.signature == again.signature != two.signature
        assert ContextMixture(models[:2], None, ("length",), None, [a, b]).tables == []

    def test_counts_in_no_file_cannot_be_saved(
        self, models: list[BackoffModel], corpus: Corpus, tmp_path: Path
    ) -> None:
        models[2].save(tmp_path / "a.lmx")
        table = ContextCounts(count_ngrams(corpus, 2), corpus.vocab)
        mixture = ContextMixture(models[2:], None, ("counts",), None, [table], [tmp_path / "a.lmx"])
        with pytest.raises(SettingError, match="counts that are not in a file cannot be saved with a mixture"):
            mixture.save(tmp_path / "mix.json")
        assert not (tmp_path / "mix.json").exists()

    @pytest.mark.parametrize(
        ("old", "new"),
        [('"bias": [', '"bias": [1, '), ('"kind": "hidden"', '"kind": "deep"'), ('"length"', '"width"'),
         ('"window": 2', '"window": 0'), ('"offset": [', '"offset": [NaN, ')],
    )  # fmt: skip
    def test_damaged_file_is_refused(self, models: list[BackoffModel], tmp_path: Path, old: str, new: str) -> None:
        models[0].save(tmp_path / "a.lmx")
        mixture = ContextMixture([load(tmp_path / "a.lmx")], None, ("length",), 2, (), [tmp_path / "a.lmx"])
        mixture.gate = Gate(np.zeros(1), np.zeros((1, 3)), HiddenMap(np.zeros((2, 3)), np.zeros(3)))
        mixture.save(tmp_path / "mix.json")
        text = " ".join((tmp_path / "mix.json").read_text().split()).replace("[ ", "[")
        assert old in text
        (tmp_path / "mix.json").write_text(text.replace(old, new))
        with pytest.raises(FormatError, match="mix.json"):
            load(tmp_path / "mix.json")


class TestHistories:
    def test_numbers_by_hand(self, models: list[BackoffModel]) -> None:
        text = corpus_from_lines(["the cat zebra", "a"], models[0].vocab)
        logp = np.log([[0.5, 0.25], [0.1, 0.2], [0.3, 0.3], [1e-3, 0.1], [0.2, 0.4], [0.7, 0.7]])
        found = Historian(models[:2], window=2).of_text(text, logp)
        assert found.position.tolist() == [0, 1, 2, 3, 0, 1] and found.span.tolist() == [0, 1, 2, 2, 0, 1]
        expected = np.log([[1, 1], [1, 0.5], [1, 1], [0.5, 1], [1, 1], [0.5, 1]])
        np.testing.assert_allclose(found.recent, expected, atol=1e-12)
        lengths = [[model.context_lengths(s)[0] for model, s in zip(models, states)] for states in folded(models, text)]
        assert found.lengths.tolist() == lengths

    def test_a_zero_probability_is_remembered_but_finite(self, models: list[BackoffModel]) -> None:
        text = corpus_from_lines(["the cat"], models[0].vocab)
        found = Historian(models[:2]).of_text(text, np.array([[-1.0, -np.inf], [-np.inf, -np.inf], [-5.0, -1.0]]))
        assert found.recent.tolist() == [[0, 0], [0, -100], [0, -100]]

    @pytest.mark.parametrize("bits", [None, 5])
    def test_packed_models_know_the_same(self, models: list[BackoffModel], held: HeldOut, bits: int | None) -> None:
        packed: list[Any] = [pack(model, bits) for model in models]
        exact = Historian([model.unpacked() for model in packed]).of_text(held.corpus, held.logp)
        historian = Historian(packed)
        found = historian.of_text(held.corpus, held.logp)
        assert found.backoffs.any() and found.lengths.max() == 2
        memory, states = historian.begin(1), [model.start(1) for model in packed]
        steps = []
        for word, logp in zip(held.corpus.ids, held.logp):
            words = np.array([word], np.int32)
            steps.append(historian.of_states(memory, states))
            memory = historian.remember(memory, words, logp[None])
            states = [model.advance(state, words)[1] for model, state in zip(packed, states)]
        for name in ("lengths", "backoffs"):
            np.testing.assert_array_equal(getattr(found, name), getattr(exact, name))
            np.testing.assert_array_equal([getattr(step, name)[0] for step in steps], getattr(found, name))

    def test_mixtures_of_packed_models_are_those_of_the_exact_ones(self, models: list[BackoffModel]) -> None:
        dev = corpus_from_lines(DEV)
        exact, packed = (score_held_out(members, dev) for members in (models[:2], [pack(m) for m in models[:2]]))
        (one, _), (two, _) = fit_context(exact, ("length",)), fit_context(packed, ("length",))
        assert one.features.columns == two.features.columns
        np.testing.assert_allclose(two.gate.theta, one.gate.theta, atol=1e-3)
        check_language_model(two, exact.corpus, 1e-6)

    def test_only_what_is_wanted_is_looked_up(self, models: list[BackoffModel], held: HeldOut) -> None:
        class Watched:
            """A model that tells what it is asked for."""

            def __init__(self) -> None:
                self.asked: list[Any] = []

            def contexts(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
                self.asked.append(threads)
                return models[0].contexts(corpus, threads)

            def context_lengths(self, state: np.ndarray) -> np.ndarray:
                return models[0].context_lengths(state)

        for kinds, times in ((("likelihood",), 0), (("backoff", "position"), 0), (("length",), 1), (None, 1)):
            member: Any = Watched()
            found = Historian([member], kinds=kinds).of_text(held.corpus, held.logp[:, :1], 3)
            assert member.asked == [3] * times and found.lengths.any() == bool(times)
        recent = [
            Historian(models, kinds=kinds).of_text(held.corpus, held.logp).recent for kinds in (("length",), None)
        ]
        assert not recent[0].any() and recent[1].any()


def folded(models: list[BackoffModel], text: Corpus) -> list[list[np.ndarray]]:
    """The states of two models before each event."""
    out = []
    states = [model.start(1) for model in models[:2]]
    for word in text.ids:
        out.append(states)
        states = [m.advance(s, np.array([word], np.int32))[1] for m, s in zip(models, states)]
    return out


class TestGate:
    @given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 3))
    def test_gradient_equals_finite_differences(self, seed: int, members: int, columns: int) -> None:
        rng = np.random.default_rng(seed)
        logp, features = rng.normal(-5, 2, (20, members)), rng.normal(1, 2, (20, columns))
        goal = _Goal(logp, features, None, 1.0, 1)
        x = rng.normal(0, 1, goal.parameters)
        _, slope = goal.cost(x)
        for i in range(len(x)):
            step = np.zeros(len(x))
            step[i] = 1e-5
            measured = (goal.cost(x + step)[0] - goal.cost(x - step)[0]) / 2e-5
            assert slope[i] == pytest.approx(measured, abs=1e-6)

    @given(st.integers(0, 10**6), st.integers(1, 4))
    def test_gradient_in_the_scale_equals_finite_differences(self, seed: int, members: int) -> None:
        rng = np.random.default_rng(seed)
        logp, features = rng.normal(-5, 2, (20, members)), rng.normal(1, 2, (20, members))
        goal = _Goal(logp, features, rng.normal(size=(members, members)), 1.0, 1, scaled=True)
        x = rng.normal(0, 1, members + 1)
        step = np.append(np.zeros(members), 1e-5)
        measured = (goal.cost(x + step)[0] - goal.cost(x - step)[0]) / 2e-5
        assert goal.cost(x)[1][-1] == pytest.approx(measured, abs=1e-6)

    def test_likelihood_equals_naive(self) -> None:
        rng = np.random.default_rng(0)
        logp, features = rng.normal(-5, 2, (50, 3)), rng.normal(1, 2, (50, 2))
        fit = fit_gate(logp, features)
        naive = naive_context.gate_logp(np.exp(logp), features, fit.gate.bias, fit.gate.theta)
        assert fit.logp == pytest.approx(naive, rel=1e-9)
        weights = np.exp(fit.gate.log_weights(features))
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)

    @given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 4), st.sampled_from([0.1, 3.0, 30.0]))
    def test_never_below_the_best_fixed_weights(self, seed: int, events: int, members: int, spread: float) -> None:
        rng = np.random.default_rng(seed)
        logp = rng.normal(-5, spread, (events, members))
        fit = fit_gate(logp, rng.normal(0, 1, (events, 2)))
        assert fit.logp >= fit_em(logp).logp - 1e-9 * events

    def test_without_features_it_is_em(self, held: HeldOut) -> None:
        fit = fit_gate(held.rows, np.zeros((held.events, 0)))
        np.testing.assert_allclose(np.exp(fit.gate.log_weights(np.zeros((1, 0)))[0]), fit.em.weights, atol=2e-3)
        assert fit.logp == pytest.approx(fit.em.logp, abs=1e-4)

    def test_what_a_feature_tells_is_learned(self) -> None:
        rng = np.random.default_rng(1)
        which = rng.integers(0, 2, 2000)
        logp = np.log(np.where(which[:, None] == [0, 1], 0.5, 0.01))
        fit = fit_gate(logp, which[:, None].astype(float))
        assert fit.ppl < 2.05 < 3 < fit.em.ppl

    def test_threads_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lmmix.mix.fit_gate.PIECE_EVENTS", 100)
        rng = np.random.default_rng(2)
        logp, features = rng.normal(-5, 1, (1234, 3)), rng.normal(0, 1, (1234, 4))
        one, two = (fit_gate(logp, features, threads=threads) for threads in (1, 2))
        np.testing.assert_array_equal(one.gate.theta, two.gate.theta)

    @pytest.mark.parametrize(
        ("bias", "theta", "message"),
        [([0.0], np.zeros((1, 4)), "does not fit 3 members and 4 columns"),
         ([0.0] * 3, np.zeros((3, 5)), "does not fit 3 members"),
         ([0.0] * 3, np.full((3, 4), np.inf), "theta of a gate"),
         ([-np.inf] * 3, np.zeros((3, 4)), "bias is .* not −inf alone"), ([0, 0, np.nan], np.zeros((3, 4)), "bias is"),
         ([0, 0, np.inf], np.zeros((3, 4)), "bias is"), ([0.0] * 3, np.full((3, 4), 1e300), "beyond ±1e")],
    )  # fmt: skip
    def test_gates_that_do_not_fit(
        self, models: list[BackoffModel], bias: list[float], theta: np.ndarray, message: str
    ) -> None:
        with pytest.raises(SettingError, match=message):
            ContextMixture(models, Gate(np.array(bias, float), theta), ("likelihood", "position"))

    def test_maps_that_do_not_fit(self, models: list[BackoffModel]) -> None:
        gate = Gate(np.zeros(3), np.zeros((3, 2)), HiddenMap(np.zeros((7, 2)), np.zeros(2)))
        with pytest.raises(SettingError, match="made for 7 features; there are 4"):
            ContextMixture(models, gate, ("likelihood", "position"))
        two = np.zeros(2)
        for weights, offset in ((np.zeros(2), two), (np.zeros((3, 0)), np.zeros(0)), (np.zeros((2, 3)), two)):
            for make in (HiddenMap, CosineMap):
                with pytest.raises(SettingError, match="a map of features has weights"):
                    make(weights, offset)
        with pytest.raises(SettingError, match="weights of a gate .* beyond"):
            CosineMap(np.full((1, 2), 1e308), two)
        good = {"scale": two, "landmarks": np.zeros((3, 2)), "normalisation": np.eye(3), "gamma": np.array(0.5)}
        assert LandmarkMap(**good).shape == (2, 3)
        for name, array in (
            ("normalisation", two),
            ("gamma", np.eye(2)),
            ("gamma", np.array(-1.0)),
            ("scale", np.ones(3)),
        ):
            with pytest.raises(SettingError, match="do not go with scale"):
                LandmarkMap(**{**good, name: array})

    @pytest.mark.parametrize("window", [0, 10**30])
    def test_windows_that_cannot_be(self, models: list[BackoffModel], window: int) -> None:
        with pytest.raises(SettingError, match=f"window is {window}; it must be from 1 to 1000000 events"):
            ContextMixture(models, None, ("likelihood",), window)

    @pytest.mark.parametrize("prior", [0.0, -1.0, np.nan, 1e-200])
    def test_bad_prior(self, prior: float) -> None:
        with pytest.raises(SettingError, match="prior is"):
            fit_gate(np.zeros((2, 2)), np.zeros((2, 1)), prior=prior)

    @pytest.mark.parametrize("prior", [1e-6, 1e200, np.inf])
    def test_extreme_priors(self, prior: float) -> None:
        rng = np.random.default_rng(0)
        logp = rng.normal(-5, 2, (50, 2))
        fit = fit_gate(logp, rng.normal(0, 1, (50, 2)), prior=prior)
        assert np.isfinite(fit.gate.theta).all() and fit.logp >= fit_em(logp).logp - 1e-7

    @pytest.mark.parametrize("make", [fourier_map, nystroem_map])
    def test_kernel_maps_that_cannot_be(self, make: Callable[..., object]) -> None:
        for size in (0, -1):
            with pytest.raises(SettingError, match=f"units is {size}"):
                make(np.ones((3, 2)), size)
        with pytest.raises(SettingError, match="seed is -1"):
            make(np.ones((3, 2)), seed=-1)
        with pytest.raises(SettingError, match="no feature"):
            make(np.zeros((3, 0)))

    def test_hidden_layer_that_cannot_be(self) -> None:
        pytest.importorskip("torch")
        from lmmix.neural.gate import hidden_layer

        with pytest.raises(SettingError, match="units is 0"):
            hidden_layer(np.ones((3, 2)), np.zeros((3, 2)), 0)
        with pytest.raises(SettingError, match="seed is -1"):
            hidden_layer(np.ones((3, 2)), np.zeros((3, 2)), seed=-1)
        with pytest.raises(SettingError, match="no feature"):
            hidden_layer(np.zeros((3, 0)), np.zeros((3, 2)))

    def test_features_that_are_not_finite(self) -> None:
        with pytest.raises(SettingError, match="must be finite"):
            fit_gate(np.zeros((2, 2)), np.full((2, 1), np.nan))


class TestMethods:
    @pytest.mark.parametrize("kinds", [("length",), ("backoff",), PLAIN])
    def test_context_is_at_least_em(self, held: HeldOut, kinds: tuple[str, ...]) -> None:
        mixture, fit = fit_context(held, kinds)
        assert fit.logp >= fit.em.logp
        assert held.mean_logp(mixture) * held.events == pytest.approx(fit.logp, rel=1e-9)

    @pytest.mark.parametrize(("window", "scale"), [(1, 1.0), (2, 0.5), (None, 1.0)])
    def test_bayes_equals_naive(self, held: HeldOut, window: int | None, scale: float) -> None:
        mixture, fit = fit_own(held, "likelihood", scale=scale, window=window)
        naive = naive_context.bayes(held.corpus, np.exp(held.logp), np.exp(fit.gate.bias), window, scale)
        np.testing.assert_allclose(mixture.combine(held.corpus, held.logp), np.log(naive), rtol=1e-9)

    def test_best_scale_of_bayes_is_at_least_em(self, held: HeldOut) -> None:
        _, fit = fit_own(held, "likelihood", scale=None, window=2)
        assert fit.logp >= fit.em.logp - 1e-5 * held.events

    def test_no_scale_of_bayes_is_better(self, held: HeldOut) -> None:
        best = fit_own(held, "likelihood", scale=None, window=1)[1]
        for scale in (0.0, 0.1, 0.3, 0.6, 1.0, 1.5):
            assert fit_own(held, "likelihood", scale=scale, window=1)[1].logp <= best.logp + 1e-6 * held.events

    def test_counts_equal_naive(self, models: list[BackoffModel], corpus: Corpus, tables: list[Path]) -> None:
        held = score_held_out(models[:2], corpus_from_lines(DEV))
        mixture, fit = fit_own(held, "counts", tables=[load_context_counts(path, corpus.vocab) for path in tables])
        known = held.corpus
        seen = [seen_histories(corpus_from_lines(lines, corpus.vocab)) for lines in (LINES[:4], LINES[4:])]
        histories = [[1, *known.ids[lo:t].tolist()] for lo, hi in naive_context.sentences(known) for t in range(lo, hi)]
        counts = [[counts_by_length(table, h) for table in seen] for h in histories]
        naive = naive_context.merged_counts(counts, np.exp(fit.gate.bias), np.exp(held.logp))
        np.testing.assert_allclose(mixture.combine(known, held.logp), np.log(naive), rtol=1e-9)

    def test_sentence_mixture_adds_probabilities_of_sentences(self, held: HeldOut) -> None:
        mixture, em = fit_sentences(held)
        logp = mixture.combine(held.corpus, held.logp)
        for lo, hi in naive_context.sentences(held.corpus):
            whole = np.exp(held.logp[lo:hi].sum(axis=0)) @ em.weights
            assert logp[lo:hi].sum() == pytest.approx(np.log(whole), rel=1e-9)
        check_language_model(mixture, held.corpus)

    def test_sentence_mixture_with_words_that_a_member_does_not_know(self, models: list[BackoffModel]) -> None:
        text = corpus_from_lines(["the cat", "a mat"], models[0].vocab)
        with np.errstate(divide="ignore"):
            logp = np.log([[0.5, 0.1], [0, 0.2], [0.9, 0.1], [0.2, 0.2], [0.3, 0.1], [0.9, 0.8]])
        mixture, em = fit_sentences(HeldOut(list(models[:2]), None, ["a", "b"], text, logp, np.arange(6)))
        found = np.add.reduceat(mixture.combine(text, logp), text.offsets[:-1])
        expected = np.log([0.1 * 0.2 * 0.1 * em.weights[1], [0.054, 0.016] @ em.weights])
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    def test_unknown_feature(self, held: HeldOut) -> None:
        with pytest.raises(SettingError, match="no feature is called 'colour'; there are length"):
            fit_context(held, ("colour",))
        with pytest.raises(SettingError, match="it must be counts or likelihood"):
            fit_own(held, "length")

    @pytest.mark.parametrize("kind", ["length", "backoff"])
    def test_features_of_contexts_that_no_model_has(self, corpus: Corpus, kind: str) -> None:
        held = score_held_out([CacheModel(corpus.vocab, 1), CacheModel(corpus.vocab, 2)], corpus)
        with pytest.raises(SettingError, match=f"the feature '{kind}' says nothing of any of these models; n-gram"):
            fit_context(held, (kind, "likelihood"))
        assert fit_context(held, USUAL)[0].features.kinds == ("likelihood", "average")
        table = METHODS["auto"](held, MixSettings())[1]["cross_validation"]
        assert [row["method"] for row in table] == ["em", "bayes", "context"]

    def test_n_gram_models_without_contexts_are_named_once(
        self, models: list[BackoffModel], corpus: Corpus, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Closed(CacheModel):
            """A model that knows words without context, but tells nothing of contexts."""

            def unigram(self) -> np.ndarray:
                raise AssertionError

        members = [models[0], Closed(corpus.vocab, 2), CacheModel(corpus.vocab, 2)]
        with caplog.at_level(logging.WARNING, "lmmix"):
            for _ in range(2):
                ContextMixture(members, None, ("length",), paths=["a.lmx", "closed.bin", "c"])
        assert [record.getMessage() for record in caplog.records] == [
            "closed.bin: no contexts are known, so the feature 'length' says nothing there; read the ARPA file"
        ]

    def test_counts_need_a_file_for_each_model(self, held: HeldOut) -> None:
        with pytest.raises(SettingError, match="'counts' needs a count file for each of 3 models"):
            fit_own(held, "counts")

    def test_window_below_one(self, held: HeldOut) -> None:
        with pytest.raises(SettingError, match="window is 0"):
            fit_context(held, window=0)


def counts_by_length(table: dict[tuple[int, ...], int], history: list[int]) -> dict[int, int]:
    """The counts of the last words of a history, by how many they are, as far as they were seen."""
    ends = {n: tuple(history[len(history) - n :]) for n in range(3) if n <= len(history)}
    return {n: table[end] for n, end in ends.items() if end in table}


def seen_histories(text: Corpus) -> dict[tuple[int, ...], int]:
    """How often each history of up to two words, `<s>` included, was followed by an event."""
    seen: dict[tuple[int, ...], int] = {}
    for lo, hi in naive_context.sentences(text):
        for t in range(lo, hi):
            history = [1, *text.ids[lo:t].tolist()]
            for n in range(min(2, len(history)) + 1):
                key = tuple(history[len(history) - n :])
                seen[key] = seen.get(key, 0) + 1
    return seen
