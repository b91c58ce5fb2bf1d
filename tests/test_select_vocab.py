"""Words are ranked by a mixture of unigram models fitted to held-out text."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import naive_vocab
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.corpus import corpus_from_lines, limited_vocab
from lmmix.errors import EventSpaceError, InputError, SettingError
from lmmix.select_vocab import select_vocab

TEXT = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=25)

# A long text of another kind, a short one of the right kind, and what is to be covered.
OTHER = ["p q r s"] * 100
RIGHT = ["a b c d x", "b a d c", "c d a b"]
HELD_OUT = ["d c b a", "a c b z"]


@settings(max_examples=40)
@given(st.lists(TEXT, min_size=1, max_size=3), TEXT)
def test_equals_naive(texts: list[list[str]], held_out: list[str]) -> None:
    held_out = [*held_out, texts[0][0]]
    corpora = [corpus_from_lines([" ".join(text)]) for text in texts]
    found = select_vocab(corpora, corpus_from_lines([" ".join(held_out)]))
    members, weights = naive_vocab.models(texts), found.weights.tolist()
    best = naive_vocab.log_likelihood(members, held_out, naive_vocab.em(members, held_out, 100))
    assert naive_vocab.log_likelihood(members, held_out, weights) >= best - 1e-5 * len(held_out)
    mixture = naive_vocab.mixed(members, weights)
    ranked = [mixture[word] for word in found.vocab.words[3:]]
    assert len(ranked) == len(mixture) and all(a >= b - 1e-12 for a, b in pairwise(ranked))
    assert found.oov == sum(word not in mixture for word in held_out)


def test_beats_frequency_in_the_pooled_texts() -> None:
    held_out = corpus_from_lines(HELD_OUT)
    found = select_vocab([corpus_from_lines(OTHER), corpus_from_lines(RIGHT)], held_out, size=4)
    pooled = limited_vocab(corpus_from_lines(OTHER + RIGHT), size=4)
    assert set(found.vocab.words[3:]) == set("abcd") and set(pooled.words[3:]) == set("pqrs")
    assert found.oov == 1 and len(held_out.recode(pooled).oov_at) == 8
    assert found.weights[1] > 0.99


def test_minimum_count_holds_for_all_texts_together() -> None:
    corpora = [corpus_from_lines(["a b"]), corpus_from_lines(["a c c"])]
    found = select_vocab(corpora, corpus_from_lines(["b a"]), min_count=2)
    assert set(found.vocab.words[3:]) == {"a", "c"}


def test_unk_is_no_word() -> None:
    found = select_vocab([corpus_from_lines(["<unk> a"])], corpus_from_lines(["a <unk> b"]))
    assert list(found.vocab.words[3:]) == ["a"] and found.oov == 1


def test_failures() -> None:
    text = corpus_from_lines(["a b"])
    for wrong, why in (({"size": 0}, "size is 0"), ({"min_count": 2}, "no word occurs 2 times")):
        with pytest.raises(SettingError, match=why):
            select_vocab([text], text, **wrong)
    with pytest.raises(SettingError, match="no corpus"):
        select_vocab([], text)
    with pytest.raises(InputError, match="no word in common"):
        select_vocab([text], corpus_from_lines(["z"]))
    with pytest.raises(InputError, match="no word to select"):
        select_vocab([corpus_from_lines(["<unk>"])], text)
    with pytest.raises(EventSpaceError, match="chars"):
        select_vocab([text], corpus_from_lines(["ab"], tokenizer="chars"))


@pytest.mark.usefixtures("folder")
def test_command(run: Run) -> None:
    for name, lines in (("other", OTHER), ("right", RIGHT), ("held", HELD_OUT)):
        Path(name).write_text("".join(f"{line}\n" for line in lines))
    status, out, _ = run("vocab", "other", "right", "--held-out", "held", "--size", "4", "-o", "words")
    assert status == 0 and sorted(Path("words").read_text().split()) == list("abcd")
    assert out.splitlines()[-1] == "words: 4 words; 1 of 8 tokens of held (12.50 %) are outside it"
    assert [line.split()[1] for line in out.splitlines()[:2]] == ["other", "right"]
    status, out, _ = run("vocab", "other", "right", "--held-out", "held", "-o", "words", "--json")
    assert json.loads(out)["oov"] == 1 and sum(json.loads(out)["weights"]) == pytest.approx(1)
