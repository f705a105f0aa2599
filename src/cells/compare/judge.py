"""From scores to what may be said of them: a row for each model, and a test for each pair of models."""

import math
import statistics as plain
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from cells.compare import statistics
from cells.compare.claims import Claim, fewest_seeds, make_claims
from cells.compare.horizon import median_horizon
from cells.compare.load import Comparison, Contestant
from cells.compare.looks import ALPHA, Looks
from cells.compare.over_time import OverTime, is_series, lead_over_time, same_series
from cells.compare.records import differing_keys
from cells.errors import UserError, did_you_mean

MOST_SEEDS = 1000
"""A number of seeds that nobody will train; estimates beyond are told as "over" it."""
WORTH_CHASING = 100
"""If even the largest lead that the scores allow would need more seeds than this, it is not worth chasing."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """What one model did. Scores are over replicas that have one; `replicas` counts them all.

    Attributes:
        interval: Student's, of the mean, from five scores on, cut at a perfect score; None where all are equal, for it
            would be a point.
        solved, solve_interval: replicas whose test score passes `solved_at`, and Clopper and Pearson's interval of
            that rate; None on data without such a threshold.
        steps_to_solve: Kaplan and Meier's median of the updates to the first validation that passes; None if fewer
            than half did, after the `steps` updates that each may have.
        memory_horizon, gradient_decay: medians over replicas, where diagnostics were taken; the horizon with "≥" if
            it is a lower bound.
        seconds: of training, all replicas and parts together.
    """

    name: str
    contestant: Contestant
    values: tuple[float, ...]
    replicas: int
    mean: float | None
    median: float | None
    deviation: float | None
    interval: Interval | None
    solved: int | None
    solve_interval: Interval | None
    steps_to_solve: float | None
    steps: int
    hidden_size: int
    parameters: int
    flops_per_sequence: float | None
    milliseconds_per_step: float | None
    seconds: float
    engine: str
    memory_horizon: str | None
    gradient_decay: float | None

    @property
    def diverged(self) -> int:
        return self.replicas - len(self.values)


@dataclass(frozen=True)
class Pair:
    """One model against another, the one ahead first.

    Attributes:
        seeds: how many each has; `shared` by both.
        claim: the outcome of the test.
        wins: seeds, of those that both have, in which the leader scored better; ties count half.
        superiority: P(one run of the leader beats one of the follower), and its interval.
        correlation: Spearman's, of the scores that share a seed.
        enough: the least number of seeds that can support a claim.
        needed: seeds that a claim is likely to take, from and to; None where there is a claim already.
        over_time: for a series, how the lead holds over time.
    """

    leader: str
    follower: str
    seeds: tuple[int, int]
    shared: int
    claim: Claim
    wins: float
    superiority: float
    interval: Interval
    correlation: float | None
    enough: int
    needed: Interval | None
    over_time: OverTime | None


@dataclass(frozen=True)
class Judgement:
    """All that is concluded from one comparison. Rows are best first; `alpha` is this look's level."""

    comparison: Comparison
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    look: int
    alpha: float
    differences: dict[str, dict[str, Any]]

    @property
    def sign(self) -> int:
        return 1 if self.comparison.goal == "min" else -1

    def skill(self, value: float | None) -> float | None:
        """How far a score leads from the best baseline (0) to perfection (1); what is worse than that baseline is 0.

        A run without a score counts as 0 too: one would use the baseline. None where there is no baseline.
        Source: Murphy 1988.
        """
        if not self.comparison.baselines:
            return None
        best = self.sign * min(self.sign * score for score in self.comparison.baselines.values())
        perfect = 0.0 if self.sign > 0 else 1.0
        if value is None or best == perfect:
            return 0.0
        return min(1.0, max(0.0, (value - best) / (perfect - best)))


def judge(
    comparison: Comparison, looks: Looks, others: Sequence[Comparison] = (), reference: str | None = None
) -> Judgement:
    """Describe every model, test every pair (or every pair with `reference`), and account for the look.

    Args:
        comparison: what to judge.
        looks: those taken so far; this one is recorded if it can lead to a claim.
        others: further comparisons, among which may be other origins of the same series.
        reference: name of a contestant.

    Raises:
        UserError: no contestant has the reference's name.
    """
    names = [contestant.name for contestant in comparison.contestants]
    if reference is not None and reference not in names:
        raise UserError(
            f"--reference {reference}: no such model on {comparison.label}; {did_you_mean(reference, names)}"
        )
    rows = sorted(
        (_row(contestant, comparison) for contestant in comparison.contestants), key=_order(comparison)
    )
    tested = [
        (a.contestant, b.contestant) for a, b in combinations(rows, 2) if reference in (None, a.name, b.name)
    ]
    look, alpha = looks.alpha(comparison)
    siblings = same_series(comparison, others or [comparison]) if is_series(comparison) else []
    claims = make_claims([(a.costs, b.costs) for a, b in tested], alpha)
    level = alpha / max(1, len(tested))
    pairs = [_pair(a, b, claim, level, siblings) for (a, b), claim in zip(tested, claims, strict=True)]
    if any(claim.possible for claim in claims):
        looks.record(comparison)
    configs = {contestant.name: contestant.runs[0].config for contestant in comparison.contestants}
    keys = differing_keys(list(configs.values()))
    differences = {key: {name: config.get(key) for name, config in configs.items()} for key in keys}
    return Judgement(comparison, tuple(rows), tuple(pairs), look, alpha, differences)


def _pair(a: Contestant, b: Contestant, claim: Claim, level: float, siblings: Sequence[Comparison]) -> Pair:
    """Describe a tested pair.

    Args:
        level: what the smallest p of all pairs has to pass.
        siblings: comparisons on the same series, whose origins roll; none for other data.
    """
    shared = sorted(a.costs.keys() & b.costs.keys())
    tested = shared if claim.within else None  # the leader is who leads on the scores that were tested
    if statistics.superiority(_costs(a, tested), _costs(b, tested)) < 0.5:
        a, b = b, a
    ours, theirs = _costs(a, shared), _costs(b, shared)
    superiority = statistics.superiority(_costs(a), _costs(b))
    seeds = (len(a.costs), len(b.costs))
    interval = statistics.superiority_interval(superiority, *seeds)
    return Pair(
        leader=a.name,
        follower=b.name,
        seeds=seeds,
        shared=len(shared),
        claim=claim,
        wins=sum((x < y) + 0.5 * (x == y) for x, y in zip(ours, theirs, strict=True)),
        superiority=superiority,
        interval=interval,
        correlation=statistics.rank_correlation(ours, theirs),
        enough=fewest_seeds(level if level > 0 else ALPHA),
        # Whoever adds seeds looks again, at half the level.
        needed=None if claim.made else _needed(interval, seeds, level / 2),
        over_time=lead_over_time(a.name, b.name, siblings) if siblings and claim.made else None,
    )


def _costs(contestant: Contestant, seeds: Sequence[int] | None = None) -> list[float]:
    return [contestant.costs[seed] for seed in (contestant.costs if seeds is None else seeds)]


def _needed(interval: Interval, seeds: tuple[int, int], level: float) -> Interval | None:
    """Seeds to claim the largest and the smallest lead that the interval allows, in either direction."""
    if level == 0:
        return None
    low, high = interval
    largest = max(abs(low - 0.5), abs(high - 0.5))
    smallest = 0.0 if low <= 0.5 <= high else min(abs(low - 0.5), abs(high - 0.5))
    floor = max(fewest_seeds(level), min(seeds) + 1)  # what there is was not enough
    fewest, most = (max(floor, statistics.seeds_needed(0.5 + lead, level)) for lead in (largest, smallest))
    return math.ceil(fewest), most if math.isinf(most) else math.ceil(most)


def _order(comparison: Comparison) -> Any:
    def key(row: Row) -> tuple[float, float, str]:
        costs = list(row.contestant.costs.values())
        return plain.median(costs), plain.fmean(costs), row.name

    return key


def _row(contestant: Contestant, comparison: Comparison) -> Row:
    values = [score.value for score in contestant.scores if score.value is not None]
    total, record = len(contestant.scores), contestant.runs[0].record
    threshold = comparison.solved_at
    sign = 1 if comparison.goal == "min" else -1
    solved = None if threshold is None else sum(score.cost <= sign * threshold for score in contestant.scores)
    return Row(
        name=contestant.name,
        contestant=contestant,
        values=tuple(values),
        replicas=total,
        mean=plain.fmean(values) if values else None,
        median=plain.median(values) if values else None,
        deviation=plain.stdev(values) if len(values) > 1 else None,
        interval=_interval_of_mean(values, comparison.goal),
        solved=solved,
        solve_interval=None if solved is None else statistics.clopper_pearson(solved, total),
        steps_to_solve=None if solved is None else _steps_to_solve(contestant),
        steps=_budget(contestant),
        hidden_size=record["model"]["hidden_size"],
        parameters=record["model"]["parameters"],
        flops_per_sequence=_cost(contestant, "flops_per_sequence"),
        milliseconds_per_step=_cost(contestant, "milliseconds_per_step"),
        seconds=sum((run.record["cost"] or {}).get("seconds", 0.0) for run in contestant.runs),
        engine=" + ".join(
            dict.fromkeys(str((run.record["cost"] or {}).get("engine", "–")) for run in contestant.runs)
        ),
        memory_horizon=median_horizon(run.record.get("diagnostics") or {} for run in contestant.runs),
        gradient_decay=_median(_diagnostic(contestant, "gradient_decay_per_step")),
    )


def _interval_of_mean(values: Sequence[float], goal: str) -> Interval | None:
    interval = statistics.t_interval(values) if len(set(values)) > 1 else None
    if interval is None:
        return None
    low, high = interval
    return (max(low, 0.0), high) if goal == "min" else (low, min(high, 1.0))


def _steps_to_solve(contestant: Contestant) -> float | None:
    """A replica that diverged or was stopped would not have solved later: it is at risk to the end of the budget."""
    budget = _budget(contestant)
    solved = [score.solved_after is not None for score in contestant.scores]
    times = [budget if score.solved_after is None else score.solved_after for score in contestant.scores]
    return statistics.kaplan_meier_median(times, solved)


def _budget(contestant: Contestant) -> int:
    """Updates that a replica may have, though all may have diverged or been stopped before."""
    asked = [
        run.config.get("trainer.max_steps")
        for run in contestant.runs
        if run.config.get("trainer.max_epochs") is None
    ]
    return max([score.trained_for for score in contestant.scores] + [n for n in asked if isinstance(n, int)])


def _cost(contestant: Contestant, name: str) -> float | None:
    return _median([(run.record["cost"] or {}).get(name) for run in contestant.runs])


def _diagnostic(contestant: Contestant, name: str) -> list[Any]:
    found: list[Any] = []
    for run in contestant.runs:
        values = (run.record.get("diagnostics") or {}).get(name)
        found += values if isinstance(values, list) else [values]
    return found


def _median(values: Sequence[Any]) -> float | None:
    numbers = [float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
    return plain.median(numbers) if numbers else None
