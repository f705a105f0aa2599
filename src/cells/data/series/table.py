"""From columns of text to numbers, categories and times on a regular clock.

Everything missing is NaN from here on. What may be missing, and what happens then, is the setting `gaps`.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from cells.data.series.csv_file import TextTable
from cells.errors import UserError

Gaps = Literal["error", "interpolate", "drop"]

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
"""How a file may spell a missing value. Infinite numbers count as missing as well."""


LARGEST_VALUE = 1e18
"""Networks compute in 32 bits, where the square of a larger number is infinite."""


@dataclass(frozen=True)
class Table:
    """A series: numbers and categories over time.

    Attributes:
        targets: (rows, K) float64, the columns to forecast, NaN where missing.
        features: further columns by name: (rows,) float64, or strings for categories, "" where missing.
        times: (rows,) datetime64 or float64, or None if the rows themselves are the clock.
        breaks: (rows,) True where a row does not follow the row before it by the usual step.
        sha256: checksum of the file.
    """

    targets: np.ndarray
    features: dict[str, np.ndarray]
    times: np.ndarray | None
    breaks: np.ndarray
    sha256: str

    def __len__(self) -> int:
        return len(self.targets)


def make_table(
    text: TextTable,
    *,
    targets: Sequence[str],
    features: Sequence[str],
    time: str | None,
    time_format: str | None,
    decimal: str,
    gaps: Gaps,
) -> Table:
    """The columns that are asked for, checked.

    Raises:
        UserError: no such column; text among numbers; missing values or rows where `gaps` is "error"; times
            that cannot be read, repeat or run backwards.
    """
    numbers = {name: parse_numbers(text, name, "data.target", decimal) for name in targets}
    others = {name: _parse_feature(text, name, decimal) for name in features}
    if gaps == "error":
        for name, column in (numbers | others).items():
            _refuse_missing(text, name, column, "data.target" if name in numbers else "data.features")
    stacked = np.stack(list(numbers.values()), axis=1)
    times = None if time is None else parse_times(text, time, time_format)
    table = Table(stacked, others, times, np.zeros(len(stacked), dtype=bool), text.sha256)
    return table if time is None else _on_clock(table, text, time, gaps)


def parse_numbers(text: TextTable, name: str, key: str, decimal: str) -> np.ndarray:
    """A column as float64, NaN where a value is missing or infinite.

    Raises:
        UserError: no such column, or a value that is neither a number nor missing, or beyond `LARGEST_VALUE`.
    """
    strings, missing, values = _try_numbers(text.column(name, key), decimal)
    wrong = np.flatnonzero(np.isnan(values) & ~missing)
    if len(wrong):
        value = strings[wrong[0]]
        comma = " (for a decimal comma set data.decimal=',')" if "," in value and decimal == "." else ""
        raise UserError(
            f"{key}={name!r}: line {text.lines[wrong[0]]} holds {value!r}, which is not a number{comma}; "
            "mend the file, or empty the cell and set data.gaps."
        )
    values = np.where(np.isfinite(values), values, np.nan)
    large = np.flatnonzero(np.abs(values) > LARGEST_VALUE)
    if len(large):
        raise UserError(
            f"{key}={name!r}: line {text.lines[large[0]]} holds {strings[large[0]]!r}, too large to compute with "
            f"(up to {LARGEST_VALUE:g}); mend the file, or give the column in another unit."
        )
    return values


def _try_numbers(column: Sequence[str], decimal: str) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """A column as text, where it is missing, and as numbers: NaN where it is missing or no number."""
    strings = pd.Series(column, dtype=str)
    missing = strings.isin(MISSING).to_numpy()
    plain = strings if decimal == "." else strings.str.replace(decimal, ".", regex=False)
    return strings, missing, pd.to_numeric(plain.mask(missing), errors="coerce").to_numpy(np.float64)


def _parse_feature(text: TextTable, name: str, decimal: str) -> np.ndarray:
    """Numbers, or categories if not a single value is a number: one stray word among numbers is a mistake."""
    strings, missing, values = _try_numbers(text.column(name, "data.features"), decimal)
    if np.isnan(values).all() and not missing.all():
        return strings.mask(missing, "").to_numpy(object)
    return parse_numbers(text, name, "data.features", decimal)


def _refuse_missing(text: TextTable, name: str, column: np.ndarray, key: str) -> None:
    if column.dtype == object:
        return  # a missing category is a category of its own: none of the known ones
    missing = np.flatnonzero(np.isnan(column))
    if len(missing):
        value = text.columns[name][missing[0]]
        raise UserError(
            f"{key}={name!r}: line {text.lines[missing[0]]} holds {value!r} where a finite number belongs "
            f"({len(missing)} such in all); set data.gaps=interpolate or data.gaps=drop, or mend the file."
        )


def parse_times(text: TextTable, name: str, time_format: str | None) -> np.ndarray:
    """A column as float64 if all its values are numbers, else as datetime64 in UTC; strictly increasing.

    Raises:
        UserError: no such column; a value that is no time; a time that repeats or runs backwards.
    """
    strings = pd.Series(text.column(name, "data.time"), dtype=str)
    numbers = pd.to_numeric(strings, errors="coerce").to_numpy(np.float64)
    # One blank among numbers does not make dates of them: the blank is to blame, not the first number.
    if time_format is None and np.isfinite(numbers).mean() > 0.5:
        times, unread = numbers, ~np.isfinite(numbers)
    else:
        parsed = _parse_dates(strings, time_format)
        times, unread = parsed.dt.tz_localize(None).to_numpy("datetime64[us]"), parsed.isna().to_numpy()
    wrong = np.flatnonzero(unread)
    if len(wrong):
        raise UserError(
            f"data.time={name!r}: line {text.lines[wrong[0]]} holds {strings[wrong[0]]!r}, which cannot "
            "be read as a time like the others; mend it, or set data.time_format, for example "
            "data.time_format=%d.%m.%Y."
        )
    late = np.flatnonzero(np.diff(times) <= np.zeros(1, np.diff(times).dtype))
    if len(late):
        row = int(late[0]) + 1
        fault = (
            f"repeats the time {strings[row]!r}; leave one row for each time (and one series in a file)"
            if times[row] == times[row - 1]
            else f"({strings[row]!r}) is earlier than the row before it ({strings[row - 1]!r}); sort the file"
        )
        raise UserError(f"data.time={name!r}: line {text.lines[row]} {fault}.")
    return times


def _parse_dates(strings: pd.Series, time_format: str | None) -> pd.Series:
    """Dates in UTC, NaT where there is none."""
    with (
        warnings.catch_warnings()
    ):  # pandas warns where it cannot infer a format; the caller's error says more
        warnings.simplefilter("ignore", UserWarning)
        try:
            return pd.to_datetime(strings, format=time_format, errors="coerce", utc=True)
        except (ValueError, re.error) as error:
            raise UserError(
                f"data.time_format={time_format}: no format of dates ({error}); "
                "write one such as %d.%m.%Y or %Y-%m-%dT%H:%M:%S."
            ) from error


def _on_clock(table: Table, text: TextTable, name: str, gaps: Gaps) -> Table:
    """The table with irregular steps refused, marked as breaks, or filled with empty rows, as `gaps` says.

    Months vary in length, so a step counts as regular from half to one and a half times the median step.
    """
    assert table.times is not None
    steps = np.diff(table.times).astype(np.float64)
    if not len(steps):
        return table
    usual = float(np.quantile(steps, 0.5, method="lower"))  # the median, and one of the steps
    irregular = (steps < 0.5 * usual) | (steps > 1.5 * usual)
    if not irregular.any():
        return table
    if gaps == "drop":
        return replace(table, breaks=np.concatenate([[False], irregular]))
    usual = float(steps[~irregular].mean())
    extra = np.where(irregular, np.rint(steps / usual) - 1, 0)
    can_be_filled = extra.min() >= 0 and extra.sum() <= len(table)
    if gaps == "interpolate" and can_be_filled:
        return _with_empty_rows(table, extra.astype(np.int64))
    row = int(np.where(extra < 0, np.inf, extra).argmax()) + 1
    ways = "interpolate (fill in missing rows) or drop" if can_be_filled else "drop"
    raise UserError(
        f"data.time={name!r}: line {text.lines[row]} comes {_duration(steps[row - 1], table.times)} after "
        f"the row before it, but the usual step is {_duration(usual, table.times)}; set data.gaps={ways} (no "
        "window crosses the break), or data.time=null if the rows are the clock (trading days, for example)."
    )


def _duration(step: float, times: np.ndarray) -> str:
    return str(pd.Timedelta(step, "us")) if times.dtype.kind == "M" else f"{step:g}"


def _with_empty_rows(table: Table, extra: np.ndarray) -> Table:
    """The table with `extra[i]` empty rows between row i and row i + 1."""
    assert table.times is not None
    place = np.concatenate([[0], np.cumsum(extra + 1)])
    rows = int(place[-1]) + 1

    def spread(column: np.ndarray) -> np.ndarray:
        empty: object = "" if column.dtype == object else np.nan
        wider = np.full((rows, *column.shape[1:]), empty, dtype=column.dtype)
        wider[place] = column
        return wider

    filled = np.interp(np.arange(rows), place, (table.times - table.times[0]).astype(np.float64))
    times = table.times[0] + filled.astype((table.times - table.times[0]).dtype)
    features = {name: spread(column) for name, column in table.features.items()}
    return Table(spread(table.targets), features, times, np.zeros(rows, dtype=bool), table.sha256)
