"""Recall: repeat the input of k steps ago."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from cells.data.sequences import Metric, Split
from cells.data.tasks.task import Facts, Steps, SyntheticDataModule
from cells.errors import UserError


@dataclass(kw_only=True, eq=False, repr=False)
class Recall(SyntheticDataModule):
    """Repeat the input of k steps ago, for every k = 1 … max_lag at once or for one lag alone.

    With max_lag = 3 (`·` where nothing is asked yet):

        input        0.7  −1.2   0.3   1.5  −0.4
        1 step ago    ·    0.7  −1.2   0.3   1.5
        2 steps ago   ·     ·    0.7  −1.2   0.3
        3 steps ago   ·     ·     ·    0.7  −1.2

    Inputs (N, length, 1), independent and uniform with mean 0 and variance 1; targets (N, length, max_lag),
    or (N, length, 1) for one lag alone, NaN in the first k steps. Answering 0 scores an expected MSE of 1,
    so 1 − MSE of an output is the share of variance recalled at that lag.

    Source: Jaeger (2001), "Short term memory in echo state networks", GMD report 152, who sums that share
    over all lags and calls it memory capacity. No score at which it counts as solved is customary.

    Args:
        length: time steps.
        max_lag: the largest k.
        lag: this k alone, in place of all up to max_lag.

    Raises:
        UserError: on loading, if the lag is not shorter than the sequence.
    """

    length: Steps = 50
    max_lag: Annotated[int, Field(gt=0, le=1000)] = 20
    lag: Steps | None = None

    @property
    def lags(self) -> range:
        """The lags asked for, one an output."""
        return range(self.lag, self.lag + 1) if self.lag else range(1, self.max_lag + 1)

    def facts(self) -> Facts:
        return Facts(
            target_kind="real",
            target_at="every",
            output_size=len(self.lags),
            metric=Metric("mse", "min"),
            chance=1.0,
            output_names=tuple(f"{lag} step{'s' if lag > 1 else ''} ago" for lag in self.lags),
        )

    def generate(self, size: int, rng: np.random.Generator) -> Split:
        if self.lags[-1] >= self.length:
            key = "lag" if self.lag else "max_lag"
            raise UserError(
                f"data.{key}={self.lags[-1]}: sequences of data.length={self.length} have no input that "
                "long ago; choose a shorter lag or longer sequences."
            )
        bound = np.sqrt(3.0)  # U(−√3, √3) has variance 1
        values = rng.uniform(-bound, bound, (size, self.length)).astype(np.float32)
        targets = np.full((size, self.length, len(self.lags)), np.nan, dtype=np.float32)
        for output, lag in enumerate(self.lags):
            targets[:, lag:, output] = values[:, :-lag]
        return Split(torch.from_numpy(values[:, :, None]), torch.from_numpy(targets))
