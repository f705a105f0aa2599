"""The states that a network passes through, each of them a node of the graph that gradients flow through.

The trap here: `retain_grad` on the outputs of a layer gives the *direct* gradient, from the loss at that step
alone, because later steps do not read those outputs. On the reference engine they read the states kept here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor

from cells.recurrent.cell import Cell, State
from cells.recurrent.layer import RecurrentNetwork


@dataclass
class Trajectory:
    """What one cell went through over T steps, in the order in which it read them.

    Attributes:
        projected: what each step was given of the input, T tensors (R, B, …).
        before: the state each step started from, T of them.
        after: the state each step arrived at, T of them. Where sequences differ in length, steps past a sequence's
            end count for nothing: its state is held as it was.
    """

    projected: list[Tensor] = field(default_factory=list)
    before: list[State] = field(default_factory=list)
    after: list[State] = field(default_factory=list)

    def states(self, name: str) -> list[Tensor]:
        """One tensor of the state, (R, B, …), after each of the T steps."""
        return [state[name] for state in self.after]

    def part(self, sequences: int, steps: int) -> "Trajectory":
        """The first sequences' first steps."""

        def cut(states: list[State]) -> list[State]:
            return [
                {name: tensor[:, :sequences] for name, tensor in state.items()} for state in states[:steps]
            ]

        return Trajectory(
            [x[:, :sequences] for x in self.projected[:steps]], cut(self.before), cut(self.after)
        )


@contextmanager
def recorded(network: RecurrentNetwork) -> Iterator[dict[str, Trajectory]]:
    """While open, the network runs on the reference engine and keeps what it goes through, cell name → trajectory.

    Run it once: a second pass is appended to the first.
    """
    trajectories = {name: Trajectory() for name in network.cells}
    engine, network.engine_name = network.engine_name, "reference"
    for name, cell in network.cells.items():
        setattr(cell, "step", _recording(cast(Cell, cell), trajectories[name]))  # noqa: B010 (mypy)
    try:
        yield trajectories
    finally:
        network.engine_name = engine
        for cell in network.cells.values():
            delattr(cell, "step")  # the class's own step is behind it


def swept(cell: Cell, inputs: Tensor, states: State) -> Trajectory:
    """The trajectory of a pass whose states were kept whole: inputs (R, B, T, F), states (R, T + 1, B, …) by name."""
    steps = inputs.shape[2]
    at = [{name: tensor[:, t] for name, tensor in states.items()} for t in range(steps + 1)]
    return Trajectory(list(cell.project(inputs).unbind(2)), at[:-1], at[1:])


def _recording(cell: Cell, trajectory: Trajectory) -> Callable[[Tensor, State], State]:
    step = cell.step

    def recording(projected: Tensor, state: State) -> State:
        if not trajectory.before:
            # The states of a cell that is not trained are to have gradients as well.
            state = {
                name: tensor.detach().requires_grad_() if tensor.is_floating_point() else tensor
                for name, tensor in state.items()
            }
        trajectory.projected.append(projected)
        trajectory.before.append(state)
        new = step(projected, state)
        trajectory.after.append(new)
        return new

    return recording
