"""Models beside what others report."""

import math

import numpy as np
import pytest

from cells.compare.judge import judge
from cells.compare.load import load
from cells.compare.looks import Looks
from cells.compare.published import cases, prediction_interval
from cells.errors import UserError

SOURCE = {"source": "Someone 2018, Table 1", "chance": 1 / 6}


def of(model: str, *values: float, **settings: object) -> dict[str, object]:
    return {"where": {"model": model, **settings}, "values": list(values)}


@pytest.fixture
def beside(tmp_path):
    """The rows of the one case at hand, by name."""

    def beside():
        (comparison,) = load([tmp_path]).comparisons
        (case,) = cases(judge(comparison, Looks(tmp_path)))
        return {row.name: row for row in case.rows}

    return beside


def test_both_sides_are_held_against_chance_and_against_each_other(make_run, beside) -> None:
    published = SOURCE | {"results": [of("elman", 0.177), of("lstm", 0.164), of("gru", 5e-5)]}
    make_run("elman", [0.168, 0.166, 0.169], published=published)
    make_run("lstm", [0.02, 0.03, 0.025], published=published)
    make_run("gru", [4e-5, 8e-5, 5e-5], published=published)
    rows = beside()
    assert rows["elman"].their_chance == (1, 1)
    assert rows["elman"].our_chance == (3, 3)
    assert rows["elman"].consistent is True
    # 0.164 leads 1/6 by 1.6 %, which is not worthwhile.
    assert (rows["lstm"].their_chance, rows["lstm"].our_chance) == ((1, 1), (0, 3))
    assert rows["lstm"].consistent is False
    assert (rows["gru"].their_chance, rows["gru"].consistent) == ((0, 1), True)
    assert rows["gru"].ours == 5e-5


def test_the_interval_is_students_on_logarithms_with_two_test_sets_sampling_error() -> None:
    low, high = prediction_interval([0.1, 0.2, 0.4], goal="min", test_size=1000)
    spread = math.sqrt(math.log(2) ** 2 * 4 / 3 + 2 * 0.02**2)
    assert low == pytest.approx(
        0.2 * math.exp(-4.302653 * spread), rel=1e-5
    )  # t at 2 degrees of freedom, 97.5 %
    assert high == pytest.approx(0.2 * math.exp(4.302653 * spread), rel=1e-5)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("many", [1, 2])
def test_new_scores_lie_in_the_interval_as_often_as_promised(n: int, many: int) -> None:
    random, trials, sampling = np.random.default_rng(n), 3000, 0.02
    hits = 0
    for _ in range(trials):
        ours = np.exp(random.normal(-3, 0.5, n) + sampling * random.normal())
        theirs = np.exp(random.normal(-3, 0.5, many) + sampling * random.normal())
        low, high = prediction_interval(list(ours), goal="min", test_size=1000, many=many)
        hits += bool((low <= theirs).all() and (theirs <= high).all())
    assert 0.94 < hits / trials < 0.97  # Bonferroni gives a little more than 95 %


def test_seeds_that_agree_leave_room_for_another_test_set() -> None:
    random, trials = np.random.default_rng(0), 2000
    hits = 0
    for _ in range(trials):
        ours, theirs = random.binomial(2560, 0.001, 5) / 2560, random.binomial(2560, 0.001) / 2560
        low, high = prediction_interval(list(1 - ours), goal="max", test_size=2560)
        hits += bool(low <= 1 - theirs <= high)
    assert hits / trials > 0.95
    low, high = prediction_interval([1.0, 1.0, 1.0], goal="max", test_size=2560)
    assert low < 1 - 1 / 2560 < high <= 1


def test_scores_however_far_apart_and_rates_rounded_above_one_have_an_interval() -> None:
    assert prediction_interval([1e-200, 1.0, 1e200], goal="min", test_size=10)[1] > 1e300
    assert prediction_interval([1.0000001] * 3, goal="max", test_size=10)[1] <= 1


def test_an_error_of_zero_has_an_interval_too() -> None:
    low, high = prediction_interval([0.0, 0.1, 0.2], goal="min", test_size=1000)
    assert low == 0
    assert high == pytest.approx(0.1 + 4.302653 * 0.1 * math.sqrt(4 / 3), rel=1e-5)


def test_numbers_belong_to_the_runs_that_agree_in_every_setting(make_run, beside) -> None:
    published = SOURCE | {"results": [of("lstm", 0.1, **{"optimizer.lr": 0.001}), of("gru", 0.2, 0.3)]}
    for rate in (0.001, 0.01):
        make_run("lstm", [0.1, 0.11, 0.12], settings={"optimizer.lr": rate}, published=published)
    make_run("gru", [0.1, 0.11, 0.12], published=published)
    rows = beside()
    assert rows["lstm lr=0.001"].theirs == (0.1,)
    assert rows["lstm lr=0.01"].theirs == ()
    assert rows["gru"].theirs == (0.2, 0.3)
    assert rows["gru"].their_chance == (2, 2)


def test_without_a_published_number_or_enough_seeds_nothing_is_called_consistent(make_run, beside) -> None:
    published = SOURCE | {"results": [of("gru", 0.1)]}
    make_run("gru", [0.1, 0.1], published=published)
    make_run("lstm", [0.1, 0.2, 0.3], published=published)
    rows = beside()
    assert (rows["gru"].interval, rows["gru"].consistent) == (None, None)
    assert rows["gru"].our_chance == (0, 2)
    assert rows["lstm"].consistent is None
    assert rows["lstm"].interval is not None
    assert rows["lstm"].their_chance == (0, 0)


def test_ours_is_held_against_the_chance_level_of_the_task_as_it_was_run(make_run, beside) -> None:
    published = SOURCE | {"results": [of("gru", 0.1)]}
    make_run("gru", [0.1, 0.11, 0.12], published=published, chance=0.1)
    row = beside()["gru"]
    assert (row.their_chance, row.our_chance) == ((0, 1), (3, 3))


def test_one_seed_that_diverged_is_at_chance_and_has_no_interval(make_run, beside) -> None:
    make_run("gru", [None], published=SOURCE | {"results": [of("gru", 0.1)]})
    row = beside()["gru"]
    assert (row.ours, row.our_chance, row.interval, row.consistent) == (None, (1, 1), None, None)


def test_where_some_seeds_diverge_another_run_may(make_run, beside) -> None:
    published = SOURCE | {"results": [of("gru", 0.9)]}
    make_run("gru", [0.1, 0.1, 0.1, float("nan")], published=published)
    row = beside()["gru"]
    assert row.our_chance == (1, 4)
    assert row.interval[1] == math.inf
    assert row.consistent is True


def test_rates_of_success_are_compared_by_clopper_and_pearson(make_run, beside) -> None:
    published = {
        "source": "x",
        "chance": 0.0,
        "measure": "solved",
        "results": [of("gru", 1.0), of("elman", 1.0)],
    }
    make_run("gru", [0.1] * 5, solved_at=0.15, published=published)
    make_run("elman", [0.9] * 5, solved_at=0.15, published=published)
    rows = beside()
    assert rows["gru"].interval == pytest.approx((0.4782, 1), abs=1e-4)
    assert (rows["gru"].ours, rows["gru"].our_chance, rows["gru"].consistent) == (1, (0, 5), True)
    assert (rows["elman"].ours, rows["elman"].our_chance, rows["elman"].consistent) == (0, (5, 5), False)


def test_of_a_task_that_nothing_counts_as_solving_no_rate_is_told(make_run, beside) -> None:
    make_run(
        "gru",
        [0.1] * 5,
        published={"source": "x", "chance": 0.0, "measure": "solved", "results": [of("gru", 1.0)]},
    )
    row = beside()["gru"]
    assert (row.ours, row.our_chance, row.interval, row.consistent) == (None, (0, 0), None, None)


def test_each_source_is_a_case_of_its_own_and_runs_without_one_are_none(make_run, tmp_path) -> None:
    for model, source in (("gru", "A"), ("lstm", "B")):
        make_run(model, [0.1] * 3, published={"source": source, "chance": 1.0})
    make_run("elman", [0.1] * 3)
    (comparison,) = load([tmp_path]).comparisons
    found = cases(judge(comparison, Looks(tmp_path)))
    assert {(case.published.source, *(row.name for row in case.rows)) for case in found} == {
        ("A", "gru"),
        ("B", "lstm"),
    }


def test_a_section_that_is_none_is_refused(make_run, tmp_path) -> None:
    make_run("gru", [0.1], published={"source": "x"})
    (comparison,) = load([tmp_path]).comparisons
    with pytest.raises(UserError, match=r"published\.chance"):
        cases(judge(comparison, Looks(tmp_path)))
