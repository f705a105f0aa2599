"""The loop over time that you can read: it runs every cell, and says what other engines have to compute."""

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State


def refuses(cell: Cell, inputs: Tensor | None = None) -> None:
    """Nothing: every cell has a step."""


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """Run a cell over whole sequences, step by step.

    A step at or past a sequence's length is padding: it holds the state. So outputs there repeat the last
    valid hidden state, and the final state is the one after the last valid step.

    Args:
        cell: R replicas of a cell.
        inputs: (R, B, T, F).
        state: the state before the first step, tensors of shape (R, B, …) by name.
        lengths: (R, B) numbers of valid steps, 1 … T, or None if all are.

    Returns:
        The hidden state after every step, (R, B, T, H), and the final state.
    """
    return loop(cell, cell.project(inputs), state, lengths)


def loop(cell: Cell, projected: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """The loop itself, over projected inputs (R, B, T, …)."""
    outputs = []
    for t, step_input in enumerate(projected.unbind(dim=2)):
        new = cell.step(step_input, state)
        state = new if lengths is None else _hold(state, new, lengths > t)
        outputs.append(state["h"])
    return torch.stack(outputs, dim=2), state


def _hold(old: State, new: State, valid: Tensor) -> State:
    """The new state where a step is valid, (R, B), and the old one where it is padding."""
    return {name: torch.where(_like(valid, tensor), tensor, old[name]) for name, tensor in new.items()}


def _like(valid: Tensor, tensor: Tensor) -> Tensor:
    return valid.reshape(*valid.shape, *[1] * (tensor.dim() - valid.dim()))
