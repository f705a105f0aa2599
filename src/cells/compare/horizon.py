"""The memory horizon of a model: a median over replicas of which some are known only as lower bounds."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any


def median_horizon(diagnostics: Iterable[Mapping[str, Any]]) -> str | None:
    """`8`, or `≥ 8` where the median could be larger; None without a replica that has a horizon.

    A replica's horizon is a lower bound if its validation was still improving, or if no longer lag was asked for.

    Args:
        diagnostics: those of the records of one model.
    """
    horizons: list[int] = []
    bounds: list[int] = []
    for found in diagnostics:
        improving = found.get("memory_horizon_still_improving") or []
        for place, horizon in enumerate(found.get("memory_horizon") or []):
            if horizon is None:
                continue
            horizons.append(horizon)
            if horizon == found.get("memory_longest_lag") or any(improving[place : place + 1]):
                bounds.append(horizon)
    if not horizons:
        return None
    # A bound above the middle may rise as it likes: the median stays where it is.
    open_ended = any(bound <= statistics.median_high(horizons) for bound in bounds)
    return f"{'≥ ' if open_ended else ''}{statistics.median(horizons):g}"
