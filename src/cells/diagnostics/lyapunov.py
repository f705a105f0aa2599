"""Lyapunov exponents: the rates at which small differences of the whole state grow or shrink along a trajectory."""

import torch
from torch import Tensor
from torch.func import jvp, vmap

from cells.diagnostics.trajectory import Trajectory
from cells.recurrent.cell import Cell, State


@torch.no_grad()
def lyapunov_exponents(cell: Cell, trajectory: Trajectory, count: int) -> Tensor:
    """The largest exponents of a driven recurrence, by the QR method, averaged over sequences.

    An orthonormal frame of `count` directions is carried along by the Jacobians of the steps and made
    orthonormal again after each; the logarithms of the stretch factors, averaged over the steps behind the first
    quarter (in which the frame turns towards the most expanding directions), are the exponents. The state is all
    of a cell's tensors *jointly*: of an LSTM (h, c), for its h alone is no dynamical system. Layers of a stack
    have exponents of their own, and the stack has all of theirs, its Jacobian being block-triangular.

    Args:
        cell: R replicas of a cell.
        trajectory: T steps of B sequences without padding.
        count: how many; at most the number of entries of a state.

    Returns:
        (R, count), per time step, in nats, largest first: positive means chaos, exp of the first is the factor by
        which a difference grows in a step.

    Source: Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 1980; for recurrent networks Engelken, Wolf &
    Abbott, arXiv:2006.02427, 2020.
    """
    first = trajectory.before[0]
    replicas, batch = first["h"].shape[:2]
    size = sum(tensor[0, 0].numel() for tensor in first.values())
    count = min(count, size)
    # Directions drawn once and for all: the result is a function of weights and data.
    noise = torch.randn(size, count, generator=torch.Generator().manual_seed(0))
    frame = torch.linalg.qr(noise.to(first["h"])).Q.expand(replicas, batch, size, count)
    logs = []
    for projected, state in zip(trajectory.projected, trajectory.before, strict=True):
        frame, stretch = torch.linalg.qr(_pushed(cell, projected, state, frame))
        logs.append(stretch.diagonal(dim1=-2, dim2=-1).abs().log())
    exponents = torch.stack(logs[len(logs) // 4 :]).mean((0, 2))
    return exponents.sort(descending=True).values  # a short trajectory may leave them slightly out of order


def _pushed(cell: Cell, projected: Tensor, state: State, frame: Tensor) -> Tensor:
    """The Jacobian of a step times each column of a frame, (R, B, size, count)."""

    def push(direction: Tensor) -> Tensor:
        tangent = _as_state(direction, state)
        moved = jvp(lambda old: cell.step(projected, old), (state,), (tangent,))[1]
        return torch.cat([moved[name].flatten(2) for name in state], dim=-1)

    return vmap(push, in_dims=-1)(frame).movedim(0, -1)


def _as_state(flat: Tensor, like: State) -> State:
    pieces = flat.split([tensor[0, 0].numel() for tensor in like.values()], dim=-1)
    return {name: piece.view_as(like[name]) for piece, name in zip(pieces, like, strict=True)}
