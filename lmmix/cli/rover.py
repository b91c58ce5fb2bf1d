"""lmmix rover."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from lmmix.cli.common import Factors, json_option, print_json, print_table, refuse_overwriting
from lmmix.cli.nbest_options import check_outputs, inputs_of, list_options, metric_options, metrics_of, utterances_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.rover import RoverReport
    from lmmix.nbest.system import System


@click.command()
@click.argument("nbest", nargs=-1, required=True, metavar="NBEST...")
@list_options
@metric_options
@click.option("--score", metavar="NAME", help="The score to go by; default: the totals that rescoring wrote, or ranks.")
@click.option("--temperature", type=float, default=1.0, show_default=True, metavar="T", help="Of the posteriors.")
@click.option("--system-weights", type=Factors(), metavar="W,…", help="How much each system counts.")
@click.option("--decide", default="vote", show_default=True, metavar="RULE", help="How to choose: vote, mbr, best.")
@click.option(
    "--missing",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="If a system lacks an utterance: stop, or let the others vote.",
)
@click.option("-o", "--output", metavar="FILE", help="Write the joined lists with posteriors and the chosen texts.")
@click.option("--output-format", default="jsonl", show_default=True, metavar="NAME", help="Format of the output.")
@click.option("--best-out", metavar="FILE", help="Write the chosen texts, lines 'id word word …'.")
@json_option
def command(nbest: tuple[str, ...], as_json: bool, output: str | None, best_out: str | None, **given: Any) -> None:
    """Join the n-best lists of several systems and vote on each word.

    \b
    lmmix rover a.jsonl b.jsonl c.jsonl --best-out voted.txt
    lmmix rover a.jsonl b.jsonl --ref ref.txt --score am --temperature 20 --system-weights 1,0.5
    """
    from lmmix.nbest.decide.decision import DecisionSettings
    from lmmix.nbest.formats.registry import nbest_writer
    from lmmix.nbest.rover import choose, report_on
    from lmmix.nbest.write_best import best_writer

    for path in filter(None, (output, best_out)):
        refuse_overwriting(path, (*nbest, *inputs_of(given)))
    check_outputs(output, given["output_format"], (best_out,), as_json)
    decision = DecisionSettings(rule=given["decide"])
    systems, lists = _joined(nbest, given)
    names = given["metrics"] or (("wer",) if lists.has_references else ())
    rescored = choose(lists, decision)
    report = report_on(rescored, systems, metrics_of(names, given["steps"]))
    with ExitStack() as stack:
        writers = [stack.enter_context(nbest_writer(output, given["output_format"]))] if output else []
        writers += [stack.enter_context(best_writer(best_out))] if best_out else []
        for one in rescored.utterances():
            for write in writers:
                write(one)
    if as_json:
        print_json(report.as_json())
    elif "-" not in (output, best_out):
        _print_report(report)


def _joined(nbest: tuple[str, ...], given: dict[str, Any]) -> tuple[Sequence[System], NbestLists]:
    """The systems in the files `nbest`, and their joined lists with the references that the options name."""
    from lmmix.errors import SettingError
    from lmmix.nbest.formats.registry import FORMATS, recognised
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.references import with_references
    from lmmix.nbest.rover import join_systems
    from lmmix.nbest.system import system

    if len(set(nbest)) != len(nbest):
        twice = next(path for path in nbest if nbest.count(path) > 1)
        raise SettingError(f"{twice} stands twice among the systems; --system-weights lets one count more")
    options = {**given, "refs": ()}
    systems = [system(path, utterances_of(path, options), given["temperature"], given["score"]) for path in nbest]
    joined = join_systems(systems, given["system_weights"] or (), given["missing"])
    if given["refs"]:
        by_line = given["ref_lines"]
        if by_line is None:
            by_line = FORMATS[given["form"] or recognised(nbest[0])].refs_by_line
        joined = list(with_references(joined, given["refs"], by_line))
    return systems, NbestLists(joined)


def _print_report(report: RoverReport) -> None:
    click.echo(
        f"{report.utterances} utterances, {report.hypotheses} different hypotheses, "
        f"{report.new} chosen texts that no system has"
    )
    if not report.scores:
        return
    rows = [[name, *_shown(scores)] for name, scores in report.systems.items()]
    labels = {"": "together", "first": "most probable", "oracle": "oracle"}
    rows += [[label, *_shown(report.scores, what)] for what, label in labels.items()]
    print_table(["system", *report.scores], rows)


def _shown(scores: Any, what: str = "") -> list[str]:
    return [f"{one.metric.factor * one.values()[what]:.2f}" for one in scores.values()]
