"""A merged model is the mixture on all n-grams that a member has, and a distribution everywhere."""

from __future__ import annotations

from pathlib import Path

import naive_merge
import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES, Run
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS
from test_prune import SEEDS, check_equal, check_sums, spoiled

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, SettingError
from lmmix.lm import load
from lmmix.mix.flatten import flattened
from lmmix.mix.linear import LinearMixture
from lmmix.mix.online import OnlineMixture
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.merge import merge_models
from lmmix.ngram.packing import pack
from lmmix.ngram.settings import SmoothingSettings
from lmmix.vocab import BOS, Vocab

WORDS = Vocab.from_words("abcd")
OTHER_WORDS = Vocab.from_words("dbca")
ORDERS = st.lists(st.integers(1, 4), min_size=1, max_size=3)
SHARES = st.integers(1, 9)


def trained(sentences: list[list[str]], order: int, vocab: Vocab = WORDS) -> BackoffModel:
    return train_ngram(corpus_from_lines([" ".join(sentence) for sentence in sentences], vocab), order, threads=1)


def some_members(data: st.DataObject) -> tuple[list[BackoffModel], list[float]]:
    """Models of several texts and orders over one set of words, numbered in two ways, and weights."""
    orders = data.draw(ORDERS)
    members = [trained(data.draw(TEXTS), n, data.draw(st.sampled_from([WORDS, OTHER_WORDS]))) for n in orders]
    shares = data.draw(st.lists(SHARES, min_size=len(orders), max_size=len(orders)))
    return members, [share / sum(shares) for share in shares]


def explicit(model: BackoffModel) -> list[list[int]]:
    """The ids of all n-grams, node by node."""
    ngrams: list[list[int]] = [[]] * model.tree.size
    for node in range(int(model.tree.level[model.order])):
        for child in range(model.tree.begin[node], model.tree.begin[node + 1]):
            ngrams[child] = [*ngrams[node], int(model.tree.word[child])]
    return ngrams[1:]


def mixture_logp(model: LinearMixture, ngram: list[int]) -> float:
    """ln p of the last word after the others; the first of several may be `<s>`."""
    if ngram[0] != BOS:
        # No sentence begins like this: the members are asked one by one, without any word before.
        steps = []
        for member, ids in zip(model.members, model._ids):
            state = np.zeros(1, np.int32)
            for word in ngram:
                logp, state = member.advance(state, np.array([word if ids is None else ids[word]], np.int32))
            steps.append(logp[0])
        return float(np.logaddexp.reduce(np.log(model.weights) + steps))
    state = model.start(1)
    for word in ngram[1:]:
        logp, state = model.advance(state, np.array([word], np.int32))
    return float(logp[0])


class TestLaws:
    @given(st.data())
    def test_equals_the_mixture_on_explicit_ngrams(self, data: st.DataObject) -> None:
        members, weights = some_members(data)
        merged, mixture = merge_models(members, weights, threads=1), LinearMixture(members, weights)
        ngrams = explicit(merged)
        expected = [-np.inf if ngram == [BOS] else mixture_logp(mixture, ngram) for ngram in ngrams]
        np.testing.assert_allclose(np.exp(merged.logp[1:]), np.exp(expected), rtol=1e-12, atol=0)

    @given(st.data())
    def test_knows_the_ngrams_of_all_members_and_sums_to_one(self, data: st.DataObject) -> None:
        members, weights = some_members(data)
        merged = merge_models(members, weights, threads=1)
        check_sums(merged)
        words = members[0].vocab.words
        found = {tuple(words[i] for i in ngram) for ngram in explicit(merged)}
        assert found == {
            tuple(member.vocab.words[i] for i in ngram) for member in members for ngram in explicit(member)
        }

    @given(TEXTS, st.integers(1, 4))
    def test_one_model_or_the_same_twice_stays_as_it_is(self, sentences, order: int) -> None:
        model = trained(sentences, order)
        for merged in (merge_models([model], [1.0]), merge_models([model, model], [0.25, 0.75])):
            for name in ("level", "word", "begin", "suffix"):
                np.testing.assert_array_equal(getattr(merged.tree, name), getattr(model.tree, name))
            contexts = np.arange(int(model.tree.level[order]), dtype=np.int32)
            np.testing.assert_allclose(merged.distribution(contexts), model.distribution(contexts), rtol=0, atol=1e-12)

    @given(TEXTS, TEXTS, st.integers(1, 4), st.integers(1, 4))
    def test_threads_do_not_change_the_result(self, first, second, n: int, m: int) -> None:
        members = [trained(first, n), trained(second, m)]
        one, two = (merge_models(members, [0.4, 0.6], threads=threads) for threads in (1, 2))
        np.testing.assert_array_equal(one.logp, two.logp)
        np.testing.assert_array_equal(one.backoff, two.backoff)
        np.testing.assert_array_equal(one.tree.suffix, two.tree.suffix)


@given(st.data(), st.booleans(), SEEDS)
def test_equals_naive(data: st.DataObject, spoil: bool, seed: int) -> None:
    """Also where members lack suffixes, do not sum to 1 or have words of probability 0."""
    members, weights = some_members(data)
    if spoil:
        members = [spoiled(member, seed + k) for k, member in enumerate(members)]
    check_equal(merge_models(members, weights, threads=1), naive_merge.merge(members, weights))


def test_merged_model_conforms_and_says_what_it_is(corpus: Corpus) -> None:
    members = [train_ngram(corpus_from_lines(LINES[:4], corpus.vocab), 4), train_ngram(corpus, 2)]
    merged = merge_models(members, [0.3, 0.7])
    check_language_model(merged, corpus)
    assert merged.signature.startswith(
        f"merge:linear|weights:0.3,0.7|members:[{members[0].signature}];[{members[1].signature}]|tokens:whitespace|"
    )


def test_models_of_weight_0_are_left_out(corpus: Corpus) -> None:
    small, large = train_ngram(corpus, 2), train_ngram(corpus, 4)
    merged = merge_models([large, small], [0.0, 1.0])
    assert merged.order == 2 and large.signature not in merged.signature


def test_packed_members_are_unpacked(corpus: Corpus) -> None:
    model = train_ngram(corpus, 3)
    packed = pack(model, None)
    merged = merge_models([model, packed], [0.5, 0.5])
    np.testing.assert_allclose(merged.score(corpus), model.score(corpus), rtol=1e-6)


def test_ngrams_behind_the_end_of_a_sentence(tmp_path: Path) -> None:
    """Files of other programs may have n-grams in which `</s>` is not the last word."""
    unigrams = "".join(f"-1 {word} -0.1\n" for word in ("<unk>", "<s>", "</s>", "a", "b", "c", "d"))
    for name, bigram in (("one.arpa", "-0.2 </s> a"), ("two.arpa", "-0.4 <s> a")):
        counts = "\\data\\\nngram 1=7\nngram 2=1\n\n"
        (tmp_path / name).write_text(f"{counts}\\1-grams:\n{unigrams}\n\\2-grams:\n{bigram}\n\n\\end\\\n")
    members = [load(tmp_path / "one.arpa"), load(tmp_path / "two.arpa")]
    check_equal(merge_models(members, [0.5, 0.5], threads=1), naive_merge.merge(members, [0.5, 0.5]))


class TestBadInput:
    def test_weights(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2)
        for weights in ([0.5, 0.6], [1.0], [-0.5, 1.5], [np.nan, 1.0]):
            with pytest.raises(SettingError, match="weights"):
                merge_models([model, model], weights)
        with pytest.raises(SettingError, match="no model"):
            merge_models([], [])

    def test_other_words(self, corpus: Corpus) -> None:
        with pytest.raises(EventSpaceError, match=r"a.arpa and b.arpa .*--vocab"):
            models = [train_ngram(corpus, 2), trained([["a"]], 2)]
            merge_models(models, [0.5, 0.5], ["a.arpa", "b.arpa"])

    def test_models_of_other_families(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2)
        with pytest.raises(
            SettingError, match=r"b.json is a LinearMixture; only n-gram models .*lmmix mix --method em"
        ):
            merge_models([model, LinearMixture([model], [1.0])], [0.5, 0.5], ["a.lmx", "b.json"])

    def test_mixtures_that_are_not_linear(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2)
        inner = OnlineMixture([model, model], [0.5, 0.5])
        with pytest.raises(SettingError, match=r"b.json is a mixture of another kind \(online\).*--method em"):
            flattened(LinearMixture([model, inner], [0.5, 0.5], ["a.lmx", "b.json"]), "mix.json")

    def test_scores(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2, SmoothingSettings(smoothing="stupid"))
        with pytest.raises(SettingError, match=r"model 1 gives scores.*--renormalise"):
            merge_models([model], [1.0])


class TestCommand:
    @pytest.fixture
    def mixed(self, folder: Path, run: Run) -> Path:
        (folder / "other.txt").write_text("the dog sat on a mat\nthe dog and the dog\n")
        run("vocab", "train.txt", "-o", "words.txt")
        run("ngram", "train.txt", "--vocab", "words.txt", "--order", "3", "-o", "a.arpa")
        run("ngram", "other.txt", "--vocab", "words.txt", "--order", "2", "-o", "b.lmx", "--float32")
        assert run("mix", "a.arpa", "b.lmx", "--dev", "dev.txt", "-o", "mix.json")[0] == 0
        return folder

    def test_mixtures_of_mixtures_are_one_mixture(self, mixed: Path, run: Run) -> None:
        assert run("mix", "mix.json", "a.arpa", "--dev", "dev.txt", "-o", "outer.json")[0] == 0
        outer = load(mixed / "outer.json")
        members, weights, names = flattened(outer, "outer.json")
        assert [Path(name).name for name in names] == ["a.arpa", "b.lmx", "a.arpa"]
        assert len(members) == 3 and sum(weights) == pytest.approx(1.0)
        status, out, err = run("merge", "outer.json", "-o", "merged.arpa.gz", "--threads", "1")
        assert status == 0, err
        assert "3-grams" in out and "(100.0%)" in out
        merged, text = load(mixed / "merged.arpa.gz"), corpus_from_lines(["the cat sat on the mat"])
        np.testing.assert_allclose(merged.score(text), outer.score(text), atol=1e-5)

    def test_json_and_small_files(self, mixed: Path, run: Run) -> None:
        status, out, _ = run("merge", "mix.json", "-o", "merged.lmx", "--quantize", "8", "--json")
        assert status == 0 and '"signature": "merge:linear|' in out and '"ngrams": [' in out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["a.arpa", "-o", "m.arpa"], "a.arpa is no mixture but a BackoffModel; lmmix mix makes one"),
            (["mix.json", "-o", "mix.json"], "mix.json is an input of this command"),
            (["mix.json", "-o", "b.lmx"], "b.lmx is an input of this command"),
            (["mix.json", "-o", "m.arpa", "--float32"], "for .lmx files"),
            (["none.json", "-o", "m.arpa"], "none.json"),
        ],
    )
    def test_bad_calls_take_one_line(self, mixed: Path, run: Run, arguments: list[str], message: str) -> None:
        status, _, err = run("merge", *arguments)
        assert status == 1 and message in err and err.count("\n") == 1

    def test_mixtures_of_another_kind_take_one_line(self, mixed: Path, run: Run) -> None:
        assert run("mix", "a.arpa", "b.lmx", "--dev", "dev.txt", "--method", "online", "-o", "online.json")[0] == 0
        status, _, err = run("merge", "online.json", "-o", "m.arpa")
        assert status == 1 and "online.json is a mixture of another kind (online)" in err and err.count("\n") == 1
