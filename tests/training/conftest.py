"""Small runs through the real entry: composed by Hydra, trained by Lightning."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from torch import Tensor

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.run import execute
from cells.training.learner import Learner

SMALL = ("data=adding", "data.length=8", "data.train_size=256", "data.val_size=64", "data.test_size=64")


@pytest.fixture
def compose_config() -> Callable[..., dict[str, Any]]:
    def composed(*overrides: str) -> dict[str, Any]:
        usual = () if "data=sunspots" in overrides else SMALL  # a series has the length it has
        with initialize_config_module("cells.conf", version_base="1.3"):
            config = compose("config", overrides=[*usual, *overrides])
        plain = OmegaConf.to_container(config, resolve=True)
        assert isinstance(plain, dict)
        return plain  # type: ignore[return-value]

    return composed


@pytest.fixture
def train(
    compose_config: Callable[..., dict[str, Any]], tmp_path: Path
) -> Callable[..., tuple[dict[str, Any], Path]]:
    runs = iter(range(100))

    def trained(*overrides: str, folder: Path | None = None) -> tuple[dict[str, Any], Path]:
        folder = folder or tmp_path / f"run{next(runs)}"
        folder.mkdir(exist_ok=True)
        return execute(compose_config(*overrides), folder, list(overrides)), folder

    return trained


@pytest.fixture
def interrupt(
    train: Callable[..., tuple[dict[str, Any], Path]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """`interrupt(*overrides, at=7, number=SIGINT)` sends a signal in the step after 7 updates; the run's folder."""

    def interrupted(*overrides: str, at: int, number: signal.Signals) -> Path:
        original = Learner.training_step

        def signalled(self: Learner, batch: Any, batch_idx: int) -> Tensor:
            if self.global_step == at:
                os.kill(os.getpid(), number)
            return original(self, batch, batch_idx)

        with monkeypatch.context() as patch:
            patch.setattr(Learner, "training_step", signalled)
            record, folder = train(*overrides)
        assert record["status"] == "interrupted"
        return folder

    return interrupted
