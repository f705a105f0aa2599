"""From a file of separated text to columns of strings; whatever is wrong with a file is told in one sentence.

Line numbers are those of an editor: the header is normally line 1.
"""

import csv
import gzip
import hashlib
import io
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cells.data.series import bundled
from cells.errors import UserError, did_you_mean

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class TextTable:
    """The columns of a file by name, as text.

    Attributes:
        columns: name → one string a row, without surrounding blanks.
        lines: line number in the file of each row.
        sha256: checksum of the file as it lies on disk.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    sha256: str

    def column(self, name: str, key: str) -> list[str]:
        """The column of that name; `key` is the setting that asks for it.

        Raises:
            UserError: there is no such column.
        """
        if name in self.columns:
            return self.columns[name]
        only = next(iter(self.columns))
        if len(self.columns) == 1 and (other := next((mark for mark in ";\t|," if mark in only), None)):
            advice = f"the header reads {only!r} as one column: set data.separator={other!r}."
        else:
            advice = did_you_mean(name, self.columns)
        raise UserError(f"{key}={name!r}: the file has no such column; {advice}")


def read_text_table(path: str, *, encoding: str, separator: str, max_megabytes: float) -> TextTable:
    """Read a file with a header line; `.gz` files are unpacked.

    Args:
        path: a file, or `bundled:NAME`.
        encoding: as Python names it. A byte-order mark at the start of UTF-8 is skipped.
        separator: one character between columns.
        max_megabytes: largest size, unpacked, that is read into memory.

    Raises:
        UserError: the file cannot be read, or is not a table.
    """
    where = f"data.path={path}"
    raw, sha256 = _read_bytes(bundled.resolve(path), where, max_megabytes)
    text = _decode(raw, where, encoding)
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
        )
    except (TypeError, ValueError) as error:
        raise UserError(
            f"data.separator={separator!r}: has to be one character, such as ',' or ';'."
        ) from error
    try:
        numbered = [(reader.line_num, row) for row in reader if row]  # an empty line is an empty row
    except csv.Error as error:
        raise UserError(
            f"{where}: line {reader.line_num} cannot be read as separated text: {error}."
        ) from error
    if not numbered:
        raise UserError(f"{where}: the file is empty; it needs a header line and at least one row of values.")
    (_, header), *rows = numbered
    if not rows:
        raise UserError(f"{where}: the file has a header line and no rows below it.")
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"{where}: line {line} has {len(row)} values where the header has {len(header)} columns; "
                "a value that holds the separator needs double quotes around it."
            )
    values = zip(*(row for _, row in rows), strict=True)
    columns = {
        name: [value.strip() for value in column]
        for name, column in zip(_names(header, where), values, strict=True)
    }
    return TextTable(columns, [line for line, _ in rows], sha256)


def _read_bytes(file: Path, where: str, max_megabytes: float) -> tuple[bytes, str]:
    limit = int(max_megabytes * 1e6)
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{where}: this is a folder; name a file in it.")
        if not stat.S_ISREG(status.st_mode):  # reading it might wait, or go on, for ever
            raise UserError(f"{where}: this is a device or a pipe; save the table in a file, and name that.")
        if status.st_size > limit:
            raise UserError(f"{where}: {_too_large(status.st_size, max_megabytes)}")
        with file.open("rb") as stream:
            raw = _read_up_to(limit + 1, stream)
        sha256 = hashlib.sha256(raw).hexdigest()
        if raw.startswith(GZIP_MAGIC):
            with gzip.open(io.BytesIO(raw)) as unpacked:
                raw = _read_up_to(limit + 1, unpacked)
    except FileNotFoundError as error:
        raise UserError(f"{where}: no such file; {_other_files(file)}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{where}: cannot be read: {error}.") from error
    if raw.startswith(ZIP_MAGIC):
        raise UserError(f"{where}: this is an Excel workbook or a zip archive; save the table as CSV.")
    if len(raw) > limit:
        raise UserError(f"{where}: {_too_large(len(raw), max_megabytes)}")
    return raw, sha256


def _read_up_to(size: int, stream: IO[bytes] | gzip.GzipFile) -> bytes:
    """In parts, for one read sets memory aside for all that is asked for, however small the file."""
    parts = []
    while size > 0 and (part := stream.read(min(size, 2**20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _other_files(missing: Path) -> str:
    if not missing.parent.is_dir():
        return f"the folder {str(missing.parent)!r} is not there either."
    tables = [file.name for file in missing.parent.iterdir() if file.suffix in (missing.suffix, ".csv")]
    if not tables:
        return f"there is no {missing.suffix or '.csv'} file in {str(missing.parent)!r} at all."
    return did_you_mean(missing.name, tables)


def _too_large(size: int, max_megabytes: float) -> str:
    return (
        f"the file takes {size / 1e6:,.2f} MB or more, over the limit data.max_megabytes={max_megabytes:g}; "
        "raise the limit or shorten the file."
    )


def _decode(raw: bytes, where: str, encoding: str) -> str:
    try:
        text = raw.decode(encoding)
    except LookupError as error:
        raise UserError(
            f"data.encoding={encoding!r}: no such encoding; common ones are utf-8, cp1252 and utf-16."
        ) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(
            f"{where}: line {line} holds bytes that are not {encoding}; set data.encoding, "
            "for example data.encoding=cp1252 for a file from Excel on Windows."
        ) from error
    return text.removeprefix("\ufeff")


def _names(header: list[str], where: str) -> list[str]:
    """The column names; nameless columns, such as an index that a program has written, are numbered."""
    names = [name.strip() for name in header]
    for place, name in enumerate(names):
        if name and (first := names.index(name)) != place:
            raise UserError(
                f"{where}: columns {first + 1} and {place + 1} are both named {name!r}; rename one of them."
            )
    return [name or f"column {place}" for place, name in enumerate(names, 1)]
