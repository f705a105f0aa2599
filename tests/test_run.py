"""Runs from beginning to end: what differs between models, and what must not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from torch import Tensor

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.data.sequences import Batch
from cells.run import execute
from cells.training.learner import Learner

SMALL = (
    "data=adding", "data.length=5", "data.train_size=64", "data.val_size=32", "data.test_size=32", "data.batch_size=16",
    "trainer.max_steps=6", "trainer.val_every_steps=3", "logger=csv", "diagnostics=none", "seeds=[3,8]",
)  # fmt: skip

Shown = dict[str, list[Tensor]]


def test_every_model_is_shown_the_same_sequences_in_the_same_order_at_the_same_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {name: getattr(Learner, name) for name in ("training_step", "validation_step", "test_step")}
    shown: Shown = {}

    def noting(name: str) -> Any:
        def step(self: Learner, batch: Batch, batch_idx: int) -> Any:
            shown.setdefault(name, []).append(torch.cat([batch.inputs.flatten(), batch.targets.flatten()]))
            return steps[name](self, batch, batch_idx)

        return step

    for name in steps:
        monkeypatch.setattr(Learner, name, noting(name))

    def shown_to(place: int, *overrides: str) -> Shown:
        shown.clear()
        with initialize_config_module("cells.conf", version_base="1.3"):
            config = OmegaConf.to_container(compose("config", overrides=[*SMALL, *overrides]), resolve=True)
        folder = tmp_path / str(place)
        folder.mkdir()
        record = execute(config, folder, [])  # type: ignore[arg-type]
        assert record["status"] == "completed", record["message"]
        return dict(shown)

    elman = shown_to(0, "model=elman")
    assert {name: len(batches) for name, batches in elman.items()} == {
        "training_step": 6, "validation_step": 2, "test_step": 1,
    }  # fmt: skip
    others = [
        ("model=gru", "budget.parameters=2000", "model.init=orthogonal"),
        ("model=lstm", "model.num_layers=2", "model.dropout=0.5", "engine=reference"),
        ("model=feedforward", "optimizer=sgd", "optimizer.lr=0.01"),
    ]
    for place, overrides in enumerate(others, 1):
        other = shown_to(place, *overrides)
        for name, batches in elman.items():
            assert len(other[name]) == len(batches)
            assert all(map(torch.equal, other[name], batches)), (overrides, name)
