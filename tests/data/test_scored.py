"""Baselines are run once, timed, and left out where there is nothing to learn from."""

import time

from cells.data.scored import scored


def test_each_baseline_has_its_scores_and_the_time_that_it_took() -> None:
    def slow() -> dict[str, float]:
        time.sleep(0.05)
        return {"mse": 0.2}

    found = scored({"slow": slow, "quick": lambda: {"mse": 1.0}, "impossible": lambda: None})
    assert found["baselines"] == {"slow": {"mse": 0.2}, "quick": {"mse": 1.0}}
    assert found["baseline_seconds"].keys() == {"slow", "quick"}
    assert 0 <= found["baseline_seconds"]["quick"] < 0.05 <= found["baseline_seconds"]["slow"]
