"""The prepared experiments on memory run, and their sweeps can be summed up."""

from pathlib import Path

import pytest

from cells.diagnostics.sweep.__main__ import main
from cells.record import find_records
from cli import conftest as command_line

program = command_line.program

FEW = ("data.train_size=64", "data.val_size=32", "data.test_size=32", "trainer.max_steps=2", "seeds=2")


@pytest.mark.parametrize(
    ("name", "fewer_jobs", "jobs"),
    [
        ("memory_horizon", ("model=elman,lstm", "data.lag=5,null", "data.length=28"), 4),
        ("vanishing", ("model.spectral_radius=0.5,1.0",), 2),
        ("exploding", ("model.spectral_radius=1.0,1.5", "data.length=8"), 4),
    ],
)
def test_an_experiment_on_memory_runs_and_is_summed_up(
    name: str,
    fewer_jobs: tuple[str, ...],
    jobs: int,
    program: command_line.Program,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = program(f"experiment={name}", *fewer_jobs, *FEW, "logger=csv", "hydra.sweep.dir=sweep")
    assert answer.code == 0, answer.err
    records = [record for _, record in find_records(tmp_path / "sweep")]
    assert [record["status"] for record in records] == ["completed"] * jobs
    main(["sweep"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert len(rows) == (2 if name == "memory_horizon" else jobs)
    assert (tmp_path / "sweep" / "diagnostics.png").is_file()
