"""Replicas of a stack train exactly as they would alone, and are judged one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cells.training.checkpoints import BEST, LAST, read_checkpoint

Train = Callable[..., tuple[dict[str, Any], Path]]
STEPS = ("trainer.max_steps=20", "trainer.val_every_steps=10", "trainer.checkpoint_every_steps=1")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(folder / LAST)["state_dict"]
    return state


@pytest.mark.parametrize("model", ["elman", "lstm", "gru", "feedforward"])
def test_a_replica_of_a_stack_equals_the_single_run_with_its_seed(train: Train, model: str) -> None:
    options = (f"model={model}", "trainer.gradient_clip_norm=0.05", *STEPS)
    record, stack = train(*options, "seeds=[0,4,9]")
    assert record["status"] == "completed", record["message"]
    for index, seed in enumerate((0, 4, 9)):
        _, alone = train(*options, f"seeds=[{seed}]")
        single = weights(alone)
        for name, stacked in weights(stack).items():
            difference = (stacked[index] - single[name][0]).norm() / single[name][0].norm()
            assert difference <= 1e-5, (model, seed, name)


def test_a_replica_that_diverges_is_frozen_and_reported_while_the_others_equal_their_single_runs(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cells.training.learner import Learner

    original = Learner.training_step

    def poisoned(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 12 and len(self.seeds) > 1:
            with torch.no_grad():
                next(self.parameters())[1] = float("nan")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", poisoned)
    record, stack = train("seeds=3", *STEPS)
    assert [replica["status"] for replica in record["replicas"]] == ["finished", "diverged", "finished"]
    assert record["replicas"][1]["best_step"] == 10
    assert record["replicas"][1]["test"] is not None
    _, alone = train("seeds=[2]", *STEPS)
    for name, single in weights(alone).items():
        torch.testing.assert_close(weights(stack)[name][2], single[0], rtol=1e-4, atol=1e-6)


def test_a_replica_that_stops_early_keeps_its_weights_while_the_others_move_on(train: Train) -> None:
    options = ("optimizer.lr=0.03", "trainer.max_steps=60", "trainer.val_every_steps=5", "trainer.patience=1")
    record, stack = train("seeds=4", *options)
    last_steps = [replica["last_step"] for replica in record["replicas"]]
    assert len(set(last_steps)) > 1, "the seeds are chosen so that they stop at different steps"
    for index in range(4):
        alone_record, alone = train(f"seeds=[{index}]", *options)
        assert alone_record["replicas"][0]["best_step"] == record["replicas"][index]["best_step"]
        assert alone_record["replicas"][0]["last_step"] == last_steps[index]
        for name, best in read_checkpoint(alone / BEST)["state_dict"].items():
            stacked = read_checkpoint(stack / BEST)["state_dict"][name][index]
            torch.testing.assert_close(stacked, best[0], rtol=1e-3, atol=1e-5)


def test_the_tested_weights_are_those_of_the_best_validation(train: Train) -> None:
    record, _ = train("optimizer.lr=0.05", *STEPS)
    (replica,) = record["replicas"]
    assert replica["val"]["mse"] <= 0.5
    assert replica["best_step"] in (10, 20)
