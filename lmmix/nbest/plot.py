"""Pictures of tuning."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from lmmix.errors import MissingDependencyError, SettingError
from lmmix.fileio import PathLike, atomic_write
from lmmix.nbest.tuning.grid import Surface, heaviest, surface
from lmmix.nbest.tuning.problem import TuningProblem
from lmmix.nbest.tuning.tune import feature_called

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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

    found = surface(problem, weights, _pair(problem, weights, names), SIZE)
    with matplotlib.rc_context({"svg.hashsalt": "lmmix"}):
        figure = Figure(figsize=(6.4, 5.2), layout="constrained")
        draw(figure, found)
        picture = io.BytesIO()
        figure.savefig(picture, format=suffix[1:], dpi=150, metadata=UNDATED[suffix])
    with atomic_write(path) as stream:
        stream.write(picture.getvalue())


def draw(figure: Figure, found: Surface) -> None:
    """Draw a surface: the first feature across, the second up, bright colours for good values."""
    axes = figure.subplots()
    low, high = found.range
    mesh = axes.pcolormesh(
        found.across,
        found.up,
        found.values.T,
        cmap="viridis" if found.higher_is_better else "viridis_r",
        shading="nearest",
        rasterized=True,
        vmin=low,
        vmax=high,
    )
    figure.colorbar(mesh, ax=axes, label=found.metric, extend="min" if found.higher_is_better else "max")
    axes.plot(*found.mark, "x", color="red", markersize=10, markeredgewidth=2)
    title = f"highest sum: {found.metric} {found.marked:.2f} at ×"
    axes.set(xlabel=found.names[0], ylabel=found.names[1], title=title)


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
