from __future__ import annotations

import functools
import gzip

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_text import BOM, SPECIALS, naive_corpus

from lmmix import corpus as corpus_module
from lmmix.corpus import Corpus, corpus_from_lines, limited_vocab, read_corpus
from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import read_line_chunks
from lmmix.vocab import EOS, UNK, Vocab

LAW = settings(deadline=None, derandomize=True)
TOKENS = ["a", "b", "ab", "é", "中文", "🐎", "10\xa0km", "\u2028", "<unk>", "<S>", "<s>x", "</s", "a" * 40, "\x1c"]
SPACES = [" ", " ", "\t", "\n", "\n", "\r\n", "\0", "\v", "\f", "  "]
texts = st.lists(st.tuples(st.sampled_from(TOKENS), st.sampled_from(SPACES)).map("".join) | st.sampled_from(SPACES))
contents = st.tuples(st.sampled_from([b"", BOM]), texts.map("".join).map(str.encode), st.sampled_from([b"", b"a"]))
files = st.lists(contents.map(b"".join), min_size=1, max_size=3)


def write(tmp_path, content: str | bytes, name: str = "text"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def in_small_chunks(monkeypatch, chunk_bytes: int) -> None:
    small = functools.partial(read_line_chunks, chunk_bytes=chunk_bytes)
    monkeypatch.setattr(corpus_module, "read_line_chunks", small)


def check_equal(found: Corpus, expected) -> None:
    assert list(found.vocab.words) == expected.words
    assert found.ids.tolist() == expected.ids and found.ids.dtype == np.int32
    assert found.offsets.tolist() == np.cumsum([0, *map(len, expected.sentences)]).tolist()
    assert found.oov_at.tolist() == expected.oov_at
    assert (found.empty_lines, found.chars) == (expected.empty_lines, expected.chars)
    assert found.n_sentences == len(expected.sentences)
    assert found.n_words == len(expected.ids) - len(expected.sentences)


def check_same(one: Corpus, two: Corpus) -> None:
    assert one.vocab == two.vocab
    for name in ("ids", "offsets", "oov_at"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (one.empty_lines, one.chars) == (two.empty_lines, two.chars)


@LAW
@given(files, st.sampled_from([3, 4, 7, 50, 1 << 24]), st.sampled_from([None, [], ["b", "é", "never"]]), st.booleans())
@example([BOM + b"\n \r\n", b"b a\0a\v<unk> c\tb"], 3, None, False)
def test_corpus_equals_its_naive_twin(tmp_path_factory, contents, chunk_bytes, words, specials):
    if specials:
        contents = [content.replace(b"ab", b"<s>").replace(b"<S>", b"</s>") for content in contents]
    expected = naive_corpus(contents, words if words is None else SPECIALS + words, specials)
    folder = tmp_path_factory.getbasetemp()
    paths = [write(folder, content, f"text{i}") for i, content in enumerate(contents)]
    vocab = None if words is None else Vocab.from_words(words)
    with pytest.MonkeyPatch.context() as patch:
        in_small_chunks(patch, chunk_bytes)
        if expected.sentences:
            check_equal(read_corpus(paths, vocab, replace_specials=specials), expected)
        else:
            with pytest.raises(InputError, match="no sentence to read"):
                read_corpus(paths, vocab, replace_specials=specials)


def test_ids_go_by_descending_count_and_ties_by_first_appearance(tmp_path):
    corpus = read_corpus(write(tmp_path, "z y x\ny x\nw x <unk> <unk> <unk>\n"))
    assert list(corpus.vocab.words) == [*SPECIALS, "x", "y", "z", "w"]
    assert corpus.word_counts().tolist() == [3, 0, 3, 3, 2, 1, 1]


def test_unk_in_the_text_is_an_event_and_no_oov(tmp_path):
    corpus = read_corpus(write(tmp_path, "a <unk> b\n"), Vocab.from_words(["a"]))
    assert corpus.ids.tolist() == [3, UNK, UNK, EOS]
    assert corpus.oov_at.tolist() == [2]


def test_sentence_of_names_the_sentence_of_every_event(tmp_path):
    assert read_corpus(write(tmp_path, "a b\n\nc\n")).sentence_of().tolist() == [0, 0, 0, 1, 1]


def test_compressed_text_is_read(tmp_path):
    check_same(read_corpus(write(tmp_path, gzip.compress(b"a b\n"), "t.gz")), read_corpus(write(tmp_path, "a b\n")))


@pytest.mark.parametrize("grow", [True, False])
@pytest.mark.parametrize("chunk_bytes", [4, 1 << 24])
@pytest.mark.parametrize(
    ("text", "line", "word"), [("a\n\nb <s> c\n", 3, "<s>"), ("</s>", 1, "</s>"), ("b\nb </s>\n", 2, "</s>")]
)
def test_sentence_marks_inside_a_line_are_refused_with_the_line(
    tmp_path, monkeypatch, text, line, word, chunk_bytes, grow
):
    in_small_chunks(monkeypatch, chunk_bytes)
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=f"^{path}:{line}: {word} stands inside the line.*--replace-specials"):
        read_corpus(path, None if grow else Vocab.from_words(["a"]))


def test_sentence_marks_can_be_read_as_space(tmp_path):
    corpus = read_corpus(write(tmp_path, "<s> a <s>b</s> </s>\n<s> </s>\n"), replace_specials=True)
    assert [corpus.vocab.words[i] for i in corpus.ids] == ["a", "<s>b</s>", "</s>"]
    assert corpus.empty_lines == 1


@pytest.mark.parametrize("chunk_bytes", [4, 1 << 24])
def test_bad_utf8_is_refused_with_line_and_column_or_replaced(tmp_path, monkeypatch, chunk_bytes):
    in_small_chunks(monkeypatch, chunk_bytes)
    path = write(tmp_path, b"a\n\nb \xffc \xe4\xb8 d\n")
    with pytest.raises(InputError, match=f"^{path}:3:3: byte 0xff is not valid UTF-8"):
        read_corpus(path)
    words = read_corpus(path, errors="replace").vocab.words[3:]
    assert words == ["a", "b", "\ufffdc", "\ufffd", "d"]


@pytest.mark.parametrize("tokenizer", ["whitespace", "chars"])
@pytest.mark.parametrize(("text", "why"), [("", "the file is empty"), ("\n \r\n\t\n", r"only empty lines \(3\)")])
def test_text_without_a_sentence_is_refused_with_the_reason(tmp_path, text, why, tokenizer):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=f"^{path}: no sentence to read: {why}"):
        read_corpus(path, tokenizer=tokenizer)


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(SettingError, match="errors is 'ignore'"):
        read_corpus(write(tmp_path, "a"), errors="ignore")
    with pytest.raises(SettingError, match="no tokeniser"):
        read_corpus(write(tmp_path, "a"), tokenizer="words")


def test_tokeniser_is_that_of_the_vocabulary(tmp_path):
    corpus = read_corpus(write(tmp_path, "ab ba"), Vocab.from_words(["a", "▁"], "chars"))
    assert corpus.ids.tolist() == [3, UNK, 4, UNK, 3, EOS]


def test_table_and_pool_grow_with_more_than_100_000_words(tmp_path):
    rng = np.random.default_rng(1)
    words = [f"word{i:015d}" for i in rng.zipf(1.3, 60_000) % 10**15] + [f"w{i:012d}" for i in range(120_000)]
    text = "".join(f"{a} {b} {c}\n" for a, b, c in zip(words[::3], words[1::3], words[2::3]))
    expected_counts = dict.fromkeys(words, 0)
    for word in words:
        expected_counts[word] += 1
    corpus = read_corpus(write(tmp_path, text))
    assert len(corpus.vocab) > 120_000 and len(corpus.vocab.pool) > 1 << 20
    assert corpus.vocab.words == SPECIALS + sorted(expected_counts, key=lambda word: -expected_counts[word])
    assert [corpus.vocab.words[i] for i in corpus.ids if i != EOS] == words


def test_word_longer_than_the_pool_is_kept(tmp_path):
    corpus = read_corpus(write(tmp_path, "a " + "x" * 5_000_000 + " a\n"))
    assert [len(word) for word in corpus.vocab.words[3:]] == [1, 5_000_000] and corpus.ids.tolist() == [3, 4, 3, 2]


@LAW
@given(contents.map(b"".join).filter(lambda content: content.strip(BOM + b" \t\n\r\v\f\0")), st.permutations(TOKENS))
def test_recoded_corpus_is_the_text_read_with_that_vocabulary(tmp_path_factory, content, words):
    path = write(tmp_path_factory.getbasetemp(), content)
    corpus = read_corpus(path)
    small = Vocab.from_words([word for word in words[:7] if word.split() == [word]])
    check_same(corpus.recode(small), read_corpus(path, small))
    assert corpus.recode(corpus.vocab) is corpus


def test_oov_stays_oov_when_recoded_to_a_larger_vocabulary(tmp_path):
    path = write(tmp_path, "a x b\n")
    small, large = Vocab.from_words(["a", "b"]), Vocab.from_words(["x", "b"])
    assert read_corpus(path, small).recode(large).oov_at.tolist() == [0, 1]


def test_recoding_to_another_tokeniser_is_refused(tmp_path):
    with pytest.raises(EventSpaceError, match="'whitespace'.*'chars'"):
        read_corpus(write(tmp_path, "a")).recode(Vocab.from_words(["a"], "chars"))


@pytest.mark.parametrize("words", [None, ["b"]])
def test_saved_corpus_is_loaded_as_it_was(tmp_path, words):
    corpus = read_corpus(write(tmp_path, "a b é\n\nb\n"), words and Vocab.from_words(words))
    corpus.save(tmp_path / "corpus")
    check_same(Corpus.load(tmp_path / "corpus"), corpus)
    content = (tmp_path / "corpus").read_bytes()
    (tmp_path / "corpus").unlink()
    (tmp_path / "corpus").write_bytes(content[:-1])
    with pytest.raises(FormatError, match="truncated"):
        Corpus.load(tmp_path / "corpus")


def test_vocabulary_can_be_limited_by_count_and_size(tmp_path):
    corpus = read_corpus(write(tmp_path, "d c c b b a a a <unk> <unk>\n"))
    assert list(limited_vocab(corpus).words) == [*SPECIALS, "a", "c", "b", "d"]
    assert list(limited_vocab(corpus, min_count=2).words) == [*SPECIALS, "a", "c", "b"]
    assert list(limited_vocab(corpus, size=2).words) == [*SPECIALS, "a", "c"]
    assert list(limited_vocab(corpus, min_count=3, size=2).words) == [*SPECIALS, "a"]
    assert limited_vocab(read_corpus(write(tmp_path, "ab"), tokenizer="chars")).tokenizer == "chars"
    for wrong in ({"min_count": 0}, {"size": 0}):
        with pytest.raises(SettingError, match="must be 1 or more"):
            limited_vocab(corpus, **wrong)


@pytest.mark.parametrize("word", ["10\xa0km", "\u3000", "\x85x", "\x1c"])
def test_vocabulary_of_a_text_with_unicode_spaces_inside_words_can_be_limited(tmp_path, word):
    corpus = read_corpus(write(tmp_path, f"a {word} b\n"))
    assert list(limited_vocab(corpus).words) == list(corpus.vocab.words)


def test_lines_keep_their_places_even_when_they_are_empty():
    corpus = corpus_from_lines(["", "a b", " ", "b\na\r"])
    assert corpus.offsets.tolist() == [0, 1, 4, 5, 8] and corpus.empty_lines == 0
    assert [corpus.vocab.words[i] for i in corpus.ids] == ["</s>", "a", "b", "</s>", "</s>", "b", "a", "</s>"]


def test_lines_with_a_vocabulary_have_oovs_and_no_lines_make_an_empty_corpus():
    corpus = corpus_from_lines(["x a", "x"], Vocab.from_words(["a"]))
    assert corpus.ids.tolist() == [0, 3, 2, 0, 2] and corpus.oov_at.tolist() == [0, 3]
    assert corpus_from_lines([]).n_sentences == 0


@pytest.mark.parametrize("mark", ["<s>", "</s>"])
def test_sentence_marks_in_lines_are_refused_with_the_number_of_the_line(mark):
    with pytest.raises(InputError, match=f"line:2: {mark} stands inside"):
        corpus_from_lines(["a", f"b {mark}"])
