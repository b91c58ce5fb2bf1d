"""Models of llama2.c: small random ones against the twin, a trained one where it is there, damaged files."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import sentencepiece

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import naive_transformer as naive  # noqa: E402
from conformance import check_language_model  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import FormatError, SettingError  # noqa: E402
from lmmix.lm import load  # noqa: E402
from lmmix.neural.llama2c import Header, read_llama2c  # noqa: E402
from lmmix.vocab import BOS, EOS, SPECIALS, UNK  # noqa: E402

LINES = [f"the cat number {i} sat on the mat of dog {i % 7}" for i in range(200)]
PIECES = 40
HEADER = Header(dim=16, hidden_dim=10, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=PIECES, seq_len=24)

STORY = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw "
    "a big, red ball. She wanted to play with it, but it was too high. Her mom said it was not safe. Lily was sad, "
    "but she went home with her mom."
)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """The name of a tokeniser of 40 pieces."""
    prefix = tmp_path_factory.mktemp("pieces") / "sp"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_prefix=str(prefix), vocab_size=PIECES, minloglevel=2
    )
    return f"sentencepiece:{prefix}.model"


def random_arrays(header=HEADER, seed=1):
    """The arrays of a file by name, in their order; frequencies are what no reader needs."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0.0, 0.5, shape).astype("<f4") for name, shape in header.shapes().items()}


def content(header, arrays):
    return struct.pack("<7i", *header) + b"".join(array.tobytes() for array in arrays.values())


def write(path, header=HEADER, arrays=None):
    path.write_bytes(content(header, arrays or random_arrays(header)))
    return path


@pytest.fixture
def model_file(tmp_path):
    return write(tmp_path / "small.bin")


def test_equals_the_twin_with_bos_in_the_place_of_eos(model_file, pieces):
    model = read_llama2c(model_file, pieces)
    arrays = random_arrays()
    layers = [
        {n: a[level] for n, a in arrays.items() if a.ndim == 3 or n in ("rms_att", "rms_ffn")} for level in (0, 1)
    ]
    w = {"token_embedding": arrays["token_embedding"], "rms_final": arrays["rms_final"], "layers": layers}
    text = corpus_from_lines(["the cat sat on the mat of dog"], model.vocab)
    assert UNK not in text.ids
    ids = text.ids.tolist()
    features = naive.features([BOS, *ids[:-1]], w, HEADER.n_heads, HEADER.n_kv_heads, HEADER.seq_len)
    logits = features @ arrays["token_embedding"].astype(float).T
    logits[:, EOS] = -np.inf
    logp = naive.log_softmax(logits)
    expected = [logp[place, BOS if word == EOS else word] for place, word in enumerate(ids)]
    np.testing.assert_allclose(model.score(text), expected, atol=1e-4)


def test_conforms_and_is_stored(model_file, pieces, tmp_path):
    model = read_llama2c(model_file, pieces)
    assert model.vocab.words[:3] == list(SPECIALS) and len(model.vocab) == PIECES
    text = corpus_from_lines([LINES[3], "the mat", "", "dog of zebra " * 8], model.vocab)
    assert np.diff(text.offsets).max() > HEADER.seq_len
    check_language_model(model, text, tolerance=1e-5)
    model.save(tmp_path / "folder")
    again = load(tmp_path / "folder")
    assert again.signature == model.signature
    np.testing.assert_array_equal(again.score(text), model.score(text))


def test_command_writes_a_folder(model_file, pieces, tmp_path, run):
    status, out, _ = run("convert", model_file, tmp_path / "folder", "--tokenizer", pieces, "--json")
    assert status == 0
    assert json.loads(out) == {"words": PIECES, "signature": load(tmp_path / "folder").signature}


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "small.bin: a llama2.c model needs --tokenizer sentencepiece:MODEL"),
        (["--tokenizer", "chars"], "it must be sentencepiece:MODEL"),
        (["--tokenizer", "chars", "--quantize", "8"], "small.bin: --quantize is for n-gram models"),
        (["--tokenizer", "chars", "--repair"], "small.bin: --repair is for n-gram models"),
    ],
)
def test_command_says_what_is_missing(model_file, tmp_path, run, options, words):
    status, _, err = run("convert", model_file, tmp_path / "folder", *options)
    assert status == 1 and words in err and err.count("\n") == 1
    assert not (tmp_path / "folder").exists()


def test_other_models_called_bin_are_known_by_their_content(folder, run):
    assert run("ngram", "train.txt", "-o", "m.arpa", "--order", "2")[0] == 0
    (folder / "m.arpa").rename("arpa.bin")
    assert run("convert", "arpa.bin", "m.lmx")[0] == 0
    (folder / "m.lmx").rename("lmx.bin")
    assert run("convert", "lmx.bin", "again.arpa")[0] == 0
    (folder / "empty.bin").write_bytes(b"")
    assert "empty.bin: the file is empty" in run("convert", "empty.bin", "x.arpa")[2]


WHOLE = content(HEADER, random_arrays())


def with_header(**values):
    return struct.pack("<7i", *HEADER._replace(**values)) + WHOLE[28:]


@pytest.mark.parametrize(
    "damaged, words",
    [
        (WHOLE[:20], "20 bytes are less than its header has"),
        (WHOLE[:-4], rf"it has {len(WHOLE) - 4} bytes, and its header wants {len(WHOLE)} \(dim 16, hidden_dim 10,"),
        (WHOLE + b"\0", "its header wants"),
        (with_header(n_layers=3), "its header wants"),
        (with_header(dim=0), "embedding is 0; it must be a whole number"),
        (with_header(n_layers=-1), r"layers is -1; .* \(header: dim 16"),
        (with_header(n_heads=0), "heads is 0"),
        (with_header(n_heads=3), "embedding is 16; with 3 heads"),
        (with_header(n_kv_heads=3), "kv_heads is 3; it must divide"),
        (
            with_header(dim=2**31 - 16, hidden_dim=2**31 - 1, n_layers=1000, n_heads=2, n_kv_heads=1),
            "header wants",
        ),
        (b"24ka" + struct.pack("<i", 1) + WHOLE, "version 1 of llama2.c's format; export the model as version 0"),
        (WHOLE[:400] + struct.pack("<f", np.nan) + WHOLE[404:], "damaged: the weights token_embedding hold what is no"),
    ],
)
def test_damaged_files(tmp_path, pieces, damaged, words):
    (tmp_path / "x.bin").write_bytes(damaged)
    with pytest.raises(FormatError, match=words) as caught:
        read_llama2c(tmp_path / "x.bin", pieces)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(f"{tmp_path}/x.bin: ")


def test_output_layer_of_its_own(tmp_path, pieces):
    path = write(tmp_path / "x.bin", HEADER._replace(vocab_size=-PIECES))
    with pytest.raises(FormatError, match="its output layer has weights of its own"):
        read_llama2c(path, pieces)


def test_tokeniser_of_another_model(tmp_path, pieces, model_file):
    path = write(tmp_path / "x.bin", HEADER._replace(vocab_size=PIECES + 1))
    with pytest.raises(FormatError, match="it has 41 pieces, and sentencepiece:.* has 40"):
        read_llama2c(path, pieces)
    with pytest.raises(SettingError, match="is 'chars'; it must be sentencepiece:MODEL"):
        read_llama2c(model_file, "chars")
    other = tmp_path / "other"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_prefix=str(other), vocab_size=PIECES, minloglevel=2, bos_id=2, eos_id=1
    )
    with pytest.raises(FormatError, match=r"the first pieces of .* are \['<unk>', '</s>', '<s>'\]"):
        read_llama2c(model_file, f"sentencepiece:{other}.model")


# A trained model


@pytest.fixture(scope="module")
def stories(shared_data):
    folder = shared_data / "stories260K"
    return read_llama2c(folder / "stories260K.bin", f"sentencepiece:{folder / 'tok512.model'}")


def test_trained_model_conforms(stories):
    text = corpus_from_lines([STORY, "Tim was sad.", ""], stories.vocab)
    assert np.isfinite(stories.score(text)).all()
    check_language_model(stories, text, tolerance=1e-4)


def test_trained_model_knows_stories(stories):
    words = STORY.split()
    shuffled = " ".join(np.random.default_rng(1).permutation(words))
    text = corpus_from_lines([STORY, shuffled], stories.vocab)
    told, mixed = (np.exp(-part.mean()) for part in np.split(stories.score(text), text.offsets[1:-1]))
    assert told < 4 and mixed > 100


def test_trained_model_ends_a_story_where_one_may_end(stories):
    text = corpus_from_lines([STORY + " The end.", STORY.removesuffix(" with her mom.")], stories.vocab)
    ends = stories.score(text)[text.offsets[1:] - 1]
    assert ends[0] > np.log(0.01) > np.log(1e-5) > ends[1]
