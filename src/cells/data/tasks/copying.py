"""The copying problem: repeat ten symbols after a stretch of blanks."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from cells.data.sequences import Metric, Split
from cells.data.tasks.task import Facts, Steps, SyntheticDataModule

SYMBOLS, BLANK, DELIMITER = 8, 8, 9
COPIED = 10


@dataclass(kw_only=True, eq=False, repr=False)
class Copying(SyntheticDataModule):
    """The copying problem: ten symbols out of eight, T steps of waiting, then the ten are asked for.

    With T = 4 (`_` the blank, `:` the delimiter):

        input    c a h b b e d a g f _ _ _ : _ _ _ _ _ _ _ _ _ _
        target   _ _ _ _ _ _ _ _ _ _ _ _ _ _ c a h b b e d a g f

    Inputs (N, T + 20, 10) one-hot: symbols 0–7, blank 8, delimiter 9. Targets (N, T + 20), one of nine
    classes at every step, blanks included. Answering blanks and then guessing scores a cross-entropy of
    10·ln 8 / (T + 20).

    Source: Arjovsky, Shah & Bengio (2016), "Unitary evolution recurrent neural networks", section 5.1, after
    Hochreiter & Schmidhuber (1997).

    Solved, by a threshold of ours for want of a customary one: a tenth of that cross-entropy.

    Args:
        blanks: T, the steps between the symbols and their copy, the delimiter among them.
    """

    blanks: Steps = 50

    def facts(self) -> Facts:
        guessing = COPIED * math.log(SYMBOLS) / (self.blanks + 2 * COPIED)
        return Facts(
            target_kind="class",
            target_at="every",
            output_size=SYMBOLS + 1,
            metric=Metric("cross_entropy", "min", solved_at=guessing / 10),
            chance=guessing,
            output_names=(*"abcdefgh", "blank"),
        )

    def generate(self, size: int, rng: np.random.Generator) -> Split:
        symbols = rng.integers(SYMBOLS, size=(size, COPIED))
        asked = COPIED + self.blanks
        inputs = np.full((size, asked + COPIED), BLANK)
        inputs[:, :COPIED] = symbols
        inputs[:, asked - 1] = DELIMITER
        targets = np.full_like(inputs, BLANK)
        targets[:, asked:] = symbols
        one_hot = np.eye(SYMBOLS + 2, dtype=np.float32)[inputs]
        return Split(torch.from_numpy(one_hot), torch.from_numpy(targets))
