"""The one suite that every language model has to pass."""

from __future__ import annotations

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel, remembers
from lmmix.vocab import BOS, EOS


def check_language_model(model: LanguageModel, corpus: Corpus, tolerance: float = 1e-9, seed: int = 0) -> None:
    """Hold `model` against the contract on the sentences of `corpus` and on random histories.

    `tolerance` is 1e-9 for models in float64 and larger for float32 ones.
    """
    assert isinstance(model, LanguageModel)
    assert "\n" not in model.signature and model.vocab.fingerprint
    known = corpus.recode(model.vocab)
    logp = model.score(corpus)
    assert logp.shape == known.ids.shape and logp.dtype == np.float64
    assert (logp <= tolerance).all()
    np.testing.assert_allclose(logp, _folded(model, known), rtol=0, atol=10 * tolerance)
    _check_random_histories(model, tolerance, np.random.default_rng(seed))


def _folded(model: LanguageModel, corpus: Corpus) -> np.ndarray:
    """ln p of each event, one `advance` at a time over the whole text: behind `</s>` the next sentence begins."""
    out = []
    state = model.start(1)
    for word in corpus.ids:
        logp, state = model.advance(state, np.array([word], np.int32))
        out.append(float(logp[0]))
    return np.array(out)


def _check_random_histories(model: LanguageModel, tolerance: float, rng: np.random.Generator) -> None:
    """Distributions sum to 1 and agree with `advance` at `<s>` and behind words in any sequence, seen or not.

    The first history ends a sentence in its third step, the others where it happens.
    """
    size, histories = len(model.vocab), 3
    words = np.array([w for w in range(size) if w != BOS], np.int32)
    state = model.start(histories)
    first = model.distribution(state)[0]
    for number in range(9):
        probabilities = model.distribution(state)
        assert probabilities.shape == (histories, size) and probabilities.dtype == np.float64
        assert (probabilities >= 0).all()
        assert (probabilities[:, BOS] == 0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=max(tolerance, 1e-9))
        step = rng.choice(words, histories).astype(np.int32)
        if number == 2:
            step[0] = EOS
        logp, state = model.advance(state, step)
        np.testing.assert_allclose(
            np.exp(logp), probabilities[np.arange(histories), step], rtol=10 * tolerance, atol=1e-15 + tolerance / 100
        )
        if not remembers(model):
            np.testing.assert_allclose(
                model.distribution(state)[step == EOS], np.tile(first, ((step == EOS).sum(), 1)), rtol=10 * tolerance
            )
