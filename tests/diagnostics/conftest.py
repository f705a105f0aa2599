"""Cells with known gradients, and networks with random ones."""

from typing import Any

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State
from cells.recurrent.layer import RecurrentNetwork


class LinearCell(Cell):
    """h_t = x_t + h_{t−1} W: its gradient over k steps is Wᵏ, and its exponents are those of W."""

    weight_hh: Tensor

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("weight_hh", hidden_size, hidden_size)

    def step(self, projected: Tensor, state: State) -> State:
        return {"h": projected + state["h"] @ self.weight_hh}


def linear_network(*weights: list[list[float]]) -> RecurrentNetwork:
    """A layer of linear cells in float64, one replica for every matrix given."""
    size = len(weights[0])
    network = RecurrentNetwork(LinearCell, size, size, replicas=len(weights)).double()
    with torch.no_grad():
        network.cells["l0"].weight_hh.copy_(torch.tensor(weights, dtype=torch.float64))  # type: ignore[operator]
    return network


def random_network(make_cell: Any, replicas: int = 2, **settings: Any) -> RecurrentNetwork:
    """Three inputs, five hidden units, float64."""
    network = RecurrentNetwork(make_cell, 3, 5, replicas=replicas, **settings)
    network.reset_parameters([torch.Generator().manual_seed(seed) for seed in range(replicas)])
    return network.double()
