"""Word probabilities of Hugging Face models, whose pieces mark the beginning of words with `Ġ`, or not at all."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from conformance import check_language_model  # noqa: E402
from hf_folders import BERT, LINES, make_folder  # noqa: E402
from naive_words import World, naive_distribution, uncorrected_sum  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import EventSpaceError, SettingError  # noqa: E402
from lmmix.lm import load  # noqa: E402
from lmmix.ngram.estimate import train_ngram  # noqa: E402
from lmmix.vocab import EOS, UNK, Vocab  # noqa: E402
from lmmix.words.model import WordModel  # noqa: E402
from lmmix.words.spellings import Spellings  # noqa: E402

WORDS = corpus_from_lines(LINES).vocab
TEXT = ["the cat sat", "a dog", "", "zebra on the Mat and xyz", "the cat's \N{NO-BREAK SPACE}Ünïcode is 1999"]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folder(request, tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("hf") / request.param, request.param)


def test_conforms(folder):
    check_language_model(WordModel(load(folder), WORDS), corpus_from_lines(TEXT), tolerance=1e-5)


def test_words_are_those_of_the_slow_way(folder):
    pieces = load(folder)
    vocab = Vocab.from_words(["cat", "the", "mat", "catch", "Ünïcode", "'s"])
    model = WordModel(pieces, vocab)
    assert not model.spellings.unspelled
    for history in ([], ["the"], ["the", "cat"]):
        state = model.start(1)
        for word in history:
            state = model.advance(state, np.array([vocab.id(word)]))[1]
        expected = naive_distribution(pieces, vocab, history)
        found = dict(zip(vocab.words, model.distribution(state)[0].tolist()))
        assert found.pop("<s>") == 0.0 and 0 < sum(found[word] for word in vocab.words[3:]) < 1
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_all_words_of_a_closed_world_sum_to_one(folder):
    words = ["a", "cat", "cats", "dog", "ca", "t", "thé"]
    vocab = Vocab.from_words(words)
    for seed in range(3):
        world = World(words, f"hf:{folder}", seed)
        model = WordModel(world, vocab)
        state = model.start(1)
        for word in ("cat", "thé"):
            p = model.distribution(state)[0]
            assert abs(p[EOS:].sum() - 1.0) < 1e-9 and p[UNK] < 1e-9
            logp, state = model.advance(state, np.array([vocab.id(word)]))
            assert logp[0] == pytest.approx(math.log(p[vocab.id(word)]), rel=1e-9)
        assert abs(uncorrected_sum(world, vocab, ["cat"]) - 1.0) > 1e-4


def test_spaces_may_mingle_with_other_white_space_but_not_with_letters(folder):
    name = f"hf:{folder}"
    some = ["a", "Ġa", "ĠĠ", "\u010aĠĠ", "Ġ\u010a", "\u0109Ġ"]
    assert Spellings(Vocab.from_words(["a"]), Vocab.from_words(some, name)).opens.sum(axis=1).tolist() == [5, 4]
    with pytest.raises(SettingError, match="the piece 'aĠb' has Ġ behind other characters"):
        Spellings(Vocab.from_words(["a"]), Vocab.from_words([*some, "aĠb"], name))
    with pytest.raises(EventSpaceError, match="no piece of 'hf:.*' begins a word"):
        Spellings(Vocab.from_words(["a"]), Vocab.from_words(["a", "▁a"], name))


@pytest.mark.parametrize("kind", ["WordPiece", "WordLevel"])
def test_tokenisers_that_keep_no_space_are_refused(tmp_path, kind):
    whole = Tokenizer(getattr(models, kind)(unk_token="[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = getattr(trainers, f"{kind}Trainer")
    whole.train_from_iterator(
        [*LINES * 4, "▁ Ġ ##"], trainer(special_tokens=list(BERT.values()), vocab_size=60, show_progress=False)
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=whole, **BERT).save_pretrained(tmp_path)
    pieces = train_ngram(corpus_from_lines(LINES, tokenizer=f"hf:{tmp_path}"), 2, "wb")
    with pytest.raises(EventSpaceError, match="no piece of 'hf:.* begins a word: .*WordPiece \\(##\\)") as error:
        WordModel(pieces, WORDS)
    assert "\n" not in str(error.value)


def test_commands(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "gpt2", "gpt2")
    WORDS.write("words.txt")
    (tmp_path / "test.txt").write_text("\n".join(LINES[:3]))
    status, out, err = run("words", "gpt2", "--vocab", "words.txt", "-o", "words.json")
    assert status == 0 and out == f"words.json: {len(WORDS) - 3} words in {len(load('gpt2').vocab)} pieces\n", err
    status, out, err = run("ppl", "words.json", "test.txt", "--json")
    report = json.loads(out)
    expected = WordModel(load("gpt2"), WORDS).score(corpus_from_lines(LINES[:3]))
    assert status == 0 and report["logp"] == pytest.approx(expected.sum(), rel=1e-9), err
    status, out, err = run("words", "gpt2", "--vocab", "words.txt", "-o", "-")
    assert status == 0 and json.loads(out)["kind"] == "words", err

    (tmp_path / "more.txt").write_text("cat\na<|endoftext|>b\n")
    status, out, err = run("words", "gpt2", "--vocab", "more.txt", "-o", "more.json")
    assert status == 0 and "warning: the pieces cannot spell 1 words, as 'a<|endoftext|>b'" in err
    assert run("ppl", "more.json", "test.txt")[2] == ""
