"""Layers of a recurrent cell: stacked, in one direction or two, with dropout between, the state explicit."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, cast

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from cells.errors import UserError
from cells.recurrent.cell import Cell, State
from cells.recurrent.engines import ENGINES, Engine, choose
from cells.recurrent.initialization import initialize

log = logging.getLogger(__name__)


class RecurrentNetwork(nn.Module):
    """A stack of recurrent layers, each of them one cell, or two that read a sequence in opposite directions.

    Args:
        make_cell: called as make_cell(input_size, hidden_size, replicas): a cell's class or a partial of it.
        input_size: number of input features F.
        hidden_size: hidden size H of every layer and direction.
        num_layers: number of layers L.
        dropout: probability with which an element of a layer's output is hidden from the next layer.
        bidirectional: whether every layer also reads the sequences backwards; D = 2 directions instead of 1.
        replicas: number R of independently seeded copies.
        engine: how layers are unrolled over time: "auto" or a name in `engines.ENGINES`.

    Attributes:
        cells: the cells, named l0, l0_reverse, l1, … like the parameters of `torch.nn`. States are listed in
            the same order.
        engine_name: the engine that runs them. Where inputs turn out not to be for it (a GPU, another precision),
            another takes over, and a line in the log says so.
        output_size: D·H.

    Raises:
        UserError: the engine cannot run the cell, or make_cell returns no cell with a hidden state (H,).
    """

    def __init__(
        self,
        make_cell: Callable[..., Cell],
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        num_layers: PositiveInt = 1,
        dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0,
        bidirectional: bool = False,
        replicas: PositiveInt = 1,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and num_layers=1 has no between", stacklevel=2
            )
        self.input_size = input_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.replicas = replicas
        self.directions = ("", "_reverse") if bidirectional else ("",)
        self.output_size = len(self.directions) * hidden_size
        self.cells = nn.ModuleDict()
        for layer in range(num_layers):
            for direction in self.directions:
                size = input_size if layer == 0 else self.output_size
                cell = make_cell(size, hidden_size, replicas)
                _require_cell(cell, hidden_size)
                self.cells[f"l{layer}{direction}"] = cell
        self.engine_name = choose(engine, next(self._each_cell()))

    def reset_parameters(self, generators: Sequence[torch.Generator], **initialization: Any) -> None:
        """Draw all parameters anew, cell after cell; arguments as of `initialize`."""
        for cell in self._each_cell():
            initialize(cell, generators, **initialization)

    def initial_state(self, batch_size: int, like: Tensor) -> list[State]:
        """The state before the first step, one a cell, with the dtype and device of `like`."""
        return [cell.initial_state(batch_size, like) for cell in self._each_cell()]

    def forward(
        self,
        inputs: Tensor,
        states: list[State] | None = None,
        lengths: Tensor | None = None,
        dropout_seeds: Sequence[int | Sequence[int]] | None = None,
    ) -> tuple[Tensor, list[State]]:
        """Run whole sequences through all layers.

        Padding never changes a result, whatever it holds. In padded steps outputs repeat those of the last
        valid one (of the reverse direction: of the first, which it reads last), and final states are those
        after the last valid step. Feeding the final states in again continues the sequences (in one
        direction).

        Args:
            inputs: (R, B, T, F).
            states: one a cell; None starts from the cells' initial states.
            lengths: (R, B) numbers of valid steps, 1 … T; None if all are valid.
            dropout_seeds: one a replica, an integer or several such as (seed, step), which alone determine
                what is dropped in training. Needed only where there is dropout.

        Returns:
            The outputs of the last layer (R, B, T, D·H) and the final states, one a cell.

        Raises:
            ValueError: a shape or dtype that does not fit, or dropout without seeds.
        """
        self._check(inputs, states, lengths)
        if lengths is not None:
            padded = torch.arange(inputs.shape[2], device=inputs.device) >= lengths.unsqueeze(-1)
            # Padded steps are computed and then not used, but 0 · NaN in their backward pass would be NaN.
            inputs = inputs.masked_fill(padded.unsqueeze(-1), 0.0)
        if states is None:
            states = self.initial_state(inputs.shape[1], like=inputs)
        noise = self._dropout_generators(dropout_seeds, inputs.device)

        unroll = self._engine_for(inputs).unroll
        cells, initial, final = self._each_cell(), iter(states), []
        for layer in range(self.num_layers):
            if layer > 0 and noise:
                inputs = _dropped(inputs, self.dropout, noise)
            outputs = []
            for direction in self.directions:
                read = _reversed(inputs, lengths) if direction else inputs
                output, state = unroll(next(cells), read, next(initial), lengths)
                outputs.append(_reversed(output, lengths) if direction else output)
                final.append(state)
            inputs = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        return inputs, final

    def last_hidden(self, states: list[State]) -> Tensor:
        """The last layer's hidden state after whole sequences, (R, B, D·H), for a readout at their end.

        Of the reverse direction that is the output at the *first* step: at the last it has seen one input.
        """
        return torch.cat([state["h"] for state in states[-len(self.directions) :]], dim=-1)

    def _engine_for(self, inputs: Tensor) -> Engine:
        cell = next(self._each_cell())
        reason = ENGINES[self.engine_name].refuses(cell, inputs)
        if reason is not None:
            refusing, self.engine_name = self.engine_name, choose("auto", cell, inputs)
            log.info("engine=%s does not run here (%s); engine=%s does.", refusing, reason, self.engine_name)
        return ENGINES[self.engine_name]

    def _each_cell(self) -> Iterator[Cell]:
        return cast(Iterator[Cell], iter(self.cells.values()))

    def _dropout_generators(
        self, seeds: Sequence[int | Sequence[int]] | None, device: torch.device
    ) -> list[torch.Generator]:
        if not self.training or self.dropout == 0 or self.num_layers == 1:
            return []
        if seeds is None or len(seeds) != self.replicas:
            raise ValueError(
                f"dropout={self.dropout} needs dropout_seeds, one for each of {self.replicas} replicas"
            )
        # A generator looks at 32 bits of its seed alone, so (seed, step) is hashed first.
        hashed = [int(np.random.SeedSequence(seed).generate_state(1)[0]) for seed in seeds]
        return [torch.Generator(device).manual_seed(seed) for seed in hashed]

    def _check(self, inputs: Tensor, states: list[State] | None, lengths: Tensor | None) -> None:
        replicas, *batch_and_time, features = inputs.shape
        fits = len(batch_and_time) == 2 and (replicas, features) == (self.replicas, self.input_size)
        if not fits or 0 in batch_and_time:
            raise ValueError(
                f"inputs have shape {tuple(inputs.shape)}, expected (replicas={self.replicas}, batch, time, "
                f"input_size={self.input_size})"
            )
        batch = inputs.shape[1]
        if lengths is not None and lengths.shape != (replicas, batch):
            raise ValueError(f"lengths have shape {tuple(lengths.shape)}, expected {(replicas, batch)}")
        if lengths is not None and lengths.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"lengths are {lengths.dtype}, expected torch.int64 or torch.int32")
        if states is None:
            return
        if len(states) != len(self.cells):
            raise ValueError(f"{len(states)} states given, expected one for each of {', '.join(self.cells)}")
        for name, cell, state in zip(self.cells, self._each_cell(), states, strict=True):
            expected = {key: (replicas, batch, *shape) for key, shape in cell.state_shapes.items()}
            given = {key: tuple(tensor.shape) for key, tensor in state.items()}
            if given != expected:
                raise ValueError(f"the state of {name} has shapes {given}, expected {expected}")


def _require_cell(cell: object, hidden_size: int) -> None:
    name = type(cell).__name__
    if not isinstance(cell, Cell):
        raise UserError(
            f"{name} is not a Cell: derive it from cells.recurrent.cell.Cell or wrap it in ModuleCell."
        )
    if cell.state_shapes.get("h") != (hidden_size,):
        raise UserError(
            f"{name}.state_shapes has to hold 'h': ({hidden_size},), the output; it is {cell.state_shapes}."
        )


def _dropped(inputs: Tensor, probability: float, generators: Sequence[torch.Generator]) -> Tensor:
    kept = torch.empty(
        inputs.shape, dtype=inputs.dtype, device=inputs.device
    )  # in one order, whatever the engine
    for replica, generator in zip(kept, generators, strict=True):
        replica.bernoulli_(1.0 - probability, generator=generator)
    return inputs * kept / (1.0 - probability)


def _reversed(sequences: Tensor, lengths: Tensor | None) -> Tensor:
    """Each sequence backwards within its own length, (R, B, T, …); padding stays behind it."""
    if lengths is None:
        return sequences.flip(2)
    steps = torch.arange(sequences.shape[2], device=sequences.device)
    mirrored = lengths.unsqueeze(-1) - 1 - steps
    source = torch.where(mirrored >= 0, mirrored, steps)
    return sequences.gather(2, source.unsqueeze(-1).expand_as(sequences))
