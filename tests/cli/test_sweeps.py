"""Runs and sweeps from beginning to end: their folders, failures, interruptions, and how they go on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import SMALL, Program, Start

HELPERS = '''
import os
import signal
from pathlib import Path

from pytorch_lightning import Callback

from cells.recurrent.cell import Cell


class CtrlC(Callback):
    """Presses Ctrl-C, or sends another signal, once: in the third update of the model named."""

    def __init__(self, cell: str = "ElmanCell", number: int = signal.SIGINT):
        self.cell, self.number = cell, number

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 2 and self.cell in str(pl_module) and not Path("pressed").exists():
            Path("pressed").touch()
            os.kill(os.getpid(), self.number)


class Breaks(Cell):
    """Fails after some training, as long as there is a file `broken`."""

    calls = 0

    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("weight_ih", input_size, hidden_size)

    def step(self, projected, state):
        Breaks.calls += 1
        if Breaks.calls > 17 and Path("broken").exists():
            raise RuntimeError("this cell [is] broken")
        return {"h": 0.5 * state["h"] + projected @ self.weight_ih}
'''


@pytest.fixture
def helpers(tmp_path: Path) -> Path:
    (tmp_path / "helpers.py").write_text(HELPERS)
    return tmp_path


def ctrl_c(cell: str = "ElmanCell", number: int = signal.SIGINT) -> list[str]:
    """Arguments that have the run interrupted while this cell trains."""
    return [
        "trusted_modules=[helpers]",
        "+callbacks.press._target_=helpers.CtrlC",
        f"+callbacks.press.cell={cell}",
        f"+callbacks.press.number={int(number)}",
    ]


def records(root: Path) -> dict[str, dict[str, Any]]:
    """Every record below a folder, by the name of its model."""
    found = [json.loads(path.read_text()) for path in sorted(root.rglob("record.json"))]
    assert len({record["model"]["name"] for record in found}) == len(found)
    return {record["model"]["name"]: record for record in found}


def test_a_sweep_leaves_one_folder_a_job_and_a_table(program: Program, tmp_path: Path) -> None:
    answer = program(*SMALL, "-m", "model=gru,elman", "model.hidden_size=3,4")
    assert answer.code == 0, answer.err
    (sweep,) = (tmp_path / "outputs").iterdir()
    jobs = sorted(path.parent.name.rpartition("-")[0] for path in sweep.glob("*/record.json"))
    assert jobs == [
        f"model.hidden_size={size},model={model}" for size in (3, 4) for model in ("elman", "gru")
    ]
    for job in sweep.glob("model=*"):
        assert {"record.json", "history.csv", "config.yaml", "checkpoints", "train.log"} <= {
            path.name for path in job.iterdir()
        }
    assert answer.out.count("gru") >= 2
    assert str(Path("outputs", sweep.name)) in answer.out.replace("\n", "")


def test_an_experiment_that_is_a_sweep_needs_no_flag(program: Program, tmp_path: Path) -> None:
    answer = program(
        "experiment=first_comparison", "seeds=1", "logger=csv", "trainer.max_steps=2", "trainer.val_every_steps=2",
        "data.train_size=64", "data.val_size=32", "data.test_size=32", "data.length=5",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert records(tmp_path).keys() == {"elman", "lstm", "gru"}


def test_a_setting_of_a_swept_group_is_set_job_by_job(program: Program, tmp_path: Path) -> None:
    sizes = [setting for setting in SMALL if setting not in ("data=adding", "data.length=5")]
    answer = program("-m", "data=parity,adding", "data.length=6", *sizes, "output_dir=two")
    assert answer.code == 0, answer.err
    found = [json.loads(path.read_text()) for path in (tmp_path / "two").rglob("record.json")]
    assert {(record["data"]["name"], record["config"]["data"]["length"]) for record in found} == {
        ("parity", 6),
        ("adding", 6),
    }


def test_one_budget_gives_every_model_of_a_sweep_a_size_of_its_own(program: Program, tmp_path: Path) -> None:
    answer = program(*SMALL, "-m", "model=elman,lstm,gru", "budget.parameters=500")
    assert answer.code == 0, answer.err
    found = {name: record["model"] for name, record in records(tmp_path).items()}
    assert {name: model["hidden_size"] for name, model in found.items()} == {
        "elman": 19,
        "lstm": 9,
        "gru": 10,
    }
    assert all(430 < model["parameters"] <= 500 for model in found.values())
    (table,) = tmp_path.glob("outputs/*/comparison.md")
    assert re.search(r"^\| elman .*\| 19 \| 457 \|", table.read_text(), flags=re.MULTILINE)


def test_initialisation_is_swept_like_any_other_setting(program: Program, tmp_path: Path) -> None:
    schemes = ("torch", "orthogonal", "chrono")
    sweep = ("-m", "model=lstm", f"model.init={','.join(schemes)}", "model.chrono_t_max=5")
    assert program(*SMALL, *sweep).code == 0
    found = [json.loads(path.read_text()) for path in tmp_path.rglob("record.json")]
    scores = {record["config"]["model"]["init"]: record["replicas"][0]["test"]["mse"] for record in found}
    assert scores.keys() == set(schemes)
    assert len(set(scores.values())) == 3
    (table,) = tmp_path.glob("outputs/*/comparison.md")
    assert all(f"lstm init={scheme}" in table.read_text() for scheme in schemes)


def test_a_failing_job_does_not_take_the_rest_and_is_listed_with_its_log(
    program: Program, helpers: Path
) -> None:
    (helpers / "broken").touch()
    arguments = [*SMALL, "-m", "model=helpers.Breaks,gru"]
    answer = program(*arguments)
    assert answer.code == 1
    found = records(helpers)
    assert found["gru"]["status"] == "completed"
    assert found["helpers.Breaks"]["status"] == "failed"
    assert found["helpers.Breaks"]["message"] == "RuntimeError: this cell [is] broken"
    assert found["helpers.Breaks"]["cost"]["steps"] >= 1, "it had trained before"
    (log,) = helpers.glob("outputs/*/*Breaks*/train.log")
    assert "RuntimeError: this cell [is] broken" in log.read_text()
    assert 'helpers.py", line' in log.read_text()
    assert str(log.relative_to(helpers)) in answer.out.replace("\n", "")
    assert "this cell [is] broken" in answer.out

    (helpers / "broken").unlink()
    before = found["gru"]
    again = program(*arguments, "resume=true")
    assert again.code == 0, again.err
    assert records(helpers)["helpers.Breaks"]["status"] == "completed"
    assert records(helpers)["gru"] == before, "a job that was finished is not trained again"


def test_a_failing_single_run_ends_with_exit_code_1(program: Program, helpers: Path) -> None:
    (helpers / "broken").touch()
    answer = program(*SMALL, "model=helpers.Breaks")
    assert answer.code == 1
    assert "failed: RuntimeError: this cell [is] broken" in answer.out
    assert "record.json" in answer.out


def test_ctrl_c_in_a_sweep_ends_the_job_and_starts_no_further_one_until_it_is_resumed(
    program: Program, helpers: Path
) -> None:
    arguments = [*SMALL, "-m", "model=gru,elman,lstm", *ctrl_c()]
    answer = program(*arguments)
    assert answer.code == 130
    found = records(helpers)
    assert {name: record["status"] for name, record in found.items()} == {
        "gru": "completed",
        "elman": "interrupted",
    }
    (job,) = helpers.glob("outputs/*/*elman*")
    assert (job / "checkpoints" / "last.ckpt").is_file()
    assert not list(helpers.glob("outputs/*/*lstm*/record.json"))

    again = program(*arguments, "resume=true")
    assert again.code == 0, again.err
    resumed = records(helpers)
    assert {record["status"] for record in resumed.values()} == {"completed"}
    assert resumed.keys() == {"gru", "elman", "lstm"}
    assert resumed["gru"] == found["gru"], "a job that was finished is not trained again"
    assert resumed["elman"]["replicas"][0]["last_step"] == 4
    assert len(list((helpers / "outputs").iterdir())) == 1

    program(*arguments, "resume=true")
    assert len(list((helpers / "outputs").iterdir())) == 2, "what is finished is not resumed but done anew"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_single_run_that_is_interrupted_goes_on_in_its_own_folder(
    program: Program, helpers: Path, number: signal.Signals
) -> None:
    arguments = [*SMALL, "model=elman", *ctrl_c(number=number)]
    answer = program(*arguments)
    assert answer.code == 130
    assert f"interrupted: stopped by {number.name}" in answer.out
    assert "add resume=true to the same command" in answer.out
    assert records(helpers)["elman"]["status"] == "interrupted"
    (folder,) = (helpers / "outputs").iterdir()
    assert (folder / "checkpoints" / "last.ckpt").is_file()

    assert program(*arguments, "resume=true").code == 0
    assert list((helpers / "outputs").iterdir()) == [folder]
    record = records(helpers)["elman"]
    assert record["status"] == "completed"
    assert record["cost"]["steps"] == 4


def test_a_run_that_was_killed_is_resumed_from_its_last_checkpoint(
    program: Program, start: Start, helpers: Path
) -> None:
    arguments = [*SMALL, "model=elman", "trainer.checkpoint_every_steps=2", *ctrl_c(number=signal.SIGKILL)]
    process = start(*arguments)
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert records(helpers)["elman"]["status"] == "running"
    answer = program(*arguments, "resume=true")
    assert answer.code == 0, answer.err
    assert "Resuming outputs" in answer.err
    assert records(helpers)["elman"]["status"] == "completed"


def test_ctrl_c_at_the_terminal_interrupts_a_sweep(start: Start, tmp_path: Path) -> None:
    process = start(*SMALL, "trainer.max_steps=1000000", "-m", "model=gru,elman")
    (job,) = wait_for_training(tmp_path)
    assert process.pid
    os.killpg(process.pid, signal.SIGINT)
    process.join(timeout=60)
    assert process.exitcode == 130
    assert json.loads((job / "record.json").read_text())["status"] == "interrupted"
    assert (job / "checkpoints" / "last.ckpt").is_file()
    (printed,) = tmp_path.glob("printed-*.txt")
    assert "stopped by SIGINT" in printed.read_text()
    assert "it was not started" in printed.read_text()
    assert "Traceback" not in printed.read_text()


def test_ctrl_c_at_the_terminal_interrupts_python_train_py(tmp_path: Path) -> None:
    train = Path(__file__).parents[2] / "train.py"
    command = [sys.executable, str(train), *SMALL, "trainer.max_steps=1000000"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        (job,) = wait_for_training(tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: stopped by SIGINT" in out
    assert "Traceback" not in err
    assert json.loads((job / "record.json").read_text())["status"] == "interrupted"
    assert (job / "checkpoints" / "last.ckpt").is_file()


def wait_for_training(folder: Path) -> list[Path]:
    """The folders of the runs that have validated once; waits until there is one."""
    for _ in range(1200):
        found = [path for path in folder.glob("outputs/**/history.csv") if "val/mse" in path.read_text()]
        if found:
            return [path.parent for path in found]
        time.sleep(0.1)
    raise TimeoutError("nothing trained within two minutes")


def test_ctrl_c_while_a_run_is_tested_is_an_interruption_too(
    program: Program, helpers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cells.training.learner import Learner

    original = Learner.on_test_epoch_end

    def pressed(self: Learner) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        original(self)

    monkeypatch.setattr(Learner, "on_test_epoch_end", pressed)
    assert program(*SMALL, "model=elman").code == 130
    interrupted = records(helpers)["elman"]
    assert interrupted["status"] == "interrupted"
    monkeypatch.setattr(Learner, "on_test_epoch_end", original)
    assert program(*SMALL, "model=elman", "resume=true").code == 0
    resumed = records(helpers)["elman"]
    assert resumed["replicas"][0]["best_step"] == interrupted["replicas"][0]["best_step"]
    assert resumed["replicas"][0]["test"]["mse"] > 0


def test_a_run_of_other_seeds_or_settings_is_not_resumed(program: Program, helpers: Path) -> None:
    assert program(*SMALL, "model=elman", *ctrl_c()).code == 130
    for other in ("seeds=2", "optimizer.lr=0.1"):
        program(*SMALL, "model=elman", *ctrl_c(), other, "resume=true")
    found = [json.loads(path.read_text()) for path in helpers.glob("outputs/*/record.json")]
    assert len(found) == 3


def test_a_sweep_in_a_folder_that_the_user_names_is_not_overwritten_but_resumed(
    program: Program, helpers: Path
) -> None:
    arguments = [*SMALL, "-m", "model=gru,elman", *ctrl_c(), "hydra.sweep.dir=mine"]
    assert program(*arguments).code == 130
    before = records(helpers)
    refused = program(*arguments)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "a run has already left its results there" in refused.err
    assert records(helpers) == before
    assert program(*arguments, "resume=true").code == 0
    assert records(helpers)["gru"] == before["gru"]
    assert records(helpers)["elman"]["status"] == "completed"


def test_joblib_runs_the_jobs_of_a_sweep_in_processes_of_their_own(program: Program, helpers: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    (helpers / "broken").touch()
    answer = program(
        *SMALL, "-m", "model=gru,helpers.Breaks", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"
    )
    assert answer.code == 1
    found = records(helpers)
    assert found["gru"]["status"] == "completed"
    assert found["helpers.Breaks"]["message"] == "RuntimeError: this cell [is] broken"


def test_a_job_of_a_sweep_may_train_on_several_processes_with_the_same_result(
    program: Program, tmp_path: Path
) -> None:
    recall = ["data=recall", "data.length=8", "data.max_lag=4", "data.batch_size=7", *SMALL[2:]]
    for trainer in ("cpu", "ddp_cpu"):
        answer = program(*recall, "-m", f"trainer={trainer}", "model=gru", f"output_dir={trainer}")
        assert answer.code == 0, answer.err
        assert len(list((tmp_path / trainer).iterdir())) == 1
    one, two = records(tmp_path / "cpu")["gru"], records(tmp_path / "ddp_cpu")["gru"]
    assert two["replicas"][0]["best_step"] == one["replicas"][0]["best_step"]
    assert two["replicas"][0]["test"] == pytest.approx(one["replicas"][0]["test"], rel=1e-4)


def test_runs_and_sweeps_started_at_once_all_survive(start: Start, tmp_path: Path) -> None:
    sweep = ["-m", "model=gru,elman"]
    processes = [start(*SMALL, *arguments) for arguments in (["model=gru"], ["model=gru"], sweep, sweep)]
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    outputs = tmp_path / "outputs"
    assert len(list(outputs.iterdir())) == 4
    found = [json.loads(path.read_text()) for path in outputs.rglob("record.json")]
    assert [record["status"] for record in found] == ["completed"] * 6
