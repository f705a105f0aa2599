"""What a data module holds once it is loaded, and what a training step is given of it.

Shape letters in this package: N sequences, T time steps, F input features, O output size; R replicas, B batch.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

IGNORED_CLASS = -100
"""A class target that does not count. The real-valued counterpart is NaN."""


@dataclass(frozen=True)
class Split:
    """Sequences of one split, whole and in memory.

    Attributes:
        inputs: (N, T, F) float32, padded on the right with zeros where lengths differ.
        targets: real targets (N, O) or (N, T, O) float32 with NaN where there is none; class targets (N,) or (N, T)
            int64 with IGNORED_CLASS where there is none.
        lengths: (N,) int64 numbers of valid time steps, or None if every sequence fills all T.
        offset, scale: (N, O) for real targets that are normalised: original = offset + scale · target.
        positions: (N,) row number in the original series of each window's first target, for pictures.
        follows: (N,) True where a sequence goes on where the one before it ends, so that a state can be carried from
            one to the other; None where sequences have nothing to do with one another.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    offset: Tensor | None = None
    scale: Tensor | None = None
    positions: np.ndarray | None = None
    follows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Metric:
    """The score that a data set is judged by.

    Attributes:
        name: "mse", "accuracy" or "cross_entropy", as logged under `val/` and `test/`.
        goal: whether smaller or larger is better.
        solved_at: the score at which the literature calls the task solved, if it does.
    """

    name: str
    goal: Literal["min", "max"]
    solved_at: float | None = None


@dataclass(frozen=True)
class SequenceData:
    """A data set: three splits, and how its targets are to be read.

    Attributes:
        name: as in `data=…`.
        train, val, test: the splits.
        target_kind: "real" numbers or a "class".
        target_at: targets stand at the "last" step of a sequence or at "every" step.
        output_size: numbers to predict at a position (several steps ahead × several series), or classes.
        metric: the score it is judged by.
        baselines: what ignoring the past, or an older method, scores on the test split: name → {metric: score}.
            Metric names are those of `test/…`; at least one baseline has `metric.name`.
        forecast: the targets lie in the inputs' future, so looking at the inputs backwards is not allowed.
        target_std: (O,) standard deviation of each output in the training part of a series, in original units:
            dividing errors by it gives the scaled metrics. None where targets have no unit.
        unit: the original unit of the targets, for labels.
        output_names: a label for each output or class, for pictures.
        chance: score on `metric` of a predictor that knows nothing of the input, computed exactly (synthetic tasks).
        note: one sentence that belongs beside every result on this data set.
        baseline_seconds: baseline → what it took to fit and to score it, wall-clock.
        figures: facts worth keeping in the record (rows, period, columns, source, …), plain containers only.
    """

    name: str
    train: Split
    val: Split
    test: Split
    target_kind: Literal["real", "class"]
    target_at: Literal["last", "every"]
    output_size: int
    metric: Metric
    baselines: dict[str, dict[str, float]]
    forecast: bool = False
    target_std: Tensor | None = None
    unit: str = ""
    output_names: tuple[str, ...] = ()
    chance: float | None = None
    note: str = ""
    baseline_seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, object] = field(default_factory=dict)

    @property
    def input_size(self) -> int:
        return self.train.inputs.shape[-1]

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "val": self.val, "test": self.test}


class Draw(NamedTuple):
    """Which sequences a batch consists of: (R, B) row numbers of one split, one row of B for every replica.

    Drawn in order, `continues` is as in `Batch`.
    """

    split: str
    rows: Tensor
    continues: Tensor | None = None


class Batch(NamedTuple):
    """A batch, gathered from a split by a `Draw`.

    Attributes:
        inputs: (R, B, T, F); in evaluation the R replicas share one set of sequences (a view, not a copy).
        targets: (R, B, [T,] O) real, or (R, B, [T]) classes.
        lengths: (R, B) or None.
        scale: (R, B, O) or None: multiplies an error to give it the target's original unit.
        positions_in_all: (R,) valid target positions in the whole batch over all devices; None on a single device,
            where the batch at hand is the whole.
        continues: (1, B) True where a sequence goes on where the one in its place in the batch before ended; None
            where batches are drawn in any order.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None
    scale: Tensor | None
    positions_in_all: Tensor | None
    continues: Tensor | None = None


def valid_targets(targets: Tensor) -> Tensor:
    """True where a target counts: of the shape of `targets`."""
    return targets != IGNORED_CLASS if targets.dtype == torch.int64 else ~targets.isnan()
