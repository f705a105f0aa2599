"""Sine: forecast noisy sine waves, each of its own frequency and phase."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from cells.data.sequences import Metric, Split
from cells.data.tasks.task import Facts, Steps, SyntheticDataModule
from cells.errors import UserError


@dataclass(kw_only=True, eq=False, repr=False)
class Sine(SyntheticDataModule):
    """Forecast the next values of a noisy sine wave, each sequence with its own frequency and phase.

        x_t = sin(2π f t + φ) + noise · ε_t,   ε_t ~ N(0, 1)

        x    ╭╮  ╭╮  ╭╮  ╭
             ╯ ╰╯  ╰╯  ╰╯ ?    inputs, then the values asked for

    Frequencies f are uniform between 1/longest_period and 1/shortest_period, phases φ uniform in [0, 2π).
    Inputs (N, length, 1), targets (N, forecast_horizon), the values after the last step with their noise.
    Answering 0, the mean, scores an MSE of Var(x) = 1/2 + noise²; noise cannot be forecast, so no MSE goes
    below noise².

    A task of this project's own; there is no score at which it counts as solved.

    Args:
        length: time steps seen.
        forecast_horizon: time steps asked for.
        noise: standard deviation of the noise; the wave's amplitude is 1.
        shortest_period, longest_period: in time steps; at least 2, or the wave would be aliased.

    Raises:
        UserError: on loading, if the shortest period is longer than the longest.
    """

    length: Steps = 50
    forecast_horizon: Steps = 5
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1
    shortest_period: Annotated[float, Field(ge=2)] = 10.0
    longest_period: Annotated[float, Field(ge=2)] = 50.0

    def facts(self) -> Facts:
        return Facts(
            target_kind="real",
            target_at="last",
            output_size=self.forecast_horizon,
            metric=Metric("mse", "min"),
            chance=0.5 + self.noise**2,
            forecast=True,
            output_names=tuple(f"t+{ahead}" for ahead in range(1, self.forecast_horizon + 1)),
            note=f"The targets carry noise that cannot be forecast: no MSE goes below {self.noise**2:.3g}.",
        )

    def generate(self, size: int, rng: np.random.Generator) -> Split:
        if self.shortest_period > self.longest_period:
            raise UserError(
                f"data.shortest_period={self.shortest_period}: longer than "
                f"data.longest_period={self.longest_period}; exchange the two."
            )
        frequency = rng.uniform(1 / self.longest_period, 1 / self.shortest_period, (size, 1))
        phase = rng.uniform(0, 2 * np.pi, (size, 1))
        time = np.arange(self.length + self.forecast_horizon)
        noise = self.noise * rng.standard_normal((size, len(time)))
        waves = torch.from_numpy((np.sin(2 * np.pi * frequency * time + phase) + noise).astype(np.float32))
        return Split(waves[:, : self.length, None].clone(), waves[:, self.length :].clone())
