"""Success against difficulty, and the largest length solved."""

from typing import Any

import pytest

from cells.compare.judge import judge
from cells.compare.lengths import Success, largest_solved, reached, success_against_setting, success_by
from cells.compare.load import load
from cells.compare.looks import Looks


def record(length: object, steps_to_solve: list[int | None]) -> dict[str, Any]:
    return {
        "config": {"data": {"length": length}},
        "data": {"name": "adding"},
        "metric": {"solved_at": 0.02},
        "replicas": [{"steps_to_solve": step} for step in steps_to_solve],
        "diagnostics": {},
    }


def recall(lag: int, **diagnostics: object) -> dict[str, Any]:
    return {
        "config": {"data": {"lag": lag}},
        "data": {"name": "recall"},
        "metric": {"solved_at": None},
        "replicas": [],
        "diagnostics": {"memory_longest_lag": lag} | diagnostics,
    }


def test_success_is_counted_by_difficulty_over_all_records_that_share_it() -> None:
    records = [record(100, [None, 900]), record(50, [100, 200]), record(100, [800])]
    assert success_by(records, "data.length") == {50.0: Success(2, 2), 100.0: Success(2, 3)}


def test_on_recall_half_the_variance_of_a_lag_alone_or_a_horizon_up_to_the_longest_lag_is_success() -> None:
    alone = [recall(5, memory_capacity=[0.9, 0.5]), recall(10, memory_capacity=[0.9, 0.4])]
    at_once = [
        recall(20, memory_capacity=[15.0, 9.0], memory_horizon=[20, 7]),
        recall(30, memory_capacity=[None]),
    ]
    rates = {lag: success.rate for lag, success in success_by([*alone, *at_once], "data.lag").items()}
    assert rates == {5.0: 1.0, 10.0: 0.5, 20.0: 0.5, 30.0: 0.0}


def test_the_largest_length_solved_stands_before_the_first_that_is_not() -> None:
    def rates(*solved: int) -> dict[float, Success]:
        return {10.0 * (place + 1): Success(many, 4) for place, many in enumerate(solved)}

    assert largest_solved(rates(4, 2, 1, 4)) == 20.0
    assert largest_solved(rates(1, 4)) is None
    assert largest_solved(rates(4, 4, 4)) == 30.0
    assert largest_solved(rates(4, 2), rate=0.75) == 10.0
    assert largest_solved({}) is None


@pytest.mark.parametrize("length", [None, True, "long", float("nan")])
def test_a_difficulty_that_is_no_number_is_refused(length: object) -> None:
    with pytest.raises(ValueError, match=r"data\.length is no number"):
        success_by([record(length, [1])], "data.length")


def test_a_task_that_nothing_counts_as_solving_is_refused() -> None:
    unsolvable = record(5, [None]) | {"metric": {"solved_at": None}}
    with pytest.raises(ValueError, match="nothing counts as solving adding"):
        success_by([unsolvable], "data.length")


def test_a_bound_is_told_as_one() -> None:
    some, none = Success(2, 4), Success(1, 4)
    assert [reached(by) for by in ({5: some, 9: none}, {5: some, 9: some}, {5: none})] == ["5", "≥ 9", "< 5"]


def test_success_stands_against_the_one_number_in_which_comparisons_differ(make_run, tmp_path) -> None:
    def found() -> object:
        return success_against_setting([judge(one, Looks(tmp_path)) for one in load([tmp_path]).comparisons])

    for length, scores in ((10, [0.1, 0.1]), (20, [0.1, 0.9])):
        make_run("gru", scores, settings={"data.length": length}, solved_at=0.5)
    assert found() == ("data.length", {"gru": {10.0: Success(2, 2), 20.0: Success(1, 2)}})
    make_run("gru", [0.1], data="recall")
    assert found() is None
