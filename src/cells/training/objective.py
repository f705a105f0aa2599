"""Losses and scores, kept apart for every replica and sequence until the very end.

Shape letters: R replicas, B batch, T time steps, O output size.
"""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor

from cells.data.sequences import IGNORED_CLASS, Batch, valid_targets

Loss = Literal["mse", "mae", "cross_entropy"]


def position_losses(predictions: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """The loss at each target position, 0 where there is no target; of the shape of `targets`.

    Args:
        predictions: (R, B, [T,] O); for classes, unnormalised log-probabilities (the softmax is in the loss).
        targets: (R, B, [T,] O) real with NaN for "none", or (R, B, [T]) classes with IGNORED_CLASS for "none".
        loss: "mse" (squared error), "mae" (absolute error) or "cross_entropy" (nats).
    """
    if loss == "cross_entropy":
        flat = F.cross_entropy(
            predictions.flatten(0, -2).float(),
            targets.flatten(),
            ignore_index=IGNORED_CLASS,
            reduction="none",
        )
        return flat.view_as(targets)
    errors = _errors(predictions, targets)
    return errors.square() if loss == "mse" else errors.abs()


def positions(targets: Tensor) -> Tensor:
    """Number of target positions of each replica: (R,)."""
    return valid_targets(targets).flatten(1).sum(1)


def scores(predictions: Tensor, batch: Batch, loss: Loss, target_std: Tensor | None) -> dict[str, Tensor]:
    """What `val/` and `test/` report, as a mean over the target positions of each sequence: name → (R, B).

    A sequence's weight in the score of a split is its number of target positions, under the key "weight".

    Real targets: `loss` (as trained on), `mse` and `mae`. For a series those two are *scaled*, that is in units of
    the training part's standard deviation, whatever the normalisation the network was trained under, and
    `mse_original` and `mae_original` are in the target's own units. Classes: `loss`, `cross_entropy`, `accuracy`.
    """
    valid = valid_targets(batch.targets)
    replicas_and_batch = batch.targets.shape[:2]
    weight = valid.reshape(*replicas_and_batch, -1).sum(2)

    def per_sequence(values: Tensor) -> Tensor:
        return values.reshape(*replicas_and_batch, -1).sum(2) / weight.clamp(min=1)

    result = {"weight": weight, "loss": per_sequence(position_losses(predictions, batch.targets, loss))}
    if loss == "cross_entropy":
        hits = (predictions.argmax(-1) == batch.targets) & valid
        return result | {
            "cross_entropy": result["loss"],
            "accuracy": per_sequence(hits.to(predictions.dtype)),
        }
    errors = _errors(predictions, batch.targets)
    if batch.scale is not None and target_std is not None:
        original = errors * batch.scale
        errors = original / target_std
        result["mse_original"] = per_sequence(original.square())
        result["mae_original"] = per_sequence(original.abs())
    return result | {"mse": per_sequence(errors.square()), "mae": per_sequence(errors.abs())}


def baseline_loss(targets: Tensor, loss: Loss) -> float:
    """Loss of the best constant prediction on a split: the yardstick for "diverged".

    Args:
        targets: (N, [T,] O) real, or (N, [T]) classes.
    """
    if loss == "cross_entropy":
        counts = torch.bincount(targets[valid_targets(targets)]).double()
        frequencies = counts[counts > 0] / counts.sum()
        return float(-(frequencies * frequencies.log()).sum())
    outputs = targets.double().flatten(0, -2)
    if loss == "mse":
        return float((outputs - outputs.nanmean(0)).square().nanmean())
    return float((outputs - outputs.nanmedian(0).values).abs().nanmean())


def _errors(predictions: Tensor, targets: Tensor) -> Tensor:
    # NaN marks "no target"; `where` keeps it out of the gradient as well as out of the value.
    return torch.where(valid_targets(targets), predictions - targets, 0.0)
