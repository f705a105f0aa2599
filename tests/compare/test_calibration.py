"""The calibration benchmark measures what it says, and would notice a test that is not calibrated."""

import numpy as np
import pytest
from benchmarks.calibration import measure
from benchmarks.calibration.measure import Row
from benchmarks.calibration.scores import DISTRIBUTIONS, draw, pool

from cells.compare import claims


def test_seeds_correlate_as_asked_and_scores_have_their_shapes() -> None:
    random = np.random.default_rng(0)
    z = draw(random, 2, 20_000, 0.5)
    assert np.corrcoef(z)[0, 1] == pytest.approx(0.5, abs=0.02)
    shapes = {name: shape(z[0]) for name, shape in DISTRIBUTIONS.items()}
    assert np.isinf(shapes["10 % diverged"]).mean() == pytest.approx(0.1, abs=0.01)
    assert (shapes["90/10 bimodal"] > 3).mean() == pytest.approx(0.1, abs=0.01)
    assert set(shapes["ties"]) == {0, 1, 2, 3}


def test_the_pool_holds_two_hundred_trained_replicas() -> None:
    assert len(pool()) == 200
    assert len(set(pool())) == 200


def test_false_claims_stay_below_the_limit_in_a_short_run() -> None:
    rows = list(measure.false_claims(np.random.default_rng(0), 60))
    assert len(rows) == 20
    assert all(row.kept for row in rows)


def test_a_test_that_claims_too_much_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(claims, "p_across", lambda a, b: 0.01 if sum(a) < sum(b) else 1.0)
    rows = list(measure.false_claims(np.random.default_rng(0), 40))
    assert not any(row.kept for row in rows if row.case.endswith("normal, correlation 0, 5 seeds"))


def test_power_is_found_within_its_uncertainty() -> None:
    rows = {(row.what, row.case): row for row in measure.power(np.random.default_rng(1), 30)}
    assert rows["power, single look", "10 seeds, 2 sd"].kept
    assert rows["power, single look", "30 seeds, 3 sd"].rate == 1
    assert rows["power, single look", "5 seeds, 0.5 sd"].rate < 0.2


def test_a_rate_is_taken_at_its_word_from_ten_thousand_simulations_on() -> None:
    assert Row("", "", 56, 1000, at_most=0.055).kept
    assert not Row("", "", 560, 10_000, at_most=0.055).kept
    assert not Row("", "", 90, 1000, at_most=0.055).kept
    assert Row("", "", 550, 10_000, at_most=0.055).kept


def test_a_series_needs_more_than_seeds() -> None:
    alone, both = list(measure.false_claims_on_series(np.random.default_rng(0), 40))[:2]
    assert alone.rate > 0.3
    assert both.kept
    assert both.count < alone.count
