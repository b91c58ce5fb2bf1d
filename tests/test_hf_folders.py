"""Tokenisers of Hugging Face folders, and folders that are refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hf_folders import BERT, GPT2, LINES, LLAMA, edit_json, make_folder, save_network, save_tokenizer  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, InputError  # noqa: E402
from lmmix.lm import load  # noqa: E402
from lmmix.tokenize import same_tokens, tokenizer  # noqa: E402
from lmmix.vocab import BOS, EOS, SPACE, UNK  # noqa: E402

ODD = ("a  b", "\t", "\\x20", "\\", "<unk>", "</s>", "\\x3cunk>")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tokeniser of GPT-2's kind, with pieces of odd names, and one of Llama's."""
    root = tmp_path_factory.mktemp("tokenizers")
    save_tokenizer(root / "odd", GPT2, ODD)
    save_tokenizer(root / "llama", LLAMA)
    return root


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("hf") / "gpt2", "gpt2")


def test_pieces_are_those_of_transformers(folders):
    theirs = transformers.AutoTokenizer.from_pretrained(folders / "llama")
    found = tokenizer(f"hf:{folders / 'llama'}").transform("\n".join(LINES).encode()).decode().split("\n")
    assert [line.split(" ") for line in found] == [theirs.tokenize(line) for line in LINES]


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=3))
def test_lines_stay_lines_and_round_trip(folders, lines):
    pieces = tokenizer(f"hf:{folders / 'odd'}")
    chunk = "\n".join(lines).encode()
    found = pieces.transform(chunk).decode().split("\n")
    expected = [line.strip(" \t\v\f\r\0") for line in lines]
    assert len(found) == chunk.count(b"\n") + 1
    assert [pieces.detokenize([t for t in line.split(" ") if t]) for line in found][: len(lines)] == expected


def test_odd_pieces_get_names_that_are_words(folders):
    pieces = tokenizer(f"hf:{folders / 'odd'}")
    vocab, ids = pieces.vocab()
    assert not any(SPACE.search(word) or not word for word in vocab.words)
    theirs = transformers.AutoTokenizer.from_pretrained(folders / "odd")
    assert len(vocab) == len(theirs) + 2  # their one special piece is `</s>`; no text holds `<unk>` and `<s>`
    assert (ids[UNK], ids[BOS], ids[EOS]) == (-1, theirs.eos_token_id, theirs.eos_token_id)
    for piece, name in zip(ODD, ("a\\x20\\x20b", "\\x09", "\\x5cx20", "\\", "\\x3cunk>", "\\x3c/s>", "\\x5cx3cunk>")):
        assert ids[vocab.id(name)] == theirs.convert_tokens_to_ids(piece), piece
        line = f"the{piece}cat"
        assert pieces.detokenize(pieces.transform(line.encode()).decode().split(" ")) == line
    text = corpus_from_lines(["is <unk> a \\x20 piece"], vocab)
    assert UNK not in text.ids and not len(text.oov_at)


def test_special_pieces_take_their_places_and_in_a_text_are_refused(folders):
    vocab, ids = tokenizer(f"hf:{folders / 'llama'}").vocab()
    assert ids[[UNK, BOS, EOS]].tolist() == [2, 0, 1] and (ids >= 0).all()
    assert sorted(ids) == list(range(len(vocab)))
    with pytest.raises(InputError, match="</s> stands inside the line"):
        corpus_from_lines(["the </s> cat"], vocab)


def test_which_pieces_begin_a_word(folders):
    assert {tokenizer(f"hf:{folders / name}").space_mark for name in ("llama", "odd")} == {"Ġ"}
    marks = {name: tokenizer(name).space_mark for name in ("whitespace", "chars", "bytes")}
    assert marks == {"whitespace": None, "chars": "▁", "bytes": "▁"}


def test_sentencepiece_marks_begin_words_and_stand_before_the_first(tmp_path):
    whole = Tokenizer(models.BPE(unk_token="<unk>"))
    whole.pre_tokenizer, whole.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    whole.train_from_iterator(LINES * 4, trainers.BpeTrainer(special_tokens=list(LLAMA.values()), show_progress=False))
    transformers.PreTrainedTokenizerFast(tokenizer_object=whole, **LLAMA).save_pretrained(tmp_path)
    pieces = tokenizer(f"hf:{tmp_path}")
    vocab, _ = pieces.vocab()
    found = pieces.transform(b"the catsat\nq\n").decode().split("\n")
    assert found == ["▁the ▁cat sat", "▁ <unk>", ""] and pieces.detokenize(found[0].split(" ")) == "the catsat"
    assert pieces.space_mark == "▁" and all(name in vocab for name in ("▁the", "▁cat", "sat", "▁"))


def test_tokenisers_are_known_by_their_files(folders, tmp_path):
    shutil.copytree(folders / "llama", tmp_path / "copy")
    here, there = f"hf:{tmp_path / 'copy'}", f"hf:{folders / 'llama'}"
    assert same_tokens(here, there) and not same_tokens(here, f"hf:{folders / 'odd'}")
    full = tokenizer(here).name
    edit_json(tmp_path / "copy" / "tokenizer_config.json", padding_side="left")
    with pytest.raises(InputError, match="this tokeniser is not the one that the language model was trained with"):
        tokenizer.__wrapped__(full)
    with pytest.raises(InputError, match="there is no tokeniser in this folder"):
        tokenizer(f"hf:{tmp_path}")


def _remove_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


def _pickle(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")


def _cut_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def _lose_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.ln_f.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _remote_code(folder):
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Config: ...\n")
    edit_json(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.Config"})


DAMAGES = [
    (_remove_tokenizer, "there is no tokeniser in this folder"),
    (_pickle, r"its weights are a pickle \(pytorch_model.bin\)"),
    (lambda f: (f / "model.safetensors").unlink(), r"has no weights \(model.safetensors\)"),
    (_cut_weights, "transformers cannot read it"),
    (_lose_a_tensor, "its weights lack transformer.ln_f.weight"),
    (_remote_code, "transformers cannot read it"),
    (lambda f: (f / "config.json").write_text("{"), "transformers cannot read it"),
    (lambda f: (f / "tokenizer.json").write_text("{}"), "transformers cannot read it"),
    (lambda f: edit_json(f / "config.json", architectures=None), "holds gpt2 without architectures"),
    (lambda f: edit_json(f / "config.json", architectures=["GPT2Model"]), "holds GPT2Model; lmmix reads causal"),
    (lambda f: edit_json(f / "tokenizer_config.json", eos_token=None), "its tokeniser has no end of a sentence"),
    (lambda f: save_tokenizer(f, GPT2, ("extra",)), "the tokeniser has pieces up to"),
]


@pytest.mark.parametrize("damage, message", DAMAGES)
def test_damaged_folders_are_refused_in_one_line(gpt2, tmp_path, damage, message):
    folder = tmp_path / "model"
    shutil.copytree(gpt2, folder)
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        load(folder)
    assert str(error.value).startswith(str(folder)) and "\n" not in str(error.value)
    assert not (folder / "ran").exists()


def test_other_architectures_are_refused(tmp_path):
    make_folder(tmp_path / "t5", "t5")
    with pytest.raises(FormatError, match="holds T5ForConditionalGeneration; lmmix reads causal and masked"):
        load(tmp_path / "t5")
    looks_ahead = make_folder(tmp_path / "bert", "bert")
    edit_json(looks_ahead / "config.json", architectures=["BertLMHeadModel"])
    with pytest.raises(FormatError, match="BertLMHeadModel (is not causal|keeps no keys)"):
        load(looks_ahead)
    without_mask = tmp_path / "no-mask"
    special = {name: piece for name, piece in BERT.items() if name != "mask_token"}
    save_network(without_mask, "bert", save_tokenizer(without_mask, special))
    with pytest.raises(FormatError, match="its tokeniser has no mask_token"):
        load(without_mask)


def test_folder_of_nothing_says_so(tmp_path):
    with pytest.raises(FormatError, match="this folder is no model"):
        load(tmp_path)
    assert np.all([not p.exists() for p in tmp_path.iterdir()])
