"""What `contract.py` tries a cell on: networks of one layer, fixed inputs, and the numbers they give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cells.recurrent.cell import Cell
from cells.recurrent.engines import ENGINES, lacking
from cells.recurrent.layer import RecurrentNetwork

INPUT_SIZE, REPLICAS, BATCH, STEPS = 3, 3, 2, 5
TOLERANCE = 1e-9
"""Norm of a difference, relative to the norm of what it should be. All numbers are float64."""

Numbers = dict[str, Tensor]
"""What an unrolled cell computes: "the outputs", "the final h", "the gradient of weight_hh", …"""


class NotSoError(Exception):
    """What should be true of a cell is not; the message says why."""


@dataclass(frozen=True)
class Trial:
    """The cell on trial: called as make_cell(input_size, hidden_size, replicas)."""

    make_cell: Callable[..., Cell]
    hidden_size: int

    def cell(self, replicas: int = REPLICAS) -> Cell:
        """Replicas with the seeds 0, 1, …"""
        cell = self.make_cell(INPUT_SIZE, self.hidden_size, replicas)
        cell.reset_parameters([torch.Generator().manual_seed(seed) for seed in range(replicas)])
        return cell.double()

    def network(self, seeds: Sequence[int] = range(REPLICAS), engine: str = "reference") -> RecurrentNetwork:
        """One layer of the cell, a replica a seed."""
        network = RecurrentNetwork(
            self.make_cell, INPUT_SIZE, self.hidden_size, replicas=len(seeds), engine=engine
        )
        network.reset_parameters([torch.Generator().manual_seed(seed) for seed in seeds])
        return network.double()

    def engines(self, replicas: int = REPLICAS) -> list[str]:
        """The engines that run it at once, without long compiling."""
        cell, inputs = self.cell(replicas), series(replicas)
        return [
            name
            for name, engine in ENGINES.items()
            if name != "compiled" and engine.refuses(cell, inputs) is None and lacking(name) is None
        ]


def noise(*shape: int) -> Tensor:
    """The same normal numbers at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def series(replicas: int = REPLICAS, batch: int = BATCH, steps: int = STEPS) -> Tensor:
    """Inputs (R, B, T, F)."""
    return noise(replicas, batch, steps, INPUT_SIZE)


def measure(network: RecurrentNetwork, inputs: Tensor, lengths: Tensor | None = None) -> Numbers:
    """Outputs, final state, and the parameters' gradients of a loss that looks at both."""
    network.zero_grad()
    outputs, (state,) = network(inputs, lengths=lengths)
    steps = outputs.shape[2]
    weights = noise(STEPS, outputs.shape[-1])[:steps].expand_as(outputs)
    if lengths is not None:
        weights = weights * (torch.arange(steps) < lengths.unsqueeze(-1)).unsqueeze(-1)
    loss = (outputs * weights).sum()
    for tensor in state.values():
        loss = loss + tensor.square().sum()
    loss.backward()

    numbers = {"the outputs": outputs.detach()}
    numbers |= {f"the final {name}": tensor.detach() for name, tensor in state.items()}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
            numbers[f"the gradient of {short(name)}"] = gradient
    return numbers


def require_close(numbers: Numbers, expected: Numbers, where: str) -> None:
    """Compare what `expected` names; `where` ends a sentence that begins "the outputs are others …"."""
    for name, tensor in expected.items():
        if not (numbers[name] - tensor).norm() <= TOLERANCE * tensor.norm():  # not so for NaN either
            raise NotSoError(f"{name} {'are others' if name == 'the outputs' else 'is another one'} {where}.")


def identical(some: Numbers, others: Numbers) -> bool:
    """Whether all tensors are equal bit for bit."""
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


def short(name: str) -> str:
    """A parameter's name in the cell, from its name in the network."""
    return name.removeprefix("cells.l0.")
