"""A GRU as a user of the project would write it: plain Python on the contract of a cell."""

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State


class OwnGRU(Cell):
    """r, z = σ(x W + h U + b); n = tanh(x W_n + r (h U_n + b_n)); h' = (1 − z) n + z h."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor
    bias_n: Tensor

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("weight_ih", input_size, 3 * hidden_size)
        self.add_parameter("weight_hh", hidden_size, 3 * hidden_size)
        self.add_parameter("bias", 1, 3 * hidden_size)
        self.add_parameter("bias_n", 1, hidden_size)

    def project(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight_ih.unsqueeze(1) + self.bias.unsqueeze(1)

    def step(self, projected: Tensor, state: State) -> State:
        h = state["h"]
        x_r, x_z, x_n = projected.chunk(3, dim=-1)
        h_r, h_z, h_n = (h @ self.weight_hh).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + self.bias_n))
        return {"h": (1 - z) * n + z * h}
