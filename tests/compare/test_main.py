"""`python -m cells.compare`: arguments in, files and an exit code out."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from cells.compare.__main__ import main


@pytest.fixture
def sweep(make_run, tmp_path):
    for place, model in enumerate(("gru", "elman", "lstm")):
        make_run(model, [0.1 + place / 10 + seed / 1000 for seed in range(7)])
    return tmp_path / "sweep"


def test_a_sweep_gets_a_verdict_and_a_report(sweep, capsys) -> None:
    assert main([str(sweep)]) == 0
    assert "gru beats elman (7 of 7 seeds, p = 0.0017) and lstm" in capsys.readouterr().out
    files = {path.name for path in sweep.iterdir() if path.is_file()}
    assert files == {
        "report.html", "comparison.csv", "comparison.json", "comparison.md", "comparison.tex", "looks.json",
    }  # fmt: skip
    assert [path.name.partition(",")[0] for path in (sweep / "figures").iterdir()] == ["scores"]


def test_the_verdict_is_the_same_every_time(sweep, capsys) -> None:
    outputs = []
    for _ in range(2):
        main([str(sweep)])
        outputs.append((capsys.readouterr().out, (sweep / "report.html").read_text()))
    assert outputs[0] == outputs[1]
    assert json.loads((sweep / "comparison.json").read_text())["comparisons"][0]["look"] == 1


def test_sweeps_are_compared_with_each_other(make_run, sweep, tmp_path, capsys) -> None:
    make_run("mine.Cell", [0.05 + seed / 1000 for seed in range(7)], folder="another/mine")
    assert main([str(sweep), str(tmp_path / "another")]) == 2
    assert "--output: several folders are compared" in capsys.readouterr().err
    output = tmp_path / "new" / "verdict"
    assert (
        main([str(sweep), str(tmp_path / "another"), "--reference", "mine.Cell", "--output", str(output)])
        == 0
    )
    assert "mine.Cell beats gru" in capsys.readouterr().out
    assert (output / "report.html").is_file()


def test_filters_and_groups_are_passed_on(sweep, capsys) -> None:
    assert (
        main([str(sweep), "--where", "model=gru,lstm", "data=adding", "--group-by", "model,optimizer.lr"])
        == 0
    )
    assert "gru lr=0.001 beats lstm lr=0.001" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--where", "gru"], "--where gru: not a condition; write KEY=VALUE"),
        (["--where", "modle=gru"], "did you mean 'model'?"),
        (["--reference", "gro"], "did you mean 'gru'"),
        (["--group-by", "data"], "seed 0 stands twice"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(sweep, capsys, arguments, told) -> None:
    assert main([str(sweep), *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (sweep / "report.html").exists()


def test_a_sweep_of_which_nothing_has_finished_has_no_verdict(make_run, tmp_path, capsys) -> None:
    make_run("gru", [0.1], status="running")
    assert main([str(tmp_path)]) == 1
    assert "is still running, or was killed" in capsys.readouterr().out


def test_a_half_finished_sweep_is_judged_and_says_what_is_missing(make_run, sweep, capsys) -> None:
    make_run("mine", [0.1], status="interrupted")
    assert main([str(sweep)]) == 0
    printed = capsys.readouterr().out
    assert "missing: mine-adding-" in printed
    assert "interrupted" in printed
    assert "interrupted" in (sweep / "report.html").read_text()


def test_arguments_that_do_not_exist_end_with_exit_code_two(sweep, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(sweep), "--colour"])
    assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "docs/verdict.md" in capsys.readouterr().out


def test_a_verdict_takes_less_than_three_seconds_and_no_torch(sweep) -> None:
    code = (
        "import sys; from cells.compare.__main__ import main; main(sys.argv[1:]);"
        "print([m for m in ('torch', 'pytorch_lightning', 'pandas') if m in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(
        [sys.executable, "-c", code, str(sweep)], capture_output=True, text=True, check=True
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert printed.splitlines()[-1] == "[]"
    # Processor time, for the machine may be busy with something else.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


def test_it_runs_as_a_module(sweep) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "cells.compare", str(sweep)], capture_output=True, text=True
    )
    assert finished.returncode == 0
    assert "report      " in finished.stdout


def test_a_trained_sweep_ends_with_the_verdict_that_its_records_alone_give(tmp_path) -> None:
    root = Path(__file__).parents[2]
    trained = subprocess.run(
        [
            sys.executable, str(root / "train.py"), "-m", "model=elman,gru", "data=adding", "data.length=5", "seeds=2",
            "data.train_size=64", "data.val_size=32", "data.test_size=32", "trainer.max_steps=4",
        ],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    (report,) = tmp_path.glob("outputs/*/report.html")
    sentences = json.loads((report.parent / "comparison.json").read_text())["comparisons"][0]["verdict"]
    assert "cannot be told apart at 2 seeds, and 2 seeds could not have: " in sentences[0] + sentences[1]
    before = report.read_text()
    alone = subprocess.run(
        [sys.executable, "-m", "cells.compare", str(report.parent)], capture_output=True, text=True
    )
    assert all(sentence in trained.stdout and sentence in alone.stdout for sentence in sentences)
    assert report.read_text() == before
