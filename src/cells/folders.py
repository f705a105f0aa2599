"""Where a run leaves its files: a readable name that never collides, and the way back to an unfinished run."""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cells.errors import UserError
from cells.record import config_hash, read_record
from cells.settings import parse_seeds

SLUG_LENGTH = 80


def slug(parts: Iterable[str]) -> str:
    """A folder name out of overrides: readable, safe on every file system, and distinct for distinct overrides.

    >>> slug(["model=lstm", "data.path=/tmp/my data.csv"])
    'model=lstm,data.path=tmp-my-data.csv-5a42f1'
    """
    text = ",".join(parts)
    readable = re.sub(r"[^A-Za-z0-9=.,_+-]+", "-", text)
    readable = re.sub(r"(^|[=,])[-.]+", r"\1", readable).strip("-.,")
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{readable[: SLUG_LENGTH - 7].rstrip('-.,') or 'default'}-{digest}"


def claim(root: Path, name: str) -> Path:
    """Make a folder that no other process has: `name`, or `name-2`, `name-3`, … where that is taken.

    Creating a folder either succeeds or fails as one operation, so two jobs started at once get two folders.
    """
    make_folder(root)
    attempt = 1
    while True:
        folder = root / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            attempt += 1
        else:
            return folder


def make_folder(folder: Path) -> None:
    """Make a folder that may be there already.

    Raises:
        UserError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"output folder {folder}: cannot be written to ({error.strerror}); choose another with output_dir=FOLDER."
        ) from error


def claimed(root: Path, name: str) -> list[Path]:
    """The folders that `claim` has made under this name, newest first."""
    pattern = re.compile(re.escape(name) + r"(-\d+)?$")
    folders = [folder for folder in root.iterdir() if pattern.fullmatch(folder.name)] if root.is_dir() else []
    return sorted(folders, key=lambda folder: folder.stat().st_ctime_ns, reverse=True)


def is_finished(folder: Path) -> bool:
    """Whether the run in a folder came to its end (a diverged run did)."""
    record = read_record(folder)
    return record is not None and record["status"] in ("completed", "diverged")


def is_same_run(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the record in a folder is of this configuration and these seeds."""
    record = read_record(folder)
    if record is None or record["config_hash"] != config_hash(config):
        return False
    return parse_seeds(record["config"].get("seeds", 1)) == parse_seeds(config.get("seeds", 1))
