"""Several data sets together."""

import pytest

from cells.compare.judge import judge
from cells.compare.load import load
from cells.compare.looks import Looks
from cells.compare.suite import aggregate


@pytest.fixture
def together(tmp_path):
    def together():
        return aggregate([judge(comparison, Looks(tmp_path)) for comparison in load([tmp_path]).comparisons])

    return together


def test_ranks_and_skills_are_averaged_over_data_sets(make_run, together) -> None:
    for data, gru, lstm in (("adding", 0.1, 0.3), ("recall", 0.4, 0.2), ("sine", 0.0, 0.8)):
        make_run("gru", [gru, gru + 0.02], data=data)
        make_run("lstm", [lstm, lstm + 0.02], data=data)
    suite = together()
    assert suite.tasks == 3
    first, second = suite.rows
    assert (first.name, second.name) == ("gru", "lstm")
    assert first.rank.mean == pytest.approx(4 / 3)
    # Baseline 1, perfect 0: skill is one minus the score.
    assert first.skill.mean == pytest.approx(1 - (0.11 + 0.41 + 0.01) / 3)
    assert second.skill.mean == pytest.approx(1 - (0.31 + 0.21 + 0.81) / 3)


def test_new_tasks_are_less_certain_than_new_seeds_where_tasks_differ(make_run, together) -> None:
    for data, level in (("adding", 0.1), ("recall", 0.5), ("sine", 0.8)):
        for model in ("gru", "lstm"):
            make_run(model, [level, level + 0.01, level - 0.01], data=data)
    (row, _) = together().rows
    seeds, tasks = row.skill.over_seeds, row.skill.over_tasks
    assert tasks[1] - tasks[0] > 10 * (seeds[1] - seeds[0])
    assert seeds[0] < row.skill.mean < seeds[1]


def test_two_tasks_say_nothing_of_others_and_one_seed_nothing_of_others(make_run, together) -> None:
    for data in ("adding", "recall"):
        make_run("gru", [0.1], data=data)
        make_run("lstm", [0.2], data=data)
    (row, _) = together().rows
    assert (row.rank.over_tasks, row.rank.over_seeds) == (None, None)


def test_lengths_of_one_task_are_no_sample_of_tasks(make_run, together) -> None:
    for length, lstm in ((10, 0.2), (20, 0.4), (40, 0.7)):
        make_run("gru", [0.1, 0.12, 0.11], settings={"data.length": length})
        make_run("lstm", [lstm, lstm + 0.1, lstm - 0.1], settings={"data.length": length})
    for row in together().rows:
        assert (row.rank.over_tasks, row.skill.over_tasks) == (None, None)
        assert row.skill.over_seeds is not None


def test_scores_that_do_not_vary_have_no_interval_made_of_rounding(make_run, together) -> None:
    mean = {"training mean": {"mse": 0.1667}}
    for data in ("adding", "recall", "sine"):
        make_run("gru", [0.01] * 5, data=data, baselines=mean)
        make_run("lstm", [0.1, 0.11, 0.12, 0.1, 0.09], data=data, baselines=mean)
    gru, _ = together().rows
    assert gru.skill.mean == pytest.approx(0.94, abs=1e-4)
    assert (gru.skill.over_seeds, gru.skill.over_tasks) == (None, None)


def test_models_without_a_common_seed_are_ranked_by_their_medians(make_run, together) -> None:
    for data in ("adding", "recall"):
        make_run("gru", {0: 0.1, 1: 0.2}, data=data)
        make_run("lstm", {2: 0.3, 3: 0.4}, data=data)
    assert [(row.name, row.rank.mean) for row in together().rows] == [("gru", 1), ("lstm", 2)]


def test_one_data_set_or_one_common_model_is_no_suite(make_run, together) -> None:
    make_run("gru", [0.1])
    make_run("lstm", [0.1])
    assert together() is None
    make_run("gru", [0.1], data="recall")
    assert together() is None


def test_data_without_a_baseline_leave_out_the_skill(make_run, together) -> None:
    for data, baselines in (("adding", {}), ("recall", None)):
        make_run("gru", [0.1], data=data, baselines=baselines)
        make_run("lstm", [0.2], data=data, baselines=baselines)
    assert [row.skill for row in together().rows] == [None, None]
