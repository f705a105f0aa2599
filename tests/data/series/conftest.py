"""A table of the user's, written to disk and read with settings of a test's choice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cells.data.series.forecasting import SeriesDataModule

Forecast = Callable[..., SeriesDataModule]


@pytest.fixture
def forecast(tmp_path: Path) -> Forecast:
    """`forecast(rows, header="time,y", **settings)`: a data module over a file with these lines."""

    def make(
        rows: list[str], *, header: str = "y", name: str = "own.csv", **settings: object
    ) -> SeriesDataModule:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        defaults = {"target": "y", "window": 6, "forecast_horizon": 3}
        return SeriesDataModule(path=str(path), **(defaults | settings))

    return make
