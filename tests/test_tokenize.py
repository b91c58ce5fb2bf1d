from __future__ import annotations

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.corpus import corpus_from_lines, read_corpus
from lmmix.errors import InputError, SettingError
from lmmix.tokenize import SPACE_MARK, tokenizer
from lmmix.vocab import SPACE, Vocab

LAW = settings(deadline=None, derandomize=True)
# NUL is white space for the corpus alone, and ▁ in a text cannot be told from a space: both are left out.
texts = st.text(st.characters(codec="utf-8", exclude_characters=f"\n\0{SPACE_MARK}"))
LINES = [f"the cat number {i} sat on the mat of dog {i % 7}" for i in range(200)]


@LAW
@given(st.binary())
def test_whitespace_leaves_text_as_it_is(chunk):
    assert tokenizer("whitespace").transform(chunk) == chunk


def test_whitespace_joins_with_single_spaces():
    assert tokenizer("whitespace").detokenize(["a", "b"]) == "a b"


def test_characters_stand_alone_and_spaces_become_marks():
    assert tokenizer("chars").transform("añ  b\t\n\n c\r\n".encode()).decode() == "a ñ ▁ b\n\nc\n"


@LAW
@given(st.lists(texts, max_size=4))
def test_characters_keep_the_number_of_lines_and_round_trip_but_for_runs_of_space(lines):
    chunk = "".join(line + "\n" for line in lines).encode()
    *tokens, rest = tokenizer("chars").transform(chunk).decode().split("\n")
    assert rest == ""
    assert [tokenizer("chars").detokenize(line.split(" ")) for line in tokens] == [" ".join(x.split()) for x in lines]


@LAW
@given(texts)
def test_corpus_of_characters_holds_every_character(line):
    corpus = corpus_from_lines([line], tokenizer="chars")
    assert corpus.vocab.tokenizer == "chars"
    found = [corpus.vocab.words[i] for i in corpus.ids[:-1]]
    assert found == list(SPACE_MARK.join(line.split()))


def test_bytes_stand_alone_and_spaces_become_marks():
    chunk = "añ  \\b\t\n\n c<▁ \r\n".encode()
    expected = "a <0xC3> <0xB1> ▁ \\ b\n\nc < <0xE2> <0x96> <0x81>\n"
    assert tokenizer("bytes").transform(chunk).decode() == expected


@LAW
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=4))
def test_bytes_keep_the_number_of_lines_and_the_words_of_every_text(lines):
    chunk = "".join(line + "\n" for line in lines).encode()
    *tokens, rest = tokenizer("bytes").transform(chunk).decode().split("\n")
    words = [" ".join(word for word in SPACE.split(line) if word) for line in lines]
    assert rest == "" and [tokenizer("bytes").detokenize(line.split()) for line in tokens] == words


def test_bytes_that_are_no_text_and_unknown_tokens_are_shown():
    assert tokenizer("bytes").detokenize(["<0xC3>", "a", "<unk>"]) == "\ufffda<unk>"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_prefix=str(folder / "sp"), vocab_size=40, minloglevel=2
    )
    return folder / "sp.model"


def test_sentencepiece_gives_the_pieces_of_its_model_line_by_line(model):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    chunk = "the cat\n\n  \nunseen ω\r\nthe mat\n".encode()
    *lines, rest = tokenizer(f"sentencepiece:{model}").transform(chunk).decode().split("\n")
    assert rest == ""
    expected = [processor.encode(line, out_type=str) for line in ("the cat", "", "", "unseen ω", "the mat")]
    assert [line.split() for line in lines] == expected


def test_sentencepiece_round_trip(model):
    name = f"sentencepiece:{model}"
    assert tokenizer(name).name.startswith(f"{name}#")
    for line in LINES[:20]:
        tokens = tokenizer(name).transform(f"{line}\n".encode()).decode().split()
        assert len(tokens) > len(line.split()) and tokenizer(name).detokenize(tokens) == line


def test_pieces_are_known_by_the_content_of_their_model(model, tmp_path, monkeypatch):
    copy = tmp_path / "copy.model"
    copy.write_bytes(model.read_bytes())
    monkeypatch.chdir(tmp_path)
    here, there = (Vocab.from_words(["a"], f"sentencepiece:{path}") for path in ("copy.model", model))
    assert here == there and here.fingerprint == there.fingerprint and here.tokenizer != there.tokenizer
    copy.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(InputError, match="not the one that the language model was trained with"):
        tokenizer.__wrapped__(here.tokenizer)


def test_corpus_of_pieces_remembers_its_tokeniser_and_its_lines(model, tmp_path):
    (tmp_path / "text").write_text("\n".join([*LINES, "", "the end"]))
    corpus = read_corpus(tmp_path / "text", tokenizer=f"sentencepiece:{model}")
    assert corpus.vocab.tokenizer == tokenizer(f"sentencepiece:{model}").name
    assert corpus.chars == read_corpus(tmp_path / "text").chars
    assert corpus.n_sentences == len(LINES) + 1 and corpus.empty_lines == 1


@pytest.mark.parametrize("name", ["", "words", "Whitespace", "sentencepiece", "sentencepiece:", "bpe:model", "hf:"])
def test_unknown_tokeniser_is_refused_with_those_there_are(name):
    with pytest.raises(SettingError, match=f"{name!r}; there are whitespace, chars, bytes, sentencepiece:MODEL and hf"):
        tokenizer(name)


def test_missing_and_broken_sentencepiece_models_are_refused_by_name(tmp_path):
    (tmp_path / "broken").write_bytes(b"no model")
    for path in (tmp_path / "none", tmp_path / "broken", tmp_path):
        with pytest.raises(InputError, match=f"^{path}: cannot read"):
            tokenizer(f"sentencepiece:{path}")
