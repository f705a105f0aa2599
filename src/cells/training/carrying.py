"""Truncated backpropagation through time: a state goes on from batch to batch, and no gradient comes back."""

import torch
from torch import Tensor

from cells.data.sequences import Batch
from cells.recurrent.cell import State
from cells.recurrent.layer import RecurrentNetwork


class CarriedStates:
    """Where each split's last batch left the states of the network, one state a cell."""

    def __init__(self) -> None:
        self._after: dict[str, list[State]] = {}

    def before(self, split: str, batch: Batch, network: RecurrentNetwork) -> list[State] | None:
        """The states that a batch starts from; None for the cells' initial ones.

        A sequence that does not go on where the one in its place ended starts from the initial state, alone if need be.
        """
        if batch.continues is None or split not in self._after:
            return None
        initial = network.initial_state(batch.inputs.shape[1], like=batch.inputs)
        return [
            {name: _chosen(batch.continues, carried[name], start) for name, start in state.items()}
            for carried, state in zip(self._after[split], initial, strict=True)
        ]

    def keep(self, split: str, batch: Batch, states: list[State]) -> None:
        """Note the states after a batch, detached: the gradient of the next batch ends at its first step."""
        if batch.continues is not None:
            self._after[split] = [
                {name: tensor.detach() for name, tensor in state.items()} for state in states
            ]

    def state_dict(self) -> list[State]:
        """The states of training, for a checkpoint; validation and test start anew each time."""
        return self._after.get("train", [])

    def load_state_dict(self, states: list[State]) -> None:
        """Go on from the states of a checkpoint."""
        if states:
            self._after["train"] = states


def _chosen(continues: Tensor, carried: Tensor, initial: Tensor) -> Tensor:
    """(1, B), (R, B, …), (R, B, …) → (R, B, …)."""
    mask = continues.reshape(continues.shape + (1,) * (initial.dim() - 2))
    return torch.where(mask, carried.to(initial), initial)
