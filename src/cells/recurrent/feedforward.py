"""The memoryless baseline: what a network can do that sees the current input and nothing else."""

import math
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from cells.recurrent.cell import Cell, State, affine, uniform
from cells.recurrent.elman import NONLINEARITIES


class FeedforwardCell(Cell):
    """An Elman cell without the recurrence: a layer of a feed-forward network, applied at every step.

        h_t = Φ(x_t W_ih + b_ih)        Φ = tanh or ReLU

    Variant: as `torch.nn.Linear` and a nonlinearity, with the initialisation of `Linear`, U(−1/√F, 1/√F).
    Shapes: weight_ih (R, F, H), bias_ih (R, 1, H); state h (R, B, H), written and never read.

    Args:
        nonlinearity: Φ.
        bias: whether there is a bias.
    """

    memoryless = True
    gates = ("h",)
    weight_ih: Tensor
    bias_ih: Tensor | None

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
        like_linear = uniform(1.0 / math.sqrt(input_size))
        self.add_parameter("weight_ih", input_size, hidden_size, init=like_linear)
        if bias:
            self.add_parameter("bias_ih", 1, hidden_size, init=like_linear)
        else:
            self.register_parameter("bias_ih", None)

    def project(self, inputs: Tensor) -> Tensor:
        return affine(inputs, self.weight_ih, self.bias_ih)

    def step(self, projected: Tensor, state: State) -> State:
        return {"h": NONLINEARITIES[self.nonlinearity](projected)}

    def unroll(self, projected: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        outputs = NONLINEARITIES[self.nonlinearity](projected)
        if lengths is not None:  # a padded step repeats the last valid one
            steps = torch.arange(outputs.shape[2], device=outputs.device)
            last_valid = torch.minimum(steps, lengths.unsqueeze(-1) - 1)
            outputs = outputs.gather(2, last_valid.unsqueeze(-1).expand_as(outputs))
        return outputs, {"h": outputs[:, :, -1]}
