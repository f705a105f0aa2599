"""A run that was interrupted goes on to the same end."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cells.training.checkpoints import LAST, read_checkpoint
from cells.training.learner import Learner

Train = Callable[..., tuple[dict[str, Any], Path]]
OPTIONS = ("model=gru", "seeds=2", "trainer.max_steps=30", "trainer.val_every_steps=10")


@pytest.mark.parametrize("at", [7, 9, 10, 19])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_from_which_the_run_ends_as_if_nothing_had_happened(
    train: Train, monkeypatch: pytest.MonkeyPatch, at: int, number: signal.Signals
) -> None:
    whole_record, whole = train(*OPTIONS)

    original = Learner.training_step

    def interrupted(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == at:
            os.kill(os.getpid(), number)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", interrupted)
    record, folder = train(*OPTIONS)
    assert record["status"] == "interrupted"
    assert read_checkpoint(folder / LAST)["global_step"] == at + 1

    monkeypatch.setattr(Learner, "training_step", original)
    record, _ = train(*OPTIONS, folder=folder)
    assert record["status"] == "completed", record["message"]
    assert record["replicas"] == whole_record["replicas"]
    expected = read_checkpoint(whole / LAST)["state_dict"]
    for name, tensor in read_checkpoint(folder / LAST)["state_dict"].items():
        assert torch.equal(tensor, expected[name]), name
    assert sorted((whole / "history.csv").read_text().splitlines()) == sorted(
        (folder / "history.csv").read_text().splitlines()
    )
