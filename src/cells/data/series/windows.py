"""Cutting a series into windows: chronological splits, which windows are whole, filling gaps inside a window.

Shape letters: N windows, T steps of input, H steps ahead, K target columns, J further input columns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cells.errors import UserError

LARGEST_MISSING_SHARE = 0.5
"""A window in which more of a column than this is missing is left out, however gaps are filled."""


@dataclass(frozen=True)
class Series:
    """A series as numbers.

    Attributes:
        targets: (rows, K) float64 in original units, NaN where missing.
        features: (rows, J) float64, scaled, NaN where missing.
        breaks: (rows,) True where a row does not follow the row before it.
    """

    targets: np.ndarray
    features: np.ndarray
    breaks: np.ndarray


def split_rows(rows: int, train_fraction: float, val_fraction: float) -> dict[str, range]:
    """Rows of the three splits, in order of time.

    Raises:
        UserError: nothing is left for the test split.
    """
    if train_fraction + val_fraction >= 1:
        raise UserError(
            f"data.train_fraction={train_fraction} and data.val_fraction={val_fraction} leave nothing for "
            "the test split; their sum has to be below 1."
        )
    borders = [0, round(rows * train_fraction), round(rows * (train_fraction + val_fraction)), rows]
    return {
        name: range(borders[place], borders[place + 1]) for place, name in enumerate(("train", "val", "test"))
    }


def window_starts(
    series: Series, rows: range, *, window: int, horizon: int, stride: int, fill_gaps: bool
) -> np.ndarray:
    """First rows of the windows of a split: inputs and targets lie inside the split and cross no break.

    Without `fill_gaps` nothing at all is missing in a window. With it, at most half of each column's inputs
    are missing and at least one target is there.
    """
    starts = np.arange(rows.start, rows.stop - window - horizon + 1, stride)
    ends, last = starts + window, starts + window + horizon

    def count(flags: np.ndarray, first: np.ndarray, end: np.ndarray) -> np.ndarray:
        total = np.cumsum(np.concatenate([np.zeros_like(flags[:1], dtype=int), flags]), axis=0)
        return total[end] - total[first]

    missing_targets, missing_features = np.isnan(series.targets), np.isnan(series.features)
    missing_inputs = count(np.hstack([missing_targets, missing_features]), starts, ends)
    missing_future = count(missing_targets, ends, last)
    if fill_gaps:
        whole = (missing_inputs <= LARGEST_MISSING_SHARE * window).all(axis=1)
        whole &= (missing_future < horizon).any(axis=1)
    else:
        whole = (missing_inputs == 0).all(axis=1) & (missing_future == 0).all(axis=1)
    return starts[whole & (count(series.breaks, starts + 1, last) == 0)]


def past_of(column: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    """(N, T) inputs from one column, with gaps filled from inside each window."""
    past = sliding_window_view(column, window)[starts]
    broken = np.isnan(past).any(axis=1)
    past[broken] = fill_gaps_inside(past[broken])
    return past


def future_of(targets: np.ndarray, positions: np.ndarray, horizon: int) -> np.ndarray:
    """(N, H, K) values to forecast, from `positions` on; what is missing stays NaN and is never scored."""
    return sliding_window_view(targets, horizon, axis=0)[positions].swapaxes(1, 2)


def fill_gaps_inside(past: np.ndarray) -> np.ndarray:
    """Straight lines across the gaps (NaN) of each window (N, T), level beyond its first and last value.

    A window is filled from its own values alone: a line to the next value after it would tell the future.
    """
    steps = np.arange(past.shape[1])
    there = ~np.isnan(past)
    before = np.maximum.accumulate(np.where(there, steps, -1), axis=1)
    after = np.minimum.accumulate(np.where(there, steps, len(steps))[:, ::-1], axis=1)[:, ::-1]
    before, after = np.where(before < 0, after, before), np.where(after == len(steps), before, after)
    left, right = np.take_along_axis(past, before, axis=1), np.take_along_axis(past, after, axis=1)
    share = (steps - before) / np.maximum(after - before, 1)
    return np.asarray(np.where(there, past, left + share * (right - left)))
