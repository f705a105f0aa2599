"""Cells of tables."""

import math

import pytest

from cells.compare.published import cases
from cells.compare.render.tables import (
    beside,
    differences,
    interval,
    largest_solved,
    number,
    pairs,
    published,
    results,
    suite_table,
)
from cells.compare.report import conclude


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (12345, "12,345"),
        (0, "0"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, text) -> None:
    assert number(value) == text
    assert interval(None) == "–"
    assert interval((0.1, 0.25)) == "0.1 … 0.25"


def test_results_list_models_first_and_baselines_after(report) -> None:
    table = results(report("gru", "elman", "lstm").judgements[0])
    first = dict(zip(table.headings, table.rows[0], strict=True))
    assert first["model"] == "gru"
    assert first["mse ↓ mean"] == "0.156"
    assert first["finished"] == "10 of 10"
    assert first["solved"] == "6 of 10"
    assert first["steps to solve"] == "> 100"
    assert first["memory horizon"] == "4"
    diverged = dict(zip(table.headings, table.rows[1], strict=True))
    assert (diverged["model"], diverged["finished"], diverged["diverged"]) == ("elman", "9 of 10", "1")
    assert table.baselines == 3
    assert [cells[0] for cells in table.rows[3:]] == ["gru baseline", "training mean"]


def test_columns_with_nothing_in_them_are_left_out(report) -> None:
    assert "gradient decay a step" not in results(report("gru").judgements[0]).headings
    assert "over time" not in pairs(report("gru", "lstm").judgements[0]).headings


def test_every_pair_has_its_p_its_probability_and_its_correlation(report) -> None:
    table = pairs(report("gru", "elman", "lstm").judgements[0])
    cells = dict(zip(table.headings, table.rows[0], strict=True))
    assert cells["pair"] == "gru : elman"
    assert cells["seeds won"] == "10 of 10"
    assert cells["p"] == "0.002"
    assert cells["claim"] == "yes"
    assert cells["tested"] == "within seeds"


def test_differences_and_suites_have_a_row_for_each_setting_and_model(report) -> None:
    found = report("gru", "lstm")
    assert [cells[0] for cells in differences(found.judgements[0]).rows] == ["model.cell._target_"]
    table = suite_table(found.suite)
    assert [cells[0] for cells in table.rows] == ["gru", "lstm"]
    assert "95 %, new tasks" not in table.headings  # two lengths of one task


def test_the_largest_length_solved_stands_beside_success_at_each(report) -> None:
    table = largest_solved(report("gru", "elman").judgements)
    assert table is not None
    assert table.headings == ("model", "largest solved by half", "10", "20")
    assert table.rows[0] == ("gru", "≥ 20", "6 of 10", "6 of 10")
    assert table.rows[1] == ("elman", "< 10", "0 of 10", "0 of 10")


def test_models_stand_beside_published_numbers_with_both_judgements(report) -> None:
    (case,) = cases(report("gru", "elman").judgements[0])
    table = published(case)
    assert table.title == "Beside gru 2018, Table 1"
    assert table.headings[:4] == ("model", "theirs", "at chance, theirs", "ours, median")
    assert table.rows[0][:4] == ("gru", "0.15, 2", "1 of 2", "0.145")
    assert table.rows[0][5:] == ("no", "no")
    assert table.rows[1][:3] == ("elman", "–", "–")
    assert table.rows[1][4].endswith("… ∞")  # one of its replicas diverged
    assert table.rows[1][5:] == ("1 of 10", "no number")
    assert beside(case).startswith("Compared by test score; chance is 1,")
    assert beside(case).endswith("A note on gru.")


def test_what_a_baseline_took_stands_beside_what_training_took(make_run, tmp_path) -> None:
    settings = {"baselines": {"training mean": {"mse": 1.0}, "linear autoregression": {"mse": 0.2}}}
    seconds = {"training mean": 0.00012, "linear autoregression": 0.213}
    make_run("gru", [0.1], cost={"seconds": 123.4}, baseline_seconds=seconds, **settings)
    make_run("gru", {1: 0.1}, cost={"seconds": 100.0}, baseline_seconds=seconds, **settings)
    table = results(conclude([tmp_path], tmp_path).judgements[0])
    place = table.headings.index("seconds")
    assert [(cells[0], cells[place]) for cells in table.rows] == [
        ("gru", "223"),
        ("linear autoregression", "0.213"),
        ("training mean", "< 0.1"),
    ]
