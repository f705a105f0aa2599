"""A run that was interrupted goes on to the same end."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cells.training.checkpoints import LAST, read_checkpoint

Train = Callable[..., tuple[dict[str, Any], Path]]
OPTIONS = ("model=gru", "seeds=2", "trainer.max_steps=30", "trainer.val_every_steps=10")


@pytest.mark.parametrize("at", [7, 9, 10, 19])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_from_which_the_run_ends_as_if_nothing_had_happened(
    train: Train, interrupt: Callable[..., Path], at: int, number: signal.Signals
) -> None:
    whole_record, whole = train(*OPTIONS)
    folder = interrupt(*OPTIONS, at=at, number=number)
    assert read_checkpoint(folder / LAST)["global_step"] == at + 1

    record, _ = train(*OPTIONS, folder=folder)
    assert record["status"] == "completed", record["message"]
    assert record["replicas"] == whole_record["replicas"]
    expected = read_checkpoint(whole / LAST)["state_dict"]
    for name, tensor in read_checkpoint(folder / LAST)["state_dict"].items():
        assert torch.equal(tensor, expected[name]), name
    assert sorted((whole / "history.csv").read_text().splitlines()) == sorted(
        (folder / "history.csv").read_text().splitlines()
    )
