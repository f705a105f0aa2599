"""A row for each model, a test for each pair."""

import math

import pytest

from cells.compare.judge import judge
from cells.compare.load import load
from cells.compare.looks import LOOKS_NAME, Looks
from cells.errors import UserError


@pytest.fixture
def judged(tmp_path):
    def judged(reference=None, single=False):
        comparisons = load([tmp_path]).comparisons
        return judge(comparisons[0], Looks(tmp_path, single), comparisons, reference)

    return judged


def test_a_row_says_how_many_finished_and_averages_only_those(make_run, judged) -> None:
    make_run("gru", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, None])
    (row,) = judged().rows
    assert (len(row.values), row.replicas, row.diverged) == (9, 10, 1)
    assert row.mean == pytest.approx(0.5)
    assert row.median == pytest.approx(0.5)
    # 0.2739 / 3 · 2.306
    assert row.interval == pytest.approx((0.5 - 0.2105, 0.5 + 0.2105), abs=1e-4)


def test_identical_scores_have_no_interval_of_their_mean(make_run, judged) -> None:
    """Five rates of exactly 1 do not say that the sixth is."""
    make_run("gru", [0.1] * 5)
    (row,) = judged().rows
    assert (row.mean, row.interval) == (pytest.approx(0.1), None)


def test_no_interval_of_an_error_reaches_below_zero(make_run, judged) -> None:
    make_run("gru", [0.001, 0.001, 0.001, 0.001, 0.5])
    (row,) = judged().rows
    assert row.interval == (0.0, pytest.approx(0.3779, abs=1e-4))  # 0.1008 ± 2.776 · 0.2232 / √5


def test_no_interval_of_a_rate_reaches_beyond_one(make_run, judged) -> None:
    make_run("gru", [0.9, 1.0, 1.0, 1.0, 1.0], metric="accuracy", goal="max", baselines={})
    (row,) = judged().rows
    assert row.interval == (pytest.approx(0.9245, abs=1e-4), 1.0)  # 0.98 ± 2.776 · 0.0447 / √5


def test_a_run_that_diverged_has_not_solved_and_would_not_have_later(make_run, judged) -> None:
    make_run("gru", [0.01, 0.01, None, 0.5], solved_at=0.02, solved_after={0: 40, 1: 60})
    (row,) = judged().rows
    assert row.solved == 2
    assert row.solve_interval == pytest.approx((0.0676, 0.9324), abs=1e-4)
    assert row.steps_to_solve == 60


def test_fewer_than_half_solving_leaves_the_median_open(make_run, judged) -> None:
    make_run("gru", [0.01, 0.5, 0.5], solved_at=0.02, solved_after={0: 40})
    (row,) = judged().rows
    assert row.steps_to_solve is None
    assert row.steps == 100


def test_runs_that_all_diverged_early_are_at_risk_to_the_end_of_the_budget(make_run, judged) -> None:
    make_run("gru", [None, None], solved_at=0.02, settings={"trainer.max_steps": 3000})
    (row,) = judged().rows
    assert row.contestant.scores[0].trained_for == 100
    assert row.steps == 3000


def test_larger_is_better_where_the_metric_says_so(make_run, judged) -> None:
    make_run(
        "gru",
        [0.9] * 5,
        metric="accuracy",
        goal="max",
        solved_at=0.8,
        baselines={"chance": {"accuracy": 0.5}},
    )
    make_run(
        "lstm",
        [0.6] * 5,
        metric="accuracy",
        goal="max",
        solved_at=0.8,
        baselines={"chance": {"accuracy": 0.5}},
    )
    judgement = judged()
    assert [row.name for row in judgement.rows] == ["gru", "lstm"]
    assert [row.solved for row in judgement.rows] == [5, 0]
    assert judgement.pairs[0].leader == "gru"
    assert judgement.skill(0.75) == pytest.approx(0.5)


def test_skill_is_none_better_than_the_best_baseline_down_to_nothing(make_run, judged) -> None:
    make_run("gru", [0.1], baselines={"mean": {"mse": 1.0}, "last value": {"mse": 0.4}})
    judgement = judged()
    assert [judgement.skill(value) for value in (0.0, 0.1, 0.4, 0.9, None)] == pytest.approx(
        [1, 0.75, 0, 0, 0]
    )


def test_a_clear_difference_is_claimed_and_told_with_its_evidence(make_run, judged) -> None:
    make_run("gru", [0.1 + seed / 1000 for seed in range(10)])
    make_run("lstm", [0.2 + seed / 1000 for seed in range(10)])
    (pair,) = judged().pairs
    assert (pair.leader, pair.follower) == ("gru", "lstm")
    assert pair.claim.made
    assert pair.claim.p == 2 / 2**10
    assert (pair.wins, pair.shared, pair.superiority) == (10, 10, 1.0)
    assert 0.5 < pair.interval[0] < pair.interval[1] == 1
    assert pair.correlation == pytest.approx(1)
    assert pair.needed is None


def test_what_is_not_claimed_comes_with_the_seeds_it_may_take(make_run, judged) -> None:
    make_run("gru", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    make_run("lstm", [0.15, 0.25, 0.35, 0.45, 0.38, 0.7])
    (pair,) = judged().pairs
    assert not pair.claim.made
    fewest, most = pair.needed
    assert 6 < fewest < 40
    assert math.isinf(most)


def test_a_tiny_difference_at_many_seeds_is_not_worth_chasing(make_run, judged) -> None:
    make_run("gru", [(seed * 37 % 200) / 200 for seed in range(200)])
    make_run("lstm", [(seed * 91 % 200) / 200 for seed in range(200)])
    (pair,) = judged().pairs
    assert pair.needed[0] > 100


def test_only_pairs_with_the_reference_are_tested(make_run, judged) -> None:
    for model in ("elman", "gru", "lstm"):
        make_run(model, [0.1, 0.2])
    assert len(judged().pairs) == 3
    assert [{pair.leader, pair.follower} for pair in judged("gru").pairs] == [
        {"gru", "elman"},
        {"gru", "lstm"},
    ]
    with pytest.raises(UserError, match="--reference grr: no such model on adding; did you mean 'gru'"):
        judged("grr")


def test_a_look_that_could_not_have_led_to_a_claim_is_not_counted(make_run, judged, tmp_path) -> None:
    make_run("gru", {0: 0.1, 1: 0.2})
    make_run("lstm", {0: 0.3, 1: 0.4})
    assert judged().look == 1
    assert not (tmp_path / LOOKS_NAME).exists()
    more = range(2, 10)
    make_run("gru", {seed: 0.1 + seed / 1000 for seed in more})
    make_run("lstm", {seed: 0.3 + seed / 1000 for seed in more})
    assert (judged().look, judged().look) == (1, 1)
    assert (tmp_path / LOOKS_NAME).exists()
    make_run("gru", {10: 0.1})
    assert (judged().look, judged().alpha) == (2, 0.0125)


@pytest.mark.parametrize(
    "scores",
    [[0.5], [0.5, 0.5], [0.5] * 10, [None], [None] * 10, [math.nan, 0.5], [math.inf] * 8, [0.0] * 5],
    ids=["one seed", "two seeds", "identical", "diverged", "all diverged", "NaN", "infinite", "zero"],
)
@pytest.mark.parametrize("goal", ["min", "max"])
def test_degenerate_scores_are_judged_without_a_claim(make_run, judged, scores, goal) -> None:
    for model in ("gru", "lstm"):
        make_run(model, scores, goal=goal, solved_at=0.1, baselines={"zero": {"mse": 0.0}}, chance=0.0)
    judgement = judged()
    (pair,) = judgement.pairs
    assert pair.claim.p == 1
    assert not pair.claim.made
    assert pair.superiority == 0.5
    assert pair.interval[1] - pair.interval[0] > 0.1


def test_one_model_is_judged_alone(make_run, judged) -> None:
    make_run("gru", [0.5, 0.6])
    judgement = judged()
    assert len(judgement.rows) == 1
    assert judgement.pairs == ()


def test_settings_that_differ_are_listed(make_run, judged) -> None:
    make_run("gru", [0.1])
    make_run("lstm", [0.1], settings={"optimizer.lr": 0.01})
    assert judged().differences["optimizer.lr"] == {"gru": 0.001, "lstm": 0.01}


def test_diagnostics_and_cost_are_shown_where_there_are_any(make_run, judged) -> None:
    make_run(
        "gru", [0.1, 0.2, 0.3],
        diagnostics={
            "memory_horizon": [8, 9, 20], "memory_horizon_still_improving": [False, True, False],
            "gradient_decay_per_step": [0.9, 0.8, None],
        },
        cost={"flops_per_sequence": 5_000_000},
    )  # fmt: skip
    make_run("lstm", [0.1])
    gru, lstm = sorted(judged().rows, key=lambda row: row.name)
    assert (gru.memory_horizon, gru.gradient_decay, gru.flops_per_sequence) == (
        "≥ 9",
        pytest.approx(0.85),
        5_000_000,
    )
    assert (lstm.memory_horizon, lstm.gradient_decay, lstm.flops_per_sequence) == (None, None, None)
