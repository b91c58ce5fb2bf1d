"""∞-gram models equal counting everything, keep to the contract, and their files are checked."""

from __future__ import annotations

import math
from pathlib import Path

import naive_adaptive
import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES, Run
from hypothesis import given
from hypothesis import strategies as st

from lmmix.adaptive import _infinigram_kernels as kernels
from lmmix.adaptive.infinigram import InfinigramModel, train_infinigram
from lmmix.adaptive.infinigram_file import KIND, check_lmi, read_lmi
from lmmix.adaptive.suffix_array import backward_order
from lmmix.artefact import load_artefact, save_artefact
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import FormatError, InputError, SettingError
from lmmix.lm import load, remembers
from lmmix.mixing import fit_mixture
from lmmix.ngram.estimate import train_ngram
from lmmix.vocab import Vocab

words = st.sampled_from(["a", "b", "c", "<unk>"])
texts = st.lists(
    st.one_of(
        st.lists(words, max_size=9),
        # The same words again and again, longer than what sorting begins with.
        st.builds(lambda part, times: part * times, st.lists(words, min_size=1, max_size=2), st.integers(1, 40)),
    ),
    min_size=1,
    max_size=8,
)
VOCAB = Vocab.from_words(["a", "b", "c", "never"])


def read(sentences: list[list[str]], vocab: Vocab = VOCAB) -> Corpus:
    return corpus_from_lines([" ".join(sentence) for sentence in sentences], vocab)


def ended(sentences: list[list[str]]) -> list[list[str]]:
    return [[*sentence, "</s>"] for sentence in sentences]


@given(texts, st.sampled_from([4, 300, 2**31 - 1]))
def test_order_equals_naive(sentences: list[list[str]], size: int) -> None:
    """A larger vocabulary leaves fewer words for the first key."""
    corpus = read(sentences)
    number = {word: i for i, word in enumerate(VOCAB.words)}
    order = backward_order(corpus.ids, corpus.offsets, max(size, len(VOCAB)))
    assert order.tolist() == naive_adaptive.backward_order(ended(sentences), number)


@given(texts, texts, st.integers(1, 4))
def test_equals_naive(train: list[list[str]], test: list[list[str]], min_count: int) -> None:
    model = train_infinigram(read(train), min_count)
    naive = naive_adaptive.Infinigram(ended(train), min_count)
    corpus = read([*test, *train[:2]])
    logp, states = model.score(corpus), model.contexts(corpus)
    lengths, counts = model.context_lengths(states), model.context_counts(states)
    t = 0
    for sentence in ended([*test, *train[:2]]):
        history = ["<s>"]
        for word in sentence:
            context = naive.context(history)
            assert (lengths[t], counts[t]) == (len(context), naive.count(context))
            assert math.exp(logp[t]) == pytest.approx(naive.p(word, history), rel=1e-12)
            history.append(word)
            t += 1


@given(texts, st.lists(words, max_size=12), st.integers(1, 3))
def test_distribution_equals_naive(train: list[list[str]], history: list[str], min_count: int) -> None:
    model = train_infinigram(read(train), min_count)
    naive = naive_adaptive.Infinigram(ended(train), min_count)
    state = model.start(1)
    for word in history:
        state = model.advance(state, np.array([VOCAB.id(word)], np.int32))[1]
    found = dict(zip(VOCAB.words, model.distribution(state)[0]))
    expected = {word: naive.p(word, ["<s>", *history]) if word != "<s>" else 0.0 for word in VOCAB.words}
    assert found == pytest.approx(expected, rel=1e-12)


@given(texts, texts, st.integers(1, 3))
def test_contexts_are_the_states_of_advance(train: list[list[str]], test: list[list[str]], min_count: int) -> None:
    model = train_infinigram(read(train), min_count)
    corpus = read(test)
    state, states = model.start(1), model.contexts(corpus)
    for t, word in enumerate(corpus.ids):
        np.testing.assert_array_equal(states[t], state[0])
        state = model.advance(state, np.array([word], np.int32))[1]


@pytest.mark.parametrize("min_count", [1, 2, 100])
def test_conforms(corpus: Corpus, min_count: int) -> None:
    model = train_infinigram(corpus, min_count)
    check_language_model(model, corpus)
    assert not remembers(model)
    dev = corpus_from_lines(["the mat", "a cat sat and the dog"])
    for method in ("em", "buckets", "context"):
        check_language_model(fit_mixture([train_ngram(corpus, 3), model], dev, method=method).mixture, corpus)


@pytest.mark.parametrize(
    "lines", [["a"], ["", ""], ["a b c a"] * 30, ["a " * 3000], ["a " * 1200, "b " + "a " * 1100], ["<unk>"]]
)
def test_degenerate_texts(lines: list[str]) -> None:
    text = corpus_from_lines(lines, VOCAB)
    model = train_infinigram(text)
    check_language_model(model, corpus_from_lines([line[:40] for line in lines] + ["never", "b"], VOCAB))
    expected = naive_adaptive.backward_order([[VOCAB.words[i] for i in s] for s in split(text)], ids_of(VOCAB))
    assert model.places.tolist() == expected


def split(text: Corpus) -> list[list[int]]:
    return [text.ids[lo:hi].tolist() for lo, hi in zip(text.offsets[:-1], text.offsets[1:])]


def ids_of(vocab: Vocab) -> dict[str, int]:
    return {word: i for i, word in enumerate(vocab.words)}


def test_contexts_are_no_longer_than_the_longest() -> None:
    text = corpus_from_lines(["a " * 1500], VOCAB)
    model = train_infinigram(text)
    lengths = model.context_lengths(model.contexts(text))
    assert lengths.max() == kernels.LONGEST and (np.diff(lengths[: kernels.LONGEST]) == 1).all()
    assert np.exp(model.score(text)[-2]) == pytest.approx((1500 - kernels.LONGEST) / (1500 - kernels.LONGEST + 1))


def test_empty_history_and_words_that_were_never_seen() -> None:
    model = train_infinigram(corpus_from_lines(["a b", "a"], VOCAB))
    logp = model.score(corpus_from_lines(["never a"], VOCAB))
    # Behind a word that the text lacks: two of the five events are "a".
    assert logp[0] == -math.inf and math.exp(logp[1]) == pytest.approx(2 / 5)


def test_numbers_do_not_depend_on_threads(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    model = train_infinigram(corpus)
    expected = model.score(corpus, 1)
    monkeypatch.setattr("lmmix.adaptive.infinigram.PIECE_SENTENCES", 3)
    np.testing.assert_array_equal(model.score(corpus, 3), expected)
    assert model.score(Corpus(corpus.ids[:0], corpus.offsets[:1], corpus.vocab)).shape == (0,)


def test_bad_input_is_refused(corpus: Corpus) -> None:
    with pytest.raises(SettingError, match="min_count is 0; it must be 1 or more"):
        train_infinigram(corpus, 0)
    with pytest.raises(InputError, match="no sentence"):
        train_infinigram(Corpus(corpus.ids[:0], corpus.offsets[:1], corpus.vocab))


@pytest.fixture
def saved(corpus: Corpus, tmp_path: Path) -> Path:
    train_infinigram(corpus, 2).save(tmp_path / "a.lmi")
    return tmp_path / "a.lmi"


def test_file_round_trip(saved: Path, corpus: Corpus) -> None:
    model = load(saved)
    assert isinstance(model, InfinigramModel)
    expected = train_infinigram(corpus, 2)
    assert model.signature == expected.signature and model.vocab == expected.vocab
    np.testing.assert_array_equal(model.score(corpus), expected.score(corpus))
    again = saved.with_name("b.lmi")
    model.save(again)
    assert again.read_bytes() == saved.read_bytes()


@pytest.mark.parametrize(
    "name, place, value, message",
    [
        ("ids", -1, 3, "array 'ids' does not end with the end of a sentence"),
        ("ids", 0, -1, "array 'ids' is wrong at place 0: it is not one of 11 words, or is <s>"),
        ("ids", 1, 1, "array 'ids' is wrong at place 1: it is not one of 11 words, or is <s>"),
        ("ids", 0, 4, "array 'begin' is wrong at place 3: the word is not as often in the text"),
        ("begin", 0, 1, "array 'begin' goes from 1 to"),
        ("begin", 4, 99, "array 'begin' is wrong at place 4: it descends"),
        ("places", 0, 10**6, "array 'places' is wrong at place 0: it is not a place of the text"),
        ("places", 0, 0, "array 'places' lacks the place"),
        ("places", slice(8, 10), "swapped", "array 'places' is wrong at place 8: the next place does not"),
    ],
)  # fmt: skip
def test_damaged_arrays_are_named(saved: Path, name: str, place, value, message: str) -> None:
    meta, arrays = load_artefact(saved, KIND)
    array = arrays[name].copy()
    array[place] = array[place][::-1] if value == "swapped" else value
    save_artefact(saved, KIND, meta, {**arrays, name: array})
    with pytest.raises(FormatError) as caught:
        load(saved)
    assert str(caught.value).startswith(f"{saved}: {message}")


def test_damaged_headers_are_named(saved: Path) -> None:
    meta, arrays = load_artefact(saved, KIND)
    save_artefact(saved, KIND, {**meta, "min_count": 0}, arrays)
    with pytest.raises(FormatError, match=r"meta.min_count is 0; it must be 1 or more"):
        read_lmi(saved)
    save_artefact(saved, KIND, {**meta, "fingerprint": "0" * 16}, arrays)
    with pytest.raises(FormatError, match=r"meta.fingerprint is '0000000000000000', but that of the words is"):
        check_lmi(saved)
    save_artefact(saved, KIND, meta, {**arrays, "places": arrays["places"][1:]})
    with pytest.raises(FormatError, match=r"array 'places' has \d+ places, not \d+"):
        read_lmi(saved)
    saved.write_bytes(saved.read_bytes()[:-9])
    with pytest.raises(FormatError, match="truncated"):
        load(saved)


@given(st.integers(0, 10**6))
def test_queries_of_damaged_arrays_stay_inside(seed: int) -> None:
    """Large files are trusted; whatever they hold, queries end and read nothing but the arrays."""
    rng = np.random.default_rng(seed)
    text = corpus_from_lines(LINES, VOCAB)
    sound = train_infinigram(text)
    extremes = np.array([-(2**31), -2, -1, 0, 3, 2**31 - 1])
    arrays = []
    for array in (sound.ids, sound.places, sound.begin):
        wrong = rng.random(array.shape) < 0.2
        arrays.append(np.where(wrong, rng.choice(extremes, array.shape), array).astype(array.dtype))
    model = InfinigramModel(*arrays, VOCAB)
    model.score(text)
    state = model.start(4)
    for _ in range(4):
        state = model.advance(state, rng.integers(2, len(VOCAB), 4).astype(np.int32))[1]
        model.distribution(state)


def test_commands(folder: Path, run: Run) -> None:
    status, out, _ = run("infinigram", "train.txt", "-o", "a.lmi", "--min-count", "2")
    assert (
        status == 0 and f"a.lmi: {len(corpus_from_lines(LINES).ids)} words and sentence ends, 8 different words" in out
    )
    model = train_infinigram(corpus_from_lines(LINES), 2)
    assert load(folder / "a.lmi").signature == model.signature
    status, out, _ = run("info", "a.lmi", "--check", "--json")
    assert status == 0 and '"kind": "InfinigramModel"' in out and '"events": 49' in out
    (folder / "few.txt").write_text("the\ncat\n")
    status, out, _ = run("infinigram", "train.txt", "-o", "b.lmi", "--vocab", "few.txt", "--json")
    assert status == 0 and load(folder / "b.lmi").vocab.words[3:] == ["the", "cat"]
    status, _, err = run("infinigram", "train.txt", "-o", "b.lmi", "--min-count", "0")
    assert status == 1 and "min_count is 0" in err
    status, _, err = run("infinigram", "train.txt", "-o", "b.lmi.gz")
    assert status == 1 and "b.lmi.gz: write the model as .lmi" in err
