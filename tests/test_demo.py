"""The main job, end to end, on the data that comes with lmmix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmmix.lm import load


@pytest.mark.slow
def test_mixture_beats_its_members_and_rescoring_beats_first_best(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from lmmix.demo import run_demo

    report = run_demo(tmp_path / "demo")
    assert report.fit is not None and report.test is not None
    assert report.fit.facts["gap"] <= 1e-6
    assert report.ppl["mixture"].ppl < min(report.ppl[name].ppl for name in report.members)
    wer_first, wer, wer_oracle = (report.test.value("wer", what) for what in ("first", "", "oracle"))
    assert wer_oracle < wer < wer_first and not report.test.tuned
    assert report.test.scores["wer"].difference.high < 0
    assert json.loads((tmp_path / "demo" / "report.json").read_text())["wer"] == wer
    assert load(tmp_path / "demo" / "mix.json").signature == report.fit.mixture.signature


def test_shipped_lists_and_texts_do_not_overlap() -> None:
    """What is measured was used for neither training nor tuning."""
    from lmmix.fileio import read_text_lines
    from lmmix.nbest.formats.registry import read_nbest

    data = Path(__file__).resolve().parents[1] / "data"
    text = {
        part: {line for _, line in read_text_lines(data / "text" / "handbook" / f"{part}.txt.gz")}
        for part in ("train", "valid", "test")
    }
    assert not text["train"] & text["test"] and not text["valid"] & text["test"] and not text["train"] & text["valid"]
    tune, test = (list(read_nbest(data / "nbest" / f"{part}.jsonl.gz")) for part in ("tune", "test"))
    refs = [{ref for one in part for ref in one.refs} for part in (tune, test)]
    ids = [{one.id for one in part} for part in (tune, test)]
    assert refs[0] | refs[1] <= text["test"]
    assert not refs[0] & refs[1] and not ids[0] & ids[1]
    assert len(tune) + len(test) >= 300 and max(len(one.texts) for one in tune) <= 50
