import numpy as np
import pytest
import torch

from cells.data.sequences import Split
from cells.data.series.baselines import (
    LARGEST_REGRESSION,
    RIDGE_STRENGTHS,
    linear_autoregression,
    score,
    seasonal_naive,
)
from cells.data.series.windows import Series
from cells.errors import UserError


def series(values: list[float]) -> Series:
    return Series(np.array(values)[:, None], np.empty((len(values), 0)), np.zeros(len(values), dtype=bool))


def test_scores_are_in_training_deviations_and_in_original_units() -> None:
    predicted = np.array([[[1.0, 10.0]]])
    actual = np.array([[[3.0, 10.0]], [[1.0, np.nan]]])  # errors −2, 0 and 0; one target is missing
    scores = score(predicted, actual, np.array([4.0, 5.0]))
    expected = {"mse": 0.25 / 3, "mae": 0.5 / 3, "mse_original": 4 / 3, "mae_original": 2 / 3}
    assert scores == pytest.approx(expected)


def test_seasonal_naive_repeats_the_last_season_that_is_known() -> None:
    predicted = seasonal_naive(series(list(range(20))), np.array([10]), horizon=5, season=3)
    # Targets are rows 10…14; rows 7, 8 and 9 are the last season before the forecast.
    assert predicted[0, :, 0].tolist() == [7, 8, 9, 7, 8]


def test_seasonal_naive_takes_the_value_before_one_that_is_missing() -> None:
    predicted = seasonal_naive(series([0, 1, np.nan, 3, 4, 5]), np.array([5]), horizon=1, season=3)
    assert predicted[0, 0, 0] == 1


def test_a_season_longer_than_the_past_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.seasonal_period=12: only 10 rows lie before"):
        seasonal_naive(series(list(range(20))), np.array([10]), horizon=3, season=12)


def split(inputs: torch.Tensor, weight: torch.Tensor) -> Split:
    targets = inputs.flatten(1) @ weight + 0.5
    ones = torch.ones_like(targets)
    return Split(inputs, targets, offset=10 * ones, scale=2 * ones)


def test_linear_autoregression_finds_a_linear_rule_and_answers_in_original_units() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 3, generator=generator)
    train, val, test = (split(torch.randn(200, 4, 2, generator=generator), weight) for _ in range(3))
    predicted = linear_autoregression(train, val, test)
    assert predicted is not None
    np.testing.assert_allclose(predicted, (10 + 2 * test.targets).numpy(), atol=1e-3)


def test_linear_autoregression_agrees_with_augmented_least_squares_at_the_best_penalty() -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(8, 1, generator=generator)
    train, val, test = (split(torch.randn(500, 4, 2, generator=generator), weight) for _ in range(3))
    train.targets.add_(torch.randn(500, 1, generator=generator))

    def design(inputs: torch.Tensor) -> np.ndarray:
        return np.column_stack([inputs.flatten(1).double().numpy(), np.ones(500)])

    known, candidates = design(train.inputs), []
    for strength in RIDGE_STRENGTHS:
        rows = np.sqrt(strength * (known**2).sum(axis=0).mean()) * np.eye(9)
        wanted = np.concatenate([train.targets.double().numpy(), np.zeros((9, 1))])
        candidates.append(np.linalg.lstsq(np.concatenate([known, rows]), wanted, rcond=None)[0])
    errors = [np.square(design(val.inputs) @ one - val.targets.double().numpy()).mean() for one in candidates]
    expected = design(test.inputs) @ candidates[int(np.argmin(errors))]
    predicted = linear_autoregression(train, val, test)
    assert predicted is not None
    np.testing.assert_allclose((predicted - 10) / 2, expected, atol=1e-5)


def test_linear_autoregression_learns_nothing_from_windows_with_missing_targets() -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(8, 2, generator=generator)
    train, val, test = (split(torch.randn(100, 4, 2, generator=generator), weight) for _ in range(3))
    whole = linear_autoregression(train, val, test)
    spoilt = Split(torch.cat([train.inputs, train.inputs]), torch.cat([train.targets, train.targets * 9]))
    spoilt.targets[100:, 1] = torch.nan
    assert whole is not None
    np.testing.assert_array_equal(linear_autoregression(spoilt, val, test), whole)
    train.targets[:, 0] = torch.nan
    assert linear_autoregression(train, val, test) is None


def test_linear_autoregression_of_a_long_window_sees_its_latest_steps() -> None:
    generator = torch.Generator().manual_seed(3)
    long = LARGEST_REGRESSION + 1
    weight = torch.zeros(long, 1)
    weight[-1] = 1.0
    train, val, test = (split(torch.randn(1200, long, 1, generator=generator), weight) for _ in range(3))
    before = linear_autoregression(train, val, test)
    test.inputs[:, 0] = 1e6
    assert before is not None
    np.testing.assert_array_equal(linear_autoregression(train, val, test), before)
    np.testing.assert_allclose(before, (10 + 2 * test.targets).numpy(), atol=1e-2)
