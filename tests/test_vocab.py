from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_text import SPACES, SPECIALS

from lmmix import _text_kernels as kernels
from lmmix.errors import EventSpaceError, FormatError, SettingError
from lmmix.vocab import BOS, EOS, UNK, Vocab, table_slots

LAW = settings(deadline=None, derandomize=True)


def write(path, content: str):
    path.write_bytes(content.encode())
    return path


def test_special_words_come_first_and_are_passed_over_among_the_words():
    vocab = Vocab.from_words(["b", "</s>", "<unk>", "a", "<s>"])
    assert list(vocab.words) == ["<unk>", "<s>", "</s>", "b", "a"]
    assert len(vocab) == 5
    assert [vocab.id(word) for word in ("<unk>", "<s>", "</s>", "b", "a")] == [UNK, BOS, EOS, 3, 4]


def test_unknown_words_have_the_id_of_unk_but_are_not_inside():
    vocab = Vocab.from_words(["a"])
    assert vocab.id("b") == UNK and "b" not in vocab and "a" in vocab and "<unk>" in vocab


def test_vocabulary_of_no_words_has_the_special_ones():
    assert list(Vocab.from_words([]).words) == SPECIALS


@pytest.mark.parametrize("word", ["", " ", "a b", " a", "a\t", "a\nb", "\0", "a\0b", "a\vb"])
def test_empty_words_and_words_with_white_space_are_refused(word):
    with pytest.raises(SettingError, match="cannot be a word"):
        Vocab.from_words(["fine", word])


def test_repeated_word_is_refused_by_name():
    with pytest.raises(SettingError, match="'b' stands twice"):
        Vocab.from_words(["a", "b", "c", "b"])


def test_vocabularies_are_equal_with_the_same_words_in_the_same_order_by_the_same_tokeniser():
    assert Vocab.from_words(["a", "b"]) == Vocab.from_words(["a", "b"])
    assert Vocab.from_words(["a", "b"]) != Vocab.from_words(["b", "a"])
    assert Vocab.from_words(["ab", "c"]) != Vocab.from_words(["a", "bc"])
    assert Vocab.from_words(["a"]) != Vocab.from_words(["a"], "chars")
    assert Vocab.from_words(["a"]) != "a"


words = st.text(st.characters(codec="utf-8", exclude_characters=SPACES), min_size=1, max_size=6)
word_lists = st.lists(words.filter(lambda word: word.split() == [word] and word not in SPECIALS), unique=True)


@LAW
@given(word_lists.filter(bool))
def test_file_round_trip_keeps_words_and_ids(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "vocab"
    vocab = Vocab.from_words(words)
    vocab.write(path)
    assert path.read_bytes().decode().split("\n") == [*words, ""]
    assert Vocab.read(path) == vocab


@pytest.mark.parametrize("word", ["10\xa0km", "\u3000", "\x85", "a\u2028b", "\x1c", "\u200b"])
def test_white_space_outside_ascii_may_be_part_of_a_word_as_it_may_in_a_text(tmp_path, word):
    # Words of a corpus end at ASCII white space only, so its vocabulary holds such words.
    vocab = Vocab.from_words([word])
    vocab.write(tmp_path / "vocab")
    assert list(Vocab.read(tmp_path / "vocab").words) == [*SPECIALS, word]


@pytest.mark.parametrize("content", ["a\nb\n", "a\r\nb\r\n", "\ufeffa\nb", "<s>\n</s>\n<unk>\na\nb\n", " a \nb\n"])
def test_file_may_have_special_words_and_foreign_line_ends(tmp_path, content):
    assert Vocab.read(write(tmp_path / "vocab", content), "chars") == Vocab.from_words(["a", "b"], "chars")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("a\n\nb\n", 2, "not one word"),
        ("a\nb\tc\n", 2, "not one word"),
        ("a\nb\nc 12\n", 3, "not one word"),
        ("a\nb\nc\nb\n", 4, "stands already in line 2"),
        ("<s>\na\n<s>\n", 3, "stands already in line 1"),
        ("a\nb\0c\n", 2, ""),
    ],
)
def test_line_that_is_no_new_word_is_refused_with_its_number(tmp_path, content, line, message):
    path = write(tmp_path / "vocab", content)
    with pytest.raises(FormatError, match=f"^{path}:{line}: .*{message}"):
        Vocab.read(path)


def test_empty_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match="holds no word"):
        Vocab.read(write(tmp_path / "vocab", ""))


@LAW
@given(word_lists.flatmap(lambda words: st.tuples(st.just(words), st.permutations(words))))
def test_fingerprint_is_independent_of_order(lists):
    one, two = map(Vocab.from_words, lists)
    assert one.fingerprint == two.fingerprint
    one.check_same_events(two, "one", "two")


def test_fingerprint_depends_on_words_and_tokeniser():
    vocabs = [["a"], ["a", "b"], ["b"], ["ab"]]
    prints = {Vocab.from_words(words, name).fingerprint for words in vocabs for name in ("whitespace", "chars")}
    assert len(prints) == 8 and all(len(text) == 16 for text in prints)


def test_models_of_different_words_are_told_apart_with_counts():
    one, two = Vocab.from_words(["a", "b"]), Vocab.from_words(["b", "c", "d"])
    with pytest.raises(EventSpaceError) as caught:
        one.check_same_events(two, "one.arpa", "two.arpa")
    for part in ("one.arpa and two.arpa", "5 and 6 words", "1 only in the first", "2 only in the second", "--vocab"):
        assert part in str(caught.value)


def test_models_of_different_tokenisers_are_told_apart_by_their_tokenisers():
    one, two = Vocab.from_words(["a"], "whitespace"), Vocab.from_words(["a"], "chars")
    with pytest.raises(EventSpaceError, match=r"whitespace.*chars"):
        one.check_same_events(two, "one", "two")


@LAW
@given(word_lists, word_lists)
def test_translation_goes_by_spelling(mine, others):
    one, two = Vocab.from_words(mine), Vocab.from_words(others)
    expected = [two.words.index(word) if word in two.words else UNK for word in one.words]
    translation = one.translation(two)
    assert translation.tolist() == expected and translation.dtype == np.int32


def test_translation_between_tokenisers_is_refused():
    with pytest.raises(EventSpaceError, match="'whitespace' .*'chars'"):
        Vocab.from_words([]).translation(Vocab.from_words([], "chars"))


nasty = st.one_of(
    st.binary(max_size=4),
    st.text(max_size=5).map(str.encode),
    st.integers(0, 40).map(lambda n: b"prefix" * 30 + b"a" * n),
    st.integers(0, 40).map(lambda n: bytes([n]) * 300),
)


def as_pool(words: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    begin = np.cumsum([0, *map(len, words)])
    return np.frombuffer(bytearray(b"".join(words)), np.uint8), begin


@LAW
@given(st.lists(nasty, unique=True, max_size=60), st.lists(nasty, max_size=20), st.integers(0, 2))
def test_hash_table_finds_what_a_dict_finds(known, asked, roomier):
    # One free slot is all that the table needs to end a search: the smallest one makes the most collisions.
    slots = 1 << (len(known).bit_length() + roomier)
    table = np.full(slots, -1, np.int32)
    pool, begin = as_pool(known)
    assert kernels._fill_table(pool, begin, len(known), table) == -1
    assert sorted(table[table >= 0].tolist()) == list(range(len(known)))

    asked = asked + known
    data, places = as_pool(asked)
    ids = np.empty(len(asked), np.int32)
    kernels._look_up(data, places[:-1].copy(), places[1:].copy(), pool, begin, table, ids)
    number = {word: i for i, word in enumerate(known)}
    assert ids.tolist() == [number.get(word, -1) for word in asked]


@LAW
@given(st.lists(nasty, unique=True, min_size=1, max_size=20), st.data())
def test_filling_a_table_reports_the_first_word_that_is_there_already(words, data):
    again = data.draw(st.integers(0, len(words) - 1))
    pool, begin = as_pool([*words, words[again], words[0]])
    table = np.full(table_slots(len(words) + 2), -1, np.int32)
    assert kernels._fill_table(pool, begin, len(words) + 2, table) == len(words)


@LAW
@given(st.lists(nasty, unique=True, min_size=1, max_size=40))
def test_slot_of_an_unknown_word_is_free_and_that_of_a_known_one_holds_it(words):
    known = words[:-1]
    pool, begin = as_pool(words)
    table = np.full(1 << len(words).bit_length(), -1, np.int32)
    kernels._fill_table(pool, begin, len(known), table)
    slots = [kernels._find_slot(pool, lo, hi, pool, begin, table) for lo, hi in pairwise(begin)]
    assert [table[slot] for slot in slots] == [*range(len(known)), -1]


@pytest.mark.parametrize("words", [0, 1, 7, 8, 9, 1000, 1024, 1025, 10**6])
def test_table_is_a_power_of_two_and_at_most_half_full(words):
    slots = table_slots(words)
    assert slots >= 2 * words and slots & (slots - 1) == 0 and slots <= max(16, 4 * words)


def test_table_of_a_vocabulary_holds_its_words():
    vocab = Vocab.from_words([f"w{i}" for i in range(5000)])
    assert sorted(vocab.table[vocab.table >= 0].tolist()) == list(range(5003))
