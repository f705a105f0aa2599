"""Temporal order: in which order did two or three relevant symbols come?"""

from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from cells.data.sequences import Metric, Split
from cells.data.tasks.task import Facts, Steps, SyntheticDataModule

ALPHABET = "abcdXYEB"
"""Four distractors, the two relevant symbols, the start and the end, in the order of the one-hot inputs."""

_DISTRACTORS = 4
_X, _START, _END = (ALPHABET.index(symbol) for symbol in "XEB")

_PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
"""Where each relevant symbol may stand, first and last place, in hundredths of the length."""


@dataclass(kw_only=True, eq=False, repr=False)
class TemporalOrder(SyntheticDataModule):
    """Classify a sequence by the order of its two relevant symbols (4 classes) or three (8 classes).

        input    E b X d a c a Y b d B        E starts a sequence and B ends it
        target                       XY       class 1 of XX, XY, YX, YY

    Inputs (N, length, 8) one-hot, target (N,) at the last step. Guessing scores an accuracy of 1/4 or 1/8.

    Source: Hochreiter & Schmidhuber (1997), "Long short-term memory", section 5.6, experiments 6a and 6b:
    at length 100, two relevant symbols stand 10–20 and 50–60 steps after the start, three 10–20, 33–43 and
    66–76; at other lengths in proportion. Their lengths vary from 100 to 110; here all sequences have one
    length.

    Solved: under 1% of sequences misclassified, as in Pascanu, Mikolov & Bengio (2013), "On the difficulty of
    training recurrent neural networks", section 4.1.1.

    Args:
        length: time steps, E and B included.
        symbols: number of relevant symbols.
    """

    length: Annotated[Steps, Field(ge=10)] = 100
    symbols: Literal[2, 3] = 2

    def facts(self) -> Facts:
        return Facts(
            target_kind="class",
            target_at="last",
            output_size=2**self.symbols,
            metric=Metric("accuracy", "max", solved_at=0.99),
            chance=0.5**self.symbols,
            output_names=tuple("".join(order) for order in product("XY", repeat=self.symbols)),
        )

    def generate(self, size: int, rng: np.random.Generator) -> Split:
        sequences = rng.integers(_DISTRACTORS, size=(size, self.length))
        sequences[:, 0], sequences[:, -1] = _START, _END
        classes = np.zeros(size, dtype=np.int64)
        for first, last in _PLACES[self.symbols]:
            places = rng.integers(
                first * self.length // 100, last * self.length // 100, size=size, endpoint=True
            )
            is_y = rng.integers(2, size=size)
            sequences[np.arange(size), places] = _X + is_y
            classes = 2 * classes + is_y
        one_hot = np.eye(len(ALPHABET), dtype=np.float32)[sequences]
        return Split(torch.from_numpy(one_hot), torch.from_numpy(classes))
