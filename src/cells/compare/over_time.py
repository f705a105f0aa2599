"""Whether a lead holds over time: seeds say nothing of the period that all of them are tested on.

Rolling origins are runs that differ only in where the training rows of a series end. Each is judged on the test
windows from its own origin up to the next one, so that no window counts twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cells.compare.arrays import read_arrays
from cells.compare.load import Comparison, Contestant
from cells.compare.statistics import t_interval

PREDICTIONS_NAME = "predictions.npz"
ORIGIN_KEYS = ("data.train_fraction", "data.val_fraction")
FEWEST_ORIGINS = 3
RESAMPLES = 2000

Windows = dict[int, float]
"""A test window's first row in the series → its loss, the mean over seeds."""


@dataclass(frozen=True)
class OverTime:
    """A lead on a series, seen over time.

    Attributes:
        origins: rolling origins at which both models were tested.
        interval: of the mean difference in loss per window (leader minus follower), by block bootstrap; None below
            three origins.
        holds: whether the leader is ahead, and would be on other stretches of the series.
    """

    origins: int
    interval: tuple[float, float] | None
    holds: bool


def is_series(comparison: Comparison) -> bool:
    """Whether the data are one series, split by time."""
    return any("data.train_fraction" in run.config for c in comparison.contestants for run in c.runs)


def same_series(comparison: Comparison, others: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons that differ from this one in nothing but their origin; itself among them."""

    def apart_from_origin(other: Comparison) -> dict[str, object]:
        return {key: value for key, value in other.key.items() if key not in ORIGIN_KEYS}

    mine = apart_from_origin(comparison)
    return [other for other in others if other.data == comparison.data and apart_from_origin(other) == mine]


def lead_over_time(leader: str, follower: str, comparisons: Sequence[Comparison]) -> OverTime:
    """How a lead holds at rolling origins; comparisons in which one of the two is absent are passed over."""
    pairs = []
    for comparison in comparisons:
        named = {contestant.name: contestant for contestant in comparison.contestants}
        if leader in named and follower in named:
            ours, theirs = _windows(named[leader]), _windows(named[follower])
            shared = sorted(ours.keys() & theirs.keys())
            if shared:
                overlap = _overlap(named[leader])
                pairs.append((shared, [ours[row] - theirs[row] for row in shared], overlap))
    pairs.sort(key=lambda pair: pair[0][0])
    differences, overlaps = [], []
    for place, (rows, values, overlap) in enumerate(pairs):
        end = pairs[place + 1][0][0] if place + 1 < len(pairs) else rows[-1] + 1
        kept = [value for row, value in zip(rows, values, strict=True) if row < end]
        if kept:  # two records may have one origin, told apart by a validation split of another size
            differences.append(np.array(kept))
            overlaps.append(overlap)
    return judge_over_time(differences, overlaps)


def judge_over_time(differences: Sequence[NDArray[np.float64]], overlaps: Sequence[int]) -> OverTime:
    """Whether a lead holds both within the periods seen and from one period to the next.

    Blocks of windows tell how well each period's difference is known; how much periods differ among themselves only
    their means can tell, by Student's interval.

    Args:
        differences: for each origin, leader minus follower in every test window, in order of time.
        overlaps: for each origin, how many consecutive windows share targets.
    """
    between = t_interval([float(values.mean()) for values in differences], fewest=FEWEST_ORIGINS)
    if between is None:
        return OverTime(len(differences), None, False)
    within = block_bootstrap(differences, overlaps)
    return OverTime(len(differences), within, within[1] < 0 and between[1] < 0)


def block_bootstrap(
    differences: Sequence[NDArray[np.float64]], overlaps: Sequence[int], level: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean over origins of the mean over windows, by resampling blocks of consecutive windows.

    Windows near in time err alike, so blocks keep them together (circular blocks: Politis & Romano 1992). Their
    length follows from the first autocorrelation (Carlstein 1986), and is no less than the number of windows that
    share targets.
    """
    random = np.random.default_rng(0)  # fixed, so that the same records always give the same verdict
    means = np.zeros(RESAMPLES)
    for values, overlap in zip(differences, overlaps, strict=True):
        n = len(values)
        length = min(max(overlap, _block_length(values)), max(1, n // 4))
        blocks = -(-n // length)
        sums = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[:length]]))])
        starts = random.integers(n, size=(RESAMPLES, blocks))
        means += (sums[starts + length] - sums[starts]).sum(1) / (blocks * length) / len(differences)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _block_length(values: NDArray[np.float64]) -> int:
    centred = values - values.mean()
    power = float(centred @ centred)
    if len(values) < 3 or power == 0:
        return 1
    rho = min(max(float(centred[1:] @ centred[:-1]) / power, 0.0), 0.99)
    return int(np.ceil((6**0.5 * rho / (1 - rho**2)) ** (2 / 3) * len(values) ** (1 / 3))) or 1


def _overlap(contestant: Contestant) -> int:
    """How many consecutive windows have a target in common with the first of them."""
    config = contestant.runs[0].config
    return -(-int(config.get("data.forecast_horizon") or 1) // int(config.get("data.stride") or 1))


def _windows(contestant: Contestant) -> Windows:
    """The loss in every test window, the mean over seeds that have a score."""
    scored = {score.seed for score in contestant.scores if score.value is not None}
    losses: dict[int, list[float]] = defaultdict(list)
    for run in contestant.runs:
        arrays = read_arrays(run.folder / PREDICTIONS_NAME, ("positions", "seeds", "losses"))
        if len(arrays) == 3:  # data that are no series have no positions
            kept = [place for place, seed in enumerate(arrays["seeds"]) if int(seed) in scored]
            for row, column in zip(arrays["positions"], arrays["losses"][kept].T, strict=True):
                losses[int(row)].extend(column.tolist())
    means = {row: float(np.mean(values)) for row, values in losses.items() if values}
    return {row: mean for row, mean in means.items() if np.isfinite(mean)}
