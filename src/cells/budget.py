"""What makes a comparison fair: the hidden size that a number of parameters buys, the updates that operations buy.

Models are counted, not calculated, so that a user's cell needs no formula. They are built on PyTorch's meta device,
which has shapes and no numbers, and costs neither memory nor arithmetic.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from pydantic import PositiveFloat, PositiveInt
from torch.utils.flop_counter import FlopCounterMode

from cells.data.sequences import SequenceData
from cells.errors import UserError
from cells.recurrent.cell import Cell
from cells.targets import LARGEST_INTEGER
from cells.training.learner import LARGEST_HIDDEN_SIZE, Learner, count_parameters

MOST_REFUSED = 64
"""So many sizes in a row may be refused by a cell (whose size has to be a multiple of its heads, say)."""

MakeLearner = Callable[..., Learner]
"""Makes one replica on the reference engine, of the configuration's model with the given settings changed."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one replica may have and cost; the `budget` section of the configuration.

    Args:
        parameters: most trainable numbers of a replica; chooses `model.hidden_size`.
        flops: most floating-point operations of a replica's training; chooses `trainer.max_steps`.
    """

    parameters: PositiveInt | None = None
    flops: PositiveFloat | None = None


@dataclass(frozen=True)
class Plan:
    """What a budget comes to.

    Attributes:
        model, training: settings that it decides.
        parameters: trainable numbers of a replica, whether limited or not.
        flops_per_sequence: floating-point operations of training it on one sequence, whether limited or not.
        notes: what was decided, a sentence each.
    """

    model: Mapping[str, Any]
    training: Mapping[str, Any]
    parameters: int
    flops_per_sequence: int
    notes: tuple[str, ...]


def plan(budget: Budget, make: MakeLearner, content: SequenceData, batch_size: int) -> Plan:
    """Decide what the budget leaves to decide.

    Raises:
        UserError: it is too small for any network or any update, or larger than networks get.
    """
    model, training, notes = {}, {}, []
    if budget.parameters is not None:
        size, count = largest_hidden_size(budget.parameters, lambda size: make(hidden_size=size))
        model["hidden_size"] = size
        notes.append(f"budget.parameters={budget.parameters}: hidden size {size}, {count:,} parameters")
    parameters = _without_numbers(lambda: count_parameters(make(**model), 1))
    flops = flops_of_update(lambda: make(**model), content, batch_size)
    if budget.flops is not None:
        updates = budget.flops // flops
        if not updates:
            raise UserError(
                f"budget.flops={budget.flops:g}: one update takes {flops:,} floating-point operations; raise the "
                "budget, or lower data.batch_size."
            )
        if updates > LARGEST_INTEGER:
            raise UserError(
                f"budget.flops={budget.flops:g}: it buys {updates:.2g} updates of {flops:,} floating-point operations "
                f"each, and training has {LARGEST_INTEGER} at most; lower the budget."
            )
        training["max_steps"] = int(updates)
        notes.append(
            f"budget.flops={budget.flops:g}: {training['max_steps']:,} updates of {flops:,} operations each"
        )
    return Plan(model, training, parameters, round(flops / batch_size), tuple(notes))


def largest_hidden_size(parameters: int, make: Callable[[int], Learner]) -> tuple[int, int]:
    """The largest hidden size whose network has no more parameters than that, and its count.

    Sizes that the cell refuses are passed over. The count has to grow with the size.

    Args:
        parameters: trainable numbers of one replica, readout included.
        make: makes one replica of a hidden size.

    Raises:
        UserError: already the smallest has more, or still the largest has fewer.
    """

    def parameters_of(size: int) -> int:
        return count_parameters(make(size), 1)

    @cache
    def from_size(first: int) -> tuple[int, int]:
        refusals = []
        for size in range(first, first + MOST_REFUSED):
            try:
                return size, _without_numbers(parameters_of, size)
            except Exception as error:  # whatever a cell raises at a size that is not for it
                refusals.append(error)
        raise refusals[0]

    def count(size: int) -> int:
        return from_size(size)[1]

    above = 1
    while above < LARGEST_HIDDEN_SIZE and count(above) <= parameters:
        above *= 2
    if count(above) <= parameters:
        raise UserError(
            f"budget.parameters={parameters}: hidden_size={above}, the largest there is, has {count(above):,} "
            "parameters; lower the budget to that or less."
        )
    affordable = bisect_right(range(1, above), parameters, key=count)
    if affordable == 0:
        size, least = from_size(1)
        raise UserError(
            f"budget.parameters={parameters}: this model has {least:,} parameters with hidden_size={size}, the "
            "smallest there is; raise the budget to that or more."
        )
    return from_size(affordable)


def flops_of_update(make: Callable[[], Learner], content: SequenceData, batch_size: int) -> int:
    """Floating-point operations of one update of one replica: of the matrix products, forward and backward.

    A product of (m, k) and (k, n) has 2·m·k·n. What is done element by element is left out, and so are the optimiser's
    step and validation. Sequences are counted in their full, padded length. The loop over time repeats one step, so it
    is counted over two and continued; a cell's own `unroll` is counted as a whole.
    """
    length, features = content.train.inputs.shape[1:]

    def cost(steps: int) -> int:
        learner = make().eval()  # without dropout, which has no matrix product and would ask for seeds
        if _has_own_unroll(learner):
            learner.network.engine_name = "own"
        with FlopCounterMode(display=False) as counter:
            predictions, _ = learner(torch.zeros(1, batch_size, steps, features))
            predictions.sum().backward()
        return int(counter.get_total_flops())

    def is_one_piece() -> bool:
        learner = make()
        return learner.flattens_window or _has_own_unroll(learner)

    if _without_numbers(is_one_piece):
        return _without_numbers(cost, length)
    one, two = _without_numbers(cost, 1), _without_numbers(cost, 2)
    return one + (length - 1) * (two - one)


def _has_own_unroll(learner: Learner) -> bool:
    return any(isinstance(cell, Cell) and cell.unroll is not None for cell in learner.network.cells.values())


def _without_numbers(compute: Callable[..., T], *arguments: Any) -> T:
    """Compute on the meta device, or for real where a user's code asks for the numbers that it does not have."""
    try:
        with torch.device("meta"):
            return compute(*arguments)
    except Exception:  # what is wrong on any device is raised again
        return compute(*arguments)
