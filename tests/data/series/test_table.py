from collections.abc import Sequence

import numpy as np
import pytest

from cells.data.series.csv_file import TextTable
from cells.data.series.table import Gaps, Table, make_table
from cells.errors import UserError


def table(
    columns: dict[str, Sequence[str]],
    *,
    targets: Sequence[str] = ("y",),
    features: Sequence[str] = (),
    time: str | None = None,
    time_format: str | None = None,
    decimal: str = ".",
    gaps: Gaps = "error",
) -> Table:
    """What is made of columns of text below a header on line 1."""
    rows = len(next(iter(columns.values())))
    text = TextTable(
        {name: list(column) for name, column in columns.items()}, list(range(2, rows + 2)), sha256=""
    )
    return make_table(
        text,
        targets=targets,
        features=features,
        time=time,
        time_format=time_format,
        decimal=decimal,
        gaps=gaps,
    )


def test_numbers_are_read_in_every_usual_spelling() -> None:
    read = table({"y": ["1", "-2.5", "1e3", "+4"]})
    assert read.targets.tolist() == [[1.0], [-2.5], [1000.0], [4.0]]


def test_a_decimal_comma_is_read_if_it_is_announced() -> None:
    assert table({"y": ["1,5", "2"]}, decimal=",").targets.tolist() == [[1.5], [2.0]]
    with pytest.raises(UserError, match=r"line 2 holds '1,5', which is not a number \(.*data\.decimal=','\)"):
        table({"y": ["1,5", "2"]})


def test_targets_keep_the_order_in_which_they_are_asked_for() -> None:
    read = table({"a": ["1", "2"], "b": ["3", "4"]}, targets=["b", "a"])
    assert read.targets.tolist() == [[3.0, 1.0], [4.0, 2.0]]


@pytest.mark.parametrize("gaps", ["error", "interpolate", "drop"])
def test_text_among_numbers_is_told_with_its_line_and_value_whatever_gaps_says(gaps: Gaps) -> None:
    with pytest.raises(UserError, match=r"data\.target='y': line 3 holds 'n\.v\.', which is not a number"):
        table({"y": ["1", "n.v.", "3"]}, gaps=gaps)


@pytest.mark.parametrize("value", ["", "NA", "NaN", "null", "inf", "-Infinity"])
def test_a_value_that_is_missing_or_infinite_is_refused_unless_gaps_allows_it(value: str) -> None:
    columns = {"y": ["1", "2", value, value]}
    with pytest.raises(UserError) as refused:
        table(columns)
    assert f"data.target='y': line 4 holds {value!r}" in str(refused.value)
    assert "(2 such in all); set data.gaps=interpolate or data.gaps=drop" in str(refused.value)
    np.testing.assert_equal(table(columns, gaps="drop").targets[:, 0], [1, 2, np.nan, np.nan])


@pytest.mark.parametrize("value", ["1e39", "-1e200", "1.1e18"])
def test_a_value_too_large_for_32_bits_is_told_with_its_line(value: str) -> None:
    assert table({"y": ["1", "1e18"]}).targets.tolist() == [[1.0], [1e18]]
    with pytest.raises(UserError) as refused:
        table({"y": ["1", "2"], "x": ["3", value]}, features=["x"])
    assert f"data.features='x': line 3 holds {value!r}, too large to compute with" in str(refused.value)


def test_a_feature_with_a_missing_value_is_refused_under_its_own_key() -> None:
    with pytest.raises(UserError, match=r"data\.features='x': line 2 holds ''"):
        table({"y": ["1", "2"], "x": ["", "3"]}, features=["x"])


def test_a_feature_without_a_single_number_is_a_category() -> None:
    read = table({"y": ["1", "2", "3"], "wind": ["NW", "", "SE"]}, features=["wind"])
    assert read.features["wind"].tolist() == ["NW", "", "SE"]


def test_a_feature_with_one_word_among_numbers_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"data\.features='x': line 3 holds 'calm', which is not a number"):
        table({"y": ["1", "2"], "x": ["4", "calm"]}, features=["x"])


def test_times_are_read_as_dates_with_zones_brought_to_utc() -> None:
    read = table({"t": ["2020-03-29T01:00+01:00", "2020-03-29T03:00+02:00"], "y": ["1", "2"]}, time="t")
    assert read.times is not None
    assert read.times.astype("datetime64[s]").tolist() == [
        np.datetime64("2020-03-29T00:00:00").item(),
        np.datetime64("2020-03-29T01:00:00").item(),
    ]


def test_times_that_are_numbers_stay_numbers() -> None:
    read = table({"t": ["1.5", "2", "2.5"], "y": ["1", "2", "4"]}, time="t")
    assert read.times is not None
    assert read.times.tolist() == [1.5, 2.0, 2.5]


def test_a_format_settles_how_times_are_written() -> None:
    columns = {"t": ["01.02.2020", "02.02.2020"], "y": ["1", "2"]}
    read = table(columns, time="t", time_format="%d.%m.%Y")
    assert read.times is not None
    assert read.times.astype("datetime64[D]").astype(str).tolist() == ["2020-02-01", "2020-02-02"]


def test_a_time_that_cannot_be_read_is_told_with_its_line() -> None:
    with pytest.raises(
        UserError, match=r"data\.time='t': line 3 holds 'soon', which cannot be read as a time"
    ):
        table({"t": ["2020-01-01", "soon"], "y": ["1", "2"]}, time="t")


@pytest.mark.parametrize("cell", ["", "inf", "monday"])
def test_one_cell_that_is_no_number_is_blamed_not_the_numbers_around_it(cell: str) -> None:
    times = [str(row) for row in range(300)]
    times[150] = cell
    with pytest.raises(UserError) as refused:
        table({"t": times, "y": ["1"] * 300}, time="t")
    assert f"data.time='t': line 152 holds {cell!r}, which cannot be read as a time" in str(refused.value)


@pytest.mark.parametrize("cell", ["", "inf", "monday", "7"])
@pytest.mark.parametrize("row", [0, 150])
def test_one_cell_that_is_no_date_is_blamed_not_the_dates_around_it(cell: str, row: int) -> None:
    times = np.datetime_as_string(np.arange("2020-01-01", "2020-10-27", dtype="datetime64[D]")).tolist()
    times[row] = cell
    with pytest.raises(UserError, match=rf"line {row + 2} holds '{cell}', which cannot be read as a time"):
        table({"t": times, "y": ["1"] * 300}, time="t")


@pytest.mark.parametrize("time_format", ["%Q", "%y%", "%Y%Y", "%U", "%j%V"])
def test_a_format_that_is_none_is_refused(time_format: str) -> None:
    with pytest.raises(UserError) as refused:
        table({"t": ["2020-01-01", "2020-01-02"], "y": ["1", "2"]}, time="t", time_format=time_format)
    assert f"data.time_format={time_format}: no format of dates (" in str(refused.value)


def test_times_that_run_backwards_are_told_with_their_line() -> None:
    with pytest.raises(
        UserError, match=r"line 4 \('2020-01-02'\) is earlier than .*'2020-01-03'.*sort the file"
    ):
        table({"t": ["2020-01-01", "2020-01-03", "2020-01-02"], "y": ["1", "2", "3"]}, time="t")


@pytest.mark.parametrize("times", [["2020-01-01", "2020-01-02", "2020-01-02"], ["1", "2", "2.0"]])
def test_a_time_that_repeats_is_told_with_its_line(times: list[str]) -> None:
    with pytest.raises(UserError, match=r"line 4 repeats the time .*leave one row for each time"):
        table({"t": times, "y": ["1", "2", "3"]}, time="t")


def test_months_and_leap_years_are_regular() -> None:
    months = [f"{year}-{month:02d}" for year in (2019, 2020) for month in range(1, 13)]
    read = table({"t": months, "y": [str(number) for number in range(24)]}, time="t")
    assert not read.breaks.any()


HOURS_WITH_TWO_MISSING = ["1", "2", "3", "6", "7"]


def test_missing_rows_are_refused_with_every_way_out() -> None:
    with pytest.raises(UserError) as refused:
        table({"t": HOURS_WITH_TWO_MISSING, "y": ["1", "2", "3", "4", "5"]}, time="t")
    message = str(refused.value)
    assert "data.time='t': line 5 comes 3 after the row before it, but the usual step is 1" in message
    assert all(way in message for way in ("data.gaps=interpolate", "drop", "data.time=null"))


def test_missing_rows_become_a_break_that_no_window_crosses() -> None:
    read = table({"t": HOURS_WITH_TWO_MISSING, "y": ["1", "2", "3", "4", "5"]}, time="t", gaps="drop")
    assert read.breaks.tolist() == [False, False, False, True, False]


def test_missing_rows_become_empty_rows_where_gaps_are_filled() -> None:
    read = table(
        {"t": HOURS_WITH_TWO_MISSING, "y": ["1", "2", "3", "4", "5"], "wind": ["N", "N", "S", "S", "N"]},
        features=["wind"],
        time="t",
        gaps="interpolate",
    )
    np.testing.assert_equal(read.targets[:, 0], [1, 2, 3, np.nan, np.nan, 4, 5])
    assert read.features["wind"].tolist() == ["N", "N", "S", "", "", "S", "N"]
    assert read.times is not None
    assert read.times.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_missing_month_is_one_empty_row() -> None:
    months = [f"{year}-{month:02d}-01" for year in (2019, 2020) for month in range(1, 13)]
    del months[13]
    read = table({"t": months, "y": ["1"] * 12 + ["2"] * 11}, time="t", gaps="interpolate")
    assert np.flatnonzero(np.isnan(read.targets[:, 0])).tolist() == [13]


def test_rows_too_close_together_cannot_be_filled_away() -> None:
    with pytest.raises(
        UserError, match=r"line 5 comes 0\.2 after .*usual step is 1; set data\.gaps=drop \(no window"
    ):
        table(
            {"t": ["1", "2", "3", "3.2", "4.2"], "y": ["1", "2", "3", "4", "5"]}, time="t", gaps="interpolate"
        )


def test_a_leap_over_more_rows_than_there_are_cannot_be_filled_away() -> None:
    with pytest.raises(UserError, match=r"line 4 comes 36523 days 00:00:00 after .* set data\.gaps=drop"):
        table(
            {"t": ["2020-01-01", "2020-01-02", "2120-01-01"], "y": ["1", "2", "3"]},
            time="t",
            gaps="interpolate",
        )
