"""The Elman cell: the plain recurrent network."""

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from cells.recurrent.cell import Cell, State, affine

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class ElmanCell(Cell):
    """The hidden state is a squashed sum of the input and the previous hidden state.

        h_t = Φ(x_t W_ih + b_ih + h_{t−1} W_hh + b_hh)        Φ = tanh or ReLU

    Variant: as `torch.nn.RNN`; the output layer is not part of the cell.
    Shapes: weight_ih (R, F, H), weight_hh (R, H, H), biases (R, 1, H); state h (R, B, H).
    Source: Elman, "Finding structure in time", Cognitive Science 14, 1990. ReLU: Le, Jaitly & Hinton,
    arXiv:1504.00941, 2015.

    Args:
        nonlinearity: Φ.
        bias: whether there are biases.
    """

    gates = ("h",)
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        replicas: PositiveInt = 1,
        *,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self.nonlinearity = nonlinearity
        self.add_gates(bias)

    def project(self, inputs: Tensor) -> Tensor:
        # Nothing but a sum stands between the two biases, so both can leave the loop over time.
        return affine(inputs, self.weight_ih, self.bias_ih, self.bias_hh)

    def step(self, projected: Tensor, state: State) -> State:
        return {"h": NONLINEARITIES[self.nonlinearity](projected + state["h"] @ self.weight_hh)}
