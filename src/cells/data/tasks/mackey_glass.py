"""Mackey–Glass: forecast a chaotic series, the solution of a delay differential equation."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from cells.data.sequences import Metric, Split
from cells.data.tasks.task import Facts, Steps, SyntheticDataModule

BETA, GAMMA = 0.2, 0.1
STEPS_PER_UNIT = 4
"""Integration steps a unit of time: at τ = 17, fine enough for an error below 1e-5 after 370 units."""

_SETTLING, _SPREAD = 200, 100
"""Units of time until a trajectory has forgotten where it began, and over which windows begin after that: a
few periods of the oscillation (about 50), so that every phase is met."""


@dataclass(kw_only=True, eq=False, repr=False)
class MackeyGlass(SyntheticDataModule):
    """Forecast the Mackey–Glass series, chaotic for τ of 17 and more.

        dx/dt = β x(t−τ) / (1 + x(t−τ)ⁿ) − γ x(t),   β = 0.2, γ = 0.1, n = 10

        x(t)   ╭╮ ╭─╮ ╭╮ ╭
             ╮╭╯╰─╯ ╰─╯╰─╯ ?      sampled once a unit of time
             ╰╯

    Every sequence is cut at random out of a trajectory of its own, which starts from a constant history
    drawn from U(0.5, 1.5) and is integrated by the classical Runge–Kutta method of order 4. Inputs, of
    shape (N, length, 1), and targets, (N, forecast_horizon), the values after the last step, are x − 1: about
    centred.

    The variance of the series has no closed form, so no chance is given; the baseline "training mean" measures it.

    Source: Mackey & Glass (1977), "Oscillation and chaos in physiological control systems", Science 197. A
    benchmark of recurrent networks since Jaeger & Haas (2004), "Harnessing nonlinearity", Science 304, who
    forecast 84 steps ahead. No score at which it counts as solved is customary.

    Args:
        length: time steps seen.
        forecast_horizon: time steps asked for.
        tau: the delay τ in units of time.
    """

    length: Steps = 50
    forecast_horizon: Steps = 20
    tau: Annotated[int, Field(gt=0, le=1000)] = 17

    def facts(self) -> Facts:
        return Facts(
            target_kind="real",
            target_at="last",
            output_size=self.forecast_horizon,
            metric=Metric("mse", "min"),
            chance=None,
            forecast=True,
            output_names=tuple(f"t+{ahead}" for ahead in range(1, self.forecast_horizon + 1)),
        )

    def generate(self, size: int, rng: np.random.Generator) -> Split:
        history = rng.uniform(0.5, 1.5, size)
        window = self.length + self.forecast_horizon
        series = trajectories(history, self.tau, units=_SETTLING + _SPREAD + window) - 1.0
        starts = _SETTLING + rng.integers(_SPREAD, size=(size, 1))
        windows = np.take_along_axis(series, starts + np.arange(window), axis=1).astype(np.float32)
        values = torch.from_numpy(windows)
        return Split(values[:, : self.length, None].clone(), values[:, self.length :].clone())


def trajectories(
    history: np.ndarray, tau: int, units: int, steps_per_unit: int = STEPS_PER_UNIT
) -> np.ndarray:
    """Solutions x(1), x(2), …, x(units) of the equation, (N, units), for constant histories (N,).

    Runge–Kutta of order 4. It needs the delayed drive β x/(1 + xⁿ) at both ends and in the middle of a
    step; in the middle, x is read off the cubic through the ends and their slopes, whose error is of order
    4 as well.
    """
    step, delay = 1.0 / steps_per_unit, tau * steps_per_unit
    x = history.astype(np.float64)
    # Rings over the last τ units: step i overwrites what was last needed one delay ago.
    at_ends = np.tile(_drive(x), (delay + 1, 1))
    in_middles = np.tile(_drive(x), (delay, 1))
    samples = np.empty((units, len(x)))
    for i in range(units * steps_per_unit):
        start, middle, end = at_ends[i % (delay + 1)], in_middles[i % delay], at_ends[(i + 1) % (delay + 1)]
        k1 = start - GAMMA * x
        k2 = middle - GAMMA * (x + step / 2 * k1)
        k3 = middle - GAMMA * (x + step / 2 * k2)
        k4 = end - GAMMA * (x + step * k3)
        following = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        slope = end - GAMMA * following
        in_middles[i % delay] = _drive((x + following) / 2 + step / 8 * (k1 - slope))
        at_ends[i % (delay + 1)] = _drive(following)
        x = following
        if (i + 1) % steps_per_unit == 0:
            samples[i // steps_per_unit] = x
    return samples.T


def _drive(x: np.ndarray) -> np.ndarray:
    x2 = x * x
    x4 = x2 * x2
    return BETA * x / (1.0 + x4 * x4 * x2)  # n = 10 by products: `x**10` takes many times as long
