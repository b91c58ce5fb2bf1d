"""Dumps of word probabilities: SRILM's form read and written, and what happens with another text."""

from __future__ import annotations

import contextlib
import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
from conftest import LINES, Run
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.dump_write import dump_lines
from lmmix.dumps import SrilmDump, read_dump
from lmmix.errors import EventSpaceError, FormatError, InputError, LmmixError, SettingError
from lmmix.lm import LanguageModel, load
from lmmix.mix.linear import LinearMixture
from lmmix.mix.union import one_event_space
from lmmix.mixing import fit_mixture
from lmmix.ngram.estimate import train_ngram
from lmmix.score import perplexity
from lmmix.vocab import UNK

TEXT = ["the zebra sat", "cat"]

SRILM = """\
the zebra sat
\tp( the | <s> ) \t= [2gram] 0.166815 [ -0.777764 ]
\tp( <unk> | the ...) \t= [OOV] 0 [ -inf ]
\tp( sat | <unk> ...) \t= [1gram] 0.01 [ -2 ]
\tp( </s> | sat ...) \t= [2gram] 0.1 [ -1 ]
1 sentences, 3 words, 1 OOVs
0 zeroprobs, logprob= -3.77776 ppl= 18.1665 ppl1= 77.4250

cat
\tp( cat | <s> ) \t= [3gram][OOV][post=0.4,0.6][probs=0.1,0] 0.01 [ -2 ] / 0.9999
\tp( </s> | cat ...) \t= [2gram] 0.0316228 [ -1.5 ] *1
1 sentences, 1 words, 0 OOVs
0 zeroprobs, logprob= -3.5 ppl= 56.2341 ppl1= 3162.28

file t.txt: 2 sentences, 4 words, 1 OOVs
0 zeroprobs, logprob= -7.27776 ppl= 28.5493 ppl1= 266.633
"""

LOG10P = [-0.777764, -np.inf, -2, -1, -2, -1.5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.dump").write_text(SRILM)
    return tmp_path / "a.dump"


def test_what_srilm_prints(path: Path) -> None:
    dump = load(path)
    assert isinstance(dump, SrilmDump) and isinstance(dump, LanguageModel)
    assert dump.vocab.words == ["<unk>", "<s>", "</s>", "the", "sat", "cat"]
    np.testing.assert_allclose(dump.score(corpus_from_lines(TEXT)), np.log(10) * np.array(LOG10P))
    report = perplexity(dump, corpus_from_lines(TEXT))
    assert (report.sentences, report.words, report.oov, report.zeroprob) == (2, 4, 1, 0)
    assert report.ppl_no_oov == pytest.approx(28.5493, rel=1e-4) and report.ppl1 == pytest.approx(266.633, rel=1e-4)


def test_known_by_its_content(path: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "b.gz", "wt") as stream:
        stream.write("{ " + "long " * 5000 + "\n" + SRILM.partition("\n")[2])
    assert isinstance(load(tmp_path / "b.gz"), SrilmDump)
    assert load(path, "chars").vocab.tokenizer == "chars"
    model = train_ngram(corpus_from_lines(["p( the | cat", "a p( b | c"]), 2)
    model.save(tmp_path / "c.arpa")
    assert not isinstance(load(tmp_path / "c.arpa"), SrilmDump)


def test_written_in_the_form_of_srilm(corpus: Corpus) -> None:
    """Sums by hand: in the second sentence all of probability 0 is left out, which leaves no word."""
    model = train_ngram(corpus, 2)
    model.logp[1 + UNK] = model.logp[1 + corpus.vocab.id("cat")] = -np.inf
    lines = list(dump_lines(model, corpus_from_lines(["the zebra sat", "zebra cat zebra"]), "t.txt"))
    assert lines[0] == "the zebra sat" and lines[2] == "\tp( <unk> | the ...) \t= [OOV] 0 [ -inf ]"
    assert lines[1].startswith("\tp( the | <s> ) \t= [2gram] 0.") and lines[4].startswith("\tp( </s> | sat ...) \t= [")
    assert lines[5] == "1 sentences, 3 words, 1 OOVs" and lines[7] == ""
    assert lines[10] == "\tp( cat | <unk> ...) \t= [1gram] 0 [ -inf ]"
    assert lines[13] == "1 sentences, 3 words, 2 OOVs" and lines[14].startswith("1 zeroprobs, logprob= -")
    assert lines[14].endswith(" ppl1= undefined")
    assert lines[16] == "file t.txt: 2 sentences, 6 words, 3 OOVs" and len(lines) == 18
    report = perplexity(model, corpus_from_lines(["the zebra sat", "zebra cat zebra"]))
    assert lines[17].endswith(f" ppl= {report.ppl_no_oov:g} ppl1= {report.ppl1:g}")


@given(st.lists(st.lists(st.sampled_from(["the", "cat", "zebra", "=", "|", "]", "p(", "é"]), min_size=1), min_size=1))
@settings(max_examples=30)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, sentences: list[list[str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.dump"
    text = corpus_from_lines(map(" ".join, sentences))
    for model in (train_ngram(corpus_from_lines(LINES), 3), LinearMixture([train_ngram(text, 2, "wb")], [1.0])):
        path.write_text("".join(line + "\n" for line in dump_lines(model, text, "t")))
        again = load(path)
        np.testing.assert_allclose(again.score(text), model.score(text), rtol=6e-6)
        np.testing.assert_array_equal(again.score(text.recode(model.vocab)), again.score(text))


class TestMixing:
    def test_dumps_with_models_and_with_each_other(self, corpus: Corpus, tmp_path: Path) -> None:
        dev = corpus_from_lines(["the dog sat on the mat", "a zebra and a dog", "mat"])
        models = [train_ngram(corpus, 3), train_ngram(corpus, 1)]
        dumps = []
        for k, model in enumerate(models):
            (tmp_path / f"{k}.dump").write_text("".join(line + "\n" for line in dump_lines(model, dev, "dev")))
            dumps.append(load(tmp_path / f"{k}.dump"))
        expected = fit_mixture(models, dev)
        for members in (dumps, [models[0], dumps[1]], [dumps[0], models[1]]):
            for spread in (None, "uniform"):
                fit = fit_mixture(members, dev, spread=spread)
                np.testing.assert_allclose(fit.facts["weights"], expected.facts["weights"], atol=1e-4)
                assert fit.ppl == pytest.approx(expected.ppl, rel=1e-5)

    def test_models_with_fewer_words_are_refused(self, path: Path) -> None:
        model = train_ngram(corpus_from_lines(["the sat"]), 1)
        with pytest.raises(EventSpaceError, match=r"a\.dump:10: the word 'cat' is not in the vocabulary"):
            one_event_space([load(path), model])

    def test_unknown_words_that_others_know_are_warned_of(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        model = train_ngram(corpus_from_lines(TEXT), 1)
        with caplog.at_level(logging.WARNING, "lmmix"):
            one_event_space([model, load(path)])[1].score(corpus_from_lines(TEXT))
            assert not caplog.records
            path.write_text(SRILM.replace("[OOV] 0 [ -inf ]", "[1gram] 0.1 [ -1 ]"))
            load(path).score(corpus_from_lines(TEXT))
            assert not caplog.records
            one_event_space([model, load(path)])[1].score(corpus_from_lines(TEXT))
        assert "1 events are <unk> there but words of the vocabulary here" in caplog.text


class TestAnotherText:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (["the zebra sat"], r"a\.dump:10: 'cat' \(word 1 of sentence 2\) stands behind the end of the text"),
            ([*TEXT, "the"], r"a\.dump: the dump ends where the text has 'the' \(word 1 of sentence 3\)"),
            (["the zebra"], r"a\.dump:4: 'sat' where the text has '</s>' \(word 3 of sentence 1\)"),
            (["the zebra sat cat"], r"a\.dump:5: '</s>' where the text has 'cat' \(word 4 of sentence 1\)"),
            (["the", "zebra sat", "cat"], r"a\.dump:3: '<unk>' where the text has '</s>' \(word 2 of sentence 1\)"),
            (["the zebra cat", "cat"], r"a\.dump:4: 'sat' where the text has 'cat' \(word 3 of sentence 1\)"),
            (["the zebra sat", "dog"], r"a\.dump:10: 'cat' where the text has 'dog' \(word 1 of sentence 2\)"),
        ],
    )
    def test_is_refused(self, path: Path, text: list[str], message: str) -> None:
        with pytest.raises(InputError, match=message):
            load(path).score(corpus_from_lines(text))

    def test_unknown_stands_for_any_word(self, path: Path) -> None:
        dump = load(path)
        assert dump.score(corpus_from_lines(["the gnu sat", "cat"])).shape == (6,)
        assert dump.score(corpus_from_lines(TEXT, corpus_from_lines(["the sat"]).vocab)).shape == (6,)

    def test_nothing_but_the_text_can_be_asked_for(self, path: Path) -> None:
        dump = load(path)
        for ask in (dump.start, dump.distribution, lambda n: dump.advance(n, np.zeros(1, np.int32))):
            with pytest.raises(SettingError, match=r"a\.dump: a dump holds the probabilities of one text"):
                ask(1)


class TestDamaged:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("[ -2 ]", "[ nan ]", r"a\.dump:4: 'nan' is no log10"),
            ("[ -2 ]", "[ 0.3 ]", r"a\.dump:4: '0\.3' is no log10 of a probability, a number up to 0"),
            ("[ -2 ]", "[ x ]", r"a\.dump:4: 'x' is no log10"),
            ("[ -2 ]", "[ -1_0 ]", r"a\.dump:4: '-1_0' is no log10"),
            ("[ -2 ]", "-2", r"a\.dump:4: .* is not like 'p\( word"),
            ("p( sat |", "p( sat", r"a\.dump:4: .* is not like 'p\( word"),
            ("] *1", "] *2", r"a\.dump:11: '</s>' counts 2 times: this is a dump of counts"),
            ("\tp( </s> | sat ...) \t= [2gram] 0.1 [ -1 ]\n", "", r"a\.dump:5: the sentence above has no </s>"),
            (SRILM[SRILM.index("\tp( </s> | cat") :], "", r"a\.dump:10: the last sentence has no </s>"),
            ("p( sat |", "p( <s> |", r"a\.dump:4: <s> is no event"),
        ],
    )
    def test_is_refused_with_its_line(self, path: Path, old: str, new: str, message: str) -> None:
        assert old in SRILM
        path.write_text(SRILM.replace(old, new, 1))
        with pytest.raises(FormatError, match=message):
            load(path)

    @given(st.data())
    @settings(max_examples=200)
    def test_whatever_happens_to_a_file_is_an_error_or_a_dump(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        content = bytearray(SRILM.encode())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=3))
        path = tmp_path_factory.getbasetemp() / "damaged.dump"
        path.write_bytes(content)
        with contextlib.suppress(LmmixError):
            dump = read_dump(path)
            assert dump.text.offsets[-1] == len(dump.text.ids) == len(dump.logp) == len(dump.score(dump.text))
            assert (dump.logp <= 0).all()

    def test_without_events(self, path: Path) -> None:
        path.write_text("2 sentences, 4 words, 1 OOVs\n")
        with pytest.raises(InputError, match="no word probabilities in it"):
            read_dump(path)

    def test_rounding_above_one_is_one(self, path: Path) -> None:
        path.write_text(SRILM.replace("[ -2 ]", "[ 4.2e-08 ]"))
        assert load(path).score(corpus_from_lines(TEXT)).max() == 0


def test_command(folder: Path, run: Run) -> None:
    run("ngram", "train.txt", "-o", "a.lmx", "--order", "2")
    status, out, _ = run("ppl", "a.lmx", "dev.txt", "--srilm")
    assert status == 0 and out.count("\tp( ") == 11
    (folder / "dev.dump").write_text(out)
    assert run("ppl", "dev.dump", "dev.txt", "--srilm")[1].splitlines()[-2:] == out.splitlines()[-2:]
    status, out, error = run("ppl", "dev.dump", "train.txt")
    assert status == 1 and error.count("\n") == 1 and "dev.dump:" in error
    assert run("ppl", "a.lmx", "dev.txt", "--srilm", "--json")[0] == 1
