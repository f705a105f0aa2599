"""The contract of a recurrent cell: one step of a recurrence, written for a stack of independent replicas.

Shape letters in this package: R replicas, B batch, T time steps, F input features, H hidden size, G gate columns.
Parameters are stored stacked, `weight_hh: (R, H, G)` and `bias_hh: (R, 1, G)`, and a step is written with `@` and
broadcasting, so the same lines serve one replica or a hundred. (Without the 1 in the bias's shape it would
broadcast silently wrong whenever B = R.)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
"""Name → tensor of shape (R, B, …). `h`, of shape (R, B, H), is the hidden state and always there."""

Initializer = Callable[[Tensor, torch.Generator], None]
"""Fills one replica's slice of a parameter in place, drawing from that replica's own generator."""


def uniform(bound: float) -> Initializer:
    """U(−bound, bound), the distribution `torch.nn` gives recurrent layers with bound = 1/√hidden_size."""

    def fill(parameter: Tensor, generator: torch.Generator) -> None:
        parameter.uniform_(-bound, bound, generator=generator)

    return fill


class Cell(nn.Module, ABC):
    """One step of a recurrence: (input, state) → state.

    A cell of your own subclasses this, declares its parameters with `add_parameter` and writes `step`. Everything
    else has a default. Constructor arguments beyond the three below become keys of its configuration.

    Args:
        input_size: number of input features F.
        hidden_size: size H of the hidden state, which is also the layer's output.
        replicas: number R of independently seeded copies, stacked on the leading axis of every tensor.
    """

    memoryless: bool = False
    """True for a cell that ignores its state: the feed-forward baseline."""

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.replicas = replicas
        self.initializers: dict[str, Initializer] = {}

    def add_parameter(self, name: str, *shape: int, init: Initializer | None = None) -> None:
        """Register a parameter of shape (R, *shape), by default drawn from U(−1/√H, 1/√H) as `torch.nn` does."""
        self.register_parameter(name, nn.Parameter(torch.zeros(self.replicas, *shape)))
        self.initializers[name] = init or uniform(1.0 / math.sqrt(self.hidden_size))

    @torch.no_grad()
    def reset_parameters(self, generators: Sequence[torch.Generator]) -> None:
        """Draw every parameter anew, replica r from `generators[r]` alone and always in the same order.

        So replica r of a stack starts from the same numbers as a single run with that seed.
        """
        for replica, generator in enumerate(generators):
            for name, initializer in self.initializers.items():
                initializer(self.get_parameter(name)[replica], generator)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes (without R and B) of the state's tensors; must hold `h: (hidden_size,)`."""
        return {"h": (self.hidden_size,)}

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """The state before the first step: zeros of shape (R, B, …), with the dtype and device of `like`."""
        return {
            name: like.new_zeros(self.replicas, batch_size, *shape) for name, shape in self.state_shapes.items()
        }

    def project(self, inputs: Tensor) -> Tensor:
        """What can be computed from the inputs alone, for all time steps at once: (R, B, T, F) → (R, B, T, …).

        By default the inputs themselves. Override it to take the input product out of the loop over time.
        """
        return inputs

    @abstractmethod
    def step(self, projected: Tensor, state: State) -> State:
        """One step. Pure: the new state is a function of the arguments and the parameters, and nothing is kept.

        Args:
            projected: (R, B, …), one time step of what `project` returned.
            state: tensors of shape (R, B, …) by name.
        """

    unroll: Callable[[Tensor, State, Tensor | None], tuple[Tensor, State]] | None = None
    """Optional: the cell's own method for a whole sequence, (projected, state, lengths) → (outputs, final state).

    Shapes as in `engines/reference.py`, which does the same thing step by step.
    """
