"""R² by lag, the horizon and the capacity, on predictions whose quality is known."""

import math

import torch

from cells.diagnostics.memory import memory_capacity, memory_horizon, recalled_variance, still_improving


def test_recalled_variance_is_one_minus_the_share_of_squared_error_that_remains() -> None:
    targets = torch.randn(200, 30, 2, dtype=torch.float64)
    targets[:, :3, 1] = torch.nan
    deviation = targets - targets.flatten(0, 1).nanmean(0)
    predictions = torch.stack([targets - math.sqrt(share) * deviation for share in (0.0, 0.25, 1.0, 4.0)])
    r2 = recalled_variance(predictions.nan_to_num(7.0), targets)
    expected = torch.tensor([1.0, 0.75, 0.0, -3.0], dtype=torch.float64).unsqueeze(-1).expand(4, 2)
    torch.testing.assert_close(r2, expected)
    torch.testing.assert_close(memory_capacity(r2), 2 * expected[:, 0])


def test_the_horizon_is_the_last_lag_before_the_first_gap() -> None:
    r2 = torch.tensor([[0.9, 0.5, 0.49, 0.8], [0.4, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9], [torch.nan] * 4])
    assert memory_horizon(r2, [1, 2, 3, 4]) == [2, 0, 4, 0]
    assert memory_horizon(r2[:, :1], [8]) == [8, 0, 8, 0]


def test_still_improving_asks_for_one_percent_in_the_last_fifth() -> None:
    steps = [100, 200, 300, 400, 500]
    assert still_improving(steps, [1.0, 0.5, 0.3, 0.2, 0.19])
    assert not still_improving(steps, [1.0, 0.5, 0.3, 0.2, 0.199])
    assert not still_improving(steps, [1.0, 0.5, 0.3, 0.2, math.nan])
    assert not still_improving(steps, [1.0, 0.1, 0.3, 0.2, 0.15])
    assert still_improving([100], [1.0]), "nothing to compare with"
