"""The LightningDataModule over synthetic tasks and real series: whole batches, drawn by indexing tensors in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from pytorch_lightning import LightningDataModule
from torch import Tensor

from cells.data.sequences import Batch, Draw, SequenceData, Split, valid_targets

EVALUATION_BATCH = 512
"""Sequences a step of validation or test: large, for nothing is stored for a backward pass."""


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceDataModule(LightningDataModule, ABC):
    """Sequences in memory, drawn in an order that is a pure function of (seed, epoch, step).

    A data set is a dataclass derived from this one; its fields are its settings and the keys of its YAML file.

    Args:
        batch_size: sequences per training step and replica.
        seed: fixes the data set itself. The run's own seeds vary initialisation, order and dropout.
        seeds: the run's seeds, one a replica; set by the program.
        in_order: draw the training split as `batch_size` streams side by side, and the other splits as one stream, each
            sequence after the one that it follows; set by the program for `learner.carry_state`.
    """

    batch_size: PositiveInt = 32
    seed: NonNegativeInt = 0
    seeds: tuple[int, ...] = (0,)
    in_order: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self._content: SequenceData | None = None
        self._on_device: dict[tuple[str, torch.device, torch.dtype], Split] = {}

    @abstractmethod
    def load(self) -> SequenceData:
        """Make or read the whole data set: a pure function of the settings.

        Raises:
            UserError: the settings or the file do not make a data set.
        """

    @property
    def content(self) -> SequenceData:
        """The data set, loaded on first use."""
        if self._content is None:
            self._content = self.load()
        return self._content

    @content.setter
    def content(self, content: SequenceData) -> None:
        self._content = content

    def setup(self, stage: str | None = None) -> None:
        """Lightning's hook: load before training starts, not in its first step."""
        _ = self.content

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training split; the remainder, another one in every epoch, is left out."""
        return max(1, len(self.content.train) // self.batch_size)

    @property
    def streams(self) -> int:
        """How many streams the training split is drawn as; 0 where its order is random."""
        return self.batch_size if self.in_order else 0

    def draw(self, step: int) -> Tensor:
        """Row numbers (R, B) of the training batch of a step: a pure function of the seeds and the step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self.in_order:
            stream = position + self.steps_per_epoch * torch.arange(self.batch_size)
            return stream.expand(len(self.seeds), -1)
        rows = slice(position * self.batch_size, (position + 1) * self.batch_size)
        return torch.stack([self._order(seed, epoch)[rows] for seed in self.seeds])

    def _order(self, seed: int, epoch: int) -> Tensor:
        cached_epoch, orders = self.__dict__.setdefault("_orders", (epoch, {}))
        if cached_epoch != epoch:
            orders = {}
            self._orders = (epoch, orders)
        if seed not in orders:
            permutation = np.random.default_rng([seed, epoch]).permutation(len(self.content.train))
            orders[seed] = torch.from_numpy(permutation)
        return orders[seed]

    def train_dataloader(self) -> "TrainingDraws":
        return TrainingDraws(self)

    def val_dataloader(self) -> "EvaluationDraws":
        return self._evaluation("val")

    def test_dataloader(self) -> "EvaluationDraws":
        return self._evaluation("test")

    def _evaluation(self, name: str) -> "EvaluationDraws":
        split = self.content.splits[name]
        return EvaluationDraws(name, len(split), split.follows if self.in_order else None)

    def on_after_batch_transfer(self, batch: Draw, dataloader_idx: int) -> Batch:
        """Lightning's hook: gather the drawn rows on the device. Training rows are shared out over the devices."""
        dtype = next(self.trainer.lightning_module.parameters()).dtype  # type: ignore[union-attr]
        split = self._split_on(batch.split, batch.rows.device, dtype)
        world_size = self.trainer.world_size if self.trainer else 1
        if batch.split != "train" or world_size == 1:
            return gather(split, batch.rows, len(self.seeds))._replace(continues=batch.continues)
        mine = batch.rows[:, self.trainer.global_rank :: world_size]  # type: ignore[union-attr]
        counted = valid_targets(split.targets[batch.rows]).flatten(1).sum(1)
        return gather(split, mine, len(self.seeds))._replace(positions_in_all=counted)

    def _split_on(self, name: str, device: torch.device, dtype: torch.dtype) -> Split:
        key = (name, device, dtype)
        if key not in self._on_device:
            split = self.content.splits[name]

            def moved(tensor: Tensor | None) -> Tensor | None:
                if tensor is None:
                    return None
                return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)

            self._on_device[key] = Split(
                moved(split.inputs),  # type: ignore[arg-type]
                moved(split.targets),  # type: ignore[arg-type]
                moved(split.lengths),
                moved(split.offset),
                moved(split.scale),
            )
        return self._on_device[key]


def gather(split: Split, index: Tensor, replicas: int) -> Batch:
    """The rows of a split that `index` names, (R, B), or (1, B) for rows that all replicas share."""

    def rows(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        taken = tensor[index]
        return taken.expand(replicas, *taken.shape[1:])

    inputs, targets = rows(split.inputs), rows(split.targets)
    assert inputs is not None
    assert targets is not None
    return Batch(inputs, targets, rows(split.lengths), rows(split.scale), None)


class TrainingDraws:
    """The training batches of one epoch, as row numbers, from wherever training stands: resuming needs no state."""

    def __init__(self, datamodule: SequenceDataModule) -> None:
        self._datamodule = datamodule

    def __len__(self) -> int:
        return self._datamodule.steps_per_epoch

    def __iter__(self) -> Iterator[Draw]:
        trainer = self._datamodule.trainer
        first = trainer.global_step if trainer else 0
        for step in range(first, (first // len(self) + 1) * len(self)):
            rows = self._datamodule.draw(step)
            yield Draw("train", rows, self._continues(rows, step))

    def _continues(self, rows: Tensor, step: int) -> Tensor | None:
        """A stream goes on with the sequence that follows; with an epoch it starts anew."""
        if not self._datamodule.in_order:
            return None
        follows = self._datamodule.content.train.follows
        assert follows is not None, "checked when the run was built"
        return follows[rows[:1]] & (step % len(self) > 0)

    def state_dict(self) -> dict[str, int]:
        """Nothing to keep: the global step, which Lightning restores, says it all."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Nothing to restore."""


class EvaluationDraws:
    """A whole split in order, in large batches that all replicas share.

    Given `follows` (N,), as of `Split`, one sequence after the other.
    """

    def __init__(self, split: str, size: int, follows: Tensor | None = None) -> None:
        self._split, self._size, self._follows = split, size, follows
        self._batch = EVALUATION_BATCH if follows is None else 1

    def __len__(self) -> int:
        return -(-self._size // self._batch)

    def __iter__(self) -> Iterator[Draw]:
        for first in range(0, self._size, self._batch):
            rows = torch.arange(first, min(first + self._batch, self._size)).unsqueeze(0)
            yield Draw(self._split, rows, None if self._follows is None else self._follows[rows])
