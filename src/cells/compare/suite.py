"""Models over several data sets: mean rank and mean skill, with two intervals that answer two questions.

*New seeds*: had these tasks been trained with other seeds. *New tasks*: on other tasks of the kind, which is what a
general recommendation needs, and what a handful of tasks seldom supports. Lengths of one task and origins of one series
are no sample of tasks, so there is no such interval where comparisons share a data set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cells.compare.judge import Interval, Judgement
from cells.compare.statistics import mean_interval, midranks, t_interval

FEWEST_TASKS = 3


@dataclass(frozen=True)
class Average:
    """A mean over comparisons, with 95 % intervals.

    Attributes:
        over_seeds: None for fewer than two seeds.
        over_tasks: None for fewer than three comparisons, or where two of them share a data set.
    """

    mean: float
    over_seeds: Interval | None
    over_tasks: Interval | None


@dataclass(frozen=True)
class SuiteRow:
    """A model's rank among the models, 1 being best, and its skill (0 the best baseline, 1 perfect)."""

    name: str
    rank: Average
    skill: Average | None


@dataclass(frozen=True)
class Suite:
    """Models that stand in every one of several comparisons, best mean rank first."""

    tasks: int
    rows: tuple[SuiteRow, ...]


def aggregate(judgements: Sequence[Judgement]) -> Suite | None:
    """What several comparisons say together; None for one comparison, or fewer than two models common to all."""
    if len(judgements) < 2:
        return None
    names = [set(row.name for row in judgement.rows) for judgement in judgements]
    common = sorted(set.intersection(*names))
    if len(common) < 2:
        return None
    ranks = [_ranks(judgement, common) for judgement in judgements]
    skills = [_skills(judgement, common) for judgement in judgements]
    sampled = len({judgement.comparison.data for judgement in judgements}) == len(judgements)
    rows = []
    for place, name in enumerate(common):
        rank = _average([table[place] for table in ranks], sampled, within=(1, len(common)))
        known = [table[place] for table in skills if table is not None]
        skill = _average(known, sampled, within=(0, 1)) if len(known) == len(judgements) else None
        rows.append(SuiteRow(name, rank, skill))
    return Suite(len(judgements), tuple(sorted(rows, key=lambda row: row.rank.mean)))


def _ranks(judgement: Judgement, names: Sequence[str]) -> list[NDArray[np.float64]]:
    """For each model, its rank among the models at every seed that all have; of the medians if there is none."""
    costs = {row.name: row.contestant.costs for row in judgement.rows}
    seeds = sorted(set.intersection(*(set(costs[name]) for name in names)))
    if not seeds:
        return [
            np.array([rank])
            for rank in midranks([float(np.median([*costs[name].values()])) for name in names])
        ]
    by_seed = np.stack([midranks([costs[name][seed] for name in names]) for seed in seeds])
    return list(by_seed.T)


def _skills(judgement: Judgement, names: Sequence[str]) -> list[NDArray[np.float64]] | None:
    scores = {row.name: row.contestant.scores for row in judgement.rows}
    if not judgement.comparison.baselines:
        return None
    return [np.array([judgement.skill(score.value) for score in scores[name]], float) for name in names]


def _average(comparisons: Sequence[NDArray[np.float64]], sampled: bool, within: Interval) -> Average:
    """The mean over comparisons of their replicas' means; `sampled` if each is a task of its own."""
    means = [float(values.mean()) for values in comparisons]
    sizes = [len(values) for values in comparisons]
    variances = [float(values.var(ddof=1)) if _vary(values) else 0.0 for values in comparisons]
    over_tasks = t_interval(means, fewest=FEWEST_TASKS) if sampled and _vary(means) else None
    return Average(
        float(np.mean(means)),
        _clipped(mean_interval(means, variances, sizes), within),
        _clipped(over_tasks, within),
    )


def _vary(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Whether ranks or skills differ by more than rounding, of which no interval should be made."""
    return bool(np.ptp(values) > 1e-9)


def _clipped(interval: Interval | None, within: Interval) -> Interval | None:
    return None if interval is None else (max(interval[0], within[0]), min(interval[1], within[1]))
