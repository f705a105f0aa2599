"""The statistics that a verdict rests on. Small samples, ties and runs without a score are the normal case here.

Costs are what is compared: smaller is better, and infinity is a run that diverged, tied last with all others.
Formulas, reasons and sources are in docs/verdict.md.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

FEWEST_FOR_T = 5
"""Scores from which on a mean is given an interval."""

MOST_EXACT_WORK = 3e8
"""Additions that an exact test may cost (about a second); beyond, its normal limit is as good."""

POWER = 0.8
"""The chance of a claim that `seeds_needed` plans for."""


def midranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks 1…N, ties sharing the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def p_across(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided exact p of the difference in mean rank, over all ways to deal the pooled scores to two models.

    Source: Wilcoxon 1945; Mann & Whitney 1947; with ties, as a permutation test (Lehmann 1975, chapter 1).
    """
    doubled = np.rint(2 * midranks([*a, *b])).astype(int)  # midranks are halves of whole numbers
    n, total = len(a), int(doubled.sum())
    centre, seen = n * total / len(doubled), doubled[:n].sum()
    if n * len(doubled) * total > MOST_EXACT_WORK:
        share = n * len(b) / (len(doubled) * (len(doubled) - 1))
        return _normal_tail(seen - centre, share * float(np.sum((doubled - doubled.mean()) ** 2)))
    # ways[k, s]: how many choices of k scores have doubled ranks that sum to s
    ways = np.zeros((n + 1, total + 1))
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : total + 1 - rank].copy()
    as_extreme = np.abs(np.arange(total + 1) - centre) >= abs(seen - centre) - 1e-6
    return float(ways[n, as_extreme].sum() / ways[n].sum())


def p_within(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided exact p of the difference in mean rank, over all ways to swap the two models within seeds.

    Scores are ranked in one pool, so that a seed weighs by how far apart its two scores stand among all.
    Source: Fisher 1935, section 21, on ranks.
    """
    ranks = midranks([*a, *b])
    doubled = np.rint(2 * (ranks[: len(a)] - ranks[len(a) :])).astype(int)
    reach = int(np.abs(doubled).sum())
    if len(doubled) * (2 * reach + 1) > MOST_EXACT_WORK:
        return _normal_tail(float(doubled.sum()), float(np.sum(doubled**2)))
    chance = np.ones(1)  # of each sum of ±|difference|, from -reach to reach in the end
    for step in np.abs(doubled):
        wider = np.zeros(len(chance) + 2 * step)
        wider[: len(chance)] += chance / 2
        wider[2 * step :] += chance / 2
        chance = wider
    as_extreme = np.abs(np.arange(-reach, reach + 1)) >= abs(doubled.sum())
    return min(1.0, float(chance[as_extreme].sum()))


def smallest_p(n_a: int, n_b: int, within: bool) -> float:
    """The least p that a test can give at so many scores: that of complete separation."""
    if min(n_a, n_b) == 0:
        return 1.0
    return min(1.0, 2 / (2**n_a if within else math.comb(n_a + n_b, n_a)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that comparing each with α keeps the chance of any false claim below α (Holm 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def superiority(a: Sequence[float], b: Sequence[float]) -> float:
    """P(A beats B) of one run of each: the share of all pairings in which A costs less, ties counting half."""
    left, right = np.asarray(a, float)[:, None], np.asarray(b, float)[None]
    return float(np.mean((left < right) + 0.5 * (left == right)))


def superiority_interval(share: float, n_a: int, n_b: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of P(A beats B), of positive width even when every pairing goes one way (Newcombe 2006, method 5)."""
    z, size = float(ndtri((1 + level) / 2)), (n_a + n_b) / 2 - 1

    def deviation(p: float) -> float:
        return math.sqrt(p * (1 - p) / (n_a * n_b) * (1 + size * ((1 - p) / (2 - p) + p / (1 + p))))

    def bound(outside: float) -> float:
        inside = (
            share  # bisect for |p - share| = z · deviation(p), between the estimate and the end of the scale
        )
        for _ in range(60):
            middle = (inside + outside) / 2
            if abs(middle - share) <= z * deviation(middle):
                inside = middle
            else:
                outside = middle
        return inside

    return bound(0.0), bound(1.0)


def t_interval(
    values: Sequence[float], level: float = 0.95, fewest: int = FEWEST_FOR_T
) -> tuple[float, float] | None:
    """Student's interval of the mean (Student 1908); None for fewer values than one would believe it of."""
    n = len(values)
    if n < fewest:
        return None
    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a success rate (Clopper & Pearson 1934)."""
    tail = (1 - level) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def kaplan_meier_median(times: Sequence[float], solved: Sequence[bool]) -> float | None:
    """Median time to an event that some only outlast; None if the estimate stays above one half.

    Source: Kaplan & Meier 1958.
    """
    surviving = 1.0
    for time in sorted({time for time, event in zip(times, solved, strict=True) if event}):
        at_risk = sum(other >= time for other in times)
        events = sum(event and other == time for other, event in zip(times, solved, strict=True))
        surviving *= 1 - events / at_risk
        if surviving <= 0.5 + 1e-12:
            return float(time)
    return None


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's correlation of paired scores; None below three pairs, or where one side is constant."""
    if len(a) < 3 or len(set(a)) == 1 or len(set(b)) == 1:
        return None
    return float(np.corrcoef(midranks(a), midranks(b))[0, 1])


def seeds_needed(share: float, alpha: float) -> float:
    """Seeds a model at which a true P(A beats B) of `share` is claimed with 80 % power; infinite at one half.

    Source: Noether 1987, for groups of one size.
    """
    if share == 0.5:
        return math.inf
    z = float(ndtri(1 - alpha / 2) + ndtri(POWER))
    return z**2 / (6 * (share - 0.5) ** 2)


def mean_interval(
    means: Sequence[float], variances: Sequence[float], sizes: Sequence[int], level: float = 0.95
) -> tuple[float, float] | None:
    """Interval of a mean of means, the groups held fixed (Welch 1947); None if one is a single value or none varies."""
    if min(sizes) < 2:
        return None
    parts = np.asarray(variances) / np.asarray(sizes) / len(means) ** 2
    centre, variance = float(np.mean(means)), float(parts.sum())
    if variance == 0:
        return None
    freedom = variance**2 / float(np.sum(parts**2 / (np.asarray(sizes) - 1)))
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    return centre - half, centre + half


def _normal_tail(distance: float, variance: float) -> float:
    return 1.0 if variance == 0 else float(2 * ndtr(-abs(distance) / math.sqrt(variance)))
