"""Each training of a sweep in a process of its own."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cells.cli import isolation

from .conftest import SMALL, Program

KILLED = """
import os
import signal

import torch

from cells.recurrent.elman import ElmanCell


class Killed(ElmanCell):
    def step(self, projected, state):
        if torch.is_grad_enabled() and projected.is_cpu:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(projected, state)
"""

pytestmark = pytest.mark.skipif(not isolation.available(), reason="this system has no fork server")


def records(root: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in root.rglob("record.json")]
    return {",".join(record["overrides"]): record for record in found}


def test_a_training_that_is_killed_is_told_of_and_the_next_ones_run(program: Program, tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    answer = program("-m", "model=elman,killed.Killed,gru", *SMALL)
    assert answer.code == 1
    by_model = {record["model"]["name"]: record for record in records(tmp_path).values()}
    assert {name: record["status"] for name, record in by_model.items()} == {
        "elman": "completed",
        "killed.Killed": "failed",
        "gru": "completed",
    }
    assert by_model["killed.Killed"]["message"] == "its process ended with signal SIGKILL"
    assert "killed.Killed" in answer.out


def test_the_twentieth_job_of_a_sweep_equals_the_same_run_alone(program: Program, tmp_path: Path) -> None:
    rates = [f"0.{number:03}" for number in range(1, 21)]
    small = [setting for setting in SMALL if not setting.startswith("trainer.")]
    assert (
        program(
            "-m", f"optimizer.lr={','.join(rates)}", *small, "trainer.max_steps=2", "output_dir=sweep"
        ).code
        == 0
    )
    assert program(f"optimizer.lr={rates[-1]}", *small, "trainer.max_steps=2", "output_dir=alone").code == 0
    (alone,) = records(tmp_path / "alone").values()
    last = next(r for r in records(tmp_path / "sweep").values() if r["config"]["optimizer"]["lr"] == 0.02)
    assert len(records(tmp_path / "sweep")) == 20
    assert last["replicas"] == alone["replicas"]


def test_isolation_none_trains_in_this_process(program: Program, tmp_path: Path) -> None:
    (tmp_path / "noted.py").write_text(
        "import os\nfrom pathlib import Path\n\nimport torch\n\nfrom cells.recurrent.elman import ElmanCell\n\n\n"
        "class Noted(ElmanCell):\n"
        "    def step(self, projected, state):\n"
        "        if torch.is_grad_enabled() and projected.is_cpu:\n            Path(f'ran-in-{os.getpid()}').touch()\n"
        "        return super().step(projected, state)\n"
    )
    assert program("-m", "model=noted.Noted", *SMALL, "isolation=none").code == 0
    assert (tmp_path / f"ran-in-{os.getpid()}").exists()
    (tmp_path / f"ran-in-{os.getpid()}").unlink()
    assert program("-m", "model=noted.Noted", "seeds=2", *SMALL).code == 0
    assert not (tmp_path / f"ran-in-{os.getpid()}").exists()
