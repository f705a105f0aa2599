import numpy as np
import pytest

from cells.data.series.normalization import SCALE_FLOOR, Normalize, Statistics, normalize_windows

LEARNED = Statistics(mean=10.0, std=4.0, change=2.0)
PAST = np.array([[1.0, 3.0, 8.0]])


def test_statistics_of_a_column_leave_missing_values_out() -> None:
    learned = Statistics.of(np.array([1.0, np.nan, 3.0, 7.0]))
    assert learned.mean == pytest.approx(11 / 3)
    assert learned.std == pytest.approx(np.std([1, 3, 7]))
    assert learned.change == pytest.approx(np.sqrt((2**2 + 4**2) / 2))


def test_the_changes_of_a_straight_line_have_a_size() -> None:
    assert Statistics.of(np.arange(10.0)).change == 1.0


def test_series_takes_the_training_mean_and_deviation() -> None:
    inputs, offset, scale = normalize_windows(PAST, LEARNED, "series", "last")
    assert (offset.tolist(), scale.tolist()) == ([10.0], [4.0])
    assert inputs.tolist() == [[-2.25, -1.75, -0.5]]


def test_window_takes_its_last_value_and_its_own_deviation() -> None:
    inputs, offset, scale = normalize_windows(PAST, LEARNED, "window", "last")
    assert offset.tolist() == [8.0]
    assert scale[0] == pytest.approx(np.sqrt(26 / 3))  # deviations −3, −1 and 4 from the mean 4
    np.testing.assert_allclose(inputs, [[-7 / scale[0], -5 / scale[0], 0]])


def test_window_takes_its_mean_if_asked() -> None:
    inputs, offset, _ = normalize_windows(PAST, LEARNED, "window", "mean")
    assert offset.tolist() == [4.0]
    assert inputs.mean() == pytest.approx(0)
    assert inputs.std() == pytest.approx(1)


def test_a_flat_window_is_scaled_by_a_share_of_the_training_deviation() -> None:
    inputs, _, scale = normalize_windows(np.full((1, 5), 6.0), LEARNED, "window", "last")
    assert scale.tolist() == [SCALE_FLOOR * 4.0]
    assert inputs.tolist() == [[0.0] * 5]


def test_difference_shows_changes_and_starts_from_the_last_value() -> None:
    inputs, offset, scale = normalize_windows(PAST, LEARNED, "difference", "last")
    assert inputs.tolist() == [[0.0, 1.0, 2.5]]
    assert (offset.tolist(), scale.tolist()) == ([8.0], [2.0])


@pytest.mark.parametrize("kind", ["window", "difference"])
def test_raising_a_window_by_a_constant_changes_its_offset_and_nothing_else(kind: Normalize) -> None:
    low = normalize_windows(PAST, LEARNED, kind, "last")
    high = normalize_windows(PAST + 64.0, LEARNED, kind, "last")
    assert (high[0] == low[0]).all()
    assert (high[1] - low[1] == 64.0).all()
    assert (high[2] == low[2]).all()
