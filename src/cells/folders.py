"""Where a run leaves its files: a readable name that never collides, and the way back to an unfinished run."""

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cells.errors import UserError
from cells.record import config_hash, read_record, record_paths
from cells.settings import parse_seeds

SLUG_LENGTH = 80

ROOM = 64 * 1024
"""Bytes that a disk has to take before a run is started; what Hydra writes first is less."""


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
        UserError: it cannot be made or written to, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
    except OSError as error:
        raise UserError(
            f"output folder {folder}: cannot be written to ({error.strerror}); choose another with output_dir=FOLDER."
        ) from error


@contextlib.contextmanager
def at_work_in(folder: Path) -> Iterator[None]:
    """Within it, no other process of this machine can be at work in a folder; however this one ends, others then can.

    Where the file system or the system cannot tell, nothing is refused.

    Raises:
        UserError: another process is at work there.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # there is none yet, or this is Windows
        yield
        return
    try:
        if not _locked(handle):
            raise UserError(
                f"{folder}: another process is at work on this run; wait for its end, or stop it first."
            )
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Lock what is open; False if another process has done so."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, or a file system without locks
        pass
    return True


def earlier_records(root: Path) -> dict[Path, dict[str, Any] | None]:
    """Every folder below that holds a record, and the record, newest first; None for one that is not whole."""
    found: dict[Path, dict[str, Any] | None] = {}
    for path in sorted(record_paths(root), key=lambda path: path.lstat().st_mtime_ns, reverse=True):
        try:
            found[path.parent] = read_record(path.parent)
        except UserError as error:
            found[path.parent] = None
            print(f"Not resumed: {error}", file=sys.stderr)  # Hydra sets logging up later
    return found


def is_finished(record: Mapping[str, Any] | None) -> bool:
    """Whether a run came to its end (a diverged run did)."""
    return record is not None and record["status"] in ("completed", "diverged")


def is_same_run(record: Mapping[str, Any] | None, config: Mapping[str, Any]) -> bool:
    """Whether a record is of this configuration and these seeds."""
    if record is None or record["config_hash"] != config_hash(config):
        return False
    return parse_seeds(record["config"].get("seeds", 1)) == parse_seeds(config.get("seeds", 1))


def unfinished_run(root: Path, config: Mapping[str, Any]) -> Path | None:
    """The newest folder below whose run, of this configuration, has not come to its end."""
    for folder, record in earlier_records(root).items():
        if is_same_run(record, config) and not is_finished(record):
            return folder
    return None


def unfinished_sweep(root: Path, jobs: Mapping[str, Mapping[str, Any]]) -> Path | None:
    """The newest folder below with runs of these jobs, and of no others, not all of which have come to their end.

    Args:
        root: where to look.
        jobs: configurations by the names of their folders in the sweep's.
    """
    inside: dict[Path, dict[str, dict[str, Any] | None]] = {}
    for folder, record in earlier_records(root).items():
        for sweep in folder.parents[: len(folder.relative_to(root).parts)]:
            inside.setdefault(sweep, {})[folder.relative_to(sweep).as_posix()] = record
    for sweep, records in inside.items():
        ours = all(name in jobs and is_same_run(record, jobs[name]) for name, record in records.items())
        if ours and not all(is_finished(records.get(name)) for name in jobs):
            return sweep
    return None
