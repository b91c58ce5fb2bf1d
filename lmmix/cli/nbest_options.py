"""Options of the commands that read n-best lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmmix.cli.common import Words

if TYPE_CHECKING:
    from lmmix.metrics.metric import Metric
    from lmmix.nbest.rescore import Models
    from lmmix.nbest.utterance import Utterance

Function = TypeVar("Function", bound=Callable[..., Any])


def list_options(function: Function) -> Function:
    """Options that say how lists and references are read."""
    for option in (
        click.option("--ref-lines/--ref-ids", default=None, help="A reference a line, or lines 'id word word …'."),
        click.option("--ref", "refs", multiple=True, metavar="FILE", help="References; by default those in the list."),
        click.option("--manifest", metavar="FILE", help="The utterances and references of NeMo lists."),
        click.option("--scores", multiple=True, metavar="PATH", help="More scores of SRILM and Kaldi lists."),
        click.option("--format", "form", metavar="NAME", help="Format of the lists; default: what they look like."),
    ):
        function = option(function)
    return function


def metric_options(function: Function) -> Function:
    """Options that say what is measured."""
    for option in (
        click.option(
            "--normalise",
            "steps",
            type=Words(),
            metavar="STEP,…",
            help="Rewrite texts before comparing: lower, nopunct, nfc, nfkc, nospace, chars.",
        ),
        click.option(
            "--metric",
            "metrics",
            multiple=True,
            metavar="NAME,…",
            help="What to measure: wer (default), cer, bleu, bleu:zh, chrf, chrf++, ter, rouge1, rouge2, rougeL.",
        ),
    ):
        function = option(function)
    return function


def utterances_of(path: str, given: dict[str, Any]) -> Iterator[Utterance]:
    """The lists in `path`, as the options of `list_options` say."""
    from lmmix.nbest.formats.interface import ReadOptions
    from lmmix.nbest.formats.registry import FORMATS, read_nbest, recognised
    from lmmix.nbest.references import with_references

    name = given["form"] or recognised(path)
    utterances = read_nbest(path, name, ReadOptions(given["scores"], given["manifest"]))
    if not given["refs"]:
        return utterances
    by_line = FORMATS[name].refs_by_line if given["ref_lines"] is None else given["ref_lines"]
    return with_references(utterances, given["refs"], by_line)


def metrics_of(names: tuple[str, ...], steps: list[str] | None) -> list[Metric]:
    """The metrics that `metric_options` name, each once; several may stand in one name, parted by commas."""
    from lmmix.metrics.metric import make_metric
    from lmmix.metrics.normalise import Normaliser

    normaliser = Normaliser(steps or ())
    metrics = [make_metric(name.strip(), normaliser) for given in names for name in given.split(",") if name.strip()]
    return list({metric.name: metric for metric in metrics}.values())


def loaded_models(given: dict[str, Any]) -> Models:
    """Models of --lm by name, their members instead if that is asked for, and the models of each fold of --fold-lm."""
    from lmmix.errors import SettingError
    from lmmix.lm import load
    from lmmix.nbest.members import with_members

    how = given["tokenizer"], given["threads"]
    names = [_named(text) for text in (*given["models"], *given["fold_lm"])]
    for k, (name, path) in enumerate(names):
        if name in dict(names[:k]):
            raise SettingError(f"two models are called {name!r}; give one another name: --lm NAME={path}")
    models: Any = {name: load(path, *how) for name, path in names[: len(given["models"])]}
    if given["members"]:
        models = with_members(models)
    for name, path in names[len(given["models"]) :]:
        if "{}" not in path or given["folds"] < 2:
            raise SettingError(f"--fold-lm {path}: needs {{}} in the path, for the number of the fold, and --folds K")
        models[name] = [load(path.replace("{}", str(k)), *how) for k in range(given["folds"])]
    return models


def _named(given: str) -> tuple[str, str]:
    """NAME=PATH, or a path that gives the name."""
    from lmmix.nbest.members import model_name

    name, equals, path = given.partition("=")
    if equals and "/" not in name:
        return name, path
    return model_name(given), given


def numbers_of(given: tuple[str, ...], option: str) -> dict[str, str]:
    """NAME=VALUE pairs of a repeated option, values as they are. Raises SettingError."""
    from lmmix.errors import SettingError

    pairs = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        if not equals or not name:
            raise SettingError(f"{option} {text}: it must be NAME=VALUE")
        pairs[name] = value
    return pairs


def fixed_of(given: tuple[str, ...]) -> dict[str, float]:
    """--fix NAME=VALUE."""
    return {name: _number(value, f"--fix {name}={value}") for name, value in numbers_of(given, "--fix").items()}


def bounds_of(given: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """--bound NAME=LEAST:MOST, of which either may be left out."""
    from lmmix.errors import SettingError

    bounds = {}
    for name, value in numbers_of(given, "--bound").items():
        low, colon, high = value.partition(":")
        if not colon:
            raise SettingError(f"--bound {name}={value}: it must be NAME=LEAST:MOST, either of which may be left out")
        where = f"--bound {name}={value}"
        bounds[name] = (_number(low or "-inf", where), _number(high or "inf", where))
    return bounds


def _number(text: str, where: str) -> float:
    from lmmix.errors import SettingError

    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number:
        raise SettingError(f"{where}: {text!r} is not a number")
    return number
