"""What a forecast has to beat: the mean, the last value, the last season, and a linear autoregression.

Predictions are (N, H, K) in original units; windows.py declares the letters.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cells.data.scored import Scored, Scores, scored
from cells.data.sequences import Split
from cells.data.series.normalization import Statistics
from cells.data.series.windows import Series, future_of, past_of
from cells.errors import UserError

LARGEST_REGRESSION = 1000
"""Inputs of the linear autoregression at most, for its cost grows with the cube of their number. From windows
that hold more it sees the most recent steps only."""

RIDGE_STRENGTHS = (1e-6, 1e-4, 1e-2, 1.0)
"""Penalties tried, in units of the inputs' mean square; the validation split chooses."""


def forecast_baselines(
    series: Series,
    statistics: list[Statistics],
    splits: dict[str, Split],
    window: int,
    horizon: int,
    season: int | None,
) -> Scored:
    """The scores of each baseline on the test windows, in scaled and original units, and the time it took.

    Raises:
        UserError: a season is longer than all that lies before the first forecast.
    """
    positions = splits["test"].positions
    assert positions is not None
    actual = future_of(series.targets, positions, horizon)
    std = np.array([column.std for column in statistics])

    def training_mean() -> Scores:
        return score(np.array([[[column.mean for column in statistics]]]), actual, std)

    def last_value() -> Scores:
        past = [past_of(column, positions - window, window) for column in series.targets.T]
        return score(np.stack([values[:, -1:] for values in past], axis=-1), actual, std)

    def same_season() -> Scores | None:
        if season is None:
            return None
        return score(seasonal_naive(series, positions, horizon, season), actual, std)

    def regression() -> Scores | None:
        predicted = linear_autoregression(splits["train"], splits["val"], splits["test"])
        if predicted is None:
            return None
        return score(predicted.reshape(len(positions), horizon, -1), actual, std)

    return scored(
        {
            "training mean": training_mean,
            "last value": last_value,
            "seasonal naive": same_season,
            "linear autoregression": regression,
        }
    )


def score(predicted: np.ndarray, actual: np.ndarray, std: np.ndarray) -> Scores:
    """Mean squared and absolute errors, in training standard deviations (K,) and in original units.

    Targets that are missing (NaN) do not count.
    """
    there = ~np.isnan(actual)
    error, scaled = (predicted - actual)[there], ((predicted - actual) / std)[there]
    return {
        "mse": float(np.mean(scaled**2)),
        "mae": float(np.mean(np.abs(scaled))),
        "mse_original": float(np.mean(error**2)),
        "mae_original": float(np.mean(np.abs(error))),
    }


def seasonal_naive(series: Series, positions: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The value a whole number of seasons before each target, as few as lead back to before the forecast.

    Where that value is missing, the last one before it.
    """
    ahead = np.arange(1, horizon + 1)
    back = -(-ahead // season) * season
    if back[-1] > positions[0]:
        raise UserError(
            f"data.seasonal_period={season}: only {positions[0]} rows lie before the first forecast of the "
            "test split; use a shorter season, or null."
        )
    known = pd.DataFrame(series.targets).ffill().to_numpy()
    return np.asarray(known[positions[:, None] + ahead - 1 - back])


def linear_autoregression(train: Split, val: Split, test: Split) -> np.ndarray | None:
    """Predictions (N, O), in original units, of a ridge regression from a window's inputs to all steps ahead.

    It sees the normalised windows that a network sees, so that a network's lead over it is owed to not
    being linear. Solved exactly for the training windows whose targets are all there (None if there is no
    such window); the strength with the least validation error wins. Source: Zeng et al. 2023, section 4,
    the model "Linear".
    """
    whole = torch.nonzero(~train.targets.isnan().any(dim=1)).flatten()
    if not len(whole):
        return None
    steps = max(1, LARGEST_REGRESSION // train.inputs.shape[2])
    size = min(steps, train.inputs.shape[1]) * train.inputs.shape[2] + 1
    gram = torch.zeros(size, size, dtype=torch.float64)
    moment = torch.zeros(size, train.targets.shape[1], dtype=torch.float64)
    for rows in whole.split(4096):  # in parts, for a double precision copy of everything may not fit
        design = _design(train.inputs[rows], steps)
        gram += design.T @ design
        moment += design.T @ train.targets[rows].double()
    values, vectors = torch.linalg.eigh(gram)
    rotated = vectors.T @ moment

    def weight(strength: float) -> Tensor:
        return vectors @ (rotated / (values.clamp(min=0) + strength * gram.diagonal().mean()).unsqueeze(1))

    def predict(inputs: Tensor, weight: Tensor) -> Tensor:
        return torch.cat([_design(part, steps) @ weight for part in inputs.split(4096)])

    best = min(
        (weight(strength) for strength in RIDGE_STRENGTHS),
        key=lambda candidate: (predict(val.inputs, candidate) - val.targets).square().nanmean().item(),
    )
    assert test.offset is not None
    assert test.scale is not None
    return (test.offset + test.scale * predict(test.inputs, best)).numpy()


def _design(inputs: Tensor, steps: int) -> Tensor:
    """(N, T, F) → (N, min(T, steps) · F + 1), the last column being the intercept."""
    recent = inputs[:, -steps:].flatten(1).double()
    return torch.cat([recent, recent.new_ones(len(recent), 1)], dim=1)
