"""What ignoring the input, or an older method, scores on the test split of a task."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from cells.data.scored import Scores
from cells.data.sequences import Split, valid_targets

REGRESSION_STEPS = 100
"""Inputs at most that a linear autoregression looks back on: its cost grows with the square of them."""


def constant(train: Split, test: Split, target_std: Tensor | None = None) -> Scores:
    """Predict the training mean of every output, at every time step on its own."""
    return real_scores(train.targets.nanmean(0), test, target_std)


def last_value(test: Split, target_std: Tensor | None = None) -> Scores:
    """Forecast that everything stays as it is: the last input of a series with one feature."""
    return real_scores(test.inputs[:, -1], test, target_std)


def linear_autoregression(train: Split, test: Split) -> Scores:
    """Forecast every output by a linear function of the most recent inputs, fitted to the training split."""

    def recent(split: Split) -> Tensor:
        inputs = split.inputs[:, -REGRESSION_STEPS:].flatten(1)
        return pad(inputs, (0, 1), value=1.0).double()  # the 1 stands for the intercept

    # gelsd bears inputs that depend on one another linearly, as those of a noiseless sine do.
    weights = torch.linalg.lstsq(recent(train), train.targets.double(), driver="gelsd").solution
    return real_scores(recent(test) @ weights, test)


def class_frequencies(train: Split, test: Split, classes: int) -> Scores:
    """Predict the classes by their frequencies in training, at every time step on its own."""
    counts = torch.stack([(train.targets == index).sum(0) for index in range(classes)], -1)
    # One imagined sequence, spread over the classes: a class never seen costs much, but not infinitely much.
    frequencies = (counts + 1 / classes) / (counts.sum(-1, keepdim=True) + 1)
    valid = valid_targets(test.targets)
    given = test.targets.where(valid, 0).unsqueeze(-1)
    probability = frequencies.double().expand(*given.shape[:-1], classes).gather(-1, given).squeeze(-1)
    return {
        "cross_entropy": -probability.log()[valid].mean().item(),
        "accuracy": (test.targets == counts.argmax(-1))[valid].double().mean().item(),
    }


def real_scores(prediction: Tensor, split: Split, target_std: Tensor | None = None) -> Scores:
    """Mean squared and mean absolute error of a prediction that broadcasts against the split's targets.

    Args:
        prediction: in the units of `split.targets`.
        target_std: (O,) in original units; with it, errors are told as multiples of it and in original units.
    """
    error = prediction.double() - split.targets.double()
    if split.scale is None or target_std is None:
        return _mean_errors(error)
    original = error * split.scale.double()
    in_original_units = {f"{name}_original": score for name, score in _mean_errors(original).items()}
    return _mean_errors(original / target_std.double()) | in_original_units


def _mean_errors(error: Tensor) -> Scores:
    counted = error[~error.isnan()]
    return {"mse": counted.square().mean().item(), "mae": counted.abs().mean().item()}
