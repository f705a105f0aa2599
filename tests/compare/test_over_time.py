"""Leads on a series: blocks of windows, rolling origins."""

from pathlib import Path

import numpy as np
import pytest

from cells.compare.load import load
from cells.compare.over_time import block_bootstrap, is_series, judge_over_time, lead_over_time, same_series

SERIES = {"data.train_fraction": 0.7, "data.val_fraction": 0.15, "data.forecast_horizon": 4, "data.stride": 1}


def autoregression(random: np.random.Generator, length: int, phi: float) -> np.ndarray:
    values = np.zeros(length)
    for place in range(1, length):
        values[place] = phi * values[place - 1] + random.normal()
    return values


@pytest.fixture
def make_series(make_run):
    def make(model: str, origin: float, loss: float, seed: int = 0, rows: range | None = None) -> Path:
        folder = make_run(
            model,
            [loss] * 6,
            data="sunspots",
            settings=SERIES | {"data.train_fraction": origin},
        )
        rows = rows or range(round(1000 * (origin + 0.15)), 1000)
        noise = autoregression(np.random.default_rng([seed, round(100 * origin)]), len(rows), 0.5) / 50
        losses = loss + np.tile(noise, (6, 1))
        np.savez(
            folder / "predictions.npz",
            seeds=np.arange(6),
            losses=losses,
            positions=np.array(rows),
            weights=np.ones(1),
        )
        return folder

    return make


def lead(tmp_path: Path):
    comparisons = load([tmp_path]).comparisons
    return lead_over_time("gru", "lstm", same_series(comparisons[0], comparisons))


def test_a_lead_at_three_origins_holds(make_series, tmp_path) -> None:
    for origin in (0.4, 0.55, 0.7):
        make_series("gru", origin, 0.5, seed=1)
        make_series("lstm", origin, 0.6, seed=2)
    found = lead(tmp_path)
    assert found.origins == 3
    assert found.holds
    assert found.interval[0] < -0.1 < found.interval[1] < 0


def test_a_lead_at_one_origin_says_nothing_of_other_periods(make_series, tmp_path) -> None:
    make_series("gru", 0.7, 0.5)
    make_series("lstm", 0.7, 0.6)
    found = lead(tmp_path)
    assert (found.origins, found.interval, found.holds) == (1, None, False)


def test_a_lead_that_one_period_turns_round_does_not_hold(make_series, tmp_path) -> None:
    for origin, gru in ((0.4, 0.5), (0.55, 0.7), (0.7, 0.4)):
        make_series("gru", origin, gru, seed=1)
        make_series("lstm", origin, 0.6, seed=2)
    assert not lead(tmp_path).holds


def test_no_window_counts_at_two_origins(make_series, tmp_path) -> None:
    """Each origin's windows run to the end of the series, and are judged up to the next origin only."""
    for origin, gru in ((0.4, 0.5), (0.55, 0.5), (0.7, 9.0)):
        make_series("gru", origin, gru)
        make_series("lstm", origin, 0.6)
    # Identical noise: the differences are exactly −0.1, −0.1 and 8.4, each period counting once.
    assert lead(tmp_path).interval == pytest.approx((8.2 / 3, 8.2 / 3))


def test_runs_that_differ_in_more_than_the_origin_are_not_one_series(make_run, tmp_path) -> None:
    for origin, horizon in ((0.5, 4), (0.6, 4), (0.6, 8)):
        make_run(
            "gru", [0.1], data="co2",
            settings=SERIES | {"data.train_fraction": origin, "data.forecast_horizon": horizon},
        )  # fmt: skip
    comparisons = load([tmp_path]).comparisons
    assert sorted(len(same_series(one, comparisons)) for one in comparisons) == [1, 2, 2]
    assert all(map(is_series, comparisons))


def test_a_synthetic_task_is_no_series(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    assert not is_series(load([tmp_path]).comparisons[0])


def test_blocks_cover_the_mean_of_autocorrelated_differences_where_single_windows_do_not() -> None:
    random = np.random.default_rng(0)
    with_blocks = without = 0
    for _ in range(200):
        values = autoregression(random, 300, 0.8)
        low, high = block_bootstrap([values], [1])
        with_blocks += low <= 0 <= high
        half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
        without += abs(values.mean()) <= half
    assert with_blocks / 200 > 0.86
    assert without / 200 < 0.6


def test_a_bootstrap_of_constant_differences_is_that_constant() -> None:
    assert block_bootstrap([np.full(50, -0.2), np.full(10, -0.4)], [3, 3]) == pytest.approx((-0.3, -0.3))


def test_two_periods_cannot_tell_how_periods_differ() -> None:
    assert judge_over_time([np.full(50, -1.0)] * 2, [1, 1]).interval is None
