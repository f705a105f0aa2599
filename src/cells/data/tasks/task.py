"""What all synthetic tasks share: the sizes of their splits, independent random numbers, and baselines."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from cells.data.datamodule import SequenceDataModule
from cells.data.scored import Scores, scored
from cells.data.sequences import Metric, SequenceData, Split
from cells.data.tasks import baselines
from cells.errors import UserError

Steps = Annotated[int, Field(gt=0, le=100_000)]
"""Time steps of a sequence: few enough that one can be drawn to see how much memory all of them take."""

MEMORY_LIMIT = 4 * 2**30
"""Bytes that the three splits of a task may take together."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is to be known of a task besides its sequences; the words are those of `SequenceData`."""

    target_kind: Literal["real", "class"]
    target_at: Literal["last", "every"]
    output_size: int
    metric: Metric
    chance: float | None
    forecast: bool = False
    output_names: tuple[str, ...] = ()
    note: str = ""


@dataclass(kw_only=True, eq=False, repr=False)
class SyntheticDataModule(SequenceDataModule, ABC):
    """A task whose sequences are generated: a pure function of its settings and `seed`.

    A task is a dataclass derived from this one that states its `facts` and says how to `generate` sequences.

    Args:
        train_size, val_size, test_size: sequences in each split. No split depends on the size of another.
    """

    train_size: PositiveInt = 10_000
    val_size: PositiveInt = 1_000
    test_size: PositiveInt = 1_000

    @abstractmethod
    def facts(self) -> Facts:
        """What the targets are, how they are scored, and the score of a predictor that ignores the input."""

    @abstractmethod
    def generate(self, size: int, rng: np.random.Generator) -> Split:
        """Independent sequences, `size` of them, drawn from `rng` and nothing else.

        Raises:
            UserError: settings that contradict each other.
        """

    def load(self) -> SequenceData:
        """Generate the three splits and score the baselines.

        Raises:
            UserError: settings that contradict each other, or more data than `MEMORY_LIMIT`.
        """
        sizes = (self.train_size, self.val_size, self.test_size)
        self._check_memory(sum(sizes))
        children = np.random.SeedSequence(self.seed).spawn(len(sizes))
        train, val, test = (
            self.generate(size, np.random.default_rng(child))
            for size, child in zip(sizes, children, strict=True)
        )
        facts = self.facts()
        return SequenceData(
            name=re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower(),
            train=train,
            val=val,
            test=test,
            **scored(_baselines(facts, train, test)),
            **vars(facts),
        )

    def _check_memory(self, sequences: int) -> None:
        one = self.generate(1, np.random.default_rng(0))
        needed = (one.inputs.nbytes + one.targets.nbytes) * sequences
        if needed > MEMORY_LIMIT:
            raise UserError(
                f"data.train_size={self.train_size}: the three splits would take {needed / 2**30:.1f} GiB of "
                f"memory, and {MEMORY_LIMIT / 2**30:.0f} are allowed; choose fewer or shorter sequences."
            )


def _baselines(facts: Facts, train: Split, test: Split) -> dict[str, Callable[[], Scores]]:
    if facts.target_kind == "class":
        return {"chance": lambda: baselines.class_frequencies(train, test, facts.output_size)}
    methods = {"training mean": lambda: baselines.constant(train, test)}
    if facts.forecast and train.inputs.shape[-1] == 1:
        methods["last value"] = lambda: baselines.last_value(test)
        methods["linear autoregression"] = lambda: baselines.linear_autoregression(train, test)
    return methods
