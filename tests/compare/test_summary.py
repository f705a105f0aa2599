"""What the program shows when it ends."""

import io

import pytest
from rich.console import Console

from cells.compare.summary import show_run, show_sweep
from cells.record import read_record


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=140)


def text_of(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_stands_beside_its_baselines(make_run, console) -> None:
    folder = make_run("gru", [0.1, 0.2])
    assert show_run(folder, read_record(folder), console) == "completed"
    assert "gru beats the training mean (test mse 0.15, median of 2 seeds)." in text_of(console)


def test_what_a_run_does_not_beat_is_told_with_or_and_its_title_does_not_wrap(make_run, console) -> None:
    baselines = {"training mean": {"mse": 1.0}, "last value": {"mse": 0.1}, "straight line": {"mse": 0.0}}
    folder = make_run("gru", [0.3], baselines=baselines)
    show_run(folder, read_record(folder), console)
    lines = text_of(console).splitlines()
    assert "gru on adding: test split, weights of the best validation" in lines
    assert any(
        line.startswith("gru beats the training mean, and does not beat the last value or the straight line")
        for line in lines
    )


def test_one_step_is_not_one_steps(make_run, console) -> None:
    folder = make_run("gru", [0.3], cost={"steps": 1})
    show_run(folder, read_record(folder), console)
    assert " 1 step in " in text_of(console)


def test_a_sweep_ends_with_a_verdict_and_where_the_report_is(make_run, tmp_path, console) -> None:
    names = [make_run(model, [0.1, 0.2]).name for model in ("gru", "lstm")]
    assert show_sweep(tmp_path / "sweep", names, console) == ["completed", "completed"]
    text = text_of(console)
    assert "gru and lstm cannot be told apart at 2 seeds, and 2 seeds could not have: 5 can." in text
    assert str(tmp_path / "sweep" / "report.html") in text
    assert (tmp_path / "sweep" / "report.html").is_file()


def test_failures_come_with_their_log_and_the_others_with_a_verdict(make_run, tmp_path, console) -> None:
    failed = make_run("lstm", [0.1], status="failed")
    (failed / "train.log").touch()
    names = [make_run("gru", [0.1]).name, failed.name, "never-started"]
    assert show_sweep(tmp_path / "sweep", names, console) == ["completed", "failed", "missing"]
    text = text_of(console)
    assert "gru beats predicting the mean" in text
    assert str(failed / "train.log") in text
    assert text.count("train.log") == 1, "what never started has no log"


def test_only_the_jobs_of_this_sweep_count(make_run, tmp_path, console) -> None:
    name = make_run("gru", [0.1]).name
    make_run("lstm", [0.9])
    show_sweep(tmp_path / "sweep", [name], console)
    assert "lstm" not in text_of(console)


def test_a_sweep_that_allows_no_verdict_has_still_been_trained(make_run, tmp_path, console) -> None:
    names = [make_run("gru", [0.1], folder=f"sweep/{place}").name for place in "ab"]
    assert show_sweep(tmp_path / "sweep", names, console) == ["completed", "completed"]
    assert "no verdict: gru on adding: seed 0 stands twice" in text_of(console)


def test_a_sweep_of_which_nothing_has_finished_leaves_no_report(make_run, tmp_path, console) -> None:
    name = make_run("gru", [0.1], status="interrupted").name
    assert show_sweep(tmp_path / "sweep", [name], console) == ["interrupted"]
    assert not (tmp_path / "sweep" / "report.html").exists()
