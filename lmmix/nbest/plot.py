"""Pictures of tuning."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from lmmix.errors import MissingDependencyError, SettingError
from lmmix.fileio import PathLike, atomic_write
from lmmix.nbest.tuning.grid import around, heaviest, loss_grid
from lmmix.nbest.tuning.problem import TuningProblem
from lmmix.nbest.tuning.tune import feature_called

UNDATED = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Suffixes of pictures, and what is left out of the files so that the same picture is the same file."""

SIZE = 121
"""Points of a grid along each axis."""


def plot_surface(problem: TuningProblem, weights: np.ndarray, names: Sequence[str], path: PathLike) -> None:
    """Draw the metric's value over the weights of two features as a heat map, with `weights` (F,) marked.

    `names` are the two features; without any the two with the largest parts are taken. The other weights stay as they
    are. Raises SettingError for anything but two known features or another suffix than .png, .svg and .pdf,
    MissingDependencyError, InputError.
    """
    suffix = check_picture(path)
    import matplotlib
    from matplotlib.figure import Figure

    pair = _pair(problem, weights, names)
    across, up = around(problem, weights, pair, SIZE)
    losses = loss_grid(problem, weights, pair, (across, up))
    metric = problem.metric
    sign = -1.0 if metric.higher_is_better else 1.0
    with matplotlib.rc_context({"svg.hashsalt": "lmmix"}):
        figure = Figure(figsize=(6.4, 5.2), layout="constrained")
        axes = figure.subplots()
        colours = "viridis" if metric.higher_is_better else "viridis_r"
        mesh = axes.pcolormesh(
            across, up, sign * metric.factor * losses.T, cmap=colours, shading="nearest", rasterized=True
        )
        figure.colorbar(mesh, ax=axes, label=metric.name)
        here = sign * metric.factor * problem.loss(weights)
        axes.plot(weights[pair[0]], weights[pair[1]], "x", color="red", markersize=10, markeredgewidth=2)
        axes.set(xlabel=problem.names[pair[0]], ylabel=problem.names[pair[1]], title=f"{metric.name} {here:.2f} at ×")
        picture = io.BytesIO()
        figure.savefig(picture, format=suffix[1:], dpi=150, metadata=UNDATED[suffix])
    with atomic_write(path) as stream:
        stream.write(picture.getvalue())


def check_picture(path: PathLike) -> str:
    """The suffix of `path`. Raises SettingError for one that no picture has, MissingDependencyError."""
    suffix = PurePath(path).suffix.lower()
    if suffix not in UNDATED:
        raise SettingError(f"{path}: a picture must be called {', '.join(f'*{one}' for one in UNDATED)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingDependencyError("matplotlib", "a picture", "report") from None
    return suffix


def features_to_draw(known: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The two of the features `known` that are `wanted`, none if nothing is. Raises SettingError."""
    if len(known) < 2:
        raise SettingError(f"a picture needs two features; the lists have {'one' if known else 'none'}")
    found = list(dict.fromkeys(feature_called(name, known) for name in wanted))
    if wanted and len(found) != 2:
        raise SettingError(f"a picture is of two features, not of {', '.join(wanted)}")
    return found


def _pair(problem: TuningProblem, weights: np.ndarray, names: Sequence[str]) -> tuple[int, int]:
    """The numbers of two features."""
    drawn = features_to_draw(problem.names, names)
    if not drawn:
        return heaviest(problem, weights)
    first, second = map(problem.names.index, drawn)
    return first, second
