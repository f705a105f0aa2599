import math

import pytest
import torch

from cells.data.sequences import IGNORED_CLASS, Split
from cells.data.tasks import baselines

NAN = float("nan")


def real(targets: list, inputs: list | None = None, scale: float | None = None) -> Split:
    tensor = torch.tensor(targets)
    return Split(
        inputs=torch.tensor(inputs) if inputs else torch.zeros(len(tensor), 1, 1),
        targets=tensor,
        scale=None if scale is None else torch.full((len(tensor), tensor.shape[-1]), scale),
    )


def classes(targets: list) -> Split:
    tensor = torch.tensor(targets)
    return Split(torch.zeros(len(tensor), 1, 1), tensor)


def test_the_constant_is_fitted_on_training_and_scored_on_test():
    scores = baselines.constant(real([[0.0], [4.0]]), real([[5.0], [1.0], [2.0]]))
    assert scores == {"mse": pytest.approx((9 + 1 + 0) / 3), "mae": pytest.approx((3 + 1 + 0) / 3)}


def test_targets_that_are_missing_do_not_count():
    train = real([[[NAN], [1.0]], [[NAN], [3.0]]])
    test = real([[[NAN], [4.0]], [[NAN], [NAN]]])
    assert baselines.constant(train, test) == {"mse": 4.0, "mae": 2.0}


def test_the_last_value_is_held_for_every_step_ahead():
    test = real([[3.0, 5.0]], inputs=[[[9.0], [2.0]]])
    assert baselines.last_value(test) == {"mse": (1 + 9) / 2, "mae": 2.0}


def test_a_linear_autoregression_finds_the_line_through_the_training_windows_and_its_intercept():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 3, 1, generator=generator)
    targets = inputs[:, :, 0] @ torch.tensor([[0.5, -1.0], [0.0, 2.0], [1.5, 0.0]]) + torch.tensor(
        [3.0, -2.0]
    )
    train, test = Split(inputs[:150], targets[:150]), Split(inputs[150:], targets[150:] + 0.1)
    scores = baselines.linear_autoregression(train, test)
    assert scores == pytest.approx({"mse": 0.01, "mae": 0.1}, abs=1e-5)


def test_a_linear_autoregression_bears_inputs_that_are_copies_of_one_another_and_looks_back_so_far_only():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(300, 1, generator=generator)
    ancient = torch.randn(300, 1, generator=generator)
    inputs = torch.cat([ancient, values.expand(-1, baselines.REGRESSION_STEPS)], dim=1).unsqueeze(-1)
    seen, unseen = Split(inputs, 2 * values), Split(inputs, ancient)
    assert baselines.linear_autoregression(seen, seen)["mse"] == pytest.approx(0.0, abs=1e-8)
    assert baselines.linear_autoregression(unseen, unseen)["mse"] == pytest.approx(
        ancient.var().item(), rel=0.05
    )


def test_errors_are_told_in_original_units_and_scaled_by_the_training_deviation():
    test = real([[3.0, 5.0]], inputs=[[[2.0]]], scale=10.0)
    scores = baselines.last_value(test, target_std=torch.tensor([10.0, 30.0]))
    assert scores == pytest.approx(
        {
            "mse": (1 + 1) / 2,
            "mae": (1 + 1) / 2,
            "mse_original": (100 + 900) / 2,
            "mae_original": (10 + 30) / 2,
        }
    )


def test_class_frequencies_are_taken_at_every_step_on_their_own():
    train = classes([[0, 1]] * 500 + [[0, 2]] * 500)
    test = classes([[0, 1], [0, 2]])
    scores = baselines.class_frequencies(train, test, classes=3)
    assert scores["cross_entropy"] == pytest.approx((0 + math.log(2)) / 2, rel=0.01)
    assert scores["accuracy"] == 0.75


def test_a_class_never_seen_in_training_costs_much_but_not_infinitely_much():
    scores = baselines.class_frequencies(classes([0] * 99), classes([1]), classes=2)
    assert scores["cross_entropy"] == pytest.approx(math.log(200))
    assert scores["accuracy"] == 0.0


def test_ignored_classes_count_neither_in_training_nor_in_test():
    train = classes([[0, IGNORED_CLASS], [0, 1]])
    test = classes([[IGNORED_CLASS, 1], [0, IGNORED_CLASS]])
    scores = baselines.class_frequencies(train, test, classes=2)
    assert scores["accuracy"] == 1.0
    assert scores["cross_entropy"] == pytest.approx(-(math.log(1.5 / 2) + math.log(2.5 / 3)) / 2)
