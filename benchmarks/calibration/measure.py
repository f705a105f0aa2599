"""What is measured. Every function returns rows: what was simulated, how often it came out, what is promised."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtr

from benchmarks.calibration.scores import DISTRIBUTIONS, Array, as_costs, draw, pool
from cells.compare.claims import make_claims
from cells.compare.over_time import judge_over_time
from cells.compare.statistics import (
    clopper_pearson,
    seeds_needed,
    superiority,
    superiority_interval,
    t_interval,
)

ALPHA = 0.05
FALSE_CLAIMS_LIMIT = 0.055
FULL = 10_000
"""Simulations from which on a rate is taken at its word; below, its uncertainty is allowed for."""


@dataclass(frozen=True)
class Row:
    """One line of the table. `at_most` and `at_least` are promises; a row without them only informs."""

    what: str
    case: str
    count: int
    of: int
    at_most: float | None = None
    at_least: float | None = None

    @property
    def rate(self) -> float:
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.count, self.of, level=0.99)

    @property
    def kept(self) -> bool:
        low, high = (self.rate, self.rate) if self.of >= FULL else self.interval
        return (self.at_most is None or low <= self.at_most) and (
            self.at_least is None or high >= self.at_least
        )


def false_claims(random: np.random.Generator, times: int) -> Iterator[Row]:
    """Three equal models, one look that may spend all of 0.05: how often any pair is claimed to differ."""
    for name, shape in DISTRIBUTIONS.items():
        for correlation in (0.0, 0.5):
            for seeds in (5, 10):
                count = sum(
                    _any_claim(as_costs(shape(draw(random, 3, seeds, correlation))), ALPHA)
                    for _ in range(times)
                )
                case = f"{name}, correlation {correlation:g}, {seeds} seeds"
                yield Row("false claims, 3 equal models", case, count, times, at_most=FALSE_CLAIMS_LIMIT)


def false_claims_beside_a_true_one(random: np.random.Generator, times: int) -> Iterator[Row]:
    """One of three models is better: how often the other two, which are equal, are claimed to differ."""
    for effect in (1.0, 3.0):
        count = 0
        for _ in range(times):
            scores = draw(random, 3, 10, 0.0)
            scores[0] -= effect
            count += _claims(as_costs(scores), ALPHA)[2]
        case = f"the third is {effect:g} sd better, 10 seeds"
        yield Row("false claims, 2 equal models of 3", case, count, times, at_most=FALSE_CLAIMS_LIMIT)


def false_claims_over_looks(random: np.random.Generator, times: int) -> Iterator[Row]:
    """Five seeds are added four times, with a look after each, until something is claimed."""
    seeds = (5, 10, 15, 20)

    def ever(level: Callable[[int], float]) -> int:
        count = 0
        for _ in range(times):
            scores = draw(random, 3, seeds[-1], 0.0)
            count += any(_any_claim(as_costs(scores[:, :n]), level(k)) for k, n in enumerate(seeds, start=1))
        return count

    case = "at 5, 10, 15 and 20 seeds"
    halved, full = ever(lambda look: ALPHA / 2**look), ever(lambda look: ALPHA)
    yield Row(
        "false claims over 4 looks", f"{case}, look k at 0.05/2^k", halved, times, at_most=FALSE_CLAIMS_LIMIT
    )
    yield Row("false claims over 4 looks, each at 0.05 (not done)", case, full, times)


def real_false_claims(random: np.random.Generator, times: int = 400) -> Iterator[Row]:
    """Disjoint seeds from a pool of trained replicas, told apart as if they were three models."""
    scores = pool()

    def count(seeds: int, paired: bool) -> int:
        found = 0
        for _ in range(times):
            costs = as_costs(random.permutation(scores)[: 3 * seeds].reshape(3, seeds))
            if not paired:  # no seed in common, as is the case in truth
                costs = [
                    {seed + 1000 * model: cost for seed, cost in c.items()} for model, c in enumerate(costs)
                ]
            found += _any_claim(costs, ALPHA)
        return found

    for seeds, paired in ((5, False), (10, False), (10, True)):
        case = f"{seeds} of 200 seeds each, {'within seeds' if paired else 'across models'}"
        yield Row("false claims, 3 times one real model", case, count(seeds, paired), times, at_most=31 / 400)


def power(random: np.random.Generator, times: int) -> Iterator[Row]:
    """Normal scores, one of three models is better: how often it is claimed to beat each of the others."""
    promised = {1.0: 0.29 - 0.05, 2.0: 0.90 - 0.05}
    for name, alpha in (("single look", ALPHA), ("look 1 of many", ALPHA / 2)):
        for seeds in (5, 7, 10, 15, 20, 30):
            for effect in (0.5, 1.0, 1.5, 2.0, 3.0):
                count = 0
                for _ in range(times):
                    scores = draw(random, 3, seeds, 0.0)
                    scores[0] -= effect
                    count += sum(_claims(as_costs(scores), alpha)[:2])
                wanted = promised.get(effect) if seeds == 10 and alpha == ALPHA else None
                yield Row(
                    f"power, {name}", f"{seeds} seeds, {effect:g} sd", count, 2 * times, at_least=wanted
                )


def coverage(random: np.random.Generator, times: int) -> Iterator[Row]:
    """How often 95 % intervals hold the truth; beside them the percentile bootstrap, which is not used."""
    for seeds in (5, 10, 20):
        for effect in (0.0, 1.0, 2.0, 3.0):
            truth, count = float(ndtr(effect / np.sqrt(2))), 0
            for _ in range(times):
                a, b = draw(random, 2, seeds, 0.0)
                low, high = superiority_interval(superiority(a - effect, b), seeds, seeds)
                count += low <= truth <= high
            yield Row(
                "95 % of P(A beats B)", f"normal, {effect:g} sd, {seeds} seeds", count, times, at_least=0.93
            )
    shapes: dict[str, tuple[Callable[[Array], Array], float]] = {
        "normal": (DISTRIBUTIONS["normal"], 0.0),
        "90/10 bimodal": (DISTRIBUTIONS["90/10 bimodal"], 0.5),
    }
    for name, (shape, truth) in shapes.items():
        for seeds in (5, 10):
            by_t = by_bootstrap = 0
            for _ in range(times):
                scores = shape(draw(random, 1, seeds, 0.0)[0])
                bounds = t_interval(scores.tolist())
                assert bounds is not None
                by_t += bounds[0] <= truth <= bounds[1]
                means = random.choice(scores, (500, seeds)).mean(1)
                low, high = np.quantile(means, [0.025, 0.975])
                by_bootstrap += low <= truth <= high
            promised = 0.94 if name == "normal" else None
            yield Row("95 % of the mean, Student", f"{name}, {seeds} seeds", by_t, times, at_least=promised)
            yield Row(
                "95 % of the mean, percentile bootstrap (not used)",
                f"{name}, {seeds} seeds",
                by_bootstrap,
                times,
            )


def seeds_that_suffice(random: np.random.Generator, times: int) -> Iterator[Row]:
    """Two models, as many seeds as the estimate asks for: is the claim made in four of five cases?"""
    for effect in (0.7, 1.0, 1.5):
        seeds = int(np.ceil(seeds_needed(float(ndtr(effect / np.sqrt(2))), ALPHA)))
        count = 0
        for _ in range(times):
            scores = draw(random, 2, seeds, 0.0)
            scores[0] -= effect
            count += _any_claim(as_costs(scores), ALPHA)
        yield Row(
            "claims at the seeds estimated for 80 %",
            f"{effect:g} sd: {seeds} seeds",
            count,
            times,
            at_least=0.7,
        )


def false_claims_on_series(random: np.random.Generator, times: int) -> Iterator[Row]:
    """Two equal models on a series whose periods favour one or the other by as much as seeds do."""
    seeds, windows = 10, 120
    for origins in (3, 5):
        by_seeds = by_both = 0
        for _ in range(times):
            period = random.normal(size=(2, origins))
            scores = draw(random, 2, seeds, 0.0) + period[:, -1:]
            if not _any_claim(as_costs(scores), ALPHA):
                continue
            by_seeds += 1
            lead = -1.0 if np.median(scores[0]) > np.median(scores[1]) else 1.0
            luck = random.normal(size=origins) * np.sqrt(2 / seeds)
            differences = [
                lead * (period[0, o] - period[1, o] + luck[o] + _autoregression(random, windows))
                for o in range(origins)
            ]
            by_both += judge_over_time(differences, [12] * origins).holds
        case = f"period effect as large as seed noise, {origins} origins"
        yield Row("false claims on a series, by seeds alone (not done)", case, by_seeds, times)
        yield Row("false claims on a series", case, by_both, times, at_most=FALSE_CLAIMS_LIMIT)


def _autoregression(random: np.random.Generator, length: int, phi: float = 0.8) -> Array:
    """Noise of unit variance in which near windows err alike."""
    values, shocks = np.empty(length), random.normal(size=length) * np.sqrt(1 - phi**2)
    last = random.normal()
    for place in range(length):
        last = values[place] = phi * last + shocks[place]
    return values


def _claims(costs: Sequence[dict[int, float]], alpha: float) -> list[bool]:
    return [claim.made for claim in make_claims(list(combinations(costs, 2)), alpha)]


def _any_claim(costs: Sequence[dict[int, float]], alpha: float) -> bool:
    return any(_claims(costs, alpha))
