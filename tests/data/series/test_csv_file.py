import gzip
import hashlib
import os
from pathlib import Path

import pytest

from cells.data.series.csv_file import TextTable, read_text_table
from cells.errors import UserError


def read(
    file: Path | str, encoding: str = "utf-8", separator: str = ",", max_megabytes: float = 1
) -> TextTable:
    return read_text_table(str(file), encoding=encoding, separator=separator, max_megabytes=max_megabytes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.csv"


def test_values_come_back_as_text_with_the_line_each_stands_on(file: Path) -> None:
    file.write_text('day, "PM 2.5 [µg/m³]"\n\n1,"a, quoted"\n2,  7 \n', encoding="utf-8")
    table = read(file)
    assert table.columns == {"day": ["1", "2"], "PM 2.5 [µg/m³]": ["a, quoted", "7"]}
    assert table.lines == [3, 4]
    assert table.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_byte_order_mark_is_not_part_of_the_first_name(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfday,y\n1,2\n")
    assert list(read(file).columns) == ["day", "y"]


def test_windows_line_ends_and_another_encoding_and_separator_are_read(file: Path) -> None:
    file.write_bytes("Größe;y\r\n1,5;2\r\n".encode("cp1252"))
    assert read(file, encoding="cp1252", separator=";").columns == {"Größe": ["1,5"], "y": ["2"]}


def test_a_gzip_file_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "own.csv.gz"
    file.write_bytes(gzip.compress(b"y\n1\n2\n"))
    assert read(file).columns == {"y": ["1", "2"]}


def test_nameless_columns_are_numbered(file: Path) -> None:
    file.write_text(",y,\n0,5,\n1,6,\n")
    assert list(read(file).columns) == ["column 1", "y", "column 3"]


def test_a_missing_file_is_told_with_its_neighbours(file: Path) -> None:
    file.write_text("y\n1\n")
    with pytest.raises(UserError, match=r"data\.path=.*own\.cvs: no such file; did you mean 'own\.csv'"):
        read(file.with_suffix(".cvs"))


def test_a_file_in_a_missing_folder_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file; the folder '.*nowhere' is not there either"):
        read(tmp_path / "nowhere" / "own.csv")


@pytest.mark.skipif(os.name == "nt", reason="every name is a user's folder there")
def test_the_folder_of_nobody_is_told_so() -> None:
    with pytest.raises(UserError, match=r"data\.path=~nobody-of-that-name/own\.csv: there is no such user's"):
        read("~nobody-of-that-name/own.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.path=.*: this is a folder; name a file in it"):
        read(tmp_path)


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything cannot be refused"
)
def test_a_file_that_may_not_be_read_is_told_so(file: Path) -> None:
    file.write_text("y\n1\n")
    file.chmod(0)
    with pytest.raises(UserError, match=r"cannot be read: .*Permission denied"):
        read(file)


@pytest.mark.parametrize("content", ["", "\n", "\n\n\n"])
def test_an_empty_file_is_told_so(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(UserError, match=r"data\.path=.*: the file is empty"):
        read(file)


def test_a_file_with_a_header_alone_is_told_so(file: Path) -> None:
    file.write_text("day,y\n\n")
    with pytest.raises(UserError, match="header line and no rows"):
        read(file)


def test_two_columns_of_one_name_are_told_with_their_places(file: Path) -> None:
    file.write_text("y,x, y\n1,2,3\n")
    with pytest.raises(UserError, match=r"columns 1 and 3 are both named 'y'; rename one"):
        read(file)


@pytest.mark.parametrize("row", ["4", "4,5,6"])
def test_a_ragged_row_is_told_with_its_line(file: Path, row: str) -> None:
    file.write_text(f"day,y\n1,2\n{row}\n7,8\n")
    with pytest.raises(
        UserError, match=rf"line 3 has {row.count(',') + 1} values where the header has 2 columns"
    ):
        read(file)


def test_an_unclosed_quote_is_told(file: Path) -> None:
    file.write_text('day,y\n1,"2\n3,4\n')
    with pytest.raises(UserError, match=r"line 3 cannot be read as separated text: unexpected end of data"):
        read(file)


def test_a_column_that_is_not_there_is_told_with_the_nearest_name(file: Path) -> None:
    file.write_text("day,demand\n1,2\n")
    with pytest.raises(
        UserError, match=r"data\.target='demnad': the file has no such column; did you mean 'demand'\?"
    ):
        read(file).column("demnad", "data.target")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_wrong_separator_is_recognised_from_the_header(file: Path, separator: str) -> None:
    file.write_text(f"day{separator}y\n1{separator}2\n")
    with pytest.raises(UserError) as refused:
        read(file).column("y", "data.target")
    assert f"set data.separator={separator!r}" in str(refused.value)


@pytest.mark.parametrize("separator", ["", ";;"])
def test_a_separator_is_one_character(file: Path, separator: str) -> None:
    file.write_text("y\n1\n")
    with pytest.raises(UserError, match=r"data\.separator=.*one character"):
        read(file, separator=separator)


def test_an_unknown_encoding_is_told(file: Path) -> None:
    file.write_text("y\n1\n")
    with pytest.raises(UserError, match=r"data\.encoding='utf-9': no such encoding"):
        read(file, encoding="utf-9")


def test_bytes_of_another_encoding_are_told_with_their_line(file: Path) -> None:
    file.write_bytes("day,y\n1,2\n3,größer\n".encode("cp1252"))
    with pytest.raises(UserError, match=r"line 3 holds bytes that are not utf-8; set data\.encoding"):
        read(file)


def test_a_file_over_the_memory_limit_is_refused_unread(file: Path) -> None:
    file.write_text("y\n" + "1\n" * 5000)
    with pytest.raises(UserError, match=r"takes 0\.01 MB or more, over the limit data\.max_megabytes=0\.001"):
        read(file, max_megabytes=0.001)


@pytest.mark.skipif(os.name == "nt", reason="no pipes and devices among the files")
def test_a_device_and_a_pipe_are_refused_unread(tmp_path: Path) -> None:
    pipe = tmp_path / "own.csv"
    os.mkfifo(pipe)
    for endless in (pipe, Path("/dev/zero")):
        with pytest.raises(UserError, match="this is a device or a pipe; save the table in a file"):
            read(endless)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no files that hide their size")
def test_a_file_that_hides_its_size_is_read_no_further_than_the_limit() -> None:
    assert Path("/proc/self/maps").stat().st_size == 0
    with pytest.raises(UserError, match=r"over the limit data\.max_megabytes=1e-05;"):
        read("/proc/self/maps", max_megabytes=1e-5)


def test_a_limit_beyond_all_memory_reads_a_small_file(file: Path) -> None:
    file.write_text("y\n1\n")
    assert read(file, max_megabytes=1e300).columns == {"y": ["1"]}


def test_an_excel_workbook_is_recognised(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04\x14\x00\x06\x00\xff\xfe")
    with pytest.raises(UserError, match="Excel workbook or a zip archive; save the table as CSV"):
        read(file)


def test_a_small_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.csv.gz"
    file.write_bytes(gzip.compress(b"y\n" + b"1\n" * 100_000))
    assert file.stat().st_size < 1000
    with pytest.raises(UserError, match=r"over the limit data\.max_megabytes=0\.1;"):
        read(file, max_megabytes=0.1)


@pytest.mark.parametrize(
    "damaged",
    [gzip.compress(b"y\n1\n", mtime=0)[:-9], b"\x1f\x8b" + b"\x08" * 40, b"\x1f\x8b\x08\0" * 9],
    ids=["cut short", "unknown flags", "not deflate"],
)
def test_a_damaged_gzip_file_is_told(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "own.csv.gz"
    file.write_bytes(damaged)
    with pytest.raises(UserError, match=r"data\.path=.*: cannot be read: "):
        read(file)
