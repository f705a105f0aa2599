import math

import numpy as np
import pytest
import torch

from cells.data.tasks.sine import Sine


def whole(split) -> torch.Tensor:
    return torch.cat([split.inputs[:, :, 0], split.targets], dim=1).double()


def test_without_noise_each_sequence_is_one_sine_of_amplitude_1_that_goes_on_into_its_targets():
    task = Sine(length=40, forecast_horizon=8, noise=0.0, shortest_period=8.0, longest_period=30.0)
    for wave in whole(task.generate(50, np.random.default_rng(0))).tolist():
        # Exactly a sine of frequency f has x(t+1) + x(t−1) = 2 cos(2πf) x(t).
        middle = max(range(1, 47), key=lambda t: abs(wave[t]))
        cosine = (wave[middle + 1] + wave[middle - 1]) / (2 * wave[middle])
        assert 8.0 - 1e-3 <= 2 * math.pi / math.acos(cosine) <= 30.0 + 1e-3
        for t in range(1, 47):
            assert wave[t + 1] + wave[t - 1] == pytest.approx(2 * cosine * wave[t], abs=1e-5)
        # sin² + cos² = 1, the cosine from the neighbours' difference.
        sine, angle = wave[middle], math.acos(cosine)
        quadrature = (wave[middle + 1] - wave[middle - 1]) / (2 * math.sin(angle))
        assert sine**2 + quadrature**2 == pytest.approx(1.0, abs=1e-4)


def test_frequencies_and_phases_fill_their_ranges():
    task = Sine(length=3, noise=0.0, shortest_period=4.0, longest_period=20.0)
    start, following, later = task.generate(4000, np.random.default_rng(0)).inputs[:, :, 0].double().T
    usable = following.abs() > 0.2
    frequency = torch.acos(((start + later) / (2 * following))[usable].clamp(-1, 1)) / (2 * math.pi)
    assert frequency.min().item() == pytest.approx(1 / 20, abs=2e-3)
    assert frequency.max().item() == pytest.approx(1 / 4, abs=2e-3)
    assert frequency.mean().item() == pytest.approx((1 / 20 + 1 / 4) / 2, abs=5e-3)
    assert start.mean().item() == pytest.approx(0.0, abs=0.03)
    assert start.square().mean().item() == pytest.approx(0.5, abs=0.02)


def test_noise_of_the_given_size_is_added_to_inputs_and_targets_alike():
    quiet, noisy = (whole(Sine(noise=noise).generate(2000, np.random.default_rng(0))) for noise in (0.0, 0.3))
    added = noisy - quiet
    assert added[:, :50].std().item() == pytest.approx(0.3, rel=0.02)
    assert added[:, 50:].std().item() == pytest.approx(0.3, rel=0.02)
    assert (added[:, 1:] * added[:, :-1]).mean().item() == pytest.approx(0.0, abs=0.002)


def test_the_note_names_the_floor_below_which_no_forecast_gets():
    assert "0.09" in Sine(noise=0.3).facts().note
