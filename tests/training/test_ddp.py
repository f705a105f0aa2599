"""Several processes on the CPU train as one does, write once, and leave no process behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.run import execute
from cells.training.checkpoints import BEST, LAST, read_checkpoint

Train = Callable[..., tuple[dict[str, Any], Path]]

STEPS = ("trainer.max_steps=12", "trainer.val_every_steps=6", "trainer.checkpoint_every_steps=6")
TWO = ("trainer=ddp_cpu", "trainer.devices=2")
UNEQUAL = "data.batch_size=7"


def workers(folder: Path) -> list[int]:
    """Process ids of the further processes that train a run in this folder or below it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if "cells.worker" in arguments and any(argument.startswith(str(folder)) for argument in arguments):
            found.append(int(entry.parent.name))
    return found


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"
)


def assert_same(one: Path, two: Path) -> None:
    """Same weights, last and best, within rounding; same scores."""
    for name in (LAST, BEST):
        expected = read_checkpoint(one / name)["state_dict"]
        for key, tensor in read_checkpoint(two / name)["state_dict"].items():
            difference = (tensor - expected[key]).norm() / expected[key].norm()
            assert difference <= 1e-5, (name, key)
    first, second = (json.loads((folder / "record.json").read_text()) for folder in (one, two))
    for mine, theirs in zip(first["replicas"], second["replicas"], strict=True):
        assert mine["best_step"] == theirs["best_step"]
        assert mine["test"] == pytest.approx(theirs["test"], rel=1e-4)
        assert mine["val"] == pytest.approx(theirs["val"], rel=1e-4)


def test_two_processes_equal_one_with_the_same_global_batch(tmp_path: Path) -> None:
    """Shards of 4 and 3 sequences, of different lengths; two replicas."""
    for name, trainer in (("one", ()), ("two", TWO)):
        (tmp_path / name).mkdir()
        overrides = ["data=vowels", *trainer, *STEPS, UNEQUAL, "seeds=2", "model=gru"]
        with initialize_config_module("cells.conf", version_base="1.3"):
            config = OmegaConf.to_container(compose("config", overrides=overrides), resolve=True)
        assert isinstance(config, dict)
        record = execute(config, tmp_path / name, overrides)  # type: ignore[arg-type]
        assert record["status"] == "completed", record["message"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert_same(one, two)
    assert {path.relative_to(one) for path in files(one)} == {path.relative_to(two) for path in files(two)}
    rows = [(folder / "history.csv").read_text().count("\n") for folder in (one, two)]
    assert rows[0] == rows[1], "one set of logs"
    assert workers(tmp_path) == []


def files(folder: Path) -> list[Path]:
    """All but event files, whose names hold the time."""
    return [path for path in folder.rglob("*") if not path.name.startswith("events.out")]


def test_a_run_on_two_processes_that_is_interrupted_goes_on_to_the_same_end(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cells.training.learner import Learner

    options = ("model=elman", UNEQUAL, "trainer.max_steps=16", "trainer.val_every_steps=8")
    _, whole = train(*options)
    original = Learner.training_step

    def interrupted(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", interrupted)
    record, folder = train(*options, *TWO)
    assert (record["status"], record["message"]) == ("interrupted", "stopped by SIGINT")
    assert read_checkpoint(folder / LAST)["global_step"] == 10, "all processes stop at the same update"
    assert workers(folder) == []

    monkeypatch.setattr(Learner, "training_step", original)
    record, _ = train(*options, *TWO, folder=folder)
    assert record["status"] == "completed", record["message"]
    assert_same(whole, folder)


def test_a_process_that_cannot_begin_ends_the_run_instead_of_being_waited_for(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here_only.py").write_text(
        "import os\nfrom cells.recurrent.elman import ElmanCell as Here\nassert os.environ.get('LOCAL_RANK') != '1'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = ("model=elman", "model.cell._target_=here_only.Here", "trusted_modules=[here_only]")
    record, folder = train(*own, *TWO)
    assert record["status"] == "failed"
    assert "a process of the distributed training ended before it was ready" in record["message"]
    assert "here_only.py, line 3: AssertionError" in capfd.readouterr().err
    assert workers(folder) == []


def test_no_process_is_left_behind_when_the_first_one_is_killed(tmp_path: Path) -> None:
    program = "import sys; from cells.cli import main; sys.exit(main())"
    small = ["data=adding", "data.length=8", "data.train_size=256", "trainer.max_steps=1000000"]
    command = [sys.executable, "-c", program, "model=elman", "logger=csv", *small, *TWO, *STEPS[1:]]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: any("val/mse" in path.read_text() for path in tmp_path.rglob("history.csv")))
        assert len(workers(tmp_path)) == 1
        process.kill()
    wait_until(lambda: not workers(tmp_path))


def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.1)
    raise TimeoutError("it did not happen within two minutes")
