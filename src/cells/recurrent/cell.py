"""The contract of a recurrent cell: one step of a recurrence, written for a stack of independent replicas.

Shape letters in this package: R replicas, B batch, T time steps, F input features, H hidden size, G gate
columns. Parameters are stored stacked, `weight_hh: (R, H, G)` and `bias_hh: (R, 1, G)`, and a step is written
with `@` and broadcasting, so the same lines serve one replica or a hundred. (Without the 1 in the bias's
shape it would broadcast silently wrong whenever B = R.)
"""

import functools
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
    return functools.partial(_fill_uniform, bound)


def _fill_uniform(bound: float, parameter: Tensor, generator: torch.Generator) -> None:
    parameter.uniform_(-bound, bound, generator=generator)


def affine(inputs: Tensor, weight: Tensor, *biases: Tensor | None) -> Tensor:
    """inputs @ weight + biases at all time steps: (R, B, T, F), (R, F, G), (R, 1, G) → (R, B, T, G)."""
    # One product per replica; broadcasting the weight over B would make it one product per sequence.
    rows = inputs.flatten(1, 2)
    given = [bias for bias in biases if bias is not None]
    product = torch.baddbmm(sum(given[1:], given[0]), rows, weight) if given else rows @ weight
    return product.unflatten(1, inputs.shape[1:3])


class Cell(nn.Module, ABC):
    """One step of a recurrence: (input, state) → state.

    A cell of your own subclasses this, declares its parameters with `add_parameter` and writes `step`.
    Everything else has a default. Constructor arguments beyond the three below become keys of its
    configuration.

    Args:
        input_size: number of input features F.
        hidden_size: size H of the hidden state, which is also the layer's output.
        replicas: number R of independently seeded copies, stacked on the leading axis of every tensor.
    """

    memoryless: bool = False
    """True for a cell that ignores its state: the feed-forward baseline."""

    gates: tuple[str, ...] = ()
    """Names of the blocks of H columns in weight_ih, weight_hh and the biases, in their order."""

    keep_gate: str | None = None
    """The gate that keeps the old state when open; initialisation may set its bias."""

    write_gate: str | None = None
    """The gate that lets new content in, where that is not simply 1 − the keep gate."""

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.replicas = replicas
        self.initializers: dict[str, Initializer] = {}

    def add_parameter(self, name: str, *shape: int, init: Initializer | None = None) -> None:
        """Register a parameter of shape (R, *shape), drawn by `init` or else from U(−1/√H, 1/√H)."""
        self.register_parameter(name, nn.Parameter(torch.zeros(self.replicas, *shape)))
        self.initializers[name] = init or uniform(1.0 / math.sqrt(self.hidden_size))

    def add_gates(self, bias: bool = True) -> None:
        """Register weight_ih (R, F, G), weight_hh (R, H, G), bias_ih and bias_hh (R, 1, G): G = len(gates)·H.

        Both biases are None if `bias` is false. They are two because `torch.nn` has two.
        """
        columns = len(self.gates) * self.hidden_size
        self.add_parameter("weight_ih", self.input_size, columns)
        self.add_parameter("weight_hh", self.hidden_size, columns)
        for name in ("bias_ih", "bias_hh"):
            if bias:
                self.add_parameter(name, 1, columns)
            else:
                self.register_parameter(name, None)

    @torch.no_grad()
    def reset_parameters(self, generators: Sequence[torch.Generator]) -> None:
        """Draw every parameter anew, replica r from `generators[r]` alone and always in the same order.

        So replica r of a stack starts from the same numbers as a single run with that seed. Draws on the CPU:
        the cell has to be there still.
        """
        if len(generators) != self.replicas:
            raise ValueError(f"{len(generators)} generators given for {self.replicas} replicas")
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
            name: like.new_zeros(self.replicas, batch_size, *shape)
            for name, shape in self.state_shapes.items()
        }

    def project(self, inputs: Tensor) -> Tensor:
        """What the inputs alone determine, for all time steps at once: (R, B, T, F) → (R, B, T, …).

        By default the inputs themselves. Override it to take the input product out of the loop over time.
        """
        return inputs

    @abstractmethod
    def step(self, projected: Tensor, state: State) -> State:
        """One step. Pure: the new state is a function of arguments and parameters, and nothing is kept.

        Args:
            projected: (R, B, …), one time step of what `project` returned.
            state: tensors of shape (R, B, …) by name.
        """

    def gate_values(self, projected: Tensor, state: State) -> dict[str, Tensor]:
        """What a step multiplies with: each gate's values in (0, 1), (R, B, H), by name. Only diagnostics ask.

        Args: as of `step`.
        """
        return {}

    unroll: Callable[[Tensor, State, Tensor | None], tuple[Tensor, State]] | None = None
    """Optional: the cell's own way through whole sequences, (projected, state, lengths) → (outputs, state).

    Shapes as in `engines/reference.py`, which does the same thing step by step.
    """
