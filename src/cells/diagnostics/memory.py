"""How far back a network remembers: the share of variance it recalls, by lag."""

import math
from collections.abc import Sequence

from torch import Tensor

from cells.compare.lengths import RECALLED_FROM


def recalled_variance(predictions: Tensor, targets: Tensor) -> Tensor:
    """R² of every output: 1 − Σ(error²) / Σ(deviation from the mean²).

    Args:
        predictions: (R, N, T, K).
        targets: (N, T, K), NaN where there is none.

    Returns:
        (R, K); 0 is what predicting the mean would get, and a network can do worse.
    """
    targets = targets.double()
    deviation = (targets - targets.flatten(0, 1).nanmean(0)).square()
    error = (predictions.double() - targets).square()
    return 1 - error.flatten(1, 2).nansum(1) / deviation.flatten(0, 1).nansum(0)


def memory_horizon(r2: Tensor, lags: Sequence[int]) -> list[int]:
    """For each replica the largest lag up to which *every* lag given is recalled; 0 if the first is not.

    Args:
        r2: (R, K).
        lags: K of them, rising.
    """
    unbroken = (r2 >= RECALLED_FROM).long().cumprod(-1).sum(-1).tolist()
    return [lags[many - 1] if many else 0 for many in unbroken]


def memory_capacity(r2: Tensor) -> Tensor:
    """The sum of R² over lags, (R, K) → (R,) (Jaeger, GMD report 152, 2001, definition 1, with R² held out)."""
    return r2.sum(-1)


def still_improving(steps: Sequence[int], scores: Sequence[float]) -> bool:
    """Whether the last fifth of training lowered the best validation score by more than one part in a hundred.

    A horizon measured then is a lower bound: with more training it might be longer. So it is where no validation came
    before the last fifth.
    """
    seen = [(step, score) for step, score in zip(steps, scores, strict=True) if math.isfinite(score)]
    before = [score for step, score in seen if step <= 0.8 * steps[-1]]
    return not before or min(score for _, score in seen) < 0.99 * min(before)
