"""lmmix rover."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from lmmix.cli.common import Factors, Words, json_option, print_json, refuse_overwriting
from lmmix.cli.nbest_options import check_outputs, inputs_of, list_options, metric_options, metrics_of, utterances_of
from lmmix.cli.rover_report import print_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.system import System

ONE_BEST = "text"
"""What --format calls lines `id word word …`."""


@click.command()
@click.argument("nbest", nargs=-1, required=True, metavar="NBEST...")
@list_options
@metric_options
@click.option(
    "--score",
    type=Words(),
    metavar="NAME,…",
    help="The score to go by, one for all systems or one each, or rank; default: the totals that rescoring wrote.",
)
@click.option(
    "--temperature",
    type=Factors(),
    metavar="T,…",
    help="Of the posteriors, for all systems or each; default: a quarter of the typical spread of scores in a list.",
)
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

    A file that is in no format of n-best lists is read as one text an utterance, lines 'id word word …' (--format
    text). --decide mbr expects the least loss by the first --metric, if that is wer, cer, bleu or chrf.

    \b
    lmmix rover a.jsonl b.jsonl c.txt --best-out voted.txt
    lmmix rover a.jsonl b.jsonl --ref ref.txt --score am,total --temperature 20,1 --system-weights 1,0.5
    """
    from lmmix.nbest.decide.decision import DecisionSettings, loss_like
    from lmmix.nbest.formats.registry import nbest_writer
    from lmmix.nbest.rover import check_settings, choose
    from lmmix.nbest.rover_report import report_on
    from lmmix.nbest.write_best import best_writer

    for path in filter(None, (output, best_out)):
        refuse_overwriting(path, (*nbest, *inputs_of(given)))
    check_outputs(output, given["output_format"], (best_out,), as_json)
    check_settings(nbest, given["system_weights"] or (), given["missing"])
    metrics = metrics_of(given["metrics"] or ("wer",), given["steps"])
    decision = DecisionSettings(rule=given["decide"], loss=loss_like(metrics[0].name))
    systems = _systems(nbest, given)
    lists = _joined(nbest, systems, given)
    rescored = choose(lists, decision)
    report = report_on(rescored, systems, metrics if given["metrics"] or lists.has_references else ())
    with ExitStack() as stack:
        writers = [stack.enter_context(nbest_writer(output, given["output_format"]))] if output else []
        writers += [stack.enter_context(best_writer(best_out))] if best_out else []
        for one in rescored.utterances():
            for write in writers:
                write(one)
    if as_json:
        print_json(report.as_json())
    elif "-" not in (output, best_out):
        print_report(report)


def _systems(nbest: tuple[str, ...], given: dict[str, Any]) -> list[System]:
    """The systems in the files `nbest`; references that the options name are for the joined lists."""
    from lmmix.nbest.decide.posteriors import check_temperature
    from lmmix.nbest.one_best import read_one_best
    from lmmix.nbest.system import system

    temperatures = _for_each(nbest, given["temperature"], "--temperature")
    scores = _for_each(nbest, given["score"], "--score")
    for temperature in given["temperature"] or ():
        check_temperature(temperature)
    found = []
    for path, temperature, score in zip(nbest, temperatures, scores):
        text = _form_of(path, given) == ONE_BEST
        lists = read_one_best(path) if text else utterances_of(path, {**given, "refs": ()})
        found.append(system(path, lists, temperature, None if text else score))
    return found


def _for_each(nbest: tuple[str, ...], values: Sequence[Any] | None, option: str) -> Sequence[Any]:
    """A value for each system, of which one may have been given for all. Raises SettingError."""
    from lmmix.errors import SettingError

    if not values:
        return [None] * len(nbest)
    if len(values) not in (1, len(nbest)):
        raise SettingError(
            f"{option} has {len(values)} values, and there are {len(nbest)} systems; give one or as many"
        )
    return list(values) * (len(nbest) if len(values) == 1 else 1)


def _form_of(path: str, given: dict[str, Any]) -> str:
    """The name of the format, which is the one that the options say, or what the file looks like."""
    from lmmix.nbest.formats.registry import recognised
    from lmmix.nbest.one_best import is_one_best

    return given["form"] or (ONE_BEST if is_one_best(path) else recognised(path))


def _joined(nbest: tuple[str, ...], systems: Sequence[System], given: dict[str, Any]) -> NbestLists:
    """The joined lists of `systems`, with the references that the options name."""
    from lmmix.nbest.formats.registry import FORMATS
    from lmmix.nbest.lists import NbestLists
    from lmmix.nbest.references import with_references
    from lmmix.nbest.rover import join_systems

    joined = join_systems(systems, given["system_weights"] or (), given["missing"])
    if given["refs"]:
        by_line = given["ref_lines"]
        if by_line is None:
            form = _form_of(nbest[0], given)
            by_line = form != ONE_BEST and FORMATS[form].refs_by_line
        joined = list(with_references(joined, given["refs"], by_line))
    return NbestLists(joined)
