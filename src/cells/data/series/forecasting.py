"""The data module that forecasts columns of a table from their past: a bundled series or a CSV file."""

import functools
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from cells.data.datamodule import SequenceDataModule
from cells.data.sequences import Metric, SequenceData, Split
from cells.data.series import bundled
from cells.data.series.baselines import forecast_baselines
from cells.data.series.csv_file import TextTable, read_text_table
from cells.data.series.features import encode_features
from cells.data.series.normalization import (
    SMALLEST_SPREAD,
    Normalize,
    Statistics,
    WindowCenter,
    normalize_windows,
)
from cells.data.series.table import Gaps, Table, make_table
from cells.data.series.windows import Series, future_of, past_of, split_rows, window_starts
from cells.errors import UserError

ColumnName = Annotated[str, Field(coerce_numbers_to_str=True)]
"""A column may be called 2020, which the command line reads as a number."""

Fraction = Annotated[float, Field(gt=0, lt=1)]


@dataclass(kw_only=True, eq=False, repr=False)
class SeriesDataModule(SequenceDataModule):
    """Windows over a time series: `window` rows in, the next `forecast_horizon` rows of every target out.

    Inputs are (N, window, F): the K targets' own past, then the features. Targets are (N, forecast_horizon
    · K): all K columns one step ahead, then all of them two steps ahead, and so on. The splits follow one
    another in time, and no window crosses a border. What scaling has to learn, it learns from training rows.

    Args:
        path: a CSV file (`.gz` too), or `bundled:NAME`.
        target: column or columns to forecast.
        features: further input columns, "all" of them, or None. A text column becomes one input for each
            category of the training rows; any other category is all zeros.
        time: column of times, checked to be in order and regular; None takes the rows as the clock.
        window: rows of input.
        forecast_horizon: rows to forecast, all at once.
        stride: rows from the start of one window to the start of the next.
        gaps: missing values and missing rows are an "error"; or "interpolate" fills them inside each window
            (targets stay missing and are not scored); or "drop" leaves out the windows that hold one.
        normalize: how targets are centred and scaled; the table is in normalization.py.
        window_center: what `normalize: window` subtracts.
        train_fraction, val_fraction: shares of the rows, oldest first; what they leave is for testing.
        seasonal_period: rows in a season, for the seasonal naive baseline; None leaves that out.
        unit: of the targets, for labels.
        encoding, separator, decimal, time_format: how the file is written.
        max_megabytes: the most that the file, and all windows together, may take in memory.

    Raises:
        UserError: at loading, for whatever in the file or the settings does not make a data set.
    """

    path: str
    target: ColumnName | list[ColumnName]
    features: ColumnName | list[ColumnName] | None = None
    time: ColumnName | None = None
    window: PositiveInt = 48
    forecast_horizon: PositiveInt = 12
    stride: PositiveInt = 1
    gaps: Gaps = "error"
    normalize: Normalize = "window"
    window_center: WindowCenter = "last"
    train_fraction: Fraction = 0.7
    val_fraction: Fraction = 0.15
    seasonal_period: PositiveInt | None = None
    unit: str = ""
    encoding: str = "utf-8"
    separator: str = ","
    decimal: Literal[".", ","] = "."
    time_format: str | None = None
    max_megabytes: PositiveFloat = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.target:
            raise UserError(
                f"data.target={self.target}: no column is named; write data.target=COLUMN or data.target=[a,b]."
            )

    @property
    def targets(self) -> list[str]:
        """Names of the columns to forecast."""
        return [self.target] if isinstance(self.target, str) else list(dict.fromkeys(self.target))

    @functools.cached_property
    def table(self) -> Table:
        """The columns in use, in original units, on the clock: `Split.positions` are row numbers of this."""
        text = read_text_table(
            self.path, encoding=self.encoding, separator=self.separator, max_megabytes=self.max_megabytes
        )
        return make_table(
            text,
            targets=self.targets,
            features=self._feature_names(text),
            time=self.time,
            time_format=self.time_format,
            decimal=self.decimal,
            gaps=self.gaps,
        )

    def _feature_names(self, text: TextTable) -> list[str]:
        if self.features is None:
            return []
        listed = [self.features] if isinstance(self.features, str) else self.features
        named = list(text.columns) if listed == ["all"] else listed
        return [name for name in dict.fromkeys(named) if name not in (*self.targets, self.time)]

    def load(self) -> SequenceData:
        table = self.table
        rows = split_rows(len(table), self.train_fraction, self.val_fraction)
        self._refuse_short(rows)
        statistics = self._statistics(rows["train"])
        features, feature_names = encode_features(table.features, len(table), rows["train"])
        series = Series(table.targets, features, table.breaks)
        starts = {name: self._starts(series, name, rows[name]) for name in rows}
        self._refuse_too_large(sum(map(len, starts.values())), inputs=len(self.targets) + len(feature_names))
        splits = {name: self._split(series, statistics, starts[name]) for name in starts}
        std = np.array([column.std for column in statistics])
        steps = range(1, self.forecast_horizon + 1)
        return SequenceData(
            name=bundled.resolve(self.path).name.removesuffix(".gz").removesuffix(".csv"),
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            target_kind="real",
            target_at="last",
            output_size=self.forecast_horizon * len(self.targets),
            metric=Metric("mse", "min"),
            **forecast_baselines(
                series, statistics, splits, self.window, self.forecast_horizon, self.seasonal_period
            ),
            forecast=True,
            target_std=torch.from_numpy(np.tile(std, self.forecast_horizon)).float(),
            unit=self.unit,
            output_names=tuple(f"{name} +{step}" for step in steps for name in self.targets),
            figures=self._figures(rows, starts, [*self.targets, *feature_names]),
        )

    def _refuse_short(self, rows: dict[str, range]) -> None:
        needed = self.window + self.forecast_horizon
        for name, split in rows.items():
            if len(split) < needed:
                raise UserError(
                    f"data.window={self.window} and data.forecast_horizon={self.forecast_horizon} need "
                    f"{needed} rows in every split, but the {name} split has {len(split)} (of "
                    f"{len(self.table)}); shorten them, or change data.train_fraction and data.val_fraction."
                )
        if self.window == 1 and self.normalize != "series":
            raise UserError(
                f"data.window=1 with data.normalize={self.normalize} leaves nothing to see; use 2 or more."
            )

    def _statistics(self, training: range) -> list[Statistics]:
        columns = self.table.targets[training.start : training.stop].T
        for name, column in zip(self.targets, columns, strict=True):
            known = column[~np.isnan(column)]
            if not len(known) or np.ptp(known) == 0:
                what = f"the constant {known[0]:g}" if len(known) else "missing"
                raise UserError(
                    f"data.target={name!r}: every value of the training split is {what}; "
                    "there is nothing to learn from."
                )
            if known.std() < SMALLEST_SPREAD:
                raise UserError(
                    f"data.target={name!r}: the values of the training split vary by {np.ptp(known):g} at most, "
                    "too little to compute with; give the column in another unit."
                )
        return [Statistics.of(column) for column in columns]

    def _starts(self, series: Series, split: str, rows: range) -> np.ndarray:
        starts = window_starts(
            series,
            rows,
            window=self.window,
            horizon=self.forecast_horizon,
            stride=self.stride,
            fill_gaps=self.gaps == "interpolate",
        )
        if not len(starts):
            other = "mend the file" if self.gaps == "interpolate" else "try data.gaps=interpolate"
            raise UserError(
                f"data.gaps={self.gaps}: every window of {self.window} + {self.forecast_horizon} rows in the "
                f"{split} split holds too long a gap; shorten data.window or {other}."
            )
        return starts

    def _refuse_too_large(self, windows: int, inputs: int) -> None:
        outputs = self.forecast_horizon * len(self.targets)
        numbers = windows * (self.window * inputs + 3 * outputs)  # targets, their offsets and their scales
        megabytes = numbers * 4 / 1e6
        if megabytes > self.max_megabytes:
            raise UserError(
                f"data.max_megabytes={self.max_megabytes:g}: the {windows:,} windows would take "
                f"{megabytes:,.0f} MB of memory; raise data.stride, shorten data.window, or raise the limit."
            )

    def _split(self, series: Series, statistics: list[Statistics], starts: np.ndarray) -> Split:
        outputs = len(statistics)
        columns = outputs + series.features.shape[1]
        inputs = np.empty((len(starts), self.window, columns), dtype=np.float32)
        offset, scale = np.empty((2, len(starts), 1, outputs))
        # One column at a time: windows of all columns in double precision would take thrice the memory.
        for k, learned in enumerate(statistics):
            past = past_of(series.targets[:, k], starts, self.window)
            inputs[:, :, k], offset[:, 0, k], scale[:, 0, k] = normalize_windows(
                past, learned, self.normalize, self.window_center
            )
        for j, column in enumerate(series.features.T):
            inputs[:, :, outputs + j] = past_of(column, starts, self.window)
        positions = starts + self.window
        future = future_of(series.targets, positions, self.forecast_horizon)
        return Split(
            inputs=torch.from_numpy(inputs),
            targets=_flat((future - offset) / scale),
            offset=_flat(np.broadcast_to(offset, future.shape)),
            scale=_flat(np.broadcast_to(scale, future.shape)),
            positions=positions,
            follows=self._follows(starts),
        )

    def _follows(self, starts: np.ndarray) -> torch.Tensor:
        """Which windows start at the row after the window before them, and see values on the same scale as it."""
        adjoining = np.diff(starts, prepend=starts[0]) == self.window
        return torch.from_numpy(adjoining & (self.normalize == "series"))

    def _figures(
        self, rows: dict[str, range], starts: dict[str, np.ndarray], inputs: list[str]
    ) -> dict[str, object]:
        """What the record keeps of the data: where it is from, how much there is, from when to when."""
        splits = {
            name: {
                "rows": len(split),
                "windows": len(starts[name]),
                "first": _label(self.table.times, split.start),
                "last": _label(self.table.times, split.stop - 1),
            }
            for name, split in rows.items()
        }
        return {
            "source": self.path,
            "sha256": self.table.sha256,
            "rows": len(self.table),
            "rows_with_missing_targets": int(np.isnan(self.table.targets).any(axis=1).sum()),
            "targets": self.targets,
            "inputs": inputs,
            "splits": splits,
        }


def _flat(values: np.ndarray) -> torch.Tensor:
    """(N, H, K) → (N, H · K) float32."""
    return torch.from_numpy(values.reshape(len(values), -1).astype(np.float32))


def _label(times: np.ndarray | None, row: int) -> str | float:
    """A row's time as people write it, without a midnight that says nothing; without times its number."""
    if times is None:
        return row
    return (
        float(times[row])
        if times.dtype.kind == "f"
        else str(pd.Timestamp(times[row])).removesuffix(" 00:00:00")
    )
