"""Figures: there is one for everything that there is to show, and each is well-formed."""

import xml.etree.ElementTree as ElementTree

import pytest

from cells.compare.render.figures import draw

from .conftest import HOSTILE


def test_there_is_a_figure_for_everything_that_runs_left(report) -> None:
    drawings = draw(report("gru", "elman", "lstm").judgements)
    kinds = {
        drawing.name.partition(",")[0] for drawing in drawings if drawing.comparison == "adding length=20"
    }
    assert kinds == {"scores", "learning", "memory", "gradient-through-time", "gradient-heatmap"}
    assert [drawing.name.rpartition("-")[0] for drawing in drawings if drawing.comparison is None] == [
        "score-against-length",
        "success-against-length",
    ]


@pytest.mark.parametrize("name", [HOSTILE, "a" * 300, "  ", "模型", "$", "_hidden"])
def test_figures_are_well_formed_whatever_a_model_is_called(report, name) -> None:
    drawings = draw(report(name, "gru").judgements)
    for drawing in drawings:
        ElementTree.fromstring(drawing.svg)
        assert "/" not in drawing.name
        assert len(drawing.name) < 100


def test_the_same_records_give_the_same_files(report) -> None:
    judgements = report("gru", "lstm").judgements
    assert [drawing.svg for drawing in draw(judgements)] == [drawing.svg for drawing in draw(judgements)]


def test_a_baseline_far_off_is_told_and_not_drawn(make_run, tmp_path) -> None:
    from cells.compare.report import conclude

    make_run(
        "gru", [0.30, 0.32, 0.34], baselines={"last value": {"mse": 0.35}, "training mean": {"mse": 3.2}}
    )
    (scores,) = draw(conclude([tmp_path], tmp_path).judgements)
    assert "off the scale: training mean 3.2." in scores.caption
    assert ">last value<" in scores.svg
    assert ">training mean<" not in scores.svg


def test_scores_that_all_diverged_leave_an_empty_panel_and_not_an_error(make_run, tmp_path) -> None:
    from cells.compare.report import conclude

    make_run("gru", [None, None])
    make_run("lstm", [None])
    drawings = draw(conclude([tmp_path], tmp_path).judgements)
    assert "2 diverged" in drawings[0].svg
