"""Witten–Bell and EM equal IRSTLM's, where that is installed.

Of Witten–Bell, two conventions of IRSTLM differ. It adds one to every unigram count before smoothing, and gives all
that is left to `<unk>`; so its bigrams are compared given its unigrams. And it reads `<s> <s>` once at the beginning of
the text, which is one more word after `<s>`.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path

import naive_mix
import naive_ngram
import numpy as np
import pytest

from lmmix.corpus import corpus_from_lines, read_corpus
from lmmix.mix.em import fit_em
from lmmix.mix.linear import LinearMixture
from lmmix.ngram.estimate import train_ngram

EXTRA = {("<s>", "<s>"), ("<s>", "<s>", "<s>")}


@pytest.mark.skipif(shutil.which("irstlm") is None, reason="needs irstlm")
def test_witten_bell_equals_irstlm(shared_data: Path, tmp_path: Path) -> None:
    text = read_corpus(shared_data / "earnest" / "earnest.txt.gz")
    words = text.vocab.words
    with open(tmp_path / "text", "w") as stream:
        for lo, hi in zip(text.offsets[:-1], text.offsets[1:]):
            stream.write(" ".join(["<s>", *(words[i] for i in text.ids[lo:hi])]) + "\n")
    command = ["irstlm", "tlm", "-tr=text", "-n=3", "-lm=wb", "-ps=no", "-bo=no", "-oarpa=theirs.arpa"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = naive_ngram.Arpa((tmp_path / "theirs.arpa").read_text())
    train_ngram(text, 3, "wb").save(tmp_path / "ours.arpa")
    ours = naive_ngram.Arpa((tmp_path / "ours.arpa").read_text())

    compared = 0
    for ngram, found in ours.logp.items():
        if len(ngram) == 1:
            continue
        weight = 10 ** ours.backoff[ngram[:-1]]
        given_theirs = 10**found + weight * (10 ** theirs.logp[ngram[1:]] - 10 ** ours.logp[ngram[1:]])
        assert math.log10(given_theirs) == pytest.approx(theirs.logp[ngram], abs=1e-3), ngram
        compared += 1
    begun = len({ngram for ngram in ours.logp if len(ngram) == 2 and ngram[0] == "<s>"})
    ours.backoff[("<s>",)] = math.log10((begun + 1) / (begun + 1 + text.n_sentences + 1))
    for ngram, weight in theirs.backoff.items():
        if ngram not in EXTRA and ngram[-1] != "</s>" and len(ngram) < 3:
            assert ours.backoff[ngram] == pytest.approx(weight, abs=1e-3), ngram
    assert compared == len({ngram for ngram in theirs.logp if len(ngram) > 1 and ngram[:2] != ("<s>", "<s>")})


@pytest.mark.skipif(shutil.which("irstlm") is None, reason="needs irstlm")
def test_weights_after_as_many_steps_of_em_equal_irstlm(shared_data: Path, tmp_path: Path) -> None:
    """IRSTLM stops early, when the weights change by no more than 0.01 in all; fit_em goes on."""
    text = read_corpus(shared_data / "earnest" / "earnest.txt.gz")
    words, ends = text.vocab.words, zip(text.offsets[:-1], text.offsets[1:] - 1)
    lines = [" ".join(words[i] for i in text.ids[lo:hi]) for lo, hi in ends]
    models = [train_ngram(corpus_from_lines(lines[k::5], text.vocab), 2, "wb") for k in range(3)]
    for k, model in enumerate(models):
        model.save(tmp_path / f"{k}.arpa")
    (tmp_path / "list").write_text("LMINTERPOLATION 3\n" + "".join(f"0.33333333 {k}.arpa\n" for k in range(3)))
    (tmp_path / "dev").write_text("".join(f"<s> {line} </s>\n" for line in lines[4::5]))
    command = ["irstlm", "interpolate-lm", "list", "found", "--learn=dev"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    steps = (done.stdout + done.stderr).count("Variation")
    theirs = [float(w) for w in re.findall(r"^(\S+) \d\.arpa$", (tmp_path / "found").read_text(), re.MULTILINE)]
    dev = corpus_from_lines(lines[4::5], text.vocab)
    p = np.exp(LinearMixture(models, [1 / 3] * 3).score_members(dev))
    np.testing.assert_allclose(naive_mix.em(p, steps), theirs, atol=3e-6)
    assert fit_em(np.log(p)).logp > naive_mix.log_likelihood(p, np.array(theirs))
