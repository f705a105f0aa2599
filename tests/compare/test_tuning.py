"""What a search chose is told beside its price, and makes no two models of one."""

from pathlib import Path
from typing import Any

from cells.compare.load import load
from cells.compare.render import tables
from cells.compare.report import conclude
from cells.compare.sentences import verdict
from cells.record import read_record, write_record

from .conftest import MakeRun


def search(lr: float, edge: str | None = None, trials: int = 5, val: float | None = 0.5) -> dict[str, Any]:
    return {
        "seeds": [1_000_000],
        "trials": [{"values": {"optimizer.lr": 0.1 + place}, "val": val} for place in range(trials)],
        "chosen": {"optimizer.lr": lr},
        "edge": {"optimizer.lr": edge} if edge else {},
        "seconds": 1000.25,
    }


def test_runs_of_one_search_are_one_contestant_whatever_each_chose(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", {0: 0.1}, settings={"optimizer.lr": 0.01}, search=search(0.01))
    make_run("gru", {1: 0.2}, settings={"optimizer.lr": 0.03}, search=search(0.03))
    (comparison,) = load([tmp_path]).comparisons
    (contestant,) = comparison.contestants
    assert contestant.name == "gru"
    assert [score.seed for score in contestant.scores] == [0, 1]


def test_a_tuned_model_is_told_from_the_same_model_untuned(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", [0.1, 0.2], settings={"optimizer.lr": 0.01}, search=search(0.01))
    make_run("gru", [0.3, 0.4], settings={"optimizer.lr": 0.001})
    (comparison,) = load([tmp_path]).comparisons
    assert [contestant.name for contestant in comparison.contestants] == ["gru lr=0.001", "gru lr=tuned"]


def test_trials_are_no_runs(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", [0.1], folder="sweep/gru", search=search(0.01))
    make_run("gru", [0.2], folder="sweep/gru/trials/lr=0.1")
    make_run("lstm", [0.3], folder="trials/lstm")  # a user's folder of that name
    moved = make_run("elman", [0.3], folder="moved")
    write_record(moved, (read_record(moved) or {}) | {"trial": True})
    (comparison,) = load([tmp_path]).comparisons
    assert [contestant.name for contestant in comparison.contestants] == ["gru", "lstm"]


def test_price_and_choice_stand_in_the_table_and_in_the_verdict(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", [0.1, 0.2], settings={"optimizer.lr": 0.03}, search=search(0.03, "highest"))
    make_run("lstm", [0.3, 0.4], settings={"optimizer.lr": 0.01}, search=search(0.01, trials=1))
    make_run("elman", [0.5, 0.6])
    (judgement,) = conclude([tmp_path], tmp_path / "report").judgements
    table = tables.results(judgement)
    place = table.headings.index("tuning")
    assert [cells[place] for cells in table.rows[: table.baselines]] == [
        "5 trials, 1,000.2 s, at an edge",
        "1 trial, 1,000.2 s",
        "",
    ]
    assert judgement.differences["optimizer.lr"] == {"gru": 0.03, "lstm": 0.01, "elman": 0.001}
    assert verdict(judgement)[-3:] == [
        "Tuned on validation: gru to lr=0.03 (highest of the grid); lstm to lr=0.01; elman not at all.",
        "They were not tuned by the same trials, so a lead may be due to tuning.",
        "A wider grid may score better.",
    ]


def test_models_that_were_tuned_alike_are_not_told_to_differ(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", {0: 0.1, 1: 0.2}, search=search(0.03))
    make_run("gru", {2: 0.2}, search=search(0.01))
    make_run("lstm", [0.3, 0.4, 0.5], search=search(0.01))
    (judgement,) = conclude([tmp_path], tmp_path / "report").judgements
    assert verdict(judgement)[-1].startswith("Tuned on validation: gru to lr=0.03 or lr=0.01; lstm")


def test_without_a_search_nothing_is_said_of_tuning(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", [0.1, 0.2])
    (judgement,) = conclude([tmp_path], tmp_path / "report").judgements
    assert "tuning" not in tables.results(judgement).headings
    assert not [sentence for sentence in verdict(judgement) if "uned" in sentence]


def test_a_choice_among_trials_that_all_diverged_is_told_as_none(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("gru", [0.1, 0.2], search=search(0.03, val=None))
    (judgement,) = conclude([tmp_path], tmp_path / "report").judgements
    assert "Tuned on validation: gru to lr=0.03 (every trial diverged)." in verdict(judgement)
