"""The statistics against enumeration, scipy.stats, the issue's own numbers and pencil and paper."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cells.compare import statistics
from cells.compare.statistics import (
    clopper_pearson,
    holm,
    kaplan_meier_median,
    mean_interval,
    midranks,
    p_across,
    p_within,
    rank_correlation,
    seeds_needed,
    smallest_p,
    superiority,
    superiority_interval,
    t_interval,
)

# Few distinct values, so that ties are common; infinity is a diverged run.
costs = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, math.inf]), min_size=1, max_size=5)


def mean_rank_difference(ranks: np.ndarray, first: tuple[int, ...]) -> float:
    chosen = np.isin(np.arange(len(ranks)), first)
    return abs(ranks[chosen].mean() - ranks[~chosen].mean())


@settings(deadline=None, max_examples=60)
@given(costs, costs)
def test_the_test_across_models_counts_every_way_to_deal_the_scores(a: list[float], b: list[float]) -> None:
    ranks = stats.rankdata([*a, *b])
    seen = mean_rank_difference(ranks, tuple(range(len(a))))
    deals = list(itertools.combinations(range(len(ranks)), len(a)))
    extreme = sum(mean_rank_difference(ranks, deal) >= seen - 1e-9 for deal in deals)
    assert p_across(a, b) == pytest.approx(extreme / len(deals))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, math.inf]), st.sampled_from([0.1, 0.3, 0.5, math.inf])),
                min_size=1, max_size=7))  # fmt: skip
def test_the_test_within_seeds_counts_every_way_to_swap_the_models(pairs: list[tuple[float, float]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    ranks = stats.rankdata([*a, *b])
    differences = ranks[: len(a)] - ranks[len(a) :]
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([1, -1], repeat=len(a))]
    expected = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9)
    assert p_within(a, b) == pytest.approx(expected)


def test_without_ties_the_test_across_models_is_mann_and_whitney_s() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=9), random.normal(0.8, size=7)
    expected = stats.mannwhitneyu(a, b, method="exact").pvalue
    assert p_across(a.tolist(), b.tolist()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("test", [p_across, p_within])
def test_where_exactness_would_cost_too_much_the_normal_limit_agrees_with_it(test, monkeypatch) -> None:
    random = np.random.default_rng(2)
    a, b = random.normal(size=60).tolist(), random.normal(0.3, size=60).tolist()
    exact = test(a, b)
    monkeypatch.setattr(statistics, "MOST_EXACT_WORK", 0)
    assert test(a, b) == pytest.approx(exact, rel=0.03)
    assert test(a, b) != exact


@pytest.mark.parametrize("test", [p_across, p_within])
def test_identical_scores_give_a_p_of_one(test) -> None:
    assert test([0.5] * 8, [0.5] * 8) == 1
    assert test([math.inf] * 8, [math.inf] * 8) == 1


def test_diverged_runs_are_tied_last() -> None:
    assert midranks([0.3, math.inf, 0.1, math.inf]).tolist() == [2, 3.5, 1, 3.5]


def test_the_smallest_attainable_p_is_that_of_complete_separation() -> None:
    for n in (2, 5, 7):
        apart = list(range(n)), list(range(n, 2 * n))
        assert smallest_p(n, n, within=False) == pytest.approx(p_across(*apart))
        assert smallest_p(n, n, within=True) == pytest.approx(p_within(*apart))
    assert smallest_p(5, 5, within=True) == 0.0625
    assert smallest_p(10, 10, within=True) == pytest.approx(0.002, abs=5e-5)
    assert smallest_p(0, 3, within=False) == 1


def test_three_pairs_under_holm_need_seven_sign_flips_or_five_unpaired_seeds() -> None:
    def fewest(within: bool) -> int:
        return next(n for n in range(2, 20) if smallest_p(n, n, within) <= 0.05 / 3)

    assert (fewest(within=True), fewest(within=False)) == (7, 5)


def test_holm_multiplies_the_smallest_p_by_the_number_of_pairs_and_never_reorders() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_superiority_counts_ties_half() -> None:
    assert superiority([1, 2], [2, 3]) == (1 + 1 + 0.5 + 1) / 4
    assert superiority([math.inf], [math.inf]) == 0.5


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0, 1))
def test_no_interval_of_superiority_collapses_to_a_point(n_a: int, n_b: int, share: float) -> None:
    low, high = superiority_interval(share, n_a, n_b)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0.05


def test_the_interval_of_superiority_solves_its_equation() -> None:
    """At the ends, |p − estimate| = 1.96 standard errors of Newcombe's method 5, worked out here anew."""
    share, n = 0.8, 10
    for end in superiority_interval(share, n, n):
        star = n - 1
        variance = end * (1 - end) * (1 + star * (1 - end) / (2 - end) + star * end / (1 + end)) / n**2
        assert abs(end - share) == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)


def test_the_t_interval_is_student_s_from_five_scores_on() -> None:
    values = [0.1, 0.15, 0.11, 0.2, 0.13]
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)
    assert t_interval(values[:4]) is None
    assert t_interval([0.5] * 5) == (0.5, 0.5)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 10), (10, 10), (1, 1)])
def test_the_interval_of_a_rate_is_exact(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(method="exact")
    assert clopper_pearson(successes, trials) == pytest.approx((expected.low, expected.high))


def test_the_median_time_counts_those_who_never_solve() -> None:
    assert kaplan_meier_median([100, 200, 300], [True, True, True]) == 200
    assert kaplan_meier_median([100, 900, 900], [True, False, False]) is None
    assert kaplan_meier_median([100, 200, 900, 900], [True, True, False, False]) == 200
    # One leaves at 150, unsolved: of the two left at 200 one solves, 2/3 · 1/2 = 1/3.
    assert kaplan_meier_median([100, 150, 200, 300], [True, False, True, True]) == 200


def test_correlation_needs_three_pairs_and_two_values() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [9, 9, 9]) is None
    assert rank_correlation([1, 2], [1, 2]) is None


def test_seeds_needed_follow_noether() -> None:
    # (1.96 + 0.84)² / (6 · 0.25²)
    assert seeds_needed(0.75, 0.05) == pytest.approx(20.93, abs=0.01)
    assert seeds_needed(0.25, 0.05) == pytest.approx(seeds_needed(0.75, 0.05))
    assert math.isinf(seeds_needed(0.5, 0.05))


def test_the_interval_of_a_mean_of_means_is_welch_s_for_two_groups() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=6), random.normal(size=9)
    # The mean of a and of b is half the difference of a and −b.
    welch = stats.ttest_ind(a, -b, equal_var=False).confidence_interval(0.95)
    interval = mean_interval([a.mean(), b.mean()], [a.var(ddof=1), b.var(ddof=1)], [6, 9])
    assert interval == pytest.approx((welch.low / 2, welch.high / 2))
    assert mean_interval([1.0, 2.0], [0.1, 0.0], [5, 1]) is None
    assert mean_interval([1.0, 1.0], [0.0, 0.0], [5, 5]) is None
