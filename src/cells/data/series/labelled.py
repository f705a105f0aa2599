"""The data module that classifies whole sequences: three small real sets that come with the project."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from cells.data.datamodule import SequenceDataModule
from cells.data.scored import Scored, Scores, scored
from cells.data.sequences import Metric, SequenceData, Split
from cells.data.series.bundled import FOLDER
from cells.errors import UserError

Fraction = Annotated[float, Field(gt=0, lt=1)]


@dataclass(kw_only=True, eq=False, repr=False)
class LabelledDataModule(SequenceDataModule):
    """Sequences with one class each, (N, T, F) in and (N,) out, scaled by the training split.

    Where the authors of a set fixed its test split, that one is used, and validation is taken out of the
    training sequences; else all three splits are drawn. Each class has the same share of every split that
    is drawn.

    Args:
        source: "digits" (images of 8 × 8), "vowels" (12 channels, 7 to 29 steps) or "power_demand"
            (24 hours).
        arrangement: an image as 64 "pixels", one a step, or as 8 "rows"; None for a set that is no image.
        val_fraction: share for validation: of the training sequences, or of all where no test split is fixed.
        test_fraction: share for testing where no test split is fixed.

    Raises:
        UserError: at loading, if the arrangement does not suit the set or a split is left without some class.
    """

    source: Literal["digits", "vowels", "power_demand"]
    arrangement: Literal["pixels", "rows"] | None = None
    val_fraction: Fraction = 0.15
    test_fraction: Fraction = 0.15

    def load(self) -> SequenceData:
        with np.load(FOLDER / f"{self.source}.npz") as stored:
            inputs, lengths, labels = stored["inputs"].astype(float), stored["lengths"], stored["labels"]
            train_size, classes = int(stored["train_size"]), stored["classes"].tolist()
        if (self.source == "digits") != (self.arrangement is not None):
            valid = "pixels or rows" if self.source == "digits" else "null, for it is no image"
            raise UserError(f"data.arrangement={self.arrangement}: for {self.source} this has to be {valid}.")
        if self.arrangement == "pixels":
            inputs, lengths = inputs.reshape(len(inputs), -1, 1), lengths * inputs.shape[2]
        rows = self._split_rows(labels, train_size)
        inputs = scale_channels(inputs, lengths, rows["train"])
        varied = lengths.min() < lengths.max()
        splits = {
            name: Split(
                inputs=torch.from_numpy(inputs[chosen]),
                targets=torch.from_numpy(labels[chosen]),
                lengths=torch.from_numpy(lengths[chosen]) if varied else None,
            )
            for name, chosen in rows.items()
        }
        return SequenceData(
            name=self.source,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            target_kind="class",
            target_at="last",
            output_size=len(classes),
            metric=Metric("accuracy", "max"),
            **classification_baselines(splits["train"], splits["test"], len(classes)),
            output_names=tuple(classes),
            figures={
                "source": f"bundled:{self.source}",
                "steps": [int(lengths.min()), int(lengths.max())],
                "official_test_split": train_size > 0,
                "splits": {name: {"sequences": len(chosen)} for name, chosen in rows.items()},
            },
        )

    def _split_rows(self, labels: np.ndarray, train_size: int) -> dict[str, np.ndarray]:
        """Row numbers of each split; if `train_size` is not 0, what comes after so many is for testing."""
        drawn = labels[: train_size or None]
        fractions = [self.val_fraction] if train_size else [self.val_fraction, self.test_fraction]
        train, val, *test = stratified(drawn, fractions, np.random.default_rng(self.seed))
        rows = {"train": train, "val": val, "test": test[0] if test else np.arange(train_size, len(labels))}
        for name, chosen in rows.items():
            if len(np.unique(labels[chosen])) < len(np.unique(labels)):
                raise UserError(
                    f"data.val_fraction={self.val_fraction}, data.test_fraction={self.test_fraction}: the "
                    f"{name} split is left without some class; choose other fractions."
                )
        return rows


def stratified(
    labels: np.ndarray, fractions: list[float], generator: np.random.Generator
) -> list[np.ndarray]:
    """Rows in random parts, each class with its share of each; first the part that the fractions leave."""
    parts: list[list[np.ndarray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        borders = np.cumsum([round(fraction * len(rows)) for fraction in fractions])
        for part, chosen in zip([*parts[1:], parts[0]], np.split(rows, borders), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) for part in parts]


def scale_channels(inputs: np.ndarray, lengths: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Every channel of (N, T, F) with mean 0 and standard deviation 1 in the training rows; padding 0."""
    there = np.arange(inputs.shape[1]) < lengths[:, None]
    known = inputs[train][there[train]]  # (all training steps, F)
    spread = known.std(axis=0)
    scaled = (inputs - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.where(there[..., None], scaled, 0.0).astype(np.float32)


def classification_baselines(train: Split, test: Split, classes: int) -> Scored:
    """What takes no network: the frequencies of classes, and the class of the nearest training sequence.

    Nearest by Euclidean distance between whole sequences, padding included.
    """

    def majority_class() -> Scores:
        shares = torch.bincount(train.targets, minlength=classes).double() / len(train)
        return {
            "accuracy": (test.targets == shares.argmax()).double().mean().item(),
            "cross_entropy": -shares[test.targets].log().mean().item(),
        }

    def nearest_neighbour() -> Scores:
        nearest = torch.cdist(test.inputs.flatten(1), train.inputs.flatten(1)).argmin(dim=1)
        return {"accuracy": (test.targets == train.targets[nearest]).double().mean().item()}

    return scored({"majority class": majority_class, "nearest neighbour": nearest_neighbour})
