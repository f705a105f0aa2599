"""A state carried from batch to batch equals one long sequence, cut for the gradient alone."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cells.build import build
from cells.data.datamodule import gather
from cells.data.sequences import Batch
from cells.errors import UserError
from cells.training.checkpoints import LAST, read_checkpoint
from cells.training.learner import Learner

Compose = Callable[..., dict[str, Any]]
Train = Callable[..., tuple[dict[str, Any], Path]]

# 1,974 training months: 163 windows of 12, in 16 streams of 10.
SERIES = ("data=sunspots", "data.window=12", "data.stride=12", "data.normalize=series", "data.batch_size=16")
CARRIED = (*SERIES, "learner.carry_state=true", "model.hidden_size=5")
STEPS = ("trainer.max_steps=22", "trainer.val_every_steps=8", "diagnostics=none", "logger=csv")


def batches(parts: Any, many: int) -> list[Batch]:
    """The first training batches, in double precision."""
    draws = [draw for draw, _ in zip(parts.datamodule.train_dataloader(), range(many), strict=False)]
    found = []
    for draw in draws:
        batch = gather(parts.content.train, draw.rows, len(parts.settings.seeds))
        found.append(
            batch._replace(
                inputs=batch.inputs.double(), targets=batch.targets.double(), continues=draw.continues
            )
        )
    return found


def last_steps(learner: Learner, inputs: Tensor, every: int) -> Tensor:
    """Predictions after each `every` steps of one pass over whole sequences, (R, B, windows, O)."""
    outputs, _ = learner.network(inputs)
    return learner.readout(outputs[:, :, every - 1 :: every])


@pytest.mark.parametrize("model", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_batch_after_batch_predicts_what_one_pass_over_the_joined_sequences_does(
    compose_config: Compose, model: str, layers: int
) -> None:
    parts = build(compose_config(*CARRIED, f"model={model}", f"model.num_layers={layers}", "seeds=2"))
    learner = parts.learner.double()
    drawn = batches(parts, 7)
    carried = torch.stack([learner._predictions("train", batch) for batch in drawn], dim=2)
    joined = torch.cat([batch.inputs for batch in drawn], dim=2)
    torch.testing.assert_close(carried, last_steps(learner, joined, every=12), rtol=1e-10, atol=1e-12)
    afresh = torch.stack([learner(batch.inputs)[0] for batch in drawn], dim=2)
    assert torch.equal(afresh[:, :, 0], carried[:, :, 0]), "the first batch starts at None"
    assert not torch.allclose(afresh[:, :, 1], carried[:, :, 1])


def test_the_streams_are_stretches_of_the_series(compose_config: Compose) -> None:
    parts = build(compose_config(*CARRIED))
    series = parts.content.train.inputs.flatten()
    joined = torch.cat([batch.inputs for batch in batches(parts, 10)], dim=2)[0, :, :, 0]
    assert torch.equal(joined.float(), series[: 16 * 10 * 12].view(16, 10 * 12))


def test_the_gradient_ends_where_the_state_was_handed_over(compose_config: Compose) -> None:
    parts = build(compose_config(*CARRIED, "model=lstm"))
    learner = parts.learner.double()
    first, second = batches(parts, 2)
    weights = list(learner.network.parameters())

    def gradient(predictions: Tensor) -> Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(predictions.square().sum(), weights)])

    learner._predictions("train", first)
    truncated = gradient(learner._predictions("train", second))

    _, (state,) = learner(first.inputs)
    given = {name: tensor.detach().clone() for name, tensor in state.items()}
    torch.testing.assert_close(truncated, gradient(learner(second.inputs, [given])[0]))
    joined = torch.cat([first.inputs, second.inputs], dim=2)
    assert not torch.allclose(truncated, gradient(last_steps(learner, joined, every=12)[:, :, 1]))


def test_a_sequence_that_follows_nothing_starts_anew_and_the_others_go_on(compose_config: Compose) -> None:
    learner = build(compose_config(*CARRIED, "model=gru", "seeds=2")).learner
    batch = Batch(torch.randn(2, 3, 4, 1), torch.zeros(2, 3, 12), None, None, None, torch.zeros(1, 3).bool())
    learner._predictions("train", batch)
    _, state = learner(batch.inputs)
    continued, afresh = learner(batch.inputs, state)[0], learner(batch.inputs)[0]
    mixed = learner._predictions("train", batch._replace(continues=torch.tensor([[True, False, True]])))
    assert torch.equal(mixed[:, [0, 2]], continued[:, [0, 2]])
    assert torch.equal(mixed[:, 1], afresh[:, 1])


def test_every_epoch_and_every_evaluation_starts_anew(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    from_state: dict[str, list[bool]] = {"train": [], "val": [], "test": []}
    original = Learner._predictions

    def noted(self: Learner, split: str, batch: Batch) -> Tensor:
        state = self.carried.before(split, batch, self.network)
        from_state[split].append(state is not None and bool(state[0]["h"].any()))
        return original(self, split, batch)

    monkeypatch.setattr(Learner, "_predictions", noted)
    record, _ = train(*CARRIED, *STEPS, "trainer.val_every_steps=11")
    assert record["status"] == "completed", record["message"]
    windows = record["data"]["splits"]
    assert [step for step, carried in enumerate(from_state["train"]) if not carried] == [0, 10, 20]
    assert from_state["val"] == 2 * [False, *[True] * (windows["val"] - 1)]
    assert from_state["test"] == [False, *[True] * (windows["test"] - 1)]


def test_the_test_is_one_pass_over_the_whole_split(train: Train, compose_config: Compose) -> None:
    import numpy as np

    options = (*CARRIED, *STEPS, "model=lstm", "seeds=2")
    record, folder = train(*options)
    assert record["status"] == "completed", record["message"]
    parts = build(compose_config(*options))
    parts.learner.load_state_dict(read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"])
    split = parts.content.test
    assert split.offset is not None
    assert split.scale is not None
    with torch.no_grad():
        whole = last_steps(parts.learner, split.inputs.view(1, 1, -1, 1).expand(2, -1, -1, -1), every=12)
    expected = split.offset + split.scale * whole[:, 0]
    torch.testing.assert_close(torch.from_numpy(np.load(folder / "predictions.npz")["predictions"]), expected)


@pytest.mark.parametrize("at", [5, 7, 9])
def test_a_run_that_was_interrupted_goes_on_from_the_carried_state(
    train: Train, interrupt: Callable[..., Path], at: int
) -> None:
    options = (*CARRIED, *STEPS, "model=lstm", "seeds=2")
    whole_record, whole = train(*options)
    folder = interrupt(*options, at=at, number=signal.SIGINT)
    record, _ = train(*options, folder=folder)
    assert record["status"] == "completed", record["message"]
    assert record["replicas"] == whole_record["replicas"]
    expected = read_checkpoint(whole / LAST)["state_dict"]
    for name, tensor in read_checkpoint(folder / LAST)["state_dict"].items():
        assert torch.equal(tensor, expected[name]), name


def test_validating_leaves_the_state_of_training_as_it_is(train: Train) -> None:
    weights = []
    for every in (1, 12):
        _, folder = train(*CARRIED, *STEPS, f"trainer.val_every_steps={every}", "trainer.max_steps=12")
        weights.append(read_checkpoint(folder / LAST)["state_dict"])
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_replica_of_a_stack_carries_the_state_of_the_single_run_with_its_seed(
    train: Train, precision: str
) -> None:
    options = (*CARRIED, *STEPS, "model=gru", f"trainer.precision={precision}")
    stacked, _ = train(*options, "seeds=[0,4]")
    alone, _ = train(*options, "seeds=[4]")
    assert stacked["status"] == "completed", stacked["message"]
    tolerance = 1e-4 if precision == "32" else 2e-2
    assert stacked["replicas"][1]["test"]["mse"] == pytest.approx(
        alone["replicas"][0]["test"]["mse"], rel=tolerance
    )


def test_a_network_without_memory_scores_the_same_whatever_it_is_handed(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (*CARRIED, *STEPS, "model=feedforward")
    carried, _ = train(*options)
    monkeypatch.setattr("cells.training.carrying.CarriedStates.before", lambda *_: None)
    afresh, _ = train(*options)
    assert carried["status"] == "completed", carried["message"]
    assert carried["replicas"] == afresh["replicas"]


def test_a_checkpoint_that_carries_other_streams_is_refused(train: Train, compose_config: Compose) -> None:
    _, folder = train(*CARRIED, *STEPS, "trainer.max_steps=8")
    here = f"ckpt_path={folder / LAST}"
    for change, complaint in (
        ("data.batch_size=8", "it carries the state of 16 streams, and this run of 8"),
        ("learner.carry_state=false", "it carries the state of 16 streams, and this run of 0"),
    ):
        with pytest.raises(UserError, match=complaint):
            build(compose_config(*CARRIED, *STEPS, here, change))
    build(compose_config(*CARRIED, *STEPS, here))
