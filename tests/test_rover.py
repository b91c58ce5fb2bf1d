from __future__ import annotations

import gzip
import json
import logging
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmmix
from lmmix.errors import InputError, SettingError
from lmmix.metrics.metric import make_metric
from lmmix.nbest.decide.confusion import confusion_network
from lmmix.nbest.decide.decision import DecisionSettings
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.rover import choose, join_systems, report_on
from lmmix.nbest.system import system
from lmmix.nbest.utterance import Utterance

LISTS = Path(lmmix.__file__).parents[1] / "data" / "nbest" / "test.jsonl.gz"
texts = st.lists(st.sampled_from("abc"), max_size=4).map(" ".join)


def one_best(name, *texts, refs=()):
    """A system with one text an utterance; ids are u0, u1, …"""
    return system(name, [Utterance(f"u{u}", [text], refs=refs) for u, text in enumerate(texts)])


def scored(name, *hyps, **given):
    """A system with one utterance, from (text, score)."""
    words, values = zip(*hyps)
    return system(name, [Utterance("u0", list(words), {"am": list(values)})], **given)


def voted(systems, *args):
    lists = NbestLists(join_systems(systems, *args))
    return choose(lists, DecisionSettings("vote")).decision.texts


def test_two_of_three_systems_repair_the_third():
    systems = [one_best("a", "the cat sits", "x"), one_best("b", "a cat sat", "y"), one_best("c", "the rat sat", "y")]
    assert voted(systems) == ["the cat sat", "y"]


def test_weights_decide_where_systems_disagree():
    systems = [one_best("a", "x"), one_best("b", "y"), one_best("c", "z")]
    assert voted(systems) == ["x"] and voted(systems, [1, 3, 1]) == ["y"] and voted(systems, [0.1, 0.1, 0.3]) == ["z"]


@given(st.lists(texts, min_size=1, max_size=4), st.integers(1, 3))
def test_systems_that_agree_say_what_they_say(said, copies):
    systems = [one_best(str(k), *said) for k in range(copies)]
    assert voted(systems) == said
    assert voted([*systems, one_best("other", *["x"] * len(said))], [1.0] * copies + [0.5]) == said


@given(st.lists(st.tuples(texts, st.integers(-3, 3)), min_size=1, max_size=5), st.floats(0.1, 10))
def test_posteriors_of_the_systems_add_up(hyps, weight):
    first, second = scored("a", *hyps, score="am"), one_best("b", "a b")
    [joined] = join_systems([first, second], [1.0, weight])
    expected: dict[str, float] = {}
    total = sum(math.exp(value) for _, value in hyps)
    for text, value in hyps:
        expected[text] = expected.get(text, 0.0) + math.exp(value) / total / (1 + weight)
    expected["a b"] = expected.get("a b", 0.0) + weight / (1 + weight)
    assert dict(zip(joined.texts, joined.scores["posterior"])) == pytest.approx(expected)
    assert joined.scores["posterior"] == sorted(joined.scores["posterior"], reverse=True)
    for text, fields in zip(joined.texts, joined.hyp_fields):
        assert fields["systems"] == [name for name, has in (("a", dict(hyps)), ("b", ["a b"])) if text in has]


def test_posteriors_come_from_totals_a_score_or_the_rank(caplog):
    rescored = Utterance("u", ["a", "b"], {"am": [1.0, 3.0]}, hyp_fields=[{"total": math.log(3)}, {"total": 0.0}])
    plain = Utterance("u", ["a", "b", "c"], {"am": [1.0, 3.0, 1.0]})
    cold = math.exp(2 / 0.5)
    for utterance, options, expected in (
        (rescored, {}, [3 / 4, 1 / 4]),
        (rescored, {"score": "total", "temperature": 0.5}, [9 / 10, 1 / 10]),
        (rescored, {"score": "am", "temperature": 0.5}, [1 / (1 + cold), cold / (1 + cold)]),
        (plain, {}, [6 / 11, 3 / 11, 2 / 11]),
    ):
        with caplog.at_level(logging.WARNING, "lmmix"):
            np.testing.assert_allclose(system("s", [utterance], **options).masses["u"], expected)
    assert caplog.messages == ["s has no totals, so ranks count; --score takes one of: am"]


def test_order_of_the_utterances_is_that_of_the_first_system():
    first, second = one_best("a", "x", "y"), one_best("b", "x", "z")
    turned = system("b", reversed(second.utterances.values()))
    assert [one.id for one in join_systems([first, turned])] == ["u0", "u1"]
    assert [one.id for one in join_systems([turned, first])] == ["u1", "u0"]


def test_a_missing_utterance_is_refused_or_left_to_the_others():
    systems = [one_best("a", "x"), one_best("b", "y", "z"), one_best("c", "y", "z")]
    with pytest.raises(InputError, match=r"^a: there is no utterance 'u1', which b has \(1 in all\); with --missing"):
        join_systems(systems)
    assert voted(systems, (), "skip") == ["y", "z"]
    assert NbestLists(join_systems(systems, [5, 1, 1], "skip")).features["posterior"][-1] == 1.0


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda a: join_systems([a], [1, 2]), SettingError, "there are 2 weights of systems, and 1 systems"),
        (lambda a: join_systems([a], [0]), SettingError, "weights of systems are 0; they must be above 0"),
        (lambda a: join_systems([a], [math.nan]), SettingError, "must be above 0"),
        (lambda a: join_systems([a], (), "ask"), SettingError, "missing is 'ask'; it must be error or skip"),
        (lambda a: scored("s", ("x", 1.0), score="lm"), InputError, "s: the n-best list has no score 'lm'; it has am"),
        (lambda a: scored("s", ("x", 1.0), score="total"), InputError, "no score 'total'; it has am"),
        (lambda a: scored("s", ("x", 1.0), temperature=0.0), SettingError, "temperature is 0.0"),
        (lambda a: system("s", []), InputError, "s: there are no n-best lists"),
        (
            lambda a: system("s", [Utterance("u", ["x", "y"], hyp_fields=[{"total": 1.0}, {}], where="f:3")]),
            InputError,
            "f:3: a hypothesis of utterance 'u' has no 'total'",
        ),
    ],
)
def test_what_cannot_be_joined(call, error, message):
    with pytest.raises(error, match=message):
        call(one_best("a", "x"))


def test_report_measures_each_system_and_the_vote():
    texts = ("a b x", "x b c", "a x c")
    systems = [one_best(f"s{k}", text, refs=("a b c",) if k == 1 else ()) for k, text in enumerate(texts)]
    rescored = choose(NbestLists(join_systems(systems)), DecisionSettings("vote"))
    content = report_on(rescored, systems, [make_metric("wer")]).as_json()
    assert (content["wer"], content["wer_first"], content["new"]) == (0.0, pytest.approx(1 / 3), 1)
    assert content["systems"] == {f"s{k}": {"wer": pytest.approx(1 / 3)} for k in range(3)}
    assert report_on(rescored, systems, []).as_json()["systems"] == {"s0": {}, "s1": {}, "s2": {}}


def demo_systems():
    """(ids, three systems): the texts of ranks 0, 1 and 11 of the demo's lists that are so long."""
    with gzip.open(LISTS, "rt") as stream:
        lists = [json.loads(line) for line in stream]
    lists = [one for one in lists if len(one["hyps"]) > 11]
    return [one["id"] for one in lists], [[one["hyps"][k]["text"].split() for one in lists] for k in (0, 1, 11)]


@pytest.mark.skipif(not shutil.which("sctk"), reason="needs NIST's rover")
def test_votes_without_ties_are_those_of_nists_rover(tmp_path):
    ids, systems = demo_systems()
    call = ["sctk", "rover", "-o", "out.ctm", "-m", "avgconf", "-a", "1.0", "-c", "0.0"]
    for k, one in enumerate(systems):
        lines = [f"{key} 1 {i} 1 {word} 1\n" for key, words in zip(ids, one) for i, word in enumerate(words)]
        (tmp_path / f"{k}.ctm").write_text("".join(lines))
        call += ["-h", f"{k}.ctm", "ctm"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    nist: dict[str, list[str]] = {}
    for line in (tmp_path / "out.ctm").read_text().splitlines():
        nist.setdefault(line.split()[0], []).append(line.split()[4])
    compared = same = 0
    for key, *words in zip(ids, *systems):
        network = confusion_network(words, np.ones(3))
        if all(max(slot.values()) > 0.5 for slot in network.slots()):
            compared += 1
            same += network.best() == nist.get(key, [])
    # NIST's program gives empty words other costs, so that words may come into other slots.
    assert compared > 200 and same > 0.95 * compared


def write_lists(path, **lists):
    """Lists of (text, total), a keyword argument an utterance."""
    lines = []
    for name, hyps in lists.items():
        made = [{"text": text, **({} if total is None else {"total": total})} for text, total in hyps]
        lines.append(json.dumps({"id": name, "hyps": made}) + "\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def three(folder):
    """Paths of three systems of two utterances, and of references."""
    write_lists(folder / "a.jsonl", u1=[("the cat sits", None)], u2=[("a dog", None)])
    write_lists(folder / "b.jsonl", u2=[("a dock", 0.0), ("a dog", -1.0)], u1=[("a cat sat", 0.0), ("cat", -1.0)])
    write_lists(folder / "c.jsonl", u1=[("the rat sat", None)], u2=[("dog", None)])
    (folder / "ref.txt").write_text("u1 the cat sat\nu2 a dog\n")
    return [folder / f"{name}.jsonl" for name in "abc"]


def test_command_votes_and_measures(run, three):
    status, out, err = run("rover", *three, "--ref", "ref.txt", "-o", "o.jsonl", "--best-out", "best.txt", "--json")
    assert (status, err) == (0, "")
    content = json.loads(out)
    assert content["wer"] == 0.0 and content["new"] == 1 and content["utterances"] == 2
    assert content["systems"][str(three[0])] == {"wer": pytest.approx(1 / 5)}
    assert Path("best.txt").read_text() == "u1 the cat sat\nu2 a dog\n"
    first, second = map(json.loads, Path("o.jsonl").read_text().splitlines())
    assert (first["best"], first["text"], second["best"]) == (None, "the cat sat", 0)
    assert second["hyps"][0]["systems"] == [str(three[0]), str(three[1])]


def test_command_reads_what_it_wrote(run, three):
    assert run("rover", *three, "-o", "o.jsonl")[0] == 0
    assert run("rover", "o.jsonl", "--best-out", "again.txt")[0] == 0
    assert Path("again.txt").read_text() == "u1 the cat sat\nu2 a dog\n"


def test_command_shows_a_table(run, three):
    status, out, _ = run("rover", *three, "--ref", "ref.txt", "--metric", "wer", "--metric", "cer")
    lines = out.splitlines()
    assert status == 0 and lines[0].startswith("2 utterances, 7 different hypotheses, 1 chosen texts")
    assert lines[1].split() == ["system", "wer", "cer"] and lines[5].split() == ["together", "0.00", "0.00"]
    assert run("rover", *three)[1].count("\n") == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.jsonl", "a.jsonl"], "a.jsonl stands twice among the systems; --system-weights lets one count more"),
        (["a.jsonl", "nbest.jsonl", "--score", "am"], "a.jsonl: the n-best list has no score 'am'; it has none"),
        (["a.jsonl", "-o", "a.jsonl"], "a.jsonl is an input of this command"),
        (["a.jsonl", "-o", "-", "--json"], "--json prints to standard output"),
        (["a.jsonl", "--metric", "wer"], "utterance 'u1' has no reference"),
        (["a.jsonl", "--decide", "coin"], "there is no rule 'coin'"),
        (["a.jsonl", "--system-weights", "1,2"], "there are 2 weights of systems"),
    ],
)
def test_command_refuses(run, three, arguments, message):
    status, out, err = run("rover", *arguments)
    assert (status, out) == (1, "") and err.startswith("lmmix: error: ") and message in err and err.count("\n") == 1
