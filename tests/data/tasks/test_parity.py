import numpy as np
import pytest

from cells.data.tasks.parity import Parity


def test_the_target_at_every_step_is_whether_the_ones_so_far_are_odd():
    split = Parity(length=12).generate(50, np.random.default_rng(0))
    for bits, targets in zip(split.inputs.tolist(), split.targets.tolist(), strict=True):
        odd = False
        for (bit,), target in zip(bits, targets, strict=True):
            assert bit in (0.0, 1.0)
            if bit == 1.0:
                odd = not odd
            assert target == odd


def test_the_target_at_the_last_step_is_the_last_of_those_at_every_step():
    every = Parity(length=12).generate(50, np.random.default_rng(1))
    last = Parity(length=12, target_at="last").generate(50, np.random.default_rng(1))
    assert last.inputs.equal(every.inputs)
    assert last.targets.equal(every.targets[:, -1])


def test_bits_are_fair():
    assert Parity().generate(2000, np.random.default_rng(0)).inputs.mean().item() == pytest.approx(
        0.5, abs=0.01
    )
