"""A finished run as the summaries of a sweep see it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cells.diagnostics.pictures import geometric_mean
from cells.errors import UserError
from cells.record import find_records

ARRAYS = "diagnostics.npz"
PREFIX = "gradient_through_time"


@dataclass(frozen=True)
class Look:
    """A finished run: its record, and the arrays of its diagnostics.npz."""

    record: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def setting(self, key: str) -> Any:
        value: Any = self.record["config"]
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @property
    def model(self) -> str:
        return str(self.record["model"]["name"])

    @property
    def before(self) -> np.ndarray:
        """Gradient norm over lag, (K,), before training: of the last layer's h, geometric mean over replicas."""
        return geometric_mean(self.arrays[self._state][0])

    @property
    def after(self) -> np.ndarray:
        """The same at the tested weights."""
        return geometric_mean(self.arrays[f"{self._state}_at_best"])

    @property
    def _state(self) -> str:
        return f"{PREFIX}/l{self.record['model']['num_layers'] - 1}/h"


def read_looks(folder: Path) -> list[Look]:
    """Every finished run at or below a folder that left diagnostics of its whole training.

    Raises:
        UserError: there is none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one that holds a sweep.")
    looks = []
    for place, record in find_records(folder):
        path = place / ARRAYS
        if record["status"] in ("completed", "diverged") and path.is_file():
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            if f"{PREFIX}/steps" in arrays and arrays[f"{PREFIX}/steps"][0] == 0:
                looks.append(Look(record, arrays))
    if not looks:
        raise UserError(
            f"{folder}: no finished run with a {ARRAYS} is at or below; train with diagnostics=standard."
        )
    return looks


def rate(curve: np.ndarray) -> float:
    """Geometric decay per step of a curve over lag, as `gradient_through_time.decay_per_step`; NaN without one."""
    usable = np.isfinite(curve) & (curve > np.finfo(np.float32).tiny)
    lags = np.arange(len(curve))[usable]
    return float(np.exp(np.polyfit(lags, np.log(curve[usable]), 1)[0])) if len(lags) > 1 else float("nan")


def draw_gradient(axes: Axes, label: str, colour: Any, curve: np.ndarray, dash: str) -> None:
    """A gradient over lag, as a multiple of what it is at lag 0."""
    relative = np.where(curve > 0, curve, np.nan) / curve[0]
    axes.semilogy(relative, dash, color=colour, label=label or None)
