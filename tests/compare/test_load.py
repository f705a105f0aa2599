"""Who stands against whom."""

import json
import math

import pytest

from cells.compare.load import load
from cells.errors import UserError
from cells.record import write_record


def names(comparison) -> list[str]:
    return [contestant.name for contestant in comparison.contestants]


def test_runs_of_equal_configuration_and_other_seeds_merge(make_run, tmp_path) -> None:
    make_run("gru", {0: 0.1, 1: 0.2})
    make_run("gru", {7: 0.3})
    (comparison,) = load([tmp_path]).comparisons
    (gru,) = comparison.contestants
    assert gru.costs == {0: 0.1, 1: 0.2, 7: 0.3}


def test_the_same_seed_twice_is_refused_with_both_places(make_run, tmp_path) -> None:
    make_run("gru", [0.1], folder="first")
    make_run("gru", [0.1], folder="second")
    with pytest.raises(UserError, match=r"gru on adding: seed 0 stands twice, in .*first and in .*second"):
        load([tmp_path])


def test_comparisons_stand_in_the_order_of_their_numbers(make_run, tmp_path) -> None:
    for length in (100, 20, 9):
        make_run("gru", [0.1], settings={"data.length": length}, folder=f"length={length}")
    make_run("gru", [0.1], data="recall", folder="a")
    labels = [comparison.label for comparison in load([tmp_path]).comparisons]
    assert labels == ["adding length=9", "adding length=20", "adding length=100", "recall"]


def test_other_data_are_another_comparison_but_another_batch_size_is_not(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("gru", [0.1], settings={"data.batch_size": 64})
    make_run("gru", [0.1], settings={"data.length": 20})
    first, second = load([tmp_path]).comparisons
    assert {first.label: names(first), second.label: names(second)} == {
        "adding length=10": ["gru batch_size=32", "gru batch_size=64"],
        "adding length=20": ["gru"],
    }


def test_any_setting_can_name_the_contestants(make_run, tmp_path) -> None:
    for rate in (0.1, 0.01):
        make_run("gru", [rate], settings={"optimizer.lr": rate})
    for length in (20, 30):
        make_run("gru", [0.5], settings={"data.length": length})
    by_rate = load([tmp_path], {"data.length": ["10"]}, ["optimizer.lr"]).comparisons
    assert [names(comparison) for comparison in by_rate] == [["lr=0.01", "lr=0.1"]]
    by_length = load([tmp_path], {"optimizer.lr": ["0.001"]}, ["data.length"]).comparisons
    assert [names(comparison) for comparison in by_length] == [["length=20", "length=30"]]
    with pytest.raises(UserError, match="seed 0 stands twice"):
        load([tmp_path], {"data.length": ["10"]}, ["model"])
    with pytest.raises(UserError, match=r"optimizer.rate: no run has such a setting"):
        load([tmp_path], group_by=["optimizer.rate"])


def test_two_metrics_for_the_same_data_are_refused(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("lstm", [0.9], metric="accuracy", goal="max")
    with pytest.raises(
        UserError, match=r"adding: its runs are scored by different metrics, accuracy \(max\) and mse"
    ):
        load([tmp_path])


def test_different_data_may_have_different_metrics(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("gru", [0.9], data="digits", metric="accuracy", goal="max", baselines={})
    assert {c.label: c.metric for c in load([tmp_path]).comparisons} == {
        "adding": "mse",
        "digits": "accuracy",
    }


def test_runs_without_a_score_cost_most_whichever_way_the_metric_goes(make_run, tmp_path) -> None:
    make_run("gru", [0.1, None, math.nan])
    make_run("gru", [0.9, None], data="digits", metric="accuracy", goal="max")
    costs = {c.data: list(c.contestants[0].costs.values()) for c in load([tmp_path]).comparisons}
    assert costs == {"adding": [0.1, math.inf, math.inf], "digits": [-0.9, math.inf]}


def test_what_is_missing_is_said(make_run, tmp_path) -> None:
    make_run("gru", [0.1, 0.2, 0.3])
    make_run("lstm", [0.1])
    make_run("gru", [0.1], data="recall")
    gaps = [gap for comparison in load([tmp_path]).comparisons for gap in comparison.gaps]
    assert gaps == ["lstm on adding lacks seeds 1–2", "No run of lstm on recall has finished"]


def test_runs_of_other_sweeps_are_not_missed(make_run, tmp_path) -> None:
    make_run("gru", [0.1, 0.2], folder="a/gru")
    make_run("lstm", [0.1], folder="b/lstm")
    make_run("gru", [0.1], folder="b/gru", data="recall")
    assert [comparison.gaps for comparison in load([tmp_path / "a", tmp_path / "b"]).comparisons] == [
        (),
        ("No run of lstm on recall has finished",),
    ]


def test_missing_seeds_are_told_in_ranges(make_run, tmp_path) -> None:
    make_run("gru", [0.1] * 200)
    make_run("lstm", {50: 0.1, 51: 0.2, 199: 0.3})
    (comparison,) = load([tmp_path]).comparisons
    assert comparison.gaps == ("lstm on adding lacks seeds 0–49 and 52–198",)


def test_models_with_no_seed_in_common_were_never_meant_to_pair(make_run, tmp_path) -> None:
    make_run("gru", {0: 0.1, 1: 0.2})
    make_run("lstm", {2: 0.1, 3: 0.2})
    (comparison,) = load([tmp_path]).comparisons
    assert comparison.gaps == ()


def test_chance_stands_beside_the_baselines(make_run, tmp_path) -> None:
    make_run("gru", [0.1], baselines={"training mean": {"mse": 0.9}, "old": {"mae": 1.0}}, chance=1 / 6)
    (comparison,) = load([tmp_path]).comparisons
    assert comparison.baselines == {"training mean": 0.9, "chance (exact)": 1 / 6}


@pytest.mark.parametrize("beyond", [None, 1e39, 1e308])
def test_a_score_that_is_not_finite_or_as_good_as_infinite_is_none(make_run, tmp_path, beyond) -> None:
    make_run("gru", [0.1, 1e38, beyond])
    scores = load([tmp_path]).comparisons[0].contestants[0].scores
    assert [score.value for score in scores] == [0.1, 1e38, None]
    assert scores[2].cost == math.inf


def test_grouped_by_a_setting_of_the_data_baselines_that_differ_are_left_out_and_that_is_said(
    make_run, tmp_path
) -> None:
    for length, last_value in ((10, 0.2), (20, 0.3)):
        baselines = {"training mean": {"mse": 1.0}, "last value": {"mse": last_value}}
        make_run("gru", [0.1], settings={"data.length": length}, baselines=baselines)
    (comparison,) = load([tmp_path], group_by=["data.length"]).comparisons
    assert names(comparison) == ["length=10", "length=20"]
    assert comparison.baselines == {"training mean": 1.0}
    assert comparison.gaps == (
        "data.length differs between these contestants, so they were not scored on the same test data",
    )


def test_a_file_that_changed_under_its_name_is_another_question(make_run, tmp_path) -> None:
    for model, digest in (("gru", "a" * 64), ("lstm", "b" * 64)):
        folder = make_run(model, [0.1], data="demand")
        record = json.loads((folder / "record.json").read_text())
        record["data"]["figures"] = {"sha256": digest}
        write_record(folder, record)
    labels = [comparison.label for comparison in load([tmp_path]).comparisons]
    assert labels == ["demand sha256=aaaaaaaa", "demand sha256=bbbbbbbb"]


def test_a_lost_history_is_told_where_others_are_there(make_run, tmp_path) -> None:
    folders = [make_run(model, [0.1]) for model in ("gru", "lstm")]
    (comparison,) = load([tmp_path]).comparisons
    assert comparison.gaps == (), "records alone were kept"
    (folders[0] / "history.csv").touch()
    (comparison,) = load([tmp_path]).comparisons
    assert comparison.gaps == (f"{folders[1].name} has no history.csv, so its learning curve is left out",)
