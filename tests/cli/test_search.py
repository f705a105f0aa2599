"""A search from the command line: chosen on validation, tested once, resumed, compared by final runs alone."""

import csv
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from cells.data.datamodule import SequenceDataModule
from cells.training.learner import Learner

from .conftest import SMALL, Program
from .test_refusals import assert_refused

SEARCH = (*SMALL, "search=lr", "search.grid.optimizer.lr=[0.3,0.001,0.03]")

PRESS = """
import os
import signal
from pathlib import Path

from pytorch_lightning import Callback


class CtrlC(Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        if trainer.global_step == 2 and rate == 0.001 and not Path("pressed").exists():
            Path("pressed").touch()
            os.kill(os.getpid(), signal.SIGINT)
"""


def run_record(root: Path) -> tuple[Path, dict[str, Any]]:
    """The folder and the record of the one run below a folder."""
    (path,) = [path for path in root.rglob("record.json") if "trials" not in path.parts]
    return path.parent, json.loads(path.read_text())


def best_validation(trial: Path) -> float:
    """The mean over seeds of the smallest score that a trial's history has."""
    with (trial / "history.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["tag"] == "val/mse"]
    seeds = {row["seed"] for row in rows}
    assert seeds == {"1000000", "1000001"}
    return statistics.fmean(min(float(row["value"]) for row in rows if row["seed"] == seed) for seed in seeds)


def test_the_choice_is_the_best_on_validation_and_the_test_set_is_touched_once_and_last(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[str] = []
    original, tested = SequenceDataModule._split_on, Learner.test_step

    def noted(self: SequenceDataModule, name: str, *arguments: Any) -> Any:
        touched.append(name)
        return original(self, name, *arguments)

    def noted_test(self: Learner, *arguments: Any) -> None:
        touched.append("tested")
        tested(self, *arguments)

    monkeypatch.setattr(SequenceDataModule, "_split_on", noted)
    monkeypatch.setattr(Learner, "test_step", noted_test)
    assert program(*SEARCH, "model=gru", "seeds=2").code == 0
    assert touched.count("tested") == touched.count("test") == 1
    assert touched[-2:] == ["test", "tested"]

    folder, record = run_record(tmp_path)
    found = record["search"]["trials"]
    assert [entry["val"] for entry in found] == pytest.approx(
        [best_validation(folder / entry["folder"]) for entry in found], rel=1e-6
    )
    assert record["search"]["chosen"] == min(found, key=lambda entry: float(entry["val"]))["values"]
    for entry in found:
        trial = json.loads((folder / entry["folder"] / "record.json").read_text())
        assert trial["trial"] is True
        assert trial["config"]["optimizer"]["lr"] == entry["values"]["optimizer.lr"]
        assert [replica["test"] for replica in trial["replicas"]] == [None, None]


def test_the_run_after_a_search_is_the_run_with_the_values_that_it_chose(
    program: Program, tmp_path: Path
) -> None:
    assert program(*SEARCH, "model=gru", "seeds=2", "output_dir=searched").code == 0
    folder, searched = run_record(tmp_path / "searched")
    rate = searched["search"]["chosen"]["optimizer.lr"]
    assert searched["config"]["optimizer"]["lr"] == rate
    assert f"lr: {rate}" in (folder / "config.yaml").read_text()
    assert program(*SMALL, "model=gru", "seeds=2", f"optimizer.lr={rate}", "output_dir=plain").code == 0
    _, plain = run_record(tmp_path / "plain")
    assert plain["replicas"] == searched["replicas"]
    assert "search" not in plain


def test_an_interrupted_search_goes_on_where_it_was_and_ends_as_if_nothing_had_happened(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "helpers.py").write_text(PRESS)
    asked = [*SEARCH, "model=gru", "trusted_modules=[helpers]", "+callbacks.press._target_=helpers.CtrlC"]
    stopped = program(*asked, "output_dir=stopped")
    assert stopped.code == 130
    assert "interrupted: trial optimizer.lr=0.001: stopped by SIGINT" in stopped.out
    assert "add resume=true to the same command" in stopped.out
    folder, record = run_record(tmp_path / "stopped")
    assert record["status"] == "interrupted"
    assert "search" not in record
    (first,) = folder.glob("trials/optimizer.lr=0.3-*/record.json")
    (second,) = folder.glob("trials/optimizer.lr=0.001-*/record.json")
    before = first.read_bytes()
    assert json.loads(second.read_text())["status"] == "interrupted"
    assert len(list(folder.glob("trials/*"))) == 2

    assert program(*asked, "output_dir=stopped", "resume=true").code == 0
    assert first.read_bytes() == before, "a trial that was finished is not trained again"
    assert program(*asked, "output_dir=whole").code == 0
    resumed, whole = run_record(tmp_path / "stopped")[1], run_record(tmp_path / "whole")[1]
    assert resumed["replicas"] == whole["replicas"]
    for entry, other in zip(resumed["search"]["trials"], whole["search"]["trials"], strict=True):
        assert (entry["values"], entry["val"]) == (other["values"], other["val"])


def test_a_run_that_is_interrupted_after_its_search_is_resumed_with_what_was_chosen(
    program: Program, tmp_path: Path
) -> None:
    sizes = ("+search.grid.model.hidden_size=[3]", "search.grid.optimizer.lr=[0.01]")
    asked = [*SMALL, "model=gru", "search=lr", *sizes]
    assert program(*asked).code == 0
    folder, before = run_record(tmp_path)
    assert before["model"]["hidden_size"] == 3
    (folder / "record.json").write_text(json.dumps(before | {"status": "running"}))
    answer = program(*asked, "resume=true")
    assert answer.code == 0, answer.err
    assert f"Resuming {folder.relative_to(tmp_path)}" in answer.err
    assert run_record(tmp_path)[1]["replicas"] == before["replicas"]


def test_every_model_of_a_sweep_gets_the_same_trials_and_the_comparison_reads_final_runs_alone(
    program: Program, tmp_path: Path
) -> None:
    answer = program(
        *SMALL, "-m", "model=elman,gru", "search=random", "search.trials=3", "seeds=2", "isolation=none"
    )
    assert answer.code == 0, answer.err
    paths = [path for path in tmp_path.rglob("record.json") if "trials" not in path.parts]
    tried = [
        [trial["values"] for trial in json.loads(path.read_text())["search"]["trials"]] for path in paths
    ]
    assert len(tried) == 2
    assert tried[0] == tried[1]
    (sweep,) = (tmp_path / "outputs").iterdir()
    comparison = json.loads((sweep / "comparison.json").read_text())["comparisons"][0]
    assert {model["name"]: list(model["scores"]) for model in comparison["models"]} == {
        "elman": ["0", "1"],
        "gru": ["0", "1"],
    }
    assert "3 trials" in answer.out
    assert "Tuned on validation: " in answer.out


def test_a_trial_that_fails_ends_the_run_with_its_reason_and_exit_code_1(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(self: Learner, *_: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(Learner, "training_step", broken)
    answer = program(*SEARCH, "model=gru")
    assert answer.code == 1
    assert "failed: trial optimizer.lr=0.3: RuntimeError: out of luck" in answer.out
    assert run_record(tmp_path)[1]["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["search.grid.optimizer.lr=[0.1,-1]"], "search.grid: optimizer.lr=-1: a learning rate has to be above 0."),
        (["search.grid.optimizer.lr=[a]"], "search.grid: optimizer.lr=a: input should be a valid number"),
        (["+search.grid.model.hiden_size=[1]"], "search.grid.model.hiden_size: no such setting; did you mean 'model."),
        (["optimizer.lr=0.1"], "optimizer.lr: the search chooses it; leave it out, or set search.grid.optimizer.lr"),
        (["-m", "optimizer.lr=0.1,0.2"], "optimizer.lr: the search chooses it; leave it out"),
        (["seeds=[1000001]"], "seeds: seed 1000001 belongs to the trials of the search"),
        (["search=lrr"], "search=lrr: no such option; did you mean 'lr'?"),
        (["search.grid.optimizer.lr={min:0.1,max:1}"], "add '~search.grid.optimizer.lr', and '+' before"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_is_refused_before_its_first_trial(
    program: Program, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    assert_refused(program, tmp_path, [*SMALL, "search=lr", *arguments], expected)


def test_a_search_in_processes_of_torchrun_is_refused(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("RANK", "1")
    arguments = [*SMALL, "trainer=ddp_cpu", "search=lr"]
    assert_refused(program, tmp_path, arguments, "search: not where something else starts the processes")
