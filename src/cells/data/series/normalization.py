"""How a window's targets are centred and scaled: original = offset + scale · target, which undoes exactly.

    kind        offset            scale                                       input at step t
    series      training mean     training standard deviation                 (x_t − offset) / scale
    window      window's last     the larger of the window's own standard     (x_t − offset) / scale
                value, or mean    deviation and 0.1 of the training one
    difference  window's last     root mean square of the changes from        (x_t − x_{t−1}) / scale,
                value             row to row in training                      0 at the first step

Real series wander in level; the last two kinds let a forecast start from where the window ends. "window" is
the reversible instance normalisation of Kim et al. 2022 (section 3) without its learned parameters. The
floor under its scale keeps a flat window that is followed by a jump from blowing its target up.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Normalize = Literal["series", "window", "difference"]
WindowCenter = Literal["last", "mean"]

SCALE_FLOOR = 0.1
"""The smallest scale of a window, in standard deviations of the training part."""

SMALLEST_SPREAD = 1e-18
"""Standard deviation below which a column cannot be scaled: the square of a smaller number is 0 in 32 bits."""


@dataclass(frozen=True)
class Statistics:
    """What is learned about a column from its training rows, and from nothing else.

    Attributes:
        mean, std: of the values.
        change: root mean square of the changes from row to row; their standard deviation would be 0 for a
            straight line.
    """

    mean: float
    std: float
    change: float

    @classmethod
    def of(cls, training_rows: np.ndarray) -> "Statistics":
        """Statistics of a column that varies; missing values (NaN) do not count."""
        changes = np.diff(training_rows[~np.isnan(training_rows)])
        rms = float(np.sqrt(np.mean(changes**2)))
        return cls(float(np.nanmean(training_rows)), float(np.nanstd(training_rows)), rms)


def normalize_windows(
    past: np.ndarray, statistics: Statistics, kind: Normalize, center: WindowCenter
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (N, T), offset (N,) and scale (N,) of windows of one target column.

    Args:
        past: (N, T) values without gaps.
        statistics: of the column's training rows.
        kind: a row of the table above.
        center: the offset of kind "window".
    """
    if kind == "window":
        offset = past[:, -1] if center == "last" else past.mean(axis=1)
        scale = np.maximum(past.std(axis=1), SCALE_FLOOR * statistics.std)
    elif kind == "difference":
        offset, scale = past[:, -1], np.full(len(past), statistics.change)
    else:
        offset, scale = np.full(len(past), statistics.mean), np.full(len(past), statistics.std)
    shown = np.diff(past, axis=1, prepend=past[:, :1]) if kind == "difference" else past - offset[:, None]
    return shown / scale[:, None], offset, scale
