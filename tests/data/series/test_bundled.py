import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from cells.data.series.bundled import FOLDER, resolve
from cells.data.series.csv_file import read_text_table
from cells.errors import UserError

PROVENANCE = (FOLDER / "README.md").read_text(encoding="utf-8")
CHECKSUMS = dict(re.findall(r"^\| `([\w.]+)` \|.*\| `([0-9a-f]{64})` \|$", PROVENANCE, re.MULTILINE))
DATA_FILES = sorted(file.name for file in FOLDER.iterdir() if file.suffix in (".gz", ".npz"))


def test_every_data_file_has_a_line_in_the_provenance_table_and_a_licence() -> None:
    licences = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    assert sorted(CHECKSUMS) == DATA_FILES
    assert len(DATA_FILES) == 6
    assert all(f"| `{name}` |" in licences for name in DATA_FILES)


@pytest.mark.parametrize("name", DATA_FILES)
def test_a_data_file_has_the_checksum_of_the_provenance_table(name: str) -> None:
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == CHECKSUMS[name]


def test_all_data_files_together_take_less_than_three_megabytes() -> None:
    assert sum((FOLDER / name).stat().st_size for name in DATA_FILES) < 3e6


@pytest.mark.parametrize(
    ("name", "rows", "columns", "first", "last"),
    [
        ("sunspots", 2820, 2, ("1749-01", "58.0"), ("1983-12", "33.4")),
        ("co2", 2284, 2, ("1958-03-29", "316.1"), ("2001-12-29", "371.5")),
        ("beijing_pm", 43824, 9, ("2010-01-01 00:00", "NA"), ("2014-12-31 23:00", "12")),
    ],
)
def test_a_bundled_series_holds_what_its_source_holds(
    name: str, rows: int, columns: int, first: tuple[str, ...], last: tuple[str, ...]
) -> None:
    table = read_text_table(f"bundled:{name}", encoding="utf-8", separator=",", max_megabytes=10)
    values = list(table.columns.values())
    assert len(table.lines) == rows
    assert len(values) == columns
    assert tuple(column[0] for column in values[:2]) == first
    assert tuple(column[-1] for column in values[:2]) == last


@pytest.mark.parametrize(
    ("name", "shape", "train_size", "classes"),
    [
        ("digits", (1797, 8, 8), 0, 10),
        ("vowels", (640, 29, 12), 270, 9),
        ("power_demand", (1096, 24, 1), 67, 2),
    ],
)
def test_a_bundled_set_has_the_shape_of_its_source(
    name: str, shape: tuple[int, ...], train_size: int, classes: int
) -> None:
    with np.load(FOLDER / f"{name}.npz") as stored:  # NumPy refuses pickles unless told otherwise
        assert stored["inputs"].shape == shape
        assert stored["train_size"] == train_size
        assert np.unique(stored["labels"]).tolist() == list(range(classes))
        assert len(stored["classes"]) == classes


def test_an_unknown_bundled_series_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"data\.path=bundled:sunspot: no bundled series.*'sunspots'"):
        resolve("bundled:sunspot")


def test_the_documentation_repeats_the_same_checksums() -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([\w.]+)` \| `([0-9a-f]{64})` \|$", page, re.MULTILINE)) == CHECKSUMS
