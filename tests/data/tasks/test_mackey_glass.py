from itertools import pairwise

import numpy as np
import pytest
import torch

from cells.data.tasks.mackey_glass import MackeyGlass, trajectories


def euler(history: float, tau: int, units: int, steps_per_unit: int) -> list[float]:
    """The plainest solution there is: one scalar, one list, Euler's method."""
    step = 1.0 / steps_per_unit
    solution = [history] * (tau * steps_per_unit + 1)
    for _ in range(units * steps_per_unit):
        delayed = solution[-1 - tau * steps_per_unit]
        solution.append(solution[-1] + step * (0.2 * delayed / (1 + delayed**10) - 0.1 * solution[-1]))
    return solution[(tau + 1) * steps_per_unit :: steps_per_unit]


@pytest.mark.parametrize("tau", [1, 17, 30])
def test_a_trajectory_is_what_eulers_method_with_tiny_steps_comes_to(tau):
    ours = trajectories(np.array([0.6, 1.3]), tau, units=60)
    for history, solution in zip((0.6, 1.3), ours, strict=True):
        coarse, fine = (np.array(euler(history, tau, 60, steps)) for steps in (200, 400))
        extrapolated = 2 * fine - coarse  # cancels Euler's error of order 1
        assert np.abs(solution - extrapolated).max() < 2e-5


def test_halving_the_step_divides_the_error_by_two_to_the_fourth():
    history = np.linspace(0.5, 1.5, 20)
    exact = trajectories(history, 17, units=80, steps_per_unit=64)
    errors = [np.abs(trajectories(history, 17, 80, steps) - exact).max() for steps in (1, 2, 4, 8)]
    for larger, smaller in pairwise(errors):
        assert 12 < larger / smaller < 20


def test_the_default_step_is_fine_enough_for_the_whole_time_that_is_integrated():
    history = np.linspace(0.5, 1.5, 20)
    exact = trajectories(history, 17, units=370, steps_per_unit=32)
    assert np.abs(trajectories(history, 17, units=370) - exact).max() < 1e-5


def test_every_sequence_solves_the_delay_equation_from_its_inputs_into_its_targets():
    split = MackeyGlass(length=50, forecast_horizon=20).generate(30, np.random.default_rng(0))
    x = torch.cat([split.inputs[:, :, 0], split.targets], dim=1).double().numpy() + 1.0
    middle = x[:, 19:-2]
    slope = (x[:, 17:-4] - 8 * x[:, 18:-3] + 8 * x[:, 20:-1] - x[:, 21:]) / 12
    delayed = x[:, 2:-19]
    wanted = 0.2 * delayed / (1 + delayed**10) - 0.1 * middle
    error = np.sqrt(np.mean((slope - wanted) ** 2))
    assert error < 0.02 * np.sqrt(np.mean(wanted**2))


def test_windows_begin_at_every_phase_of_the_oscillation():
    split = MackeyGlass().generate(4000, np.random.default_rng(0))
    by_step = split.inputs[:, :, 0].mean(0)
    overall = split.inputs.std()
    assert (by_step - by_step.mean()).abs().max() < 0.15 * overall


def test_the_series_is_chaotic_at_a_delay_of_17_and_settles_at_a_short_one():
    start = np.array([0.9, 0.9 + 1e-6])
    apart, together = (np.abs(np.diff(trajectories(start, tau, units=3000), axis=0))[0] for tau in (17, 2))
    assert apart[2000:].max() > 0.05
    assert together[-1] < 1e-9
