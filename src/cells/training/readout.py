"""The readout: from the hidden state to the prediction, s_t W_y + b, stacked over replicas."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Readout(nn.Module):
    """A linear map for each replica: (R, …, features) → (R, …, outputs).

    Its result is the prediction itself for real targets; for classes it is the argument of the softmax, which the
    cross-entropy contains. Initialised as `torch.nn.Linear`, from each replica's own generator.
    """

    def __init__(self, features: int, outputs: int, replicas: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(replicas, features, outputs))
        self.bias = nn.Parameter(torch.zeros(replicas, 1, outputs))

    @torch.no_grad()
    def reset_parameters(self, generators: Sequence[torch.Generator]) -> None:
        bound = 1.0 / math.sqrt(self.weight.shape[1])
        for replica, generator in enumerate(generators):
            self.weight[replica].uniform_(-bound, bound, generator=generator)
            self.bias[replica].uniform_(-bound, bound, generator=generator)

    def forward(self, hidden: Tensor) -> Tensor:
        flat = hidden.flatten(1, -2) @ self.weight + self.bias
        return flat.view(*hidden.shape[:-1], -1)
