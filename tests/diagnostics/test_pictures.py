"""Pictures show the numbers that they are given, and take those that a logarithm does not."""

import io

import numpy as np

from cells.diagnostics.pictures import (
    curves_figure,
    gates_figure,
    geometric_mean,
    heatmap_figure,
    memory_figure,
)


def drawn(figure) -> bytes:  # type: ignore[no-untyped-def]
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_the_geometric_mean_leaves_out_what_has_no_logarithm() -> None:
    norms = np.array([[1.0, 0.0, np.nan, 0.0], [4.0, 9.0, np.inf, np.nan]])
    np.testing.assert_allclose(geometric_mean(norms), [2.0, 9.0, np.nan, np.nan])


def test_a_curve_figure_draws_every_replica_and_their_mean() -> None:
    norms = np.array([[1.0, 0.5, 0.0], [4.0, 0.5, np.nan]])
    figure = curves_figure({"l0/h": norms, "l0/c": norms}, "a title")
    lines = figure.axes[0].lines
    assert len(lines) == 2 * (2 + 1)
    assert lines[2].get_ydata().tolist()[:2] == [2.0, 0.5]
    assert drawn(figure)


def test_a_heatmap_shows_the_logarithm_and_survives_norms_that_are_zero_or_absent() -> None:
    figure = heatmap_figure(np.array([[1.0, 0.0], [0.01, np.nan]]), np.array([0, 50]), "a title")
    shown = figure.axes[0].images[0].get_array()
    assert shown is not None
    assert shown[:, 0].tolist() == [0.0, -2.0]
    assert drawn(figure)
    assert drawn(heatmap_figure(np.full((2, 2), np.nan), np.array([0, 50]), "nothing"))


def test_gates_and_memory_are_drawn_by_replica() -> None:
    figure = gates_figure({"l0/f": np.full((3, 20), 0.05), "l0/i": np.full((3, 20), 0.05)}, "gates")
    assert [len(axes.patches) for axes in figure.axes] == [3, 3]
    assert drawn(figure)
    memory = memory_figure([1, 2], np.array([[1.0, 0.0], [0.5, 0.5]]), "memory")
    assert memory.axes[0].lines[2].get_ydata().tolist() == [0.75, 0.25]
    assert drawn(memory)
