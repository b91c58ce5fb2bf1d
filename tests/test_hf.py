"""Hugging Face models from folders made here: the contract, transformers itself as the oracle, and the commands."""

from __future__ import annotations

import json
import socket
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from conformance import check_language_model  # noqa: E402
from hf_folders import LIMIT, make_folder  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from lmmix.corpus import Corpus, corpus_from_lines, read_corpus  # noqa: E402
from lmmix.errors import InputError, MissingDependencyError, SettingError  # noqa: E402
from lmmix.lm import is_distribution, load  # noqa: E402
from lmmix.neural.hf.causal import windows  # noqa: E402
from lmmix.vocab import BOS, EOS, UNK  # noqa: E402

TEXT = ["the cat sat", "a dog", "", "zebra on the Mat and xyz", "the cat"]
LONG = "the cat sat on the mat and a zebra sat on the dog and sat in Ünïcode of 1999"


@pytest.fixture(scope="module", params=["gpt2", "llama", "mistral"])
def causal(request, tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("hf") / request.param, request.param)
    return folder, load(folder)


@pytest.fixture(scope="module", params=["bert", "roberta"])
def masked(request, tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("hf") / request.param, request.param)
    return folder, load(folder)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("hf") / "gpt2", "gpt2")


def oracle(folder, auto):
    """The network and the tokeniser as transformers reads them."""
    return auto.from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)


def ends(tokenizer):
    """The ids of beginning and end."""
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    return next(i for i in (tokenizer.bos_token_id, tokenizer.cls_token_id, end) if i is not None), end


def event_logp(logits, tokenizer, event):
    """ln p of one event: the softmax over all pieces but a beginning of its own, in plain numpy."""
    values = logits.detach().double().numpy().copy()
    begin, end = ends(tokenizer)
    values[len(tokenizer) :] = -np.inf
    if begin != end:
        values[begin] = -np.inf
    return values[event] - np.logaddexp.reduce(values)


def test_causal_conforms(causal):
    model = causal[1]
    assert is_distribution(model)
    text = corpus_from_lines([*TEXT, LONG], model.vocab)
    if model.limit == LIMIT:
        assert np.diff(text.offsets).max() > LIMIT + LIMIT // 2
    check_language_model(model, text, tolerance=1e-5)


def test_score_does_not_depend_on_threads_or_neighbours(causal):
    model = causal[1]
    text = corpus_from_lines([*TEXT, LONG], model.vocab)
    np.testing.assert_array_equal(model.score(text, threads=1), model.score(text, threads=2))
    alone = np.concatenate([model.score(corpus_from_lines([line], model.vocab)) for line in [*TEXT, LONG]])
    np.testing.assert_allclose(model.score(text), alone, atol=1e-5)


def test_gpt2_gives_the_loss_of_transformers(gpt2):
    model = load(gpt2)
    network, tokenizer = oracle(gpt2, transformers.AutoModelForCausalLM)
    for line in ("the cat sat", "a dog", "zebra 1999"):
        ids = torch.tensor([[0, *tokenizer.encode(line, add_special_tokens=False), 0]])
        loss = network(input_ids=ids, labels=ids).loss.item()
        found = model.score(corpus_from_lines([line], model.vocab))
        assert len(found) == ids.shape[1] - 1
        assert -found.mean() == pytest.approx(loss, abs=1e-5)


def test_causal_scores_are_those_of_a_naive_reader(causal):
    """Event by event from the start, and beyond the limit from the last half of it."""
    folder, model = causal
    network, tokenizer = oracle(folder, transformers.AutoModelForCausalLM)
    begin, end = ends(tokenizer)
    expected = []
    for line in [*TEXT, LONG]:
        history = [begin]
        for event in [*tokenizer.encode(line, add_special_tokens=False), end]:
            if len(history) > model.limit:
                history = [begin, *history[len(history) - model.limit // 2 :]]
            logits = network(input_ids=torch.tensor([history]), use_cache=False).logits[0, -1]
            expected.append(event_logp(logits, tokenizer, event))
            history.append(event)
    np.testing.assert_allclose(model.score(corpus_from_lines([*TEXT, LONG], model.vocab)), expected, atol=2e-5)


def test_states_live_on_and_can_be_taken(causal):
    model = causal[1]
    rng = np.random.default_rng(2)
    words = np.array([w for w in range(len(model.vocab)) if w not in (BOS, UNK)])
    state = model.start(4)
    for step in range(2 * LIMIT):
        before = model.distribution(state)
        chosen = rng.choice(words, 4)
        chosen[rng.random(4) < 0.2] = EOS
        rows = rng.integers(0, 4, 5)
        taken = model.take(state, rows)
        logp, after = model.advance(state, chosen)
        again, taken_after = model.advance(taken, chosen[rows])
        np.testing.assert_allclose(again, logp[rows], atol=1e-5, err_msg=str(step))
        np.testing.assert_array_equal(model.distribution(state), before)
        np.testing.assert_allclose(model.distribution(taken_after), model.distribution(after)[rows], atol=1e-6)
        state = after
    empty = model.take(state, [])
    assert model.distribution(empty).shape == (0, len(model.vocab)) and model.advance(empty, [])[0].shape == (0,)
    with pytest.raises(SettingError, match="words must be 4 ids"):
        model.advance(state, [0])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(2, 9))
def test_windows_hold_every_event_once_with_as_much_context_as_told(lengths, limit):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces, first = windows(Corpus(np.arange(offsets[-1], dtype=np.int32), offsets, None), limit)
    seen = [t for lo, hi in zip(first, pieces.end) for t in range(lo, hi)]
    assert sorted(seen) == list(range(offsets[-1]))
    assert (pieces.end - pieces.begin <= limit).all()
    later = first > pieces.begin
    assert (first - pieces.begin)[later].tolist() == [limit // 2] * later.sum()
    assert set(pieces.begin[~later]) >= set(offsets[:-1].tolist())


def test_masked_scores_are_those_of_a_naive_reader(masked):
    folder, model = masked
    assert not is_distribution(model)
    network, tokenizer = oracle(folder, transformers.AutoModelForMaskedLM)
    begin, end = ends(tokenizer)
    expected = []
    for line in TEXT:
        ids = [begin, *tokenizer.encode(line, add_special_tokens=False), end]
        for place in range(1, len(ids)):
            inputs = torch.tensor([ids])
            inputs[0, place] = tokenizer.mask_token_id
            expected.append(event_logp(network(input_ids=inputs).logits[0, place], tokenizer, ids[place]))
    np.testing.assert_allclose(model.score(corpus_from_lines(TEXT, model.vocab)), expected, atol=2e-5)


def test_masked_models_refuse_what_they_cannot_do(masked):
    model = masked[1]
    # RoBERTa counts positions from behind that of the padding, which is 4 here.
    assert model.limit == (32 if "Bert" in model.signature and "Roberta" not in model.signature else 27)
    for call in (lambda: model.start(1), lambda: model.advance(None, [3]), lambda: model.distribution(None)):
        with pytest.raises(SettingError, match="a masked model scores whole sentences"):
            call()
    longest = " ".join(["zebra"] * (model.limit - 2))
    text = corpus_from_lines(["a", longest], model.vocab)
    per_word = (np.diff(text.offsets)[1] - 1) / (model.limit - 2)
    fits = corpus_from_lines([" ".join(["zebra"] * int((model.limit - 2) / per_word))], model.vocab)
    assert np.isfinite(model.score(fits)).all()
    with pytest.raises(InputError, match=f"sentence 2 has .* pieces; the model reads at most {model.limit - 2}"):
        model.score(corpus_from_lines(["a", longest + " zebra"], model.vocab))


def test_nothing_is_downloaded(gpt2, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    model = load(gpt2)
    assert np.isfinite(model.score(corpus_from_lines(["the cat"], model.vocab))).all()
    import os

    assert "HF_HUB_OFFLINE" not in os.environ


def test_absent_package_is_told_in_one_line(gpt2, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match=r"needs the package 'transformers': pip install 'lmmix\[hf\]'"):
        load(gpt2)


def test_commands_take_a_folder(run, folder, gpt2):
    (folder / "train.txt").write_text("the cat sat on the mat\nthe dog sat\n" * 5)
    status, out, err = run("ppl", gpt2, "dev.txt", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["oov"] == 0 and json.loads(out)["ppl"] > 1
    assert run("info", gpt2)[1].startswith("kind         HfCausalModel")
    status, out, _ = run("sample", gpt2, "-n", 2, "--prefix", "the cat", "--max-words", 30)
    assert status == 0 and out.startswith("the cat")
    assert (
        run("ngram", "train.txt", "-o", "bpe.lmx", "--tokenizer", f"hf:{gpt2}", "--order", 2, "--smoothing", "wb")[0]
        == 0
    )
    status, out, err = run("rescore", "nbest.jsonl", "--lm", gpt2, "--lm", "bpe.lmx", "--tune", "wer", "--json")
    assert status == 0 and set(json.loads(out)["weights"]) >= {"lm:gpt2", "lm:bpe"}


def test_mixture_with_an_n_gram_of_the_same_pieces(run, folder, gpt2):
    model = load(gpt2)
    model.vocab.write(folder / "pieces.txt")
    name = f"hf:{gpt2}"
    made = run("ngram", "train.txt", "-o", "bpe.lmx", "--tokenizer", name, "--vocab", "pieces.txt", "--smoothing", "wb")
    assert made[0] == 0, made
    status, _, err = run("mix", "bpe.lmx", gpt2, "--dev", "dev.txt", "-o", "mix.json")
    assert status == 0, err
    mixture = load(folder / "mix.json")
    check_language_model(mixture, read_corpus(folder / "dev.txt", mixture.vocab), tolerance=1e-5)
    status, out, _ = run("ppl", "mix.json", "dev.txt", "--json")
    assert json.loads(out)["ppl"] < json.loads(run("ppl", gpt2, "dev.txt", "--json")[1])["ppl"]
