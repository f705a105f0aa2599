"""Scores of what takes no network, each with the time that it took."""

import time
from collections.abc import Callable, Mapping
from typing import TypedDict

Scores = dict[str, float]
"""Metric → score on the test split, named as under `test/…`."""


class Scored(TypedDict):
    """Two fields of `SequenceData`: baseline → scores, and baseline → seconds to fit it and to score it once."""

    baselines: dict[str, Scores]
    baseline_seconds: dict[str, float]


def scored(methods: Mapping[str, Callable[[], Scores | None]]) -> Scored:
    """Run every baseline and time it. One that has nothing to learn from gives None, and is left out."""
    found = Scored(baselines={}, baseline_seconds={})
    for name, method in methods.items():
        started = time.perf_counter()
        scores = method()
        if scores is not None:
            found["baselines"][name] = scores
            found["baseline_seconds"][name] = round(time.perf_counter() - started, 6)
    return found
