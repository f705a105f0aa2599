"""The curves that runs left: validation scores in `history.csv`, memory and gradients in `diagnostics.npz`."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cells.compare.arrays import read_arrays
from cells.compare.load import Contestant
from cells.errors import UserError
from cells.record import HISTORY_NAME

DIAGNOSTICS_NAME = "diagnostics.npz"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """One curve a replica over a common axis: x (K,), y (replicas, K) with NaN where a replica has no value."""

    x: Array
    y: Array

    @property
    def middle(self) -> Array:
        """The median over replicas, where any has a value."""
        return np.nanmedian(self.y, axis=0)

    @property
    def band(self) -> tuple[Array, Array]:
        """The smallest and the largest of all replicas."""
        return np.nanmin(self.y, axis=0), np.nanmax(self.y, axis=0)


@dataclass(frozen=True)
class Heatmap:
    """A quantity over lag and training step: steps (S,), lags (K,), values (S, K), geometric mean over replicas."""

    steps: Array
    lags: Array
    values: Array


def learning_curves(contestant: Contestant, tag: str) -> Curves | None:
    """The values logged under a tag, against updates."""
    points: dict[int, dict[int, float]] = defaultdict(dict)
    for run in contestant.runs:
        path = run.folder / HISTORY_NAME
        if path.is_file():
            for step, seed, value in _logged(path, tag):
                points[seed][step] = value
    return _joined(list(points.values()))


def memory_curves(contestant: Contestant) -> Curves | None:
    """Share of variance recalled (R²) against how many steps back."""
    return _joined(
        [
            dict(zip(arrays["memory/lag"], row, strict=True))
            for arrays in _diagnostics(contestant)
            if "memory/lag" in arrays
            for row in arrays["memory/r2"]
        ]
    )


def gradient_curves(contestant: Contestant) -> Curves | None:
    """Norm of the gradient through time in the last layer, at the best weights, against lag."""
    return _joined(
        [
            dict(zip(arrays["gradient_through_time/lag"], row, strict=True))
            for arrays in _diagnostics(contestant)
            for layer in [_last_layer(arrays)]
            if layer is not None
            for row in arrays.get(f"{layer}_at_best", arrays[layer][-1])
        ]
    )


def gradient_heatmap(contestant: Contestant) -> Heatmap | None:
    """The same over the course of training; of the first run, for others may have been diagnosed at other steps."""
    for arrays in _diagnostics(contestant):
        layer = _last_layer(arrays)
        if layer is not None and len(arrays[layer]) > 1:
            norms = np.ma.masked_invalid(arrays[layer].astype(float))  # a diverged replica has none
            values = np.ma.exp(np.ma.log(np.maximum(norms, 1e-300)).mean(axis=1)).filled(np.nan)
            if np.isnan(values).all():
                continue
            return Heatmap(arrays["gradient_through_time/steps"], arrays["gradient_through_time/lag"], values)
    return None


def _joined(curves: list[dict[int, float]]) -> Curves | None:
    """Curves on all points that any of them has."""
    xs = sorted({x for curve in curves for x in curve})
    values = np.array([[curve.get(x, np.nan) for x in xs] for curve in curves], float).reshape(
        len(curves), len(xs)
    )
    values[~np.isfinite(values)] = np.nan
    there = ~np.isnan(values).all(axis=0)
    return Curves(np.array(xs, float)[there], values[:, there]) if there.any() else None


def _logged(path: Path, tag: str) -> Iterator[tuple[int, int, float]]:
    # A run that is being killed may leave half a line, or half a letter.
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.reader(line for line in file if tag in line):  # there are many other tags
            if len(row) == 4 and row[2] == tag and row[0].isdigit() and row[1].isdigit():
                try:
                    yield int(row[0]), int(row[1]), float(row[3])
                except ValueError as error:
                    raise UserError(
                        f"{path}: {row[3]!r} is not a number ({tag}, step {row[0]}); mend that line."
                    ) from error


def _diagnostics(contestant: Contestant) -> Iterator[dict[str, Array]]:
    for run in contestant.runs:
        if arrays := read_arrays(run.folder / DIAGNOSTICS_NAME):
            yield arrays


def _last_layer(arrays: dict[str, Array]) -> str | None:
    layers = [name for name in arrays if name.startswith("gradient_through_time/") and name.endswith("/h")]
    return max(layers, key=lambda name: (len(name), name), default=None)  # l10 comes after l9
