from __future__ import annotations

import gzip
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from naive_metrics import naive_error_counts
from naive_text import naive_word_errors
from rapidfuzz.distance import Levenshtein

from lmmix.errors import InputError, SettingError
from lmmix.metrics.alignment import aligned
from lmmix.metrics.metric import loss, make_metric
from lmmix.metrics.normalise import STEPS, Normaliser

DATA = Path(__file__).resolve().parents[1] / "data"

WER, CER = make_metric("wer"), make_metric("cer")

# Few different words, so that many alignments cost the same.
words = st.lists(st.sampled_from(["a", "b", "c", "ab", "中文"]), max_size=9)
texts = words.map(" ".join)


def counts_of(metric, reference: str, hypothesis: str) -> list[float]:
    return metric.statistics([reference], [hypothesis])[0].tolist()


@given(words, words)
@example(list("cadaacb"), list("acbyc"))
@example(list("dcbdca"), list("byadcbx"))
def test_counts_are_those_of_the_whole_table(reference, hypothesis):
    expected = list(naive_error_counts(reference, hypothesis))
    assert counts_of(WER, " ".join(reference), " ".join(hypothesis)) == expected


@given(texts, texts)
def test_characters_are_counted_like_words(reference, hypothesis):
    assert counts_of(CER, reference, hypothesis) == list(naive_error_counts(reference, hypothesis))


@given(texts, st.lists(texts, max_size=5))
def test_hypotheses_of_one_reference_do_not_touch_each_other(reference, hypotheses):
    together = WER.statistics([reference], hypotheses)
    assert together.shape == (len(hypotheses), 4) and together.dtype == np.float64
    assert together.tolist() == [counts_of(WER, reference, one) for one in hypotheses]


@given(words, words)
def test_laws_of_counts(reference, hypothesis):
    left, right = " ".join(reference), " ".join(hypothesis)
    substitutions, insertions, deletions, length = counts_of(WER, left, right)
    assert length == len(reference) and substitutions + deletions <= length
    assert insertions - deletions == len(hypothesis) - len(reference)
    assert (substitutions + insertions + deletions == 0) == (reference == hypothesis)
    # As cheap as another program finds, and never fewer errors than the fewest there are.
    cost = 4 * substitutions + 3 * (insertions + deletions)
    assert cost == Levenshtein.distance(reference, hypothesis, weights=(3, 3, 4))
    assert substitutions + insertions + deletions >= naive_word_errors(left, right)


@given(words, words)
def test_alignment_has_these_counts(reference, hypothesis):
    pairs = aligned(reference, hypothesis)
    kinds = [
        sum(None not in pair and pair[0] != pair[1] for pair in pairs),
        sum(left is None for left, _ in pairs),
        sum(right is None for _, right in pairs),
    ]
    assert kinds == counts_of(WER, " ".join(reference), " ".join(hypothesis))[:3]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("", "", [0, 0, 0, 0]),
        ("a b", "", [0, 0, 2, 2]),
        ("", "a", [0, 1, 0, 0]),
        ("a b c", "a x c", [1, 0, 0, 3]),
        ("a b c", "b c d", [0, 1, 1, 3]),
        (" a\tb ", "a b", [0, 0, 0, 2]),
        # Three substitutions cost as much as two deletions and two insertions.
        ("a b c", "c x y", [3, 0, 0, 3]),
        # Four errors cost less than three, if a word is right.
        ("a b c d", "x y a b", [0, 2, 2, 4]),
    ],
)
def test_counts_of_known_pairs(reference, hypothesis, counts):
    assert counts_of(WER, reference, hypothesis) == counts


def test_values_are_those_of_sums():
    sums = np.array([[[1.0, 2, 3, 12], [0, 0, 0, 0]], [[0, 5, 0, 0], [0, 8, 0, 4]]])
    values = WER.value(sums)
    assert values[0, 0] == 0.5 and values[1, 1] == 2.0
    assert math.isnan(values[0, 1]) and math.isnan(values[1, 0])
    assert loss(WER, sums[0, 0]) == 0.5
    assert WER.sentence_loss(sums[0]).tolist() == [6.0, 0.0]


def test_several_references_are_refused():
    with pytest.raises(InputError, match="wer compares with one reference, not with 2"):
        WER.statistics(["a", "b"], ["a"])


def test_spaces_are_characters_unless_they_are_taken_away():
    assert counts_of(CER, "a  b", "ab") == [0, 0, 1, 3]
    assert counts_of(make_metric("cer", Normaliser(["nospace"])), "a b", "ab") == [0, 0, 0, 2]


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ("lower", "A Ä", "a ä"),
        ("nopunct", "it's well-known, 'yes' <b> 5€.", "it's well known   yes   b  5  "),
        ("nopunct", "- a —b", "  a  b"),
        ("nfc", "a\u0308", "ä"),
        ("nfkc", "ﬁ①", "fi1"),
        ("nospace", "a b\tc", "abc"),
        ("chars", "ab 中", "a b 中"),
    ],
)
def test_steps_of_normalisation(step, text, expected):
    assert Normaliser([step])(text) == expected


def test_steps_are_taken_in_their_order_and_signed():
    normaliser = Normaliser(["chars", "lower"])
    assert normaliser("AB") == "a b"
    metric = make_metric("wer", normaliser)
    assert counts_of(metric, "AB", "a c") == [1, 0, 0, 2]
    assert metric.signature.startswith("wer|norm:chars+lower|costs:sclite|lmmix:")
    assert "norm:none" in WER.signature


def test_unknown_names_are_refused_with_what_there_is():
    with pytest.raises(SettingError, match=f"'x'; there are {', '.join(STEPS)}"):
        Normaliser(["x"])
    with pytest.raises(SettingError, match="no metric 'x'; there are wer, cer, ser, bleu"):
        make_metric("x")
    with pytest.raises(SettingError, match="'wer:zh': only bleu takes a tokeniser"):
        make_metric("wer:zh")


def sclite(pairs: list[tuple[list[str], list[str]]], folder: Path) -> list[tuple[list[int], list[tuple]]]:
    """Counts (S, I, D, words) and alignment of each pair by sclite, with words that mean nothing to it."""
    if not shutil.which("sctk"):
        pytest.skip("needs sctk")
    numbers: dict[str, int] = {}
    for name, side in (("ref", 0), ("hyp", 1)):
        with open(folder / name, "w") as stream:
            for k, pair in enumerate(pairs):
                tokens = [f"w{numbers.setdefault(word, len(numbers))}" for word in pair[side]]
                stream.write(" ".join([*tokens, f"(u-{k:06d})"]) + "\n")
    command = ["sctk", "sclite", "-s", "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "rm", "-o", "pra", "stdout"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    known = {f"w{number}": word for word, number in numbers.items()}
    found: dict[int, tuple[list[int], list[tuple]]] = {}
    for block in re.split(r"\nid: ", done.stdout)[1:]:
        number = int(re.match(r"\(u-(\d+)\)", block)[1])
        correct, substitutions, deletions, insertions = map(
            int, re.search(r"#I\) (\d+) (\d+) (\d+) (\d+)", block).groups()
        )
        lines = [re.search(rf"^{name}: *(.*)$", block, re.M) for name in ("REF", "HYP")]
        left, right = ([known.get(word) for word in line[1].split()] if line else [] for line in lines)
        counts = [substitutions, insertions, deletions, correct + substitutions + deletions]
        found[number] = counts, list(zip(left, right, strict=True))
    return [found[k] for k in range(len(pairs))]


def assert_equals_sclite(pairs: list[tuple[list[str], list[str]]], folder: Path) -> None:
    theirs = sclite(pairs, folder)
    mine = np.concatenate([WER.statistics([" ".join(ref)], [" ".join(hyp)]) for ref, hyp in pairs])
    assert mine.tolist() == [counts for counts, _ in theirs]
    assert [aligned(*pair) for pair in pairs] == [pairs for _, pairs in theirs]


def test_counts_and_alignments_are_those_of_sclite_where_many_cost_the_same(tmp_path):
    rng = np.random.default_rng(1)
    made = [
        [list(rng.choice(list(letters), rng.integers(0, 9))) for letters in ("abcd", "abcdxyz")] for _ in range(1500)
    ]
    assert_equals_sclite([(list("cadaacb"), list("acbyc")), ([], []), ([], ["a"]), (["a"], []), *made], tmp_path)


def test_counts_are_those_of_sclite_on_a_thousand_utterances(tmp_path, shared_data):
    with gzip.open(shared_data / "nbest" / "commonvoice.5best.json.gz", "rt") as stream:
        lists = json.load(stream)[:1000]
    assert_equals_sclite([(one["output"].split(), one["input"][0].split()) for one in lists], tmp_path)


def test_counts_are_those_of_sclite_on_bad_hypotheses(tmp_path):
    pairs = []
    with gzip.open(DATA / "nbest" / "test.jsonl.gz", "rt") as stream:
        for record in map(json.loads, stream):
            pairs += [(record["ref"].split(), one["text"].split()) for one in record["hyps"][-4:]]
    assert len(pairs) > 1000
    assert_equals_sclite(pairs, tmp_path)
