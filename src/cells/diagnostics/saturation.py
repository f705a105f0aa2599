"""Where gates and hidden states stand: in the middle, where they can move, or against a wall.

Shape letters: R replicas, B sequences, T time steps, H hidden size.
"""

import torch
from torch import Tensor

from cells.diagnostics.trajectory import Trajectory
from cells.recurrent.cell import Cell

CLOSED_BELOW, OPEN_ABOVE = 0.1, 0.9
"""A gate is closed or open beyond these (Karpathy, Johnson & Fei-Fei, arXiv:1506.02078, 2015, section 4.2)."""

SATURATED_ABOVE = 0.9
"""A hidden unit is saturated above this absolute value: tanh has less than a fifth of its slope left there."""


@torch.no_grad()
def gates(cell: Cell, trajectory: Trajectory) -> dict[str, Tensor]:
    """Every gate's values over the whole pass, name → (R, B, T, H); {} for a cell without gates."""
    steps = [cell.gate_values(*step) for step in zip(trajectory.projected, trajectory.before, strict=True)]
    return {name: torch.stack([values[name] for values in steps], dim=2) for name in steps[0]}


def share(condition: Tensor, lengths: Tensor | None) -> Tensor:
    """The share of True among all units of all valid steps, (R, B, T, H) → (R,)."""
    steps = condition.float().mean(-1)
    valid = torch.ones_like(steps) if lengths is None else _valid(lengths, steps.shape[-1]).to(steps)
    return (steps * valid).sum((1, 2)) / valid.sum((1, 2))


def histogram(values: Tensor, lengths: Tensor | None, bins: int = 20) -> Tensor:
    """The share of gate values in each of equally wide bins from 0 to 1, (R, B, T, H) → (R, bins)."""
    place = (values * bins).long().clamp(0, bins - 1)
    return torch.stack([share(place == number, lengths) for number in range(bins)], dim=-1)


def _valid(lengths: Tensor, steps: int) -> Tensor:
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(-1)
