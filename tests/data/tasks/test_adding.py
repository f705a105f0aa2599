import numpy as np

from cells.data.tasks.adding import Adding


def test_the_target_is_the_sum_of_the_two_marked_numbers():
    for length in (2, 7, 30):
        split = Adding(length=length).generate(200, np.random.default_rng(0))
        for sequence, target in zip(split.inputs.tolist(), split.targets.tolist(), strict=True):
            total = 0.0
            for value, mark in sequence:
                assert 0 <= value < 1
                assert mark in (0.0, 1.0)
                total += value * mark
            assert abs(total - target[0]) < 1e-6


def test_one_number_is_marked_in_each_half_and_every_place_is_reached():
    marks = Adding(length=7).generate(500, np.random.default_rng(0)).inputs[:, :, 1]
    assert marks[:, :3].sum(1).eq(1).all()
    assert marks[:, 3:].sum(1).eq(1).all()
    assert marks.any(0).all()


def test_solved_is_the_tolerance_of_1997_in_our_scaling():
    data = Adding(length=50, train_size=5, test_size=1000).content
    ours = data.test.targets
    scaling_of_1997 = 0.5 + (2 * ours - 2) / 4  # their numbers are X = 2U − 1, so X₁ + X₂ = 2 (U₁ + U₂) − 2
    answers_off_by_their_tolerance = 2 * (scaling_of_1997 + 0.04)
    mse = (answers_off_by_their_tolerance - ours).square().mean().item()
    assert abs(mse - data.metric.solved_at) < 1e-6
