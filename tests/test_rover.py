from __future__ import annotations

import gzip
import json
import math
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_decide import naive_elected, network_with_nists_costs

import lmmix
from lmmix.errors import InputError, SettingError
from lmmix.metrics.metric import make_metric
from lmmix.metrics.significance import confidence_interval
from lmmix.nbest.decide.confusion import confusion_network
from lmmix.nbest.decide.decision import DecisionSettings, loss_like
from lmmix.nbest.decide.mbr import mbr
from lmmix.nbest.evaluation import Gain
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.rover import choose, join_systems
from lmmix.nbest.rover_report import report_on
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


def scored_list(name, score):
    fields = [{"total": 1.0}, {"total": 2.0}]
    return Utterance(name, ["x", "y"], {score: [1.0, 2.0]} if score != "total" else {}, hyp_fields=fields)


def voted(systems, *args):
    lists = NbestLists(join_systems(systems, *args))
    return choose(lists, DecisionSettings("vote")).decision.texts


def test_two_of_three_systems_repair_the_third():
    systems = [one_best("a", "the cat sits", "x"), one_best("b", "a cat sat", "y"), one_best("c", "the rat sat", "y")]
    assert voted(systems) == ["the cat sat", "y"]


def test_weights_decide_where_systems_disagree():
    systems = [one_best("a", "x"), one_best("b", "y"), one_best("c", "z")]
    assert (
        voted(systems) == ["x"]
        and voted(systems, np.array([1, 3, 1])) == ["y"]
        and voted(systems, [0.1, 0.1, 0.3]) == ["z"]
    )


@given(st.lists(texts, min_size=1, max_size=4), st.integers(1, 3))
def test_systems_that_agree_say_what_they_say(said, copies):
    systems = [one_best(str(k), *said) for k in range(copies)]
    assert voted(systems) == said
    assert voted([*systems, one_best("other", *["x"] * len(said))], [1.0] * copies + [0.5]) == said


@given(st.lists(st.tuples(texts, st.integers(-3, 3)), min_size=1, max_size=5), st.floats(0.1, 10))
def test_posteriors_of_the_systems_add_up(hyps, weight):
    first, second = scored("a", *hyps, score="am", temperature=1.0), one_best("b", "a b")
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


def test_posteriors_come_from_totals_a_score_or_the_rank():
    rescored = Utterance("u", ["a", "b"], {"am": [1.0, 3.0]}, hyp_fields=[{"total": math.log(3)}, {"total": 0.0}])
    plain = Utterance("u", ["a", "b", "c"], {"am": [1.0, 3.0, 1.0]})
    single = Utterance("u", ["a"], {"am": [1.0]})
    bare = Utterance("u", ["a", "b", "c"])
    cold = math.exp(2 / 0.5)
    for utterance, options, expected in (
        (rescored, {"temperature": 1.0}, [3 / 4, 1 / 4]),
        (rescored, {"score": "total", "temperature": 0.5}, [9 / 10, 1 / 10]),
        (rescored, {"score": "am", "temperature": 0.5}, [1 / (1 + cold), cold / (1 + cold)]),
        (rescored, {"score": "rank"}, [2 / 3, 1 / 3]),
        (plain, {"score": "rank", "temperature": 0.1}, [6 / 11, 3 / 11, 2 / 11]),
        (bare, {}, [6 / 11, 3 / 11, 2 / 11]),
        (single, {}, [1.0]),
    ):
        np.testing.assert_allclose(system("s", [utterance], **options).masses["u"], expected)


@given(
    st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=4), min_size=1, max_size=4),
    st.sampled_from([1e-9, 3.0, 1e9]),
)
def test_posteriors_by_default_do_not_depend_on_the_scale(lists, scale):
    def masses(scale):
        utterances = [
            Utterance(str(u), ["x"] * len(values), {"am": [scale * value for value in values]})
            for u, values in enumerate(lists)
        ]
        return np.concatenate(list(system("s", utterances, score="am").masses.values()))

    np.testing.assert_allclose(masses(scale), masses(1.0), rtol=1e-9)


def test_posteriors_by_default_have_a_temperature_of_a_quarter_of_the_typical_spread():
    lists = [Utterance("u", ["a", "b"], {"am": [0.0, 2.0]}), Utterance("v", ["a", "b"], {"am": [0.0, 6.0]})]
    found = system("s", [*lists, Utterance("w", ["a"], {"am": [7.0]})], score="am").masses
    assert found["u"][1] / found["u"][0] == pytest.approx(math.exp(2 / 0.5))
    assert found["v"][1] / found["v"][0] == pytest.approx(math.exp(6 / 0.5))


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
        (
            lambda a: scored("s", ("x", 1.0), ("y", 0.0)),
            InputError,
            "s: there are no totals .*; --score takes one of am, or rank for their order alone",
        ),
        (lambda a: system("s", [Utterance("u", ["x"]), Utterance("u", ["y"])]), InputError, "s: .*two lists .* 'u'"),
        (lambda a: join_systems([a, a]), SettingError, "a stands twice among the systems"),
        (lambda a: join_systems([a], np.array([1.0, 2.0])), SettingError, "there are 2 weights of systems"),
        (
            lambda a: system("s", [scored_list("u", "am"), scored_list("v", "total")], score="am"),
            InputError,
            "utterance 'v' has no 'am'",
        ),
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
    assert content["systems"] == {f"s{k}": {"wer": pytest.approx(1 / 3), "changed": 1} for k in range(3)}
    assert report_on(rescored, systems, []).as_json()["systems"] == {f"s{k}": {"changed": 1} for k in range(3)}


def test_report_compares_with_the_best_system():
    systems = [
        one_best("worst", "x x", "x", "y y y", refs=("a b",)),
        one_best("best", "a b", "a  b", "y b", refs=("a b",)),
        one_best("middle", "a b", "x", "y", refs=("a b",)),
    ]
    rescored = choose(NbestLists(join_systems(systems)), DecisionSettings("vote"))
    report, wer = report_on(rescored, systems, [make_metric("wer")]), make_metric("wer")
    assert rescored.decision.texts[:2] == ["a b", "x"] and report.best_alone("wer") == "best"
    best = np.concatenate([wer.statistics(["a b"], [text]) for text in ("a b", "a b", "y b")])
    vote = np.concatenate([wer.statistics(["a b"], [text]) for text in rescored.decision.texts])
    found = report.as_json()
    assert found["wer_difference"] == {"system": "best", **vars(Gain(wer, best, vote).difference)}
    interval = confidence_interval(wer, vote)
    assert found["wer_interval"] == [interval.low, interval.high] and found["wer"] == interval.value
    assert report.changed["best"] == 1 + (rescored.decision.texts[2].split() != ["y", "b"])
    assert found["signatures"]["wer"] == wer.signature


def test_systems_are_measured_on_the_utterances_that_they_share():
    good, long = one_best("good", "a", refs=("a",)), one_best("long", "a", "x", "x", refs=("a",))
    rescored = choose(NbestLists(join_systems([long, good], (), "skip")), DecisionSettings("vote"))
    found = report_on(rescored, [long, good], [make_metric("wer")]).as_json()
    assert (found["utterances"], found["shared"], found["wer"]) == (3, 1, 0.0)
    assert found["systems"] == {"long": {"wer": 0.0, "changed": 0}, "good": {"wer": 0.0, "changed": 0}}
    other = system("other", [Utterance("u9", ["b"], refs=("a",))])
    rescored = choose(NbestLists(join_systems([good, other], (), "skip")), DecisionSettings("vote"))
    found = report_on(rescored, [good, other], [make_metric("wer")]).as_json()
    assert found["shared"] == 0 and "wer" not in found


def test_texts_that_were_made_are_measured_behind_utterances_that_are_not_shared():
    systems = [
        one_best(f"s{k}", *texts, refs=("a b c",))
        for k, texts in enumerate((("x", "a b x"), ("x", "x b c"), ("x", "a x c")))
    ]
    del systems[0].utterances["u0"], systems[0].masses["u0"]
    rescored = choose(NbestLists(join_systems(systems, (), "skip")), DecisionSettings("vote"))
    found = report_on(rescored, systems, [make_metric("wer")]).as_json()
    assert (found["wer"], found["new"], found["shared"]) == (0.0, 1, 1)


def test_spaces_do_not_make_another_text():
    [joined] = join_systems([one_best("a", "a  b"), one_best("b", " a b ")])
    assert joined.texts == ["a  b"] and joined.scores["posterior"] == [1.0]


def demo_systems():
    """(ids, three systems): the texts of ranks 0, 1 and 11 of the demo's lists that are so long."""
    with gzip.open(LISTS, "rt") as stream:
        lists = [json.loads(line) for line in stream]
    lists = [one for one in lists if len(one["hyps"]) > 11]
    return [one["id"] for one in lists], [[one["hyps"][k]["text"].split() for one in lists] for k in (0, 1, 11)]


@pytest.mark.skipif(not shutil.which("sctk"), reason="needs NIST's rover")
def test_majorities_are_those_of_nists_rover(tmp_path):
    """NIST's own costs over our alignment elect what its program does; so do our costs if they make the same slots.

    Where our slots are others, another word may win: ours is another network, not a better copy.
    """
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
    compared = equal = 0
    for key, *words in zip(ids, *systems):
        slots = network_with_nists_costs(words)
        if all(max(slot.values()) >= 2 for slot in slots):
            compared += 1
            assert naive_elected(slots) == nist.get(key, [])
            ours = confusion_network(words, np.ones(3))
            if [Counter({word: round(3 * share) for word, share in slot.items()}) for slot in ours.slots()] == slots:
                equal += 1
                assert ours.best() == nist.get(key, [])
    assert (compared, equal) == (207, 204)


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
    assert content["systems"][str(three[0])] == {"wer": pytest.approx(1 / 5), "changed": 1}
    assert Path("best.txt").read_text() == "u1 the cat sat\nu2 a dog\n"
    first, second = map(json.loads, Path("o.jsonl").read_text().splitlines())
    assert (first["best"], first["text"], second["best"]) == (None, "the cat sat", 0)
    assert second["hyps"][0]["systems"] == [str(three[0]), str(three[1])]


def test_command_reads_what_it_wrote(run, three):
    assert run("rover", *three, "-o", "o.jsonl")[0] == 0
    assert run("rover", "o.jsonl", "--best-out", "again.txt")[0] == 0
    assert Path("again.txt").read_text() == "u1 the cat sat\nu2 a dog\n"


def test_command_shows_a_table_for_each_metric(run, three):
    status, out, _ = run("rover", *three, "--ref", "ref.txt", "--metric", "wer", "--metric", "cer")
    lines = out.splitlines()
    assert status == 0 and lines[0].startswith("2 utterances, 7 different hypotheses, 1 chosen texts")
    assert lines[2].startswith("wer|norm:none|") and lines[3].split() == [
        "system",
        "wer",
        "95",
        "%",
        "interval",
        "changed",
    ]
    assert lines[4].split() == [str(three[0]), "20.00", "0.00", "…", "33.33", "1"]
    assert lines[7].split()[:2] == ["together", "0.00"] and sum(line.startswith("cer|") for line in lines) == 1
    assert lines[10].startswith(f"together against {three[0]}, the best system: -20.00 [-33.33, +0.00], p ")
    assert run("rover", *three)[1].splitlines()[1].split() == ["system", "changed"]


def test_command_reads_one_best_texts(run, three):
    Path("a.txt").write_text("u2 a dog\n\nu1 the cat sits\n")
    status, out, err = run(
        "rover", "a.txt", three[1], three[2], "--ref", "ref.txt", "--score", "total,total,rank", "--json"
    )
    assert (status, err, json.loads(out)["wer"]) == (0, "", 0.0)
    Path("k.txt").write_text("utt-1 a dog\nutt-2 a\n")
    assert run("rover", "k.txt", "--format", "text", "--best-out", "out.txt")[0] == 0
    assert Path("out.txt").read_text() == "utt-1 a dog\nutt-2 a\n"
    Path("plain.txt").write_text("the cat\nthe dog\n")
    message = "a second text for 'the' (the first is in line 1); plain.txt is in no format of n-best lists and was read"
    assert message in run("rover", "a.txt", "plain.txt")[2]
    Path("empty").mkdir()
    assert "not n-best lists" in run("rover", "a.txt", "empty")[2]


def test_command_takes_a_temperature_and_a_score_for_each_system(run, three):
    hyps = [{"text": text, "scores": {"am": am, "lm": -am}} for text, am in (("x", 0.0), ("y", 1.0))]
    for name in ("p.jsonl", "q.jsonl"):
        Path(name).write_text(json.dumps({"id": "u", "hyps": hyps}) + "\n")
    options = ["--score", "am,lm", "--temperature", "1,0.5", "-o", "o.jsonl"]
    assert run("rover", "p.jsonl", "q.jsonl", *options)[0] == 0
    posteriors = {hyp["text"]: hyp["scores"]["posterior"] for hyp in json.loads(Path("o.jsonl").read_text())["hyps"]}
    assert posteriors["x"] == pytest.approx((1 / (1 + math.e) + 1 / (1 + math.exp(-2))) / 2)


def test_risk_is_that_of_the_first_metric(run, folder):
    texts = ["a b c d e f", "a b c x e f", "c d e f"]
    hyps = [{"text": text, "scores": {"am": am}} for text, am in zip(texts, (0.0, -0.1, -0.2))]
    Path("p.jsonl").write_text(json.dumps({"id": "u", "ref": "a", "hyps": hyps}) + "\n")
    posteriors = system("s", [Utterance("u", texts, {"am": [0.0, -0.1, -0.2]})], score="am", temperature=1.0).masses[
        "u"
    ]
    lists = NbestLists([Utterance("u", texts, refs=("a",))])
    for name in ("wer", "cer", "bleu", "chrf"):
        call = ["rover", "p.jsonl", "--decide", "mbr", "--score", "am", "--temperature", "1", "--metric", name]
        assert run(*call, "--metric", "wer", "--best-out", "best.txt")[0] == 0
        expected = mbr(lists, np.log(posteriors), DecisionSettings("mbr", loss=name)).texts
        assert Path("best.txt").read_text() == f"u {expected[0]}\n"
    assert [loss_like(name) for name in ("bleu", "chrf++", "ter")] == ["bleu", "chrf", None]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.jsonl", "a.jsonl"], "a.jsonl stands twice among the systems; the weights of systems let one count more"),
        (["a.jsonl", "nbest.jsonl", "--score", "am"], "a.jsonl: the n-best list has no score 'am'; it has none"),
        (["a.jsonl", "-o", "a.jsonl"], "a.jsonl is an input of this command"),
        (["a.jsonl", "-o", "-", "--json"], "--json prints to standard output"),
        (["a.jsonl", "--metric", "wer"], "utterance 'u1' has no reference"),
        (["a.jsonl", "--decide", "coin"], "there is no rule 'coin'"),
        (["a.jsonl", "--system-weights", "1,2"], "there are 2 weights of systems"),
        (["no.jsonl", "--system-weights", "1,2"], "there are 2 weights of systems"),
        (["no.jsonl", "--system-weights", "0"], "must be above 0"),
        (["no.jsonl", "--temperature", "0"], "temperature is 0.0; it must be above 0"),
        (["no.jsonl", "--metric", "x"], "there is no metric 'x'"),
        (["a.jsonl", "b.jsonl", "c.jsonl", "--score", "am,lm"], "--score has 2 values, and there are 3 systems"),
        (["a.jsonl", "--temperature", "1,2"], "--temperature has 2 values, and there are 1 systems"),
        (["nbest.jsonl"], "nbest.jsonl: there are no totals"),
    ],
)
def test_command_refuses(run, three, arguments, message):
    status, out, err = run("rover", *arguments)
    assert (status, out) == (1, "") and err.startswith("lmmix: error: ") and message in err and err.count("\n") == 1
