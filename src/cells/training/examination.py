"""One look at a network: what a single pass over a few sequences, and the gradient of it, tell about its cells."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from cells.data.sequences import Batch, valid_targets
from cells.diagnostics.gradient_through_time import (
    by_lag,
    decay_per_step,
    half_life_steps,
    recorded_adjoints,
)
from cells.diagnostics.lyapunov import lyapunov_exponents
from cells.diagnostics.saturation import CLOSED_BELOW, OPEN_ABOVE, SATURATED_ABOVE, gates, histogram, share
from cells.diagnostics.trajectory import Trajectory
from cells.errors import UserError
from cells.recurrent.cell import Cell
from cells.recurrent.initialization import spectral_radii
from cells.training.learner import Learner
from cells.training.objective import position_losses

LYAPUNOV_SEQUENCES = 8
"""Exponents are averages along trajectories; a few of these are enough, and each costs a QR decomposition a step."""


@dataclass
class Findings:
    """What one look at a network finds.

    Attributes:
        curves: "<cell>/<state>" → gradient norms by lag (R, K).
        scalars: tag → (R,).
        histograms: "<cell>/<gate>" → shares (R, bins).
    """

    curves: dict[str, Tensor]
    scalars: dict[str, Tensor]
    histograms: dict[str, Tensor]


def examine(learner: Learner, batch: Batch, with_gates: bool, exponents: int) -> Findings:
    """One look: a pass over a batch, and the gradient of each sequence's last target.

    The gradient is that of the loss at the *last* target of a sequence, summed over its outputs, so that lag means
    one thing whether a data set asks at the end or at every step.
    """
    network, last = learner.network, _last_target(learner, batch)
    norms, trajectories = recorded_adjoints(network, lambda: _losses_at(learner, batch, last))
    read_at = torch.zeros_like(last) if learner.flattens_window else last
    # A reverse direction reads a sequence from its end: its steps back are not steps before the target.
    forward = {name: norm for name, norm in norms.items() if "_reverse" not in name}
    curves = {name: by_lag(norm, read_at) for name, norm in forward.items()}
    decay = decay_per_step(curves[f"l{network.num_layers - 1}/h"])
    scalars = {
        "gradient_through_time/decay_per_step": decay,
        "gradient_through_time/half_life_steps": half_life_steps(decay),
    }
    histograms: dict[str, Tensor] = {}
    lengths = None if learner.flattens_window else batch.lengths
    for name, cell in ((name, cast(Cell, cell)) for name, cell in network.cells.items()):
        trajectory = trajectories[name]
        scalars |= _spectral_radii(name, cell)
        hidden = torch.stack(trajectory.states("h"), dim=2).detach()
        scalars[f"saturation/{name}/h"] = share(hidden.abs() > SATURATED_ABOVE, lengths)
        if with_gates:
            for gate, values in gates(cell, trajectory).items():
                histograms[f"{name}/{gate}"] = histogram(values, lengths)
                scalars[f"saturation/{name}/{gate}_closed"] = share(values < CLOSED_BELOW, lengths)
                scalars[f"saturation/{name}/{gate}_open"] = share(values > OPEN_ABOVE, lengths)
        if exponents:
            scalars |= _lyapunov(name, cell, trajectory, lengths, exponents)
    return Findings(curves, scalars, histograms)


def _last_target(learner: Learner, batch: Batch) -> Tensor:
    """The step of each sequence's last target, (R, B); −1 for one without targets."""
    shape, steps = batch.inputs.shape[:2], batch.inputs.shape[2]
    if learner.targets_at == "last":
        end = batch.inputs.new_full(shape, steps, dtype=torch.int64)
        return (end if batch.lengths is None else batch.lengths) - 1
    there = valid_targets(batch.targets).reshape(*shape, steps, -1).any(-1)
    return (there * torch.arange(1, steps + 1, device=there.device)).amax(-1) - 1


def _losses_at(learner: Learner, batch: Batch, last: Tensor) -> Tensor:
    predictions, _ = learner(batch.inputs, lengths=batch.lengths)
    losses = position_losses(predictions, batch.targets, learner.loss_name)
    if learner.targets_at == "last":
        return losses.reshape(*last.shape, -1).sum(-1)
    by_step = losses.reshape(*last.shape, batch.inputs.shape[2], -1).sum(-1)
    return by_step.gather(-1, last.clamp(min=0).unsqueeze(-1)).squeeze(-1)


def _spectral_radii(name: str, cell: Cell) -> dict[str, Tensor]:
    """Of each block of weight_hh, for a cell that has such blocks; blocks without a gate's name are numbered."""
    weight, size = getattr(cell, "weight_hh", None), cell.hidden_size
    if (
        not isinstance(weight, Tensor)
        or weight.dim() != 3
        or weight.shape[1] != size
        or weight.shape[2] % size
    ):
        return {}
    blocks = weight.split(size, dim=-1)
    named = len(cell.gates) == len(blocks)
    labels = cell.gates if named else [f"block{number}" for number in range(1, 1 + len(blocks))]
    return {
        f"spectral_radius/{name}/{label}": spectral_radii(block)
        for label, block in zip(labels, blocks, strict=True)
    }


def _lyapunov(
    name: str, cell: Cell, trajectory: Trajectory, lengths: Tensor | None, many: int
) -> dict[str, Tensor]:
    steps = len(trajectory.before) if lengths is None else int(lengths[:, :LYAPUNOV_SEQUENCES].min())
    try:
        exponents = lyapunov_exponents(cell, trajectory.part(LYAPUNOV_SEQUENCES, steps), many)
    except (RuntimeError, NotImplementedError) as error:  # as of an autograd.Function without jvp
        raise UserError(
            f"diagnostics.lyapunov_exponents={many}: PyTorch cannot differentiate {type(cell).__name__}.step forward "
            f"({' '.join(str(error).split())[:200]}); set it to 0."
        ) from error
    return {
        f"lyapunov_exponent/{name}/{place + 1}": values for place, values in enumerate(exponents.unbind(-1))
    }
