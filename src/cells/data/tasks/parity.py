"""Parity: is the number of ones so far odd?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from cells.data.sequences import Metric, Split
from cells.data.tasks.task import Facts, Steps, SyntheticDataModule


@dataclass(kw_only=True, eq=False, repr=False)
class Parity(SyntheticDataModule):
    """Is the number of ones odd? Asked at every step of what came so far, or once at the last step.

        input    0 1 1 0 1 0 0 1
        target   0 1 0 0 1 1 1 0

    Inputs (N, length, 1), fair bits; targets (N, length), or (N,) at the last step, class 1 where the
    number is odd. Guessing scores an accuracy of 1/2, and nothing better comes of knowing all bits but one.

    Source: Minsky & Papert (1969), "Perceptrons", chapter 3. A task for recurrent networks since Bengio,
    Simard & Frasconi (1994), "Learning long-term dependencies with gradient descent is difficult".

    Solved, by a threshold of ours for want of a customary one at a fixed length: 99% right.

    Args:
        length: time steps.
        target_at: ask at "every" step or at the "last" one, which is far harder to learn.
    """

    length: Steps = 50
    target_at: Literal["every", "last"] = "every"

    def facts(self) -> Facts:
        return Facts(
            target_kind="class",
            target_at=self.target_at,
            output_size=2,
            metric=Metric("accuracy", "max", solved_at=0.99),
            chance=0.5,
            output_names=("even", "odd"),
        )

    def generate(self, size: int, rng: np.random.Generator) -> Split:
        bits = rng.integers(2, size=(size, self.length))
        parities = torch.from_numpy(np.cumsum(bits, axis=1) % 2)
        inputs = torch.from_numpy(bits[:, :, None].astype(np.float32))
        return Split(inputs, parities if self.target_at == "every" else parities[:, -1].clone())
