"""How much of the gradient of a loss arrives at earlier states: does it vanish, does it explode?

Shape letters: R replicas, B sequences, T time steps, K lags.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from cells.diagnostics.trajectory import Trajectory, recorded, swept
from cells.recurrent.cell import Cell
from cells.recurrent.layer import RecurrentNetwork


def recorded_adjoints(
    network: RecurrentNetwork, losses: Callable[[], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Trajectory]]:
    """The norm of the total derivative of a loss with respect to every state, through all later steps.

    Total means: the state after step t reaches the loss directly and through every state after it. The
    derivative with respect to c of an LSTM includes its way through h of the same step. Steps are counted in the
    order in which a cell reads them; a layer's reverse direction has a name of its own.

    Args:
        network: where it runs on the fused engine, the adjoints are those of the engine's own backward pass;
            otherwise it runs on the reference engine for this.
        losses: calls the network once and returns each sequence's loss, (R, B).

    Returns:
        "<cell>/<state>" ("l0/h", "l0/c") → ‖∂ℓ_b/∂state_t‖, (R, B, T), and the trajectories of the pass.

    Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, eq. 5.
    """
    # Sequences and replicas are independent: in the sum over them each has its own loss's gradient.
    if network.engine_name == "fused":
        return _from_the_engine(network, losses)
    return _from_the_loop(network, losses)


def _from_the_engine(
    network: RecurrentNetwork, losses: Callable[[], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Trajectory]]:
    from cells.recurrent.engines.fused.operation import watched

    with torch.enable_grad(), watched() as sweeps:
        total = losses().sum()
        if not sweeps:  # on these inputs another engine took over
            return _from_the_loop(network, losses)
        torch.autograd.grad(total, list(network.parameters()))
    norms, trajectories = {}, {}
    with torch.no_grad():
        for (name, cell), sweep in zip(network.cells.items(), sweeps, strict=True):
            trajectories[name] = swept(cast(Cell, cell), sweep.inputs, sweep.states)
            for key, adjoint in sweep.adjoints.items():
                norms[f"{name}/{key}"] = adjoint.norm(dim=-1).transpose(1, 2)
    return norms, trajectories


def _from_the_loop(
    network: RecurrentNetwork, losses: Callable[[], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Trajectory]]:
    with torch.enable_grad(), recorded(network) as trajectories:
        total = losses().sum()
    states = {
        f"{name}/{key}": trajectory.states(key)
        for name, trajectory in trajectories.items()
        for key, tensor in trajectory.after[-1].items()
        if tensor.requires_grad
    }
    nodes = [node for sequence in states.values() for node in sequence]
    gradients = iter(torch.autograd.grad(total, nodes, allow_unused=True, materialize_grads=True))
    norms = {
        name: torch.stack([next(gradients).flatten(2).norm(dim=-1) for _ in sequence], dim=-1)
        for name, sequence in states.items()
    }
    return norms, trajectories


def by_lag(norms: Tensor, read_at: Tensor) -> Tensor:
    """The mean over sequences as a function of lag, the steps back from where the loss reads the state.

    Args:
        norms: (R, B, T).
        read_at: (R, B) step after which the loss reads the state, 0 … T−1.

    Returns:
        (R, K) with K = T; NaN at lags that no sequence has.
    """
    step = read_at.unsqueeze(-1) - torch.arange(norms.shape[-1], device=norms.device)
    there = step >= 0
    aligned = norms.gather(-1, step.clamp(min=0)).where(there, 0.0)
    return aligned.sum(1) / there.sum(1)


def decay_per_step(curves: Tensor) -> Tensor:
    """The geometric rate of a curve over lag: below 1 the gradient vanishes, above 1 it explodes.

    The exponential of the slope of log(norm) against lag, by least squares over all lags whose norm is a normal
    floating-point number above 0: what underflows carries no rate.

    Args:
        curves: (R, K), from `by_lag`.

    Returns:
        (R,); NaN for fewer than two lags, or for a gradient that is not finite.
    """
    lags = torch.arange(curves.shape[-1], device=curves.device, dtype=torch.float64)
    counted = curves > torch.finfo(curves.dtype).tiny
    many = counted.sum(-1)
    x = lags.where(counted, 0.0)
    y = curves.double().log().where(counted, 0.0)
    mean_x, mean_y = (values.sum(-1, keepdim=True) / many.unsqueeze(-1) for values in (x, y))
    dx, dy = ((values - mean).where(counted, 0.0) for values, mean in ((x, mean_x), (y, mean_y)))
    slope = (dx * dy).sum(-1) / dx.square().sum(-1)
    usable = (many >= 2) & ~curves.isinf().any(-1)
    return slope.exp().where(usable, torch.nan).to(curves.dtype)


def half_life_steps(decay: Tensor) -> Tensor:
    """Steps in which the gradient halves: log ½ / log decay; infinite where it does not decay."""
    return torch.where(decay < 1, math.log(0.5) / decay.log(), torch.inf).where(~decay.isnan(), torch.nan)
