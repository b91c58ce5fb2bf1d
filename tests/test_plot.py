from __future__ import annotations

import numpy as np
import pytest
from tuning_problems import random_problem

from lmmix.nbest.plot import draw
from lmmix.nbest.tuning.grid import Surface, surface

figures = pytest.importorskip("matplotlib.figure")

SMALL = Surface(
    metric="wer",
    higher_is_better=False,
    names=("am", "lm"),
    across=np.array([1.0, 2.0, 3.0]),
    up=np.array([10.0, 20.0]),
    values=np.array([[50.0, 12.0], [11.0, 30.0], [13.0, 90.0]]),
    mark=(2.0, 20.0),
    marked=30.0,
)


def test_first_feature_goes_across_and_the_second_up():
    figure = figures.Figure()
    draw(figure, SMALL)
    axes, colours = figure.axes
    [mesh] = axes.collections
    assert (axes.get_xlabel(), axes.get_ylabel(), colours.get_ylabel()) == ("am", "lm", "wer")
    np.testing.assert_array_equal(mesh.get_array().reshape(2, 3), SMALL.values.T)
    # Each point is in the middle of its field.
    corners = mesh.get_coordinates()
    np.testing.assert_allclose((corners[0, :-1, 0] + corners[0, 1:, 0]) / 2, SMALL.across)
    np.testing.assert_allclose((corners[:-1, 0, 1] + corners[1:, 0, 1]) / 2, SMALL.up)


def test_weights_are_marked_and_told_with_their_value():
    figure = figures.Figure()
    draw(figure, SMALL)
    [line] = figure.axes[0].lines
    assert (line.get_xdata(), line.get_ydata()) == ([2.0], [20.0])
    assert figure.axes[0].get_title() == "highest sum: wer 30.00 at ×"


@pytest.mark.parametrize(
    "higher, expected, colours", [(False, (11.0, 21.5), "viridis_r"), (True, (21.5, 90.0), "viridis")]
)
def test_colours_tell_the_better_half_apart(higher, expected, colours):
    figure = figures.Figure()
    draw(figure, Surface(**{**vars(SMALL), "higher_is_better": higher}))
    [mesh] = figure.axes[0].collections
    assert mesh.get_clim() == expected and mesh.get_cmap().name == colours


def test_flat_surface_can_be_drawn():
    figure = figures.Figure()
    draw(figure, Surface(**{**vars(SMALL), "values": np.full((3, 2), 7.0)}))
    figure.canvas.draw()


@pytest.mark.parametrize("metric", ["errors", "precisions"])
@pytest.mark.parametrize("pair", [(2, 0), (0, 1)])
def test_surface_has_the_values_of_the_metric_at_its_points(metric, pair):
    problem = random_problem(5, 3, metric)
    weights = np.array([0.3, 1.0, -0.5]) / problem.spread
    found = surface(problem, weights, pair, 5)
    assert found.names == tuple(problem.names[k] for k in pair) and found.mark == tuple(weights[list(pair)])
    for i, first in enumerate(found.across):
        for j, second in enumerate(found.up):
            point = weights.copy()
            point[list(pair)] = first, second
            sums = problem.statistics[problem.best(point)].sum(axis=0)
            assert found.values[i, j] == pytest.approx(problem.metric.factor * problem.metric.value(sums))
    assert found.values[2, 2] == pytest.approx(found.marked)
