"""Masked models: pseudo-log-likelihoods, training by masked words, storing, and what they cannot do."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import naive_networks as naive  # noqa: E402

from lmmix.cli import group  # noqa: E402
from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, InputError, SettingError  # noqa: E402
from lmmix.fileio import read_json, write_json  # noqa: E402
from lmmix.lm import LanguageModel, is_distribution, load, remembers, sees_ahead  # noqa: E402
from lmmix.mix.linear import LinearMixture  # noqa: E402
from lmmix.neural import masked_model  # noqa: E402
from lmmix.neural.batches import PADDING, Pieces, Sentences  # noqa: E402
from lmmix.neural.masked_model import Copies, MaskedModel, whole_sequences  # noqa: E402
from lmmix.neural.networks.masked import MASK  # noqa: E402
from lmmix.neural.networks.network import make_network  # noqa: E402
from lmmix.neural.shapes import MaskedSettings  # noqa: E402
from lmmix.neural.training.masked_objective import MaskedWord  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.ngram.estimate import train_ngram  # noqa: E402
from lmmix.sampling import sample  # noqa: E402
from lmmix.vocab import BOS, EOS, UNK  # noqa: E402

LINES = ["a b c d e", "f g h i j k", "l m n", "b a", "", "k j i h a b c"] * 6
TEXT = corpus_from_lines(LINES)
VALID = corpus_from_lines(["a b c h i", "", "l unseen", "f g h a b c d e k", "m"], TEXT.vocab)
SMALL = {"embedding": 12, "hidden": 16, "heads": 2, "batch_tokens": 40, "threads": 1}


@pytest.fixture(scope="module")
def model():
    return train_neural(TEXT, VALID, arch="masked", epochs=2, max_length=5, **SMALL)


def twin(model, corpus, span=masked_model.SPAN):
    """The score of every event, each word masked alone."""
    weights, logp = naive.weights_of(model.network), []
    known = corpus.recode(model.vocab)
    for begin, end in zip(known.offsets[:-1], known.offsets[1:]):
        sentence = known.ids[begin : end - 1].tolist()
        logp += naive.pseudo_logp(weights, model.network.settings, sentence, BOS, EOS, span)
    return np.array(logp)


def test_score_is_the_pseudo_log_likelihood(model):
    np.testing.assert_allclose(model.score(VALID), twin(model, VALID), rtol=0, atol=1e-5)
    assert model.score(VALID).dtype == np.float64
    assert (model.score(VALID)[VALID.ids == EOS] == 0).all() and (model.score(VALID)[VALID.ids != EOS] < 0).all()


@pytest.mark.parametrize("span", [3, 4, 7])
def test_long_sentences_are_read_through_a_window(model, monkeypatch, span):
    monkeypatch.setattr(masked_model, "SPAN", span)
    np.testing.assert_allclose(model.score(VALID), twin(model, VALID, span), rtol=0, atol=1e-5)


def test_events_stay_aligned_whatever_the_order_batches_and_threads(model, monkeypatch):
    whole = model.score(TEXT)
    order = np.random.default_rng(1).permutation(len(LINES))
    shuffled = corpus_from_lines([LINES[i] for i in order], TEXT.vocab)
    parts = [whole[TEXT.offsets[i] : TEXT.offsets[i + 1]] for i in order]
    np.testing.assert_allclose(model.score(shuffled), np.concatenate(parts), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(model.score(TEXT, threads=2), whole)
    monkeypatch.setattr(masked_model, "READ_TOKENS", 20)
    np.testing.assert_allclose(model.score(TEXT), whole, rtol=0, atol=1e-5)


def test_copies_have_one_length_a_batch_and_no_more_places_than_asked():
    copies = Copies.of(TEXT)
    batches = copies.batches(30)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange((TEXT.ids != EOS).sum()))
    for chosen in batches:
        words, masked = copies.of_one_length(chosen)
        assert len(set(copies.length[chosen])) == 1 and words.size <= 30
        np.testing.assert_array_equal(words[masked], TEXT.ids[copies.place[chosen]])
        assert (words[:, 0] == BOS).all() and (words[:, -1] == EOS).all() and (masked.sum(1) == 1).all()


@pytest.mark.parametrize("lines", [[], [""], ["", ""]])
def test_texts_without_words(model, lines):
    corpus = corpus_from_lines(lines, TEXT.vocab)
    np.testing.assert_array_equal(model.score(corpus), np.zeros(len(lines)))


def test_validation_masks_words_apart(model):
    stride = masked_model.STRIDE
    corpus = corpus_from_lines(["a b c d e f g h i j k", "l m n", "b"], TEXT.vocab)
    weights, total = naive.weights_of(model.network), 0.0
    for begin, end in zip(corpus.offsets[:-1], corpus.offsets[1:]):
        whole = [BOS, *corpus.ids[begin:end].tolist()]
        for first in range(stride):
            asked = [place for place in range(1, len(whole) - 1) if place % stride == first]
            seen = [None if place in asked else word for place, word in enumerate(whole)]
            features = naive.encoder(weights, model.network.settings, seen)
            total += sum(math.log(naive.event_probabilities(weights, features[p])[whole[p]]) for p in asked)
    words = (corpus.ids != EOS).sum()
    assert model.validation_perplexity(corpus) == pytest.approx(math.exp(-total / words), rel=1e-5)


@pytest.fixture(scope="module")
def learned():
    """Three sentences by heart."""
    text = corpus_from_lines(["a b c d e", "f g h i j k", "l m n"] * 40)
    settings = {**SMALL, "embedding": 32, "hidden": 32, "dropout": 0.0, "samples": 0, "asked": 0.3}
    valid = corpus_from_lines(["a b c d e", "f g h i j k", "l m n"], text.vocab)
    return train_neural(text, valid, arch="masked", epochs=12, patience=12, learning_rate=0.01, **settings)


def test_learns_a_text_by_heart(learned):
    assert learned.score(corpus_from_lines(["a b c d e", "f g h i j k", "l m n"], learned.vocab)).mean() > -0.06


def test_gradients_reach_every_weight():
    before, after = (
        train_neural(TEXT, VALID, arch="masked", epochs=epochs, weight_decay=0.0, samples=0, **SMALL).network
        for epochs in (1, 2)
    )
    for (name, one), other in zip(before.state_dict().items(), after.state_dict().values()):
        assert not torch.equal(one, other), name


def objective(asked):
    network = make_network("masked", MaskedSettings(embedding=4, hidden=4, heads=1, asked=asked), len(TEXT.vocab))
    network.initialise(torch.zeros(len(TEXT.vocab)))
    return MaskedWord(network, torch.float32)


def test_a_part_of_the_words_is_asked_for_and_most_of_them_are_masked():
    rng = np.random.default_rng(5)
    words = rng.integers(EOS + 1, len(TEXT.vocab), (400, 30))
    words[:, 0], words[::2, -1], words[1::2, -1] = BOS, EOS, PADDING
    goal = objective(0.15)
    asked = goal._chosen(words, rng)
    shown = goal._corrupted(words, asked, rng)
    assert not (asked & ((words == BOS) | (words == EOS) | (words == PADDING))).any()
    assert asked.sum() == round(0.15 * 400 * 28)
    np.testing.assert_array_equal(shown[~asked], words[~asked])
    assert (shown[asked] == MASK).mean() == pytest.approx(0.8, abs=0.03)
    # A word may by chance be put in its own place.
    assert (shown[asked] == words[asked]).mean() == pytest.approx(0.1, abs=0.03)
    assert not np.isin(shown[asked], [BOS, EOS, PADDING]).any() and (shown[asked] == UNK).any()


def test_the_loss_estimates_that_of_all_events():
    goal = objective(0.5)
    pieces = Pieces.of(corpus_from_lines(["a b c d", "a b c d e f g", ""], TEXT.vocab))
    batch = pieces.padded(np.arange(3))
    rng = np.random.default_rng(2)
    loss, memory = goal(batch, (), rng)
    # At the beginning all words are about as probable as each other.
    assert memory == () and loss.item() == pytest.approx(14 * math.log(len(TEXT.vocab)), rel=0.15)
    empty = pieces.padded(np.array([2]))
    loss, _ = goal(empty, (), rng)
    loss.backward()
    assert loss.item() == 0.0


def test_training_sees_cut_sentences_with_what_stands_before_them():
    source = Sentences(TEXT, 20, 3)
    for handle in source.epoch(np.random.default_rng(0)):
        batch = source.batch(handle)
        whole = whole_sequences(batch)
        real = batch.events != PADDING
        np.testing.assert_array_equal(whole[:, 1:][real], batch.events[real])
        np.testing.assert_array_equal(whole[:, :-1][real], batch.inputs[real])


def test_is_stored_and_says_what_it_is(model, tmp_path):
    assert isinstance(model, LanguageModel)
    assert sees_ahead(model) and not is_distribution(model) and not remembers(model)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert isinstance(again, MaskedModel) and again.signature == model.signature
    np.testing.assert_array_equal(again.score(VALID), model.score(VALID))
    config = read_json(tmp_path / "m" / "lmmix.json")
    write_json(tmp_path / "m" / "lmmix.json", {**config, "context": "document"})
    with pytest.raises(FormatError, match="context is 'document'; with this architecture it must be sentence"):
        load(tmp_path / "m")


def test_resumed_training_gives_the_same_weights(tmp_path, monkeypatch):
    from lmmix.neural.training import trainer

    settings = {"arch": "masked", "epochs": 2, **SMALL}
    whole = train_neural(TEXT, VALID, **settings)
    original = trainer.Trainer._step

    def stop(self, batch, epoch):
        if epoch == 1 and self.steps == 2:
            raise KeyboardInterrupt
        original(self, batch, epoch)

    monkeypatch.setattr(trainer.Trainer, "_step", stop)
    with pytest.raises(KeyboardInterrupt):
        train_neural(TEXT, VALID, checkpoint=tmp_path / "run", checkpoint_seconds=0, **settings)
    monkeypatch.setattr(trainer.Trainer, "_step", original)
    assert train_neural(TEXT, VALID, checkpoint=tmp_path / "run", **settings).signature == whole.signature


def test_there_is_no_next_word(model):
    for ask in (
        lambda: model.start(1),
        lambda: model.advance(None, np.array([3])),
        lambda: model.distribution(None),
        lambda: sample(model),
    ):
        with pytest.raises(SettingError, match="a masked model scores whole sentences"):
            ask()


def test_is_no_member_of_a_mixture(model):
    with pytest.raises(SettingError, match="model 2 scores words by what follows them"):
        LinearMixture([train_ngram(TEXT, 2), model], [0.5, 0.5])


def test_rescoring_chooses_what_fits_on_both_sides(learned, tmp_path):
    learned.save(tmp_path / "m")
    texts = [["f b c d e", "a b c d e"], ["f g h i j e", "f g a i j k", "f g h i j k"]]
    lines = [{"id": str(i), "ref": hyps[-1], "hyps": [{"text": t} for t in hyps]} for i, hyps in enumerate(texts)]
    (tmp_path / "n.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["rescore", str(tmp_path / "n.jsonl"), "--lm", str(tmp_path / "m"), "--tune", "wer", "--json"]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["wer_first"] > 0.0 and report["wer"] == 0.0 and report["weights"]["lm:m"] > 0.0


def test_refusals_in_training():
    with pytest.raises(SettingError, match="context is 'document'; with this architecture it must be sentence"):
        train_neural(TEXT, VALID, arch="masked", context="document", **SMALL)
    with pytest.raises(InputError, match="the validation text has no words"):
        train_neural(TEXT, corpus_from_lines(["", ""], TEXT.vocab), arch="masked", epochs=1, **SMALL)
