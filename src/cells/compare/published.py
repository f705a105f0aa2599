"""What others report beside what was found here: at chance or not, and consistent or not.

The formulas are in docs/published.md.
"""

import math
import statistics as plain
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtrit

from cells.compare.judge import Interval, Judgement, Row
from cells.compare.records import WORTHWHILE, Run, beats, canonical, value_of
from cells.settings import Published, read_published

FEWEST_SEEDS = 3
"""Seeds from which on the spread of one more run is estimated."""

LARGEST_LOGARITHM = 700.0
"""Of a bound that a float can still hold."""


@dataclass(frozen=True)
class Beside:
    """A model of ours, and what others report of it.

    Attributes:
        theirs: published numbers; none where a source has curves alone, or did not try this.
        ours: median over replicas, or, of the measure "solved", the share of them; None without a score.
        their_chance, our_chance: how many are at chance, of how many.
        interval: where one more run is expected to lie; None for fewer than `FEWEST_SEEDS`. Of the measure "solved",
            Clopper and Pearson's interval of the rate.
        consistent: whether every published number lies in it; None where that cannot be said.
    """

    name: str
    theirs: tuple[float, ...]
    ours: float | None
    their_chance: tuple[int, int]
    our_chance: tuple[int, int]
    interval: Interval | None
    consistent: bool | None


@dataclass(frozen=True)
class Case:
    """A published result and the models that were trained to be set beside it."""

    published: Published
    rows: tuple[Beside, ...]


def cases(judgement: Judgement) -> tuple[Case, ...]:
    """What stands beside published results in a comparison: one case for each source that the records name.

    Raises:
        UserError: a record holds a section `published` that is none.
    """
    found: list[tuple[Published, list[Beside]]] = []
    for row in judgement.rows:
        published = read_published(row.contestant.runs[0].record["config"].get("published"))
        if published is None:
            continue
        rows = next((rows for known, rows in found if known == published), None)
        if rows is None:
            rows = []
            found.append((published, rows))
        rows.append(_beside(row, judgement, published))
    return tuple(Case(published, tuple(rows)) for published, rows in found)


def prediction_interval(
    values: Sequence[float], *, goal: str, test_size: int, many: int = 1, level: float = 0.95
) -> Interval:
    """Where `many` further scores lie, all of them with this probability, given independent scores of one model.

    Student's interval on a scale on which scores spread evenly: the logarithm of errors, the arcsine of the square root
    of rates (goal "max"). Another test set is part of what differs, so its sampling error is added, twice: the scores
    share one, and the new score has another. Bonferroni's correction for several further scores.
    Source: Hahn 1969, "Factors for calculating two-sided prediction intervals for samples from a normal distribution".
    """
    n = len(values)
    if goal == "max":
        there, sampling = (
            [math.asin(math.sqrt(min(1.0, value))) for value in values],
            0.5 / math.sqrt(test_size),
        )
    elif min(values) > 0:
        there, sampling = [math.log(value) for value in values], WORTHWHILE
    else:  # an error of exactly 0 has no logarithm
        there, sampling = list(values), 0.0
    variance = plain.variance(there) * (1 + 1 / n) + 2 * sampling**2
    half = float(stdtrit(n - 1, 1 - (1 - level) / (2 * many))) * math.sqrt(variance)
    low, high = plain.fmean(there) - half, plain.fmean(there) + half
    if goal == "max":
        return math.sin(max(0.0, low)) ** 2, math.sin(min(math.pi / 2, high)) ** 2
    return (
        (math.exp(low), math.exp(min(high, LARGEST_LOGARITHM))) if min(values) > 0 else (max(0.0, low), high)
    )


def _beside(row: Row, judgement: Judgement, published: Published) -> Beside:
    run = row.contestant.runs[0]
    theirs = tuple(
        value for result in published.results if matches(run, result.where) for value in result.values
    )
    solving = published.measure == "solved"
    goal = "max" if solving else judgement.comparison.goal
    at_chance = [not beats(value, published.chance, goal) for value in theirs]
    if not solving:
        own = run.record["data"].get("chance")  # other settings than the source's have another level
        level = published.chance if own is None else own
        # A replica without a score is one for which one would use the baseline.
        ours_at_chance = row.diverged + sum(not beats(v, level, goal) for v in row.values)
        ours, our_chance = row.median, (ours_at_chance, row.replicas)
        interval = _of_one_run(row, goal, max(1, len(theirs)))
    elif row.solved is None:  # nothing counts as solving this task
        ours, our_chance, interval = None, (0, 0), None
    else:
        ours, our_chance = row.solved / row.replicas, (row.replicas - row.solved, row.replicas)
        interval = row.solve_interval if row.replicas >= FEWEST_SEEDS else None
    return Beside(
        name=row.name,
        theirs=theirs,
        ours=ours,
        their_chance=(sum(at_chance), len(theirs)),
        our_chance=our_chance,
        interval=interval,
        consistent=None
        if interval is None or not theirs
        else all(interval[0] <= value <= interval[1] for value in theirs),
    )


def _of_one_run(row: Row, goal: str, many: int) -> Interval | None:
    """The interval of further runs. Where some of ours have no score another may have none: its worse end is open."""
    if len(row.values) < FEWEST_SEEDS:
        return None
    test_size = row.contestant.runs[0].record["data"]["splits"]["test"]
    low, high = prediction_interval(row.values, goal=goal, test_size=test_size, many=many)
    if not row.diverged:
        return low, high
    return (low, math.inf) if goal == "min" else (0.0, high)


def matches(run: Run, where: Mapping[str, Any]) -> bool:
    """Whether a run has the settings that a published number is of."""
    return all(canonical(value_of(run, key)) == canonical(value) for key, value in where.items())
