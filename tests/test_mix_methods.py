"""All ways to find a mixture, by name; choosing among them; kernel and neural gates; the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conformance import check_language_model
from conftest import DEV, LINES, Run

from lmmix.cli import mix
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import InputError, MissingDependencyError, SettingError
from lmmix.lm import load
from lmmix.mix import maps
from lmmix.mix.auto import _choice, choose
from lmmix.mix.fit_gate import PRIOR
from lmmix.mix.gate import HiddenMap
from lmmix.mix.held_out import HeldOut, score_held_out
from lmmix.mix.linear import LinearMixture
from lmmix.mix_methods import METHODS, MixSettings
from lmmix.mix_report import mix_report
from lmmix.mixing import fit_mixture
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram


def needs(method: str) -> None:
    if method in ("fourier", "nystroem"):
        pytest.importorskip("sklearn")
    if method == "network":
        pytest.importorskip("torch")


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("counts", "divergence")])
def test_every_way_gives_a_language_model(method: str, models: list[BackoffModel], corpus: Corpus) -> None:
    needs(method)
    settings = MixSettings(units=5, target=models[0] if method == "regression" else None)
    fit = fit_mixture(models, corpus_from_lines(DEV), method=method, settings=settings)
    assert fit.method == method and 1 < fit.ppl < np.inf
    check_language_model(fit.mixture, corpus)


@pytest.mark.parametrize(
    "method", ["newton", "lbfgs", "buckets", "context", "fourier", "nystroem", "network", "online"]
)
def test_what_contains_em_is_as_good_on_the_tuning_text(method: str, models: list[BackoffModel]) -> None:
    needs(method)
    dev = corpus_from_lines(DEV)
    em = fit_mixture(models, dev, settings=MixSettings(tolerance=1e-9))
    assert fit_mixture(models, dev, method=method, settings=MixSettings(units=5)).ppl <= em.ppl * (1 + 2e-6)


def test_divergence_goes_towards_the_target(models: list[BackoffModel]) -> None:
    dev = corpus_from_lines(DEV)
    fit = fit_mixture(models, dev, method="divergence", settings=MixSettings(target=models[1]))
    assert fit.facts["weights"][1] == pytest.approx(1, abs=1e-2) and fit.facts["divergence"] < 1e-4
    with pytest.raises(SettingError, match="needs a target model"):
        fit_mixture(models, dev, method="divergence")


def test_unknown_method(models: list[BackoffModel]) -> None:
    with pytest.raises(SettingError, match="no way of mixing is called 'magic'; there are em"):
        fit_mixture(models, corpus_from_lines(DEV), method="magic")


def test_loglinear_counts_only_events_that_all_models_know(corpus: Corpus, models: list[BackoffModel]) -> None:
    closed = train_ngram(corpus, 2)
    closed.logp[1] = -np.inf
    fit = fit_mixture([models[0], closed], corpus_from_lines(DEV), method="loglinear")
    assert np.isfinite(fit.ppl) and fit.skipped == 3


def test_a_sentence_that_no_model_allows_is_named(corpus: Corpus) -> None:
    """Each event has a probability somewhere, but no model gives one to all of them."""
    without = [train_ngram(corpus, 1), train_ngram(corpus, 1)]
    for model, word in zip(without, ("mat", "cat")):
        model.logp[1 + corpus.vocab.id(word)] = -np.inf
    with pytest.raises(InputError, match="the sentence in line 2 of the held-out text"):
        fit_mixture(without, corpus_from_lines(["the dog", "the mat cat"]), method="sentence")


class TestAuto:
    def test_simple_unless_another_is_surely_better(self) -> None:
        rng = np.random.default_rng(0)
        first = rng.normal(-20, 5, 400)
        events = np.full(400, 10)
        noise = rng.normal(0.005, 1, 400)
        one = {"em": 1, "other": 1, "third": 400}
        assert _choice({"em": first, "other": first + noise}, events, one).name == "em"
        choice = _choice({"em": first, "other": first + noise, "third": first + 1 + noise}, events, one)
        assert choice.name == "third"
        row = choice.table[2]
        gain = (1 + noise).sum() / 4000
        assert row["gain"] == pytest.approx(gain) and row["error"] == pytest.approx(noise.std() * 20 / 4000)
        assert row["ppl"] == pytest.approx(np.exp(-(first + 1 + noise).sum() / 4000))

    def test_of_many_ways_that_are_no_better_none_is_chosen(self) -> None:
        rng = np.random.default_rng(3)
        wrong = 0
        for sentences in np.repeat([20, 100], 100):
            first = rng.normal(-40, 10, sentences)
            ways = {"em": first} | {name: first + rng.standard_t(3, sentences) for name in "abcd"}
            wrong += _choice(ways, np.full(sentences, 10), dict.fromkeys(ways, 3)).name != "em"
        assert wrong <= 4

    def test_few_sentences_do_not_choose_a_way_with_many_numbers(self, held: HeldOut) -> None:
        first = np.zeros(20)
        sums, events = {"em": first, "few": first + 0.5, "many": first + 1}, np.full(20, 10)
        assert _choice(sums, events, {"em": 3, "few": 4, "many": 20}).name == "many"
        assert _choice(sums, events, {"em": 3, "few": 4, "many": 21}).name == "few"
        numbers = {row["method"]: row["numbers"] for row in METHODS["auto"](held, MixSettings())[1]["cross_validation"]}
        # Weights, a scale a model, or so much for each of at most 2 + 1 + 0 lengths of contexts, and 8 columns more.
        assert numbers["em"] == 3 and numbers["bayes"] == 6 and 6 < numbers["buckets"] <= 12
        assert 12 < numbers["context"] <= 36

    def test_default_prior_is_that_of_gates(self) -> None:
        prior = next(option for option in mix.command.params if option.name == "prior")
        assert MixSettings().prior == PRIOR == prior.default

    def test_a_way_is_measured_on_what_it_was_not_fitted_to(self, held: HeldOut) -> None:
        seen: list[np.ndarray] = []

        def fit(part: HeldOut) -> LinearMixture:
            seen.append(part.corpus.ids)
            return LinearMixture(part.members, [0.2, 0.3, 0.5])

        choice = choose({"one": fit}, held, folds=4)
        whole = np.exp(-LinearMixture(held.members, [0.2, 0.3, 0.5]).combine(held.corpus, held.logp).mean())
        assert choice.table[0]["ppl"] == pytest.approx(whole, rel=1e-12)
        assert sum(map(len, seen)) == 3 * len(held.corpus.ids)

    def test_one_sentence_is_too_little_to_choose(self, models: list[BackoffModel]) -> None:
        fit = fit_mixture(models, corpus_from_lines(["the cat sat"]), method="auto")
        assert fit.facts["chosen"] == "em"

    def test_part_of_a_text(self, held: HeldOut) -> None:
        chosen = np.arange(held.corpus.n_sentences) % 2 == 0
        part = held.part(chosen)
        again = score_held_out(held.members, corpus_from_lines(DEV[::2]))
        np.testing.assert_array_equal(part.corpus.ids, again.corpus.ids)
        np.testing.assert_array_equal(part.corpus.oov_at, again.corpus.oov_at)
        np.testing.assert_array_equal(part.logp, again.logp)
        np.testing.assert_array_equal(part.kept, again.kept)


class TestMaps:
    def test_equal_those_of_scikit_learn(self) -> None:
        approximation = pytest.importorskip("sklearn.kernel_approximation")
        features = np.random.default_rng(0).normal(0, [1, 2, 3], (200, 3))
        scaled = features / features.std(axis=0)
        sampler = approximation.RBFSampler(gamma=0.5, n_components=50, random_state=3).fit(scaled)
        ours = maps.fourier_map(features, 50, gamma=0.5, seed=3)
        np.testing.assert_allclose(ours(features), sampler.transform(scaled), rtol=1e-9, atol=1e-12)
        nystroem = approximation.Nystroem(gamma=0.5, n_components=20, random_state=3).fit(scaled)
        found = maps.nystroem_map(features, 20, gamma=0.5, seed=3)
        np.testing.assert_allclose(found(features), nystroem.transform(scaled), rtol=1e-6, atol=1e-9)

    def test_kernel_is_approximated(self) -> None:
        pytest.importorskip("sklearn")
        features = np.random.default_rng(1).normal(0, 1, (30, 2))
        scaled = features / features.std(axis=0)
        kernel = np.exp(-0.5 * ((scaled[:, None] - scaled[None]) ** 2).sum(axis=2))
        mapped = maps.fourier_map(features, 20_000, gamma=0.5)(features)
        np.testing.assert_allclose(mapped @ mapped.T, kernel, atol=0.05)
        landmarks = maps.nystroem_map(features, 30, gamma=0.5)(features)
        np.testing.assert_allclose(landmarks @ landmarks.T, kernel, atol=1e-6)

    def test_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'lmmix\[kernel\]'"):
            maps.fourier_map(np.zeros((2, 2)))

    def test_network_learns_what_no_linear_gate_can(self) -> None:
        pytest.importorskip("torch")
        from lmmix.mix.fit_gate import fit_gate
        from lmmix.neural.gate import hidden_layer

        bits = np.random.default_rng(0).integers(0, 2, (1000, 2))
        best = bits[:, 0] ^ bits[:, 1]
        logp = np.log(np.where(best[:, None] == [0, 1], 0.5, 0.01))
        features = bits.astype(float)
        layer = HiddenMap(*hidden_layer(features, logp, units=8, decay=1e-5))
        assert fit_gate(logp, features).ppl > 3 > 2.2 > fit_gate(logp, features, mapping=layer).ppl
        again = HiddenMap(*hidden_layer(features, logp, units=8, decay=1e-5))
        np.testing.assert_array_equal(layer.weights, again.weights)


class TestReport:
    def test_of_a_linear_mixture(self, models: list[BackoffModel]) -> None:
        fit = fit_mixture(models, corpus_from_lines(DEV))
        seen = mix_report(fit)
        assert seen.shares is not None and seen.contexts is not None
        np.testing.assert_allclose(seen.shares.share, fit.facts["weights"], atol=1e-4)
        np.testing.assert_allclose(seen.contexts.weight, np.tile(fit.facts["weights"], (2, 1)))
        assert seen.contexts.buckets.tolist() == [1, 2] and seen.contexts.events.sum() == fit.events
        json.dumps(seen.as_json())

    def test_of_a_loglinear_mixture(self, models: list[BackoffModel]) -> None:
        seen = mix_report(fit_mixture(models, corpus_from_lines(DEV), method="loglinear"))
        assert seen.shares is None and seen.overlap.matrix.shape == (3, 3)


class TestCommand:
    @pytest.fixture
    def trained(self, folder: Path, run: Run) -> Path:
        (folder / "a.txt").write_text("\n".join(LINES[:4]) + "\n")
        (folder / "b.txt").write_text("\n".join(LINES[4:]) + "\n")
        (folder / "dev.txt").write_text("\n".join(DEV) + "\n")
        commands = [["vocab", "train.txt", "-o", "words.txt"]]
        for name in "ab":
            for verb, suffix in (("ngram", "lmx"), ("count", "lmc")):
                commands.append([verb, f"{name}.txt", "--vocab", "words.txt", "--order", "3", "-o", f"{name}.{suffix}"])
        for command in commands:
            assert run(*command)[0] == 0, command
        return folder

    @pytest.mark.parametrize("method", ["em", "counts", "bayes", "context", "sentence", "loglinear", "online", "auto"])
    def test_writes_a_mixture_that_says_what_it_is(self, trained: Path, run: Run, method: str) -> None:
        counts = ["--counts", "a.lmc", "--counts", "b.lmc"]
        command = ["mix", "a.lmx", "b.lmx", "--dev", "dev.txt", "--method", method, "-o", "mix.json", "--json", *counts]
        status, out, err = run(*command)
        assert status == 0, err
        report = json.loads(out)
        assert report["method"] == method and {"models", "member_ppl", "ppl", "events", "overlap"} <= report.keys()
        status, out, _ = run("ppl", "mix.json", "dev.txt", "--json")
        assert status == 0 and json.loads(out)["ppl"] == pytest.approx(report["ppl"], rel=1e-9)
        assert run("info", "mix.json")[0] == 0
        assert run("ppl", "mix.json", "dev.txt", "--tokens")[0] == 0

    def test_shows_shares_overlap_and_contexts(self, trained: Path, run: Run) -> None:
        status, out, _ = run("mix", "a.lmx", "b.lmx", "--cache", "60", "--dev", "dev.txt", "-o", "mix.json", "--show")
        assert status == 0
        for word in ("cache", "overlap", "leads", "bucket", "pass"):
            assert word in out
        assert run("ppl", "mix.json", "dev.txt")[0] == 0
        stored = json.loads((trained / "mix.json").read_text())
        assert stored["members"][2]["description"]["half_life"] == 60 and stored["tuning"]["shares"]

    def test_selection_drops_what_gains_nothing(self, trained: Path, run: Run) -> None:
        command = ["mix", "a.lmx", "b.lmx", "a.lmx", "--dev", "dev.txt", "-o", "mix.json"]
        status, out, _ = run(*command, "--min-gain", "0.01")
        assert status == 0 and "dropped in step 1" in out
        assert len(json.loads((trained / "mix.json").read_text())["members"]) == 2
        assert run(*command, "--max-members", "1", "--method", "context")[0] == 0

    def test_counts_go_with_the_models_that_are_kept(self, trained: Path, run: Run) -> None:
        models, counts = ["a.lmx", "b.lmx", "a.lmx"], ["a.lmc", "b.lmc", "a.lmc"]
        options = [word for table in counts for word in ("--counts", table)]
        command = ["mix", *models, *options, "--dev", "dev.txt", "-o", "mix.json", "--method", "counts"]
        assert run(*command, "--min-gain", "0.01")[0] == 0
        tables = json.loads((trained / "mix.json").read_text())["parameters"]["counts"]
        assert sorted(entry["path"] for entry in tables) == ["a.lmc", "b.lmc"]

    def test_members_of_a_mixture_are_not_overwritten(self, trained: Path, run: Run) -> None:
        assert run("mix", "a.lmx", "b.lmx", "--dev", "dev.txt", "-o", "mix.json")[0] == 0
        status, _, err = run("mix", "mix.json", "b.lmx", "--dev", "dev.txt", "-o", "a.lmx")
        assert status == 1 and "a.lmx is an input of this command" in err

    def test_choices_and_defaults_are_those_of_the_library(self) -> None:
        from lmmix.adaptive.cache import HALF_LIFE
        from lmmix.cli import mix as cli
        from lmmix.mix.union import SPREADS

        assert tuple(METHODS) == cli.METHODS and cli.SPREADS == SPREADS and cli.HALF_LIFE == HALF_LIFE
        defaults = {option.name: option.default for option in cli.command.params}
        settings = MixSettings()
        for name in ("tolerance", "dirichlet", "prior", "units", "seed"):
            assert defaults[name] == getattr(settings, name)

    def test_different_vocabularies(self, trained: Path, run: Run) -> None:
        (trained / "c.txt").write_text("the zebra sat on the tree\nthe mat\n")
        for name in "ac":
            run("ngram", f"{name}.txt", "--order", "2", "-o", f"own_{name}.lmx")
        command = ["mix", "own_a.lmx", "own_c.lmx", "--dev", "dev.txt", "-o", "mix.json"]
        status, _, err = run(*command)
        assert status == 1 and "--spread" in err
        for spread in ("uniform", "unigram", "chars"):
            assert run(*command, "--spread", spread, "--cache")[0] == 0
            model = load("mix.json")
            assert model.distribution(model.start(1)).sum() == pytest.approx(1, abs=1e-9)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--method", "counts"], "'counts' needs a count file for each of 2 models"),
            (["--counts", "a.lmc"], "1 files of counts for 2 members"),
            (["--method", "context", "--features", "colour"], "no feature is called 'colour'"),
            (["--method", "context", "--window", "0"], "window is 0"),
            (["--method", "context", "--prior", "nan"], "prior is nan"),
            (["--method", "divergence"], "needs a target model"),
            (["--method", "bayes", "--scale", "nan"], "scale is nan"),
            (["--method", "bayes", "--scale", "-1"], "scale is -1"),
            (["--cache", "--counts", "a.lmc", "--counts", "b.lmc"], "2 files of counts for 3 members"),
            (["--cache=0"], "the half life of a cache is 0.0"),
            (["--dirichlet", "0.5"], "prior"),
            (["--min-gain", "-1"], "min_gain is -1"),
            (["--counts", "a.lmx", "--counts", "b.lmc"], "a.lmx"),
            (["--target", "none.lmx"], "none.lmx"),
        ],
    )
    def test_mistakes_are_one_line(self, trained: Path, run: Run, arguments: list[str], message: str) -> None:
        status, _, err = run("mix", "a.lmx", "b.lmx", "--dev", "dev.txt", "-o", "mix.json", *arguments)
        errors = [line for line in err.splitlines() if "warning" not in line]
        assert status == 1 and len(errors) == 1 and message in errors[0], err
        assert not (trained / "mix.json").exists()
