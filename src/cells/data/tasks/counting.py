"""Counting: the numbers 1 to 20 as four sequences of five; forecast the next two of each."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveInt

from cells.data.datamodule import SequenceDataModule
from cells.data.scored import scored
from cells.data.sequences import Metric, SequenceData, Split
from cells.data.tasks import baselines
from cells.errors import UserError

NOTE = (
    "Shows how a network extrapolates a straight line, not which cell is better: validation and test count "
    "on where training stopped, and continuing the line makes no error. Within a batch no state "
    "passes from one row to the next."
)


@dataclass(kw_only=True, eq=False, repr=False)
class Counting(SequenceDataModule):
    """The smallest example: count from 1 to 20 in four sequences of five, and forecast the next two numbers.

        inputs                targets
         1  2  3  4  5    →    6  7
         6  7  8  9 10    →   11 12
        11 12 13 14 15    →   16 17
        16 17 18 19 20    →   21 22

    Inputs (4, 5, 1), targets (4, 2) after the last step. These four rows are the training split: one batch
    of four sequences, not four batches, and no state passes from row to row. Validation counts 21 … 40 and
    test 41 … 60 in the same way, beyond anything training has shown: a straight line goes on without error,
    a network of bounded units cannot. So this task explains shapes and extrapolation; it judges no cell.

    Nothing is drawn at random: `seed` changes nothing, and there is no chance level beside the baselines.

    Args:
        count: how many numbers each split counts; a multiple of `length`.
        length: time steps seen.
        forecast_horizon: time steps asked for.
        scale: inputs and targets are divided by it for the network, and reported errors multiplied again.

    Raises:
        UserError: on loading, if `count` does not divide into several sequences of `length`.
    """

    batch_size: PositiveInt = 4
    count: Annotated[int, Field(gt=0, le=10_000)] = 20
    length: Annotated[int, Field(ge=2)] = 5
    forecast_horizon: Annotated[int, Field(gt=0, le=1000)] = 2
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0

    def load(self) -> SequenceData:
        """The three splits: the numbers up to `count`, up to twice and up to three times `count`.

        Raises:
            UserError: `count` is not twice, thrice, … `length`.
        """
        if self.count % self.length or self.count == self.length:
            raise UserError(
                f"data.count={self.count}: cannot be cut into sequences of data.length={self.length}; "
                f"choose a multiple of {self.length}, such as {4 * self.length}."
            )
        train, val, test = (self._split(first) for first in (1, 1 + self.count, 1 + 2 * self.count))
        target_std = (self.scale * train.targets).std(0, correction=0)
        steps = torch.arange(1, self.forecast_horizon + 1)
        last, slope = test.inputs[:, -1], test.inputs[:, -1] - test.inputs[:, -2]
        return SequenceData(
            name="counting",
            train=train,
            val=val,
            test=test,
            target_kind="real",
            target_at="last",
            output_size=self.forecast_horizon,
            metric=Metric("mse", "min"),
            **scored(
                {
                    "training mean": lambda: baselines.constant(train, test, target_std),
                    "last value": lambda: baselines.last_value(test, target_std),
                    "straight line": lambda: baselines.real_scores(last + slope * steps, test, target_std),
                }
            ),
            forecast=True,
            target_std=target_std,
            output_names=tuple(f"t+{ahead}" for ahead in steps.tolist()),
            note=NOTE,
        )

    def _split(self, first: int) -> Split:
        starts = first + np.arange(0, self.count, self.length)[:, None]
        inputs = starts + np.arange(self.length)
        targets = starts + self.length + np.arange(self.forecast_horizon)
        return Split(
            torch.from_numpy(inputs[:, :, None] / self.scale).float(),
            torch.from_numpy(targets / self.scale).float(),
            offset=torch.zeros(targets.shape),
            scale=torch.full(targets.shape, self.scale),
            positions=targets[:, 0] - 1,  # 1 is the first number, at position 0
            follows=torch.arange(len(starts)) > 0,
        )
