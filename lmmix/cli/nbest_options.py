"""Options of the commands that read n-best lists."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmmix.cli.common import Words, check_output, refuse_overwriting

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
        click.option(
            "--format",
            "form",
            metavar="NAME",
            help="Format of the lists (jsonl, moses, tsv, …); default: what they look like.",
        ),
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
            help="What to measure: wer (default), cer, ser, bleu, bleu:zh, chrf, chrf++, ter, rouge1, rouge2, rougeL.",
        ),
    ):
        function = option(function)
    return function


def inputs_of(given: dict[str, Any]) -> tuple[str, ...]:
    """All files and folders that options name for reading."""
    folds = [
        path.replace("{}", str(k))
        for _, path in map(_named, given.get("fold_lm", ()))
        for k in range(max(given["folds"], 1))
    ]
    models = [path for _, path in map(_named, given.get("models", ()))]
    single = [path for path in (given["manifest"], given.get("weights")) if path]
    return (*given["refs"], *given["scores"], *single, *models, *folds)


def check_outputs(lists: str | None, form: str, others: Sequence[str | None], as_json: bool) -> None:
    """Find out before long work whether the lists, in the format `form`, and `others` can be written, each elsewhere.

    Raises SettingError, InputError.
    """
    from lmmix.errors import SettingError
    from lmmix.fileio import check_folder_target
    from lmmix.nbest.formats.folder import MARKER
    from lmmix.nbest.formats.registry import FORMATS, known

    named = [path for path in (lists, *others) if path]
    for k, path in enumerate(named):
        if os.path.realpath(path) in map(os.path.realpath, named[:k]):
            raise SettingError(f"{path} is the name of two results; choose another one for one of them")
    if lists and FORMATS[known(form)].writes_folder:
        check_folder_target(lists, MARKER)
        for path in named[1:]:
            refuse_overwriting(path, (lists,))
        named = named[1:]
    for path in named:
        check_output(path, as_json)


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
    metrics = [make_metric(name, normaliser) for name in metric_names(names)]
    return list({metric.name: metric for metric in metrics}.values())


def metric_names(given: tuple[str, ...]) -> list[str]:
    """The names in --metric, which may hold several, parted by commas."""
    return [name.strip() for one in given for name in one.split(",")]


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
    for given_fold, (name, path) in zip(given["fold_lm"], names[len(given["models"]) :]):
        _check_folds(given_fold, path, given["folds"])
        models[name] = [load(path.replace("{}", str(k)), *how) for k in range(given["folds"])]
    return models


def _check_folds(given: str, path: str, folds: int) -> None:
    """Raise SettingError unless --fold-lm names the models of all folds, and of these alone."""
    from lmmix.errors import SettingError

    if "{}" not in path or folds < 2:
        raise SettingError(f"--fold-lm {path}: needs {{}} in the path, for the number of the fold, and --folds K")
    if given == path:
        raise SettingError(f"--fold-lm {path}: needs a name, under which the final model is used: NAME={path}")
    one_more = path.replace("{}", str(folds))
    if os.path.exists(one_more):
        raise SettingError(
            f"--folds {folds}, but there is {one_more}, too: the models would know the references of other folds than "
            "those they score; give the number of folds that they were trained for"
        )


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
