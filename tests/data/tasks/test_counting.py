import numpy as np
import pytest
import torch

from cells.data.tasks.counting import Counting


def originals(split) -> tuple[list[list[float]], list[list[float]]]:
    inputs = split.inputs[:, :, 0] * split.scale[:, :1]
    targets = split.offset + split.scale * split.targets
    return inputs.tolist(), targets.tolist()


def test_the_training_split_is_1_to_20_viewed_as_four_sequences_of_five_and_the_next_two_of_each():
    train = Counting().content.train
    assert train.inputs.shape == (4, 5, 1)
    assert (20 * train.inputs).equal(torch.arange(1.0, 21.0).view(4, 5, 1))
    assert originals(train)[1] == [[6, 7], [11, 12], [16, 17], [21, 22]]


def test_every_sequence_but_the_first_goes_on_where_the_one_before_it_ended():
    for split in Counting().content.splits.values():
        assert split.follows.tolist() == [False, True, True, True]
        joined = split.inputs.flatten()
        assert torch.diff(joined).numpy() == pytest.approx(np.full(19, 1 / 20), abs=1e-6)


def test_validation_and_test_count_on_from_there():
    content = Counting().content
    for split, first in ((content.val, 21), (content.test, 41)):
        inputs, targets = originals(split)
        assert np.array(inputs) == pytest.approx(np.arange(first, first + 20).reshape(4, 5))
        assert np.array(targets) == pytest.approx(np.array([[row[-1] + 1, row[-1] + 2] for row in inputs]))


@pytest.mark.parametrize(("count", "length", "horizon"), [(4, 2, 1), (30, 10, 7), (21, 3, 2)])
def test_other_sizes_count_the_same_way(count, length, horizon):
    content = Counting(count=count, length=length, forecast_horizon=horizon, scale=7.0).content
    number = 1
    for split in content.splits.values():
        for row, target, position in zip(*originals(split), split.positions, strict=True):
            for value in row:
                assert value == pytest.approx(number, rel=1e-6)
                number += 1
            assert target == pytest.approx([number + ahead for ahead in range(horizon)], rel=1e-6)
            assert position == number - 1


def test_a_straight_line_makes_no_error_and_a_constant_a_large_one():
    baselines = Counting().content.baselines
    assert baselines["straight line"]["mae_original"] == pytest.approx(0.0, abs=1e-4)
    assert baselines["last value"]["mse_original"] == pytest.approx((1 + 4) / 2, rel=1e-5)
    assert baselines["training mean"]["mae_original"] == pytest.approx(40.0, rel=1e-5)


def test_scaled_errors_are_in_units_of_the_training_targets_standard_deviation():
    content = Counting().content
    variance = np.var([6, 11, 16, 21])
    assert content.target_std.square().numpy() == pytest.approx(np.full(2, variance))
    for scores in content.baselines.values():
        assert scores["mse"] == pytest.approx(scores["mse_original"] / variance, rel=1e-5, abs=1e-9)


def test_the_scale_changes_what_the_network_sees_and_no_reported_score():
    usual, raw = Counting().content, Counting(scale=1.0).content
    assert raw.train.inputs.max() == 20
    assert usual.train.inputs.max() == 1
    for name, scores in usual.baselines.items():
        assert raw.baselines[name] == pytest.approx(scores, rel=1e-5, abs=1e-6)
