"""Models over several data sets: mean rank and mean skill, with two intervals that answer two questions.

*New seeds*: had these tasks been trained with other seeds. *New tasks*: on other tasks of the kind, which is what a
general recommendation needs, and what a handful of tasks seldom supports.
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
    """A mean over tasks, with 95 % intervals (None for fewer than two seeds, or three tasks)."""

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
    rows = []
    for place, name in enumerate(common):
        rank = _average([table[place] for table in ranks], within=(1, len(common)))
        known = [table[place] for table in skills if table is not None]
        skill = _average(known, within=(0, 1)) if len(known) == len(judgements) else None
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


def _average(tasks: Sequence[NDArray[np.float64]], within: Interval) -> Average:
    means = [float(values.mean()) for values in tasks]
    sizes = [len(values) for values in tasks]
    variances = [float(values.var(ddof=1)) if len(values) > 1 else 0.0 for values in tasks]
    over_tasks = t_interval(means, fewest=FEWEST_TASKS) if len(set(means)) > 1 else None
    return Average(
        float(np.mean(means)),
        _clipped(mean_interval(means, variances, sizes), within),
        _clipped(over_tasks, within),
    )


def _clipped(interval: Interval | None, within: Interval) -> Interval | None:
    return None if interval is None else (max(interval[0], within[0]), min(interval[1], within[1]))
