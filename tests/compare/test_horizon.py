"""The median of memory horizons, some of which are lower bounds."""

import pytest

from cells.compare.horizon import median_horizon


def diagnosed(horizons, improving=(), longest=25):
    flags = [place in improving for place in range(len(horizons))]
    return {
        "memory_horizon": horizons,
        "memory_horizon_still_improving": flags,
        "memory_longest_lag": longest,
    }


@pytest.mark.parametrize(
    ("horizons", "improving", "told"),
    [
        ([5, 7, 9], (), "7"),
        ([5, 6], (), "5.5"),
        ([25, 25, 25], (), "≥ 25"),  # nothing longer was asked for
        ([5, 7, 25], (), "7"),  # the third may be more than 25, the second stays in the middle
        ([5, 7, 9], (0,), "≥ 7"),  # the first may be more than 9
        ([5, 7, 9], (1,), "≥ 7"),
        ([5, 7, 9], (2,), "7"),
        ([5, 7, 9, 11], (2,), "≥ 8"),
        ([5, None, 9], (), "7"),
        ([None, None], (), None),
    ],
)
def test_the_median_is_a_bound_where_a_replica_in_or_below_the_middle_is_one(
    horizons, improving, told
) -> None:
    assert median_horizon([diagnosed(horizons, improving)]) == told


def test_runs_of_one_model_are_taken_together_each_with_its_longest_lag() -> None:
    assert median_horizon([diagnosed([8, 8], longest=8), diagnosed([9], longest=25)]) == "≥ 8"
    assert median_horizon([diagnosed([8, 8], longest=9), diagnosed([9], longest=25)]) == "8"


def test_without_diagnostics_of_memory_there_is_none() -> None:
    assert median_horizon([{}, {"gradient_decay_per_step": [0.9]}]) is None
