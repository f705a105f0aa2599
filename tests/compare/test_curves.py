"""Curves out of the files that runs leave."""

import numpy as np
import pytest

from cells.compare import curves
from cells.compare.load import load
from cells.errors import UserError


@pytest.fixture
def gru(make_run, tmp_path):
    """A contestant of two runs, and their folders."""
    folders = [make_run("gru", {0: 0.1, 1: 0.2}), make_run("gru", {2: 0.3})]

    def contestant():
        (comparison,) = load([tmp_path]).comparisons
        return comparison.contestants[0]

    return contestant, folders


def test_learning_curves_of_all_seeds_share_one_axis(gru) -> None:
    contestant, (first, second) = gru
    (first / "history.csv").write_text(
        "step,seed,tag,value\n100,0,val/mse,0.5\n100,1,val/mse,nan\n200,0,val/mse,0.4\n200,1,val/mse,0.3\n"
        "200,0,val/mae,9\n300,0,val/m"
    )
    (second / "history.csv").write_text("step,seed,tag,value\n200,2,val/mse,0.2\n")
    found = curves.learning_curves(contestant(), "val/mse")
    assert found.x.tolist() == [100, 200]
    np.testing.assert_array_equal(found.y, [[0.5, 0.4], [np.nan, 0.3], [np.nan, 0.2]])
    assert found.middle.tolist() == [0.5, 0.3]
    assert [bound.tolist() for bound in found.band] == [[0.5, 0.2], [0.5, 0.4]]
    assert curves.learning_curves(contestant(), "val/accuracy") is None


def test_a_value_that_is_no_number_is_told_with_its_place(gru) -> None:
    contestant, (first, _) = gru
    (first / "history.csv").write_text("step,seed,tag,value\n100,0,val/mse,oops\n")
    with pytest.raises(UserError, match=r"history.csv: 'oops' is not a number \(val/mse, step 100\)"):
        curves.learning_curves(contestant(), "val/mse")


def test_memory_and_gradients_are_read_and_their_absence_is_none(gru) -> None:
    contestant, (first, _) = gru
    assert curves.memory_curves(contestant()) is None
    assert curves.gradient_curves(contestant()) is None
    assert curves.gradient_heatmap(contestant()) is None
    norms = np.array([[[1.0, 0.1], [1.0, 0.001]], [[2.0, 0.2], [np.nan, np.nan]]])
    np.savez(
        first / "diagnostics.npz",
        **{
            "memory/lag": np.array([1, 2]),
            "memory/r2": np.array([[0.9, 0.5], [0.7, 0.1]]),
            "gradient_through_time/lag": np.array([0, 1]),
            "gradient_through_time/steps": np.array([0, 100]),
            "gradient_through_time/l0/h": norms,
        },
    )
    assert curves.memory_curves(contestant()).middle.tolist() == pytest.approx([0.8, 0.3])
    assert curves.gradient_curves(contestant()).middle.tolist() == [2.0, 0.2]
    heatmap = curves.gradient_heatmap(contestant())
    # The geometric mean over replicas that have a value.
    np.testing.assert_allclose(heatmap.values, [[1.0, 0.01], [2.0, 0.2]])


def test_gradients_at_the_best_weights_are_preferred(gru) -> None:
    contestant, (first, _) = gru
    np.savez(
        first / "diagnostics.npz",
        **{
            "gradient_through_time/lag": np.array([0, 1]),
            "gradient_through_time/steps": np.array([0]),
            "gradient_through_time/l0/h": np.ones((1, 2, 2)),
            "gradient_through_time/l0/h_at_best": np.full((2, 2), 7.0),
        },
    )
    assert curves.gradient_curves(contestant()).middle.tolist() == [7.0, 7.0]


def test_the_last_layer_is_that_of_the_largest_number(gru) -> None:
    contestant, (first, _) = gru
    norms = {f"gradient_through_time/l{layer}/h": np.full((1, 2, 2), layer + 1.0) for layer in (1, 9, 10, 2)}
    lags = {"gradient_through_time/lag": np.array([0, 1]), "gradient_through_time/steps": np.array([0])}
    np.savez(first / "diagnostics.npz", **lags, **norms)
    assert curves.gradient_curves(contestant()).middle.tolist() == [11.0, 11.0]


def test_a_damaged_file_of_diagnostics_is_told(gru) -> None:
    contestant, (first, _) = gru
    (first / "history.csv").write_bytes(b"step,seed,tag,value\n20,0,val/mse,0.5\n40,0,val/ms\xff")
    assert curves.learning_curves(contestant(), "val/mse").x.tolist() == [20]
    for damaged in (b"", b"not an archive", b"PK\x03\x04 half an archive"):
        (first / "diagnostics.npz").write_bytes(damaged)
        with pytest.raises(UserError, match=r"diagnostics.npz: cannot be read"):
            curves.memory_curves(contestant())
