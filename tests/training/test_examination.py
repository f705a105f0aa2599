"""One look at a network: which loss it differentiates, and what it makes of every kind of data and network."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from cells.build import build
from cells.data.datamodule import gather
from cells.data.sequences import Batch
from cells.errors import UserError
from cells.recurrent.elman import ElmanCell
from cells.training.examination import Findings, examine
from cells.training.learner import Learner

Compose = Callable[..., dict[str, Any]]


def learner_and_batch(compose_config: Compose, *overrides: str) -> tuple[Learner, Batch]:
    parts = build(compose_config(*overrides))
    split = parts.content.val
    return parts.learner.eval(), gather(split, torch.arange(4).unsqueeze(0), len(parts.learner.seeds))


def curve(findings: Findings, name: str = "l0/h") -> torch.Tensor:
    return findings.curves[name]


def test_the_gradient_is_that_of_the_last_target_alone(compose_config: Compose) -> None:
    learner, batch = learner_and_batch(compose_config, "data=recall", "data.max_lag=3", "model=gru")
    before = curve(examine(learner, batch, False, 0))
    earlier, last = batch.targets.clone(), batch.targets.clone()
    earlier[:, :, :-1] += 1.0
    last[:, :, -1] += 1.0
    torch.testing.assert_close(curve(examine(learner, batch._replace(targets=earlier), False, 0)), before)
    changed = curve(examine(learner, batch._replace(targets=last), False, 0))
    assert ((changed - before).abs() > 0.01 * before).any()
    # Without its last target, a sequence is looked at from the one before.
    earlier[:, :, -1] = torch.nan
    moved = curve(examine(learner, batch._replace(targets=earlier), False, 0))
    assert moved.isfinite().tolist() == [[True] * 7 + [False]]


def test_the_curve_is_the_mean_over_sequences_of_the_gradient_of_the_task_s_own_loss(
    compose_config: Compose,
) -> None:
    learner, batch = learner_and_batch(
        compose_config, "model=elman", "seeds=2"
    )  # adding: one target, at the end
    norms = curve(examine(learner, batch, False, 0))
    inputs = batch.inputs
    with torch.no_grad():
        cell, readout = learner.network.cells["l0"], learner.readout
        outputs, _ = learner.network(inputs)
        error = 2 * (readout(outputs[:, :, -1]) - batch.targets)
        adjoint = error @ readout.weight.mT
        for lag in range(8):
            torch.testing.assert_close(norms[:, lag], adjoint.norm(dim=-1).mean(1))
            slope = 1 - outputs[:, :, -1 - lag] ** 2
            adjoint = (adjoint * slope) @ cell.weight_hh.mT  # type: ignore[operator]


@pytest.mark.parametrize(
    ("overrides", "cells"),
    [
        (("model=lstm", "model.num_layers=2", "model.dropout=0.5"), ["l0/h", "l0/c", "l1/h", "l1/c"]),
        (("model=gru", "model.bidirectional=true"), ["l0/h"]),
        (("model=feedforward",), ["l0/h"]),
        (("model=feedforward", "data=recall", "data.max_lag=2"), ["l0/h"]),
        (("model=elman", "data=temporal_order"), ["l0/h"]),
        (("model=gru", "data=parity"), ["l0/h"]),
    ],
)
def test_every_kind_of_network_and_target_can_be_looked_at(
    compose_config: Compose, overrides: tuple[str, ...], cells: list[str]
) -> None:
    length = [] if "data=temporal_order" not in overrides else ["data.length=20"]
    learner, batch = learner_and_batch(compose_config, *overrides, "seeds=2", *length)
    findings = examine(learner, batch, True, 2)
    assert list(findings.curves) == cells
    assert all(values[:, 0].gt(0).all() for values in findings.curves.values())
    for tag, values in findings.scalars.items():
        assert values.shape == (2,), tag
        if "feedforward" not in overrides[0]:
            assert values.isfinite().all(), tag
    if "feedforward" in overrides[0]:
        assert not findings.curves["l0/h"][:, 1:].any(), "it has no gradient through time"
        assert findings.scalars["gradient_through_time/decay_per_step"].isnan().all()
    for shares in findings.histograms.values():
        torch.testing.assert_close(shares.sum(-1), torch.ones(2))


def test_a_cell_that_names_no_gates_has_its_blocks_numbered(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, batch = learner_and_batch(compose_config, "model=elman", "seeds=2", "model.spectral_radius=0.7")
    monkeypatch.setattr(ElmanCell, "gates", ())
    radius = examine(learner, batch, False, 0).scalars["spectral_radius/l0/block1"]
    torch.testing.assert_close(radius, torch.full((2,), 0.7))


class Doubled(torch.autograd.Function):
    """Twice its argument, differentiable backwards alone."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return 2 * values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return 2 * gradient


def test_a_step_without_forward_derivative_is_refused_exponents_and_nothing_else(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, batch = learner_and_batch(compose_config, "model=elman")
    step = ElmanCell.step
    monkeypatch.setattr(ElmanCell, "step", lambda *arguments: {"h": Doubled.apply(step(*arguments)["h"])})
    assert examine(learner, batch, True, 0).curves["l0/h"].isfinite().all()
    with pytest.raises(UserError, match=r"cannot differentiate ElmanCell\.step forward .* set it to 0"):
        examine(learner, batch, False, 1)


def test_sequences_of_different_lengths_are_looked_at_within_their_lengths(compose_config: Compose) -> None:
    learner, batch = learner_and_batch(compose_config, "model=lstm", "data.length=9")
    lengths = torch.tensor([[9, 4, 6, 9]])
    inputs = batch.inputs.clone()
    padded = torch.arange(9) >= lengths.unsqueeze(-1)
    inputs[padded] = 1e6
    findings = examine(learner, batch._replace(inputs=inputs, lengths=lengths), True, 2)
    short = replace_all(batch, lambda tensor: tensor[:, 1:2])._replace(
        inputs=batch.inputs[:, 1:2, :4], lengths=None
    )
    alone = examine(learner, short, True, 2)
    both = replace_all(batch, lambda tensor: tensor[:, 1:2])._replace(
        inputs=inputs[:, 1:2], lengths=lengths[:, 1:2]
    )
    padded_alone = examine(learner, both, True, 2)
    torch.testing.assert_close(padded_alone.curves["l0/c"][:, :4], alone.curves["l0/c"])
    for tag, values in alone.scalars.items():
        torch.testing.assert_close(padded_alone.scalars[tag], values)
    assert findings.scalars["lyapunov_exponent/l0/1"].isfinite().all()


def replace_all(batch: Batch, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    return Batch(*(None if tensor is None else change(tensor) for tensor in batch))  # type: ignore[arg-type]
