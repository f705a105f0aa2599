import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.data.series.windows import (
    Series,
    fill_gaps_inside,
    future_of,
    past_of,
    split_rows,
    window_starts,
)
from cells.errors import UserError

NAN = np.nan


def series(values: list[float], breaks: tuple[int, ...] = ()) -> Series:
    targets = np.array(values, dtype=float)[:, None]
    return Series(targets, np.empty((len(values), 0)), np.isin(np.arange(len(values)), breaks))


def starts(
    of: Series, rows: range, window: int = 2, horizon: int = 1, stride: int = 1, fill: bool = False
) -> list[int]:
    return window_starts(of, rows, window=window, horizon=horizon, stride=stride, fill_gaps=fill).tolist()


def test_splits_follow_one_another_and_cover_every_row() -> None:
    assert split_rows(10, 0.7, 0.15) == {"train": range(7), "val": range(7, 8), "test": range(8, 10)}


def test_fractions_that_leave_no_test_rows_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"data\.train_fraction=0\.8 and data\.val_fraction=0\.2 leave nothing"
    ):
        split_rows(100, 0.8, 0.2)


def test_windows_and_their_targets_stay_inside_the_split() -> None:
    assert starts(series([0.0] * 20), range(5, 10)) == [5, 6, 7]
    assert starts(series([0.0] * 20), range(5, 10), horizon=3) == [5]
    assert starts(series([0.0] * 20), range(5, 10), horizon=4) == []


def test_stride_sets_windows_apart() -> None:
    assert starts(series([0.0] * 20), range(4, 14), stride=3) == [4, 7, 10]


def test_no_window_holds_a_missing_value_unless_gaps_are_filled() -> None:
    gappy = series([0, 1, 2, NAN, 4, 5, 6, 7])
    assert starts(gappy, range(8)) == [0, 4, 5]


def test_a_filled_window_has_half_of_its_inputs_and_one_target() -> None:
    gappy = series([0, NAN, NAN, 3, 4, NAN, 6])
    assert starts(gappy, range(7), fill=True) == [2, 4]  # 0 and 3 have no target, 1 has no input


def test_no_window_crosses_a_break() -> None:
    assert starts(series([0.0] * 8, breaks=(4,)), range(8)) == [0, 1, 4, 5]


def test_past_and_future_meet_without_a_gap_or_an_overlap() -> None:
    column = np.arange(10.0)
    first = np.array([0, 3])
    assert past_of(column, first, 4).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]
    assert future_of(np.stack([column, -column], axis=1), first + 4, 2).tolist() == [
        [[4, -4], [5, -5]],
        [[7, -7], [8, -8]],
    ]


def test_gaps_are_filled_by_straight_lines_and_held_level_at_the_ends() -> None:
    past = np.array([[NAN, 1.0, NAN, NAN, 4.0, NAN], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]])
    assert fill_gaps_inside(past).tolist() == [[1, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5]]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.just(NAN), st.floats(-1e3, 1e3)), min_size=2, max_size=12).filter(
        lambda values: not np.isnan(values).all()
    )
)
def test_filling_agrees_with_numpy_interpolation(values: list[float]) -> None:
    past = np.array(values)
    there = ~np.isnan(past)
    expected = np.interp(np.arange(len(past)), np.flatnonzero(there), past[there])
    np.testing.assert_allclose(fill_gaps_inside(past[None])[0], expected, atol=1e-9)


def test_filling_never_looks_behind_the_window() -> None:
    column = np.array([1.0, 2.0, NAN, NAN, 50.0, 60.0])
    changed = column.copy()
    changed[4:] = -7.0
    window = past_of(column, np.array([0]), 4)
    assert window.tolist() == [[1, 2, 2, 2]]
    assert (window == past_of(changed, np.array([0]), 4)).all()
