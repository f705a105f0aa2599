import math

import numpy as np
import pytest

from cells.data.tasks.recall import Recall


def test_output_k_is_the_input_of_k_steps_ago_and_nothing_is_asked_before_there_is_one():
    split = Recall(length=9, max_lag=4).generate(20, np.random.default_rng(0))
    for inputs, targets in zip(split.inputs.tolist(), split.targets.tolist(), strict=True):
        for step in range(9):
            for output, lag in enumerate((1, 2, 3, 4)):
                asked = targets[step][output]
                if step < lag:
                    assert math.isnan(asked)
                else:
                    assert asked == inputs[step - lag][0]


def test_one_lag_alone_is_the_same_column_of_the_same_data():
    every = Recall(length=9, max_lag=8).generate(20, np.random.default_rng(5))
    for lag in (1, 3, 8):
        alone = Recall(length=9, lag=lag).generate(20, np.random.default_rng(5))
        assert alone.inputs.equal(every.inputs)
        assert alone.targets[:, lag:].equal(every.targets[:, lag:, lag - 1 : lag])
        assert alone.targets[:, :lag].isnan().all()


def test_inputs_have_mean_0_and_variance_1_and_do_not_predict_each_other():
    values = Recall().generate(4000, np.random.default_rng(0)).inputs[:, :, 0].double()
    assert values.mean().item() == pytest.approx(0.0, abs=0.01)
    assert values.var().item() == pytest.approx(1.0, abs=0.01)
    assert (values[:, 1:] * values[:, :-1]).mean().item() == pytest.approx(0.0, abs=0.01)


def test_outputs_are_labelled_by_their_lag():
    assert Recall(max_lag=2).facts().output_names == ("1 step ago", "2 steps ago")
    assert Recall(lag=7).facts().output_names == ("7 steps ago",)
