"""The packed form says what the exact one says, in a fraction of the bytes."""

from __future__ import annotations

import json
from pathlib import Path

import naive_packed
import numpy as np
import pytest
from conformance import check_language_model
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_models import odd_model
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import FormatError, SettingError
from lmmix.lm import load
from lmmix.ngram import _packed_kernels as kernels
from lmmix.ngram import _packing_kernels as packing_kernels
from lmmix.ngram import packed as packed_module
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.closure import with_suffixes
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.lmxfile import write_lmx
from lmmix.ngram.packed import PackedModel
from lmmix.ngram.packed_file import write_packed
from lmmix.ngram.packing import pack
from lmmix.ngram.quantise import make_codebook

ARRAYS = ("level", "word", "begin", "suffix")


@given(st.integers(0, 40), st.data())
def test_integers_of_a_few_bits_equal_naive(width: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, max(0, (1 << width) - 1)), max_size=80))
    bits = np.zeros(len(values) * width // 64 + 2, np.uint64)
    for i, value in enumerate(values):
        packing_kernels._write(bits, i * width, width, value)
    expected = naive_packed.words_of(naive_packed.bits_of(values, width))
    assert bits[: len(expected)].tolist() == expected and not bits[len(expected) :].any()
    assert [kernels._read(bits, i * width, width) for i in range(len(values))] == values


@given(st.lists(st.one_of(st.integers(0, 4), st.integers(0, 1200)), min_size=1, max_size=1300), st.randoms())
def test_children_and_select_equal_naive(children: list[int], random) -> None:
    begin = np.cumsum([7, *children]).astype(np.int32)
    nodes, total = len(children), sum(children)
    bits = np.zeros(-(-(nodes + total) // 64), np.uint64)
    packing_kernels._pack_ends(begin, 0, nodes, bits)
    text = "".join("0" * count + "1" for count in children)
    assert bits.tolist() == naive_packed.words_of(text)
    blocks, samples = np.zeros(-(-len(bits) // 8), np.int32), np.zeros((nodes >> 9) + 2, np.int32)
    packing_kernels._index_ends(bits, blocks, samples)
    layout = np.zeros((4, kernels.COLUMNS), np.int64)
    layout[:, kernels.FIRST] = [0, 1, 1 + nodes, 1 + nodes + total]
    layout[1, kernels.SAMPLES] = len(blocks)
    arrays = np.append(bits, np.zeros(8, np.uint64)), np.concatenate([blocks, samples]), layout
    for node in {0, nodes - 1, *(random.randrange(nodes) for _ in range(20))}:
        assert kernels._select(*arrays, 1, node) == naive_packed.select(text, node)
        found = kernels._children(*arrays, 1, 1 + node)
        assert found == (begin[node] - 7 + 1 + nodes, begin[node + 1] - 7 + 1 + nodes)


def histories(model: BackoffModel | PackedModel, random) -> list[list[int]]:
    """Words in any sequence, longer than the longest n-grams."""
    size = len(model.vocab)
    return [[random.randrange(size) for _ in range(model.order + 2)] for _ in range(12)]


def check_same_numbers(packed: PackedModel, model: BackoffModel, random, rtol: float) -> None:
    for history in histories(model, random):
        state, chain = model.start(1), packed.start(1)
        for word in history:
            step = np.array([word], np.int32)
            np.testing.assert_allclose(
                packed.distribution(chain), model.distribution(state), rtol=rtol, atol=1e-30, err_msg=str(history)
            )
            expected, state = model.advance(state, step)
            found, chain = packed.advance(chain, step)
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


def check_same_contexts(packed: PackedModel, model: BackoffModel, text: Corpus) -> None:
    """What is known of each history: the same in both, in the whole text as step by step."""
    chains, nodes = packed.contexts(text, 1), model.contexts(text, 1)
    assert packed.longest_context == model.longest_context
    np.testing.assert_array_equal(packed.context_lengths(chains), model.context_lengths(nodes))
    np.testing.assert_array_equal(packed.context_backoffs(chains), model.context_backoffs(nodes).astype(np.float32))
    state = packed.start(1)
    for word, chain in zip(text.recode(packed.vocab).ids, chains):
        np.testing.assert_array_equal(state[0], chain)
        state = packed.advance(state, np.array([word], np.int32))[1]


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 6), st.randoms())
def test_float32_is_the_exact_model_rounded(sentences: list[list[str]], order: int, random) -> None:
    corpus = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    model = train_ngram(corpus, order)
    packed = pack(model, None, 1)
    check_same_numbers(packed, model, random, 1e-5)
    check_language_model(packed, corpus, 1e-6)
    np.testing.assert_array_equal(packed.hit_lengths(corpus), model.hit_lengths(corpus))
    check_same_contexts(packed, model, corpus)
    assert packed.counts() == model.tree.counts() and packed.order == order
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(packed.unpacked(1).tree, name), getattr(model.tree, name))


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 6), st.sampled_from([None, 2, 5, 16]), st.randoms())
def test_any_tree_packs_and_unpacks(sentences: list[list[str]], order: int, bits: int | None, random) -> None:
    model = odd_model(sentences, order, random)
    packed = pack(model, bits, 1)
    unpacked = packed.unpacked(1)
    check_same_numbers(packed, unpacked, random, 1e-12)
    if bits in (None, 16):
        check_same_numbers(packed, model, random, 1e-5)
    closed = with_suffixes(model)
    assert (np.isneginf(unpacked.logp) == np.isneginf(closed.logp))[1:].all()
    assert ((unpacked.backoff == 0) == (closed.backoff == 0))[1:].all()
    again = pack(unpacked, bits, 1)
    for name in ("bits", "index", "values", "layout"):
        np.testing.assert_array_equal(getattr(again.arrays, name), getattr(packed.arrays, name))
    assert again.signature == packed.signature == f"odd|stored:{'float32' if bits is None else f'q{bits}'}"


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 5), st.randoms())
def test_added_suffixes_change_no_probability(sentences: list[list[str]], order: int, random) -> None:
    model = odd_model(sentences, order, random)
    closed = with_suffixes(model)
    tree = closed.tree
    for n in range(2, order + 1):
        assert (tree.suffix[tree.nodes(n)] >= tree.level[n - 1]).all()
    for j in range(1, tree.size):
        assert tree.word[tree.suffix[j]] == tree.word[j] or j < tree.level[2]
    for j in range(int(tree.level[order])):
        assert (np.diff(tree.word[tree.begin[j] : tree.begin[j + 1]]) > 0).all()
    assert tree.size >= model.tree.size and with_suffixes(closed) is closed
    for history in histories(model, random):
        before, after = model.start(1), closed.start(1)
        for word in history:
            np.testing.assert_allclose(closed.distribution(after), model.distribution(before), rtol=1e-12, atol=0)
            step = np.array([word], np.int32)
            before, after = model.advance(before, step)[1], closed.advance(after, step)[1]


@given(
    st.lists(st.sampled_from([-np.inf, -3.0, -2.5, -1.0, -0.5, -1e-9, 0.0, 0.25, 2.0]), max_size=40), st.integers(2, 4)
)
def test_codebooks_keep_what_must_stay(numbers: list[float], bits: int) -> None:
    array = np.array(numbers)
    codebook = make_codebook(array, bits)
    assert len(codebook.values) == 1 << bits and len(codebook.largest) <= 1 << bits
    codes = np.searchsorted(codebook.largest, array.astype(np.float32))
    assert (codes < max(1, len(codebook.largest))).all()
    means = codebook.values[codes]
    assert (np.isneginf(means) == np.isneginf(array)).all() and ((means == 0) == (array == 0)).all()
    assert (np.sign(means) == np.sign(array)).all()
    if len(set(numbers)) <= 1 << bits:
        np.testing.assert_array_equal(means, array.astype(np.float32))
    for code in set(codes.tolist()):
        members = array[codes == code]
        assert means[codes == code][0] == pytest.approx(members.mean(), rel=1e-6)


def test_bins_have_equal_population() -> None:
    numbers = -np.random.default_rng(0).exponential(size=10_000)
    codebook = make_codebook(numbers, 5)
    population = np.bincount(np.searchsorted(codebook.largest, numbers.astype(np.float32)))
    assert len(population) == 32 and abs(population - 312.5).max() < 1


def test_result_does_not_depend_on_threads_or_pieces(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    model = train_ngram(corpus, 4)
    one = pack(model, 6, 1)
    monkeypatch.setattr(packed_module, "PIECE_NODES", 64)
    monkeypatch.setattr("lmmix.ngram.packing.PIECE_NODES", 64)
    many = pack(model, 6, 3)
    for name in ("bits", "index", "values", "layout"):
        np.testing.assert_array_equal(getattr(one.arrays, name), getattr(many.arrays, name))
    np.testing.assert_array_equal(many.unpacked(3).logp, one.unpacked(1).logp)
    np.testing.assert_array_equal(one.score(corpus, 1), many.score(corpus, 3))


@pytest.mark.parametrize("bits", [None, 8])
def test_a_file_holds_the_model(corpus: Corpus, tmp_path: Path, bits: int | None) -> None:
    model = train_ngram(corpus, 12)
    packed = write_packed(model, tmp_path / "small.lmx", bits)
    read = load(tmp_path / "small.lmx")
    assert isinstance(read, PackedModel) and read.vocab == model.vocab
    assert (read.signature, read.quantised) == (packed.signature, bits)
    np.testing.assert_array_equal(read.score(corpus), packed.score(corpus))
    read.save(tmp_path / "again.lmx")
    assert (tmp_path / "again.lmx").read_bytes() == (tmp_path / "small.lmx").read_bytes()
    read.save(tmp_path / "small.arpa")
    np.testing.assert_allclose(load(tmp_path / "small.arpa").score(corpus), read.score(corpus), atol=1e-6)
    write_lmx(model, tmp_path / "exact.lmx")
    if bits:
        assert read.score(corpus).sum() == pytest.approx(model.score(corpus).sum(), rel=0.01)


@pytest.mark.parametrize("bits", [-1, 0, 1, 17, 32])
def test_bits_out_of_range_are_refused(corpus: Corpus, bits: int) -> None:
    with pytest.raises(SettingError, match=f"{bits} bits: codes have from 2 to 16 bits"):
        pack(train_ngram(corpus, 2), bits)


def test_damaged_files_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "small.lmx"
    write_packed(train_ngram(corpus, 3), path)
    content = path.read_bytes()
    with pytest.raises(FormatError, match="truncated"):
        path.write_bytes(content[:-40])
        load(path)
    with pytest.raises(FormatError, match="damaged"):
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 255]) + content[-19:])
        load(path)


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(0, kernels.COLUMNS - 1), st.sampled_from([-1, 40, 2**40]))
def test_a_layout_that_leaves_the_arrays_is_noticed(order: int, column: int, by: int) -> None:
    model = train_ngram(corpus_from_lines(["a b c", "a c"]), 3)
    packed = pack(model, 4)
    assert packed.arrays.wrong(len(model.vocab)) is None
    layout = packed.arrays.layout.copy()
    unused = {1: (kernels.LOGP_CODES, kernels.BACKOFF_CODES, kernels.RANKS)}.get(order, ())
    unused += (kernels.ENDS, kernels.BLOCKS, kernels.SAMPLES, *range(kernels.BACKOFF_CODES, kernels.COLUMNS)) * (
        order == 3
    )
    layout[order, column] += by
    if by == 2**40 and column not in unused:
        arrays = packed_module.PackedArrays(packed.arrays.bits, packed.arrays.index, packed.arrays.values, layout)
        assert arrays.wrong(len(model.vocab))


def test_damaged_bits_never_lead_outside(corpus: Corpus) -> None:
    packed = pack(train_ngram(corpus, 4), 4)
    rng = np.random.default_rng(0)
    for _ in range(200):
        bits, index = packed.arrays.bits.copy(), packed.arrays.index.copy()
        bits[rng.integers(len(bits))] ^= np.uint64(rng.integers(2**63))
        index[rng.integers(len(index))] = rng.integers(-(2**31), 2**31)
        arrays = packed_module.PackedArrays(bits, index, packed.arrays.values, packed.arrays.layout)
        broken = PackedModel(arrays, 4, packed.vocab, "")
        assert broken.score(corpus).shape == corpus.ids.shape
        assert broken.distribution(broken.start(2)).shape == (2, len(corpus.vocab))


class TestCommands:
    def test_convert_and_info(self, corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from lmmix.cli import group

        def run(*arguments: str) -> dict:
            group([*arguments, "--json"], standalone_mode=False)
            return json.loads(capsys.readouterr().out)

        exact, small, narrow = (str(tmp_path / name) for name in ("m.arpa", "m.lmx", "n.lmx"))
        model = train_ngram(corpus, 3)
        model.save(exact)
        done = run("convert", exact, small, "--quantize", "8", "--threads", "1")
        facts = run("info", small)
        assert facts["stored"] == "q8" and facts["bytes"] == done["bytes"] == Path(small).stat().st_size
        assert facts["ngrams"] == model.tree.counts() and facts["order"] == 3
        assert facts["bytes_per_ngram"] == round(facts["bytes"] / sum(facts["ngrams"]), 3)
        assert facts["signature"] == done["signature"] and facts["signature"].endswith("|stored:q8")
        assert run("convert", small, narrow, "--float32")["signature"].endswith("|stored:q8")
        assert run("info", narrow)["stored"] == "float32"
        run("convert", small, str(tmp_path / "back.lmx"))
        assert run("info", str(tmp_path / "back.lmx"))["stored"] == "exact"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("out.arpa", "--quantize", "8"), "out.arpa: --quantize and --float32 are for .lmx files"),
            (("out.lmx", "--quantize", "8", "--float32"), "exclude each other"),
            (("out.lmx", "--quantize", "1"), "quantised to 1 bits"),
            (("-", "--json"), "give the result a name"),
        ],
    )
    def test_refusals(self, corpus: Corpus, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
        from lmmix.cli import group

        train_ngram(corpus, 2).save(tmp_path / "m.arpa")
        with pytest.raises(SettingError, match=message):
            group(["convert", str(tmp_path / "m.arpa"), *options], standalone_mode=False)

    def test_a_repaired_file_needs_no_repair(self, tmp_path: Path) -> None:
        from lmmix.cli import group
        from lmmix.ngram.arpa import read_arpa

        text = (
            "\\data\\\nngram 1=5\nngram 2=2\nngram 3=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.2\n-0.5\t</s>\n"
            "-0.4\ta\t-0.1\n-0.6\tb\t-0.3\n\n\\2-grams:\n-0.3\t<s> a\t-0.2\n-0.2\ta b\n\n"
            "\\3-grams:\n-0.1\t<s> a a\n\n\\end\\\n"
        )
        faulty, clean = tmp_path / "faulty.arpa", tmp_path / "clean.arpa"
        faulty.write_text(text)
        assert read_arpa(faulty).tree.counts() == [5, 2, 1]
        group(["convert", "--repair", str(faulty), str(clean)], standalone_mode=False)
        repaired = read_arpa(clean)
        assert repaired.tree.counts() == [5, 3, 1] and "-0.5\ta a\n" in clean.read_text()
        text = corpus_from_lines(["a a b", "b a", "a a a"], repaired.vocab)
        np.testing.assert_allclose(repaired.score(text), read_arpa(faulty, True).score(text), atol=1e-6)


def test_penn_treebank_in_few_bytes(shared_data: Path, tmp_path: Path) -> None:
    from lmmix.corpus import read_corpus
    from lmmix.score import perplexity

    train = read_corpus(shared_data / "ptb" / "train.txt.gz")
    test = read_corpus(shared_data / "ptb" / "test.txt.gz", train.vocab)
    model = train_ngram(train, 5)
    ngrams = sum(model.tree.counts())
    # KenLM's trie of this model with -q 8 -b 8 -a 22 has 9,672,447 bytes: 4.174 for each n-gram.
    for bits, most, ppl in ((8, 3.4, 141.0), (None, 8.5, 141.186)):
        packed = write_packed(model, tmp_path / "small.lmx", bits)
        assert (tmp_path / "small.lmx").stat().st_size / ngrams < most
        assert perplexity(packed, test).ppl == pytest.approx(ppl, abs=0.1 if bits else 0.001)
