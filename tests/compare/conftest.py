"""Records as a run leaves them, with scores of one's choice."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cells.record import SCHEMA_VERSION, config_hash, write_record

MakeRun = Callable[..., Path]

BASELINES = {"training mean": {"mse": 1.0}}


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write a run's record: `make_run("gru", [0.1, 0.2])` is a GRU with two seeds. A score of None diverged."""

    def make(
        model: str,
        scores: Sequence[float | None] | Mapping[int, float | None],
        *,
        folder: Path | str | None = None,
        data: str = "adding",
        settings: Mapping[str, Any] | None = None,
        metric: str = "mse",
        goal: str = "min",
        solved_at: float | None = None,
        solved_after: Mapping[int, int] | None = None,
        baselines: Mapping[str, Mapping[str, float]] | None = None,
        baseline_seconds: Mapping[str, float] | None = None,
        chance: float | None = None,
        status: str = "completed",
        diagnostics: Mapping[str, Any] | None = None,
        cost: Mapping[str, Any] | None = None,
        published: Mapping[str, Any] | None = None,
        search: Mapping[str, Any] | None = None,
    ) -> Path:
        by_seed = scores if isinstance(scores, Mapping) else dict(enumerate(scores))
        config: dict[str, Any] = {
            "model": {"hidden_size": 8, "cell": {"_target_": f"cells.recurrent.{model}"}},
            "data": {"length": 10, "batch_size": 32},
            "optimizer": {"lr": 0.001},
            "trainer": {"max_steps": 100, "log_every_steps": 20},
            "seeds": list(by_seed),
            "logger": {"tensorboard": True},
            "published": published,
        }
        for key, value in (settings or {}).items():
            section, name = key.split(".")
            config.setdefault(section, {})[name] = value
        where = tmp_path / (
            folder or f"sweep/{model}-{data}-{config_hash(config)}-{min(by_seed)}-{max(by_seed)}"
        )
        where.mkdir(parents=True, exist_ok=True)
        replicas = [
            {
                "seed": seed,
                "status": "diverged" if score is None else "finished",
                "last_step": 100,
                "best_step": None if score is None else 100,
                "steps_to_solve": (solved_after or {}).get(seed),
                "val": None,
                "test": None if score is None or status not in ("completed", "diverged") else {metric: score},
            }
            for seed, score in by_seed.items()
        ]
        record = {
            "schema": SCHEMA_VERSION,
            "status": status,
            "message": None,
            "config": config,
            "config_hash": config_hash(config),
            "overrides": [],
            "environment": {"python": "3.11", "device": "cpu", "command": ["train.py", f"model={model}"]},
            "model": {"name": model, "parameters": 1234, "hidden_size": 8, "num_layers": 1, "loss": "mse"},
            "data": {
                "name": data,
                "splits": {"train": 100, "val": 10, "test": 1000},
                "baselines": BASELINES if baselines is None else baselines,
                "baseline_seconds": baseline_seconds or {},
                "chance": chance,
                "note": "",
            },
            "metric": {"name": metric, "goal": goal, "solved_at": solved_at, "monitor": metric},
            "diagnostics": dict(diagnostics or {}),
            "cost": {
                "seconds": 1.0,
                "steps": 100,
                "milliseconds_per_step": 2.0,
                "engine": "reference",
                **(cost or {}),
            },
            "replicas": replicas,
        }
        if search is not None:
            record["search"] = dict(search)
        write_record(where, record)
        return where

    return make
