"""The summary of a sweep says what its records say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cells.diagnostics.sweep.__main__ import main
from cells.diagnostics.sweep.look import rate
from cells.record import SCHEMA_VERSION


def leave_run(
    folder: Path,
    decay: float,
    model: str,
    data: dict[str, Any],
    r2: list[list[float]] | None,
    **settings: Any,
) -> None:
    """A record and its diagnostics, as a run of two seeds leaves them, of a gradient that decays as told."""
    lags = np.arange(12)
    arrays = {
        "gradient_through_time/steps": np.array([0, 10]),
        "gradient_through_time/lag": lags,
        "gradient_through_time/l0/h": np.tile(3 * decay**lags, (2, 2, 1)),
        "gradient_through_time/l0/h_at_best": np.tile(0.99**lags, (2, 1)),
    }
    diagnostics: dict[str, Any] = {}
    if r2 is not None:
        asked = [data["lag"]] if data.get("lag") else list(range(1, 1 + len(r2[0])))
        arrays |= {"memory/lag": np.array(asked), "memory/r2": np.array(r2)}
        diagnostics = {
            "memory_capacity": [sum(row) for row in r2],
            "memory_longest_lag": asked[-1],
            "memory_horizon_still_improving": [False, data.get("lag") is None],
        }
        if len(asked) > 1:
            diagnostics["memory_horizon"] = [asked[-1] for _ in r2]
    record = {
        "schema": SCHEMA_VERSION,
        "status": "completed",
        "config_hash": "0" * 12,
        "model": {"name": model, "parameters": 10, "num_layers": 1},
        "config": {"data": data, "model": settings, "trainer": {"gradient_clip_norm": settings.get("clip")}},
        "data": {"name": "recall", "baselines": {}, "chance": 1.0},
        "metric": {"name": "mse", "goal": "min", "solved_at": None},
        "replicas": [
            {"seed": 0, "status": "finished", "steps_to_solve": None, "test": {"mse": 0.25}},
            {"seed": 1, "status": "diverged", "steps_to_solve": None, "test": None},
        ],
        "diagnostics": diagnostics,
        "cost": None,
    }
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record))
    np.savez_compressed(folder / "diagnostics.npz", **arrays)


def test_the_rate_is_that_of_a_geometric_curve() -> None:
    assert rate(5 * 0.8 ** np.arange(30)) == pytest.approx(0.8)
    assert rate(np.array([1.0, 0.5, 0.0, np.nan])) == pytest.approx(0.5)
    assert np.isnan(rate(np.array([1.0, 0.0])))


def test_memory_is_summed_up_by_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for lag, r2 in ((5, [[0.9], [0.9]]), (10, [[0.9], [0.1]]), (20, [[0.0], [0.1]])):
        leave_run(tmp_path / f"elman-{lag}", 0.6, "elman", {"lag": lag}, r2)
        leave_run(tmp_path / f"gru-{lag}", 0.9, "gru", {"lag": lag}, [[0.9], [0.8]])
    leave_run(tmp_path / "elman-all", 0.6, "elman", {"lag": None}, [[0.9, 0.8, 0.75]] * 2)
    main([str(tmp_path)])
    printed = capsys.readouterr().out
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in printed.splitlines() if "│" in line}
    assert [cell.strip() for cell in rows["elman"]] == ["10", "≥ 3", "2.5", "0.60", "0.99"]
    assert [cell.strip() for cell in rows["gru"]] == ["≥ 20", "–", "–", "0.90", "0.99"]
    assert (tmp_path / "diagnostics.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_over_the_radius_is_summed_up_by_radius(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for radius in (0.5, 1.5):
        for clip in (None, 1.0):
            place = tmp_path / "runs" / f"{radius}-{clip}"
            leave_run(place, radius, "elman", {"lag": 20}, [[0.9], [0.9]], spectral_radius=radius, clip=clip)
    picture = tmp_path / "radius.png"
    main([str(tmp_path / "runs"), "--picture", str(picture)])
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    assert rows == [
        ["gradient_clip_norm=1.0", "0.5", "0.50", "0.99", "0.25", "1"],
        ["gradient_clip_norm=1.0", "1.5", "1.50", "0.99", "0.25", "1"],
        ["gradient_clip_norm=null", "0.5", "0.50", "0.99", "0.25", "1"],
        ["gradient_clip_norm=null", "1.5", "1.50", "0.99", "0.25", "1"],
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_sweep_over_length_is_summed_up_by_who_solved_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for length, solved in ((10, [100, 900]), (20, [None, 700]), (40, [None, None])):
        leave_run(tmp_path / f"elman-{length}", 0.6, "elman", {"length": length}, None)
        change(tmp_path / f"elman-{length}", solved)
        leave_run(tmp_path / f"gru-{length}", 0.6, "gru", {"length": length}, None)
        change(tmp_path / f"gru-{length}", [500, 600])
    main([str(tmp_path)])
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    assert rows == [
        ["elman", "20", "2 of 2", "1 of 2", "0 of 2"],
        ["gru", "≥ 40", "2 of 2", "2 of 2", "2 of 2"],
    ]


def change(folder: Path, steps_to_solve: list[int | None]) -> None:
    """Make a run one of a task that can be solved, and was by these replicas."""
    path = folder / "record.json"
    record = json.loads(path.read_text())
    record["data"]["name"] = "adding"
    record["metric"] |= {"solved_at": 0.01, "goal": "min"}
    for replica, step in zip(record["replicas"], steps_to_solve, strict=True):
        replica["steps_to_solve"] = step
    path.write_text(json.dumps(record))


def test_runs_on_two_tasks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_run(tmp_path / "one", 0.6, "elman", {"length": 10}, None)
    leave_run(tmp_path / "two", 0.6, "elman", {"length": 10}, None)
    change(tmp_path / "two", [1, 2])
    with pytest.raises(SystemExit) as refused:
        main([str(tmp_path)])
    assert refused.value.code == 2
    assert "its runs are on adding, recall" in capsys.readouterr().err


def test_a_folder_with_nothing_to_sum_up_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main([str(tmp_path)])
    assert refused.value.code == 2
    assert "train with diagnostics=standard" in capsys.readouterr().err
    leave_run(tmp_path / "one", 0.5, "elman", {}, None)
    with pytest.raises(SystemExit) as refused:
        main([str(tmp_path)])
    assert refused.value.code == 2
    assert "nothing to sum up" in capsys.readouterr().err


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.csv").touch()
    with pytest.raises(SystemExit) as refused:
        main([str(tmp_path / "s.csv")])
    assert refused.value.code == 2
    assert "there is no such folder" in capsys.readouterr().err
