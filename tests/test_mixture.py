"""The mixture is a language model; its file names its members; what cannot be mixed is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, FormatError, InputError, LmmixError, SettingError
from lmmix.lm import load
from lmmix.mix.linear import LinearMixture
from lmmix.mixing import fit_mixture
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.vocab import Vocab

DEV = ["the dog sat on the mat", "a cat and a dog sat", "the cat", "zebra on the mat"]


def models(corpus: Corpus) -> list[BackoffModel]:
    """Three models over the words of `corpus`, trained on different parts of its sentences."""
    parts = [corpus_from_lines(LINES[:4], corpus.vocab), corpus_from_lines(LINES[4:], corpus.vocab), corpus]
    return [train_ngram(part, order) for part, order in zip(parts, (3, 2, 1))]


@pytest.fixture
def saved(corpus: Corpus, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.arpa", tmp_path / "b.lmx", tmp_path / "c.arpa.gz"]
    for model, path in zip(models(corpus), paths):
        model.save(path)
    return paths


def test_mixture_conforms(corpus: Corpus) -> None:
    check_language_model(LinearMixture(models(corpus), [0.5, 0.3, 0.2]), corpus)


def test_mixture_of_mixtures_conforms(corpus: Corpus) -> None:
    a, b, c = models(corpus)
    check_language_model(LinearMixture([LinearMixture([a, b], [0.25, 0.75]), c], [0.9, 0.1]), corpus)


def test_members_may_number_their_words_differently(corpus: Corpus) -> None:
    other = Vocab.from_words(reversed(corpus.vocab.words))
    model = train_ngram(corpus_from_lines(LINES, other), 2)
    mixture = LinearMixture([models(corpus)[0], model], [0.4, 0.6])
    check_language_model(mixture, corpus)
    expected = np.log(0.4 * np.exp(mixture.members[0].score(corpus)) + 0.6 * np.exp(model.score(corpus)))
    np.testing.assert_allclose(mixture.score(corpus), expected, rtol=1e-12)


def test_score_is_the_logarithm_of_the_weighted_sum(corpus: Corpus) -> None:
    mixture = LinearMixture(models(corpus), [0.5, 0.5, 0.0])
    p = np.exp(mixture.score_members(corpus))
    np.testing.assert_allclose(mixture.score(corpus), np.log(p @ mixture.weights), rtol=1e-12)
    np.testing.assert_allclose(mixture.shares(corpus, np.log(p)).sum(axis=1), 1, rtol=1e-12)


def test_fitted_mixture_is_at_least_as_good_as_its_best_member(corpus: Corpus) -> None:
    fit = fit_mixture(models(corpus), corpus_from_lines(DEV))
    assert fit.ppl <= min(fit.member_ppl) * (1 + 1e-6)
    logp = fit.mixture.score(corpus_from_lines(DEV))
    assert np.exp(-logp.mean()) == pytest.approx(fit.ppl, rel=1e-12)


def test_oovs_that_no_model_knows_are_left_out_and_counted(corpus: Corpus) -> None:
    closed = [train_ngram(corpus, 2), train_ngram(corpus, 3)]
    for model in closed:
        model.logp[1] = -np.inf
    fit = fit_mixture(closed, corpus_from_lines(["the zebra sat"]))
    assert fit.skipped == 1 and fit.events == 3


def test_word_without_probability_is_named(corpus: Corpus) -> None:
    model = train_ngram(corpus, 1)
    model.logp[1 + corpus.vocab.id("mat")] = -np.inf
    with pytest.raises(InputError, match="'mat' in line 2"):
        fit_mixture([model, model], corpus_from_lines(["the cat", "the mat"]))


def test_file_round_trip_from_another_folder(
    saved: list[Path], corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [load(path) for path in saved]
    mixture = LinearMixture(members, [0.2, 0.3, 0.5], saved)
    (tmp_path / "sub").mkdir()
    mixture.save(tmp_path / "sub" / "mix.json")
    monkeypatch.chdir(tmp_path / "sub")
    again = load("mix.json")
    np.testing.assert_array_equal(again.score(corpus), mixture.score(corpus))
    assert again.signature == mixture.signature
    described = json.loads((tmp_path / "sub" / "mix.json").read_text())
    assert [member["path"] for member in described["members"]] == ["../a.arpa", "../b.lmx", "../c.arpa.gz"]


def test_changed_or_missing_member_is_refused(saved: list[Path], tmp_path: Path) -> None:
    LinearMixture([load(path) for path in saved], [0.2, 0.3, 0.5], saved).save(tmp_path / "mix.json")
    saved[0].write_text(saved[0].read_text().replace("-0.", "-1.", 1))
    with pytest.raises(FormatError, match="a.arpa has changed"):
        load(tmp_path / "mix.json")
    saved[0].unlink()
    with pytest.raises(InputError, match="a.arpa is not there"):
        load(tmp_path / "mix.json")


def test_different_vocabularies_are_refused_with_the_remedy(corpus: Corpus) -> None:
    other = train_ngram(corpus_from_lines(["the cat sat on a chair"]), 2)
    with pytest.raises(EventSpaceError, match=r"different vocabularies .* train both with one --vocab"):
        LinearMixture([train_ngram(corpus, 2), other], [0.5, 0.5])


def test_different_tokenisers_are_refused(corpus: Corpus) -> None:
    letters = train_ngram(corpus_from_lines(["abc"], tokenizer="chars"), 2)
    with pytest.raises(EventSpaceError):
        LinearMixture([train_ngram(corpus, 2), letters], [0.5, 0.5])


@pytest.mark.parametrize("weights", [[0.5], [0.5, 0.6], [-0.5, 1.5], [np.nan, 1.0]])
def test_weights_off_the_simplex_are_refused(corpus: Corpus, weights: list[float]) -> None:
    with pytest.raises(SettingError, match="weights"):
        LinearMixture(models(corpus)[:2], weights)


def test_another_number_of_files_is_refused(corpus: Corpus) -> None:
    other = train_ngram(corpus_from_lines(["the cat sat on a chair"]), 2)
    with pytest.raises(SettingError, match="1 files for 2 models"):
        LinearMixture([train_ngram(corpus, 2), other], [0.5, 0.5], ["a.arpa"])


def test_mixture_without_files_cannot_be_saved(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="have files"):
        LinearMixture(models(corpus), [0.5, 0.3, 0.2]).save(tmp_path / "mix.json")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"kind": "mixture"}', '{"kind": "mixture", "version": 9, "members": []}',
     '{"kind": "mixture", "version": 1, "members": [{"path": 1}]}', '{"kind": "mixture", "version": 1, "members": []}'],
)  # fmt: skip
def test_broken_mixture_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "mix.json").write_text(content)
    with pytest.raises(LmmixError, match=r"mix.json|at least one model|not an ARPA"):
        load(tmp_path / "mix.json")
