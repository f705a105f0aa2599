"""What a run leaves behind and everyone else reads: `record.json`, written atomically, read without importing torch.

Its fields are those of `record_schema.json`.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from cells.errors import UserError

SCHEMA_VERSION = "1.1"
RECORD_NAME = "record.json"
HISTORY_NAME = "history.csv"
JOBS_NAME = "jobs.json"
TRIALS = "trials"
"""The folder, in that of a run, which holds the trials of its search: no runs of their own."""

Status = Literal["running", "completed", "diverged", "interrupted", "failed"]

UNHASHED_KEYS = frozenset(
    {"seeds", "output_dir", "resume", "logger", "diagnostics", "published", "trusted_modules", "isolation"}
)
UNHASHED_TRAINER_KEYS = frozenset({"log_every_steps", "checkpoint_every_steps"})
"""Parts of a configuration that do not change what a replica's result is."""

CHOSEN_BY_BUDGET = {"parameters": "model.hidden_size", "flops": "trainer.max_steps"}
"""What each key of `budget` decides: where it is given, the value of the other setting means nothing."""

EVERY_RECORD = ("schema", "status", "config", "config_hash")
FINISHED_RECORD = (
    *("model.name", "model.parameters", "data.name", "data.baselines", "metric.name", "metric.goal"),
    *("metric.solved_at", "replicas", "cost"),
)
REPLICA = ("seed", "status", "test")
SEARCH = ("trials", "chosen", "edge", "seconds")
"""What readers rely on in any record, in one that has come to its end, and in a replica and the search of that."""

JSON_TYPES: dict[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": Real,
    "boolean": bool,
    "null": type(None),
}


def config_hash(config: Mapping[str, Any]) -> str:
    """Twelve hex digits that name a configuration, so that (config_hash, seed) names a result.

    Seeds, paths, logging and resuming are left out: more seeds can be added to a run later.
    """
    canonical = json.dumps(what_counts(config), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def what_counts(config: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a configuration that change what a replica's result is."""
    counted = {key: value for key, value in config.items() if key not in UNHASHED_KEYS}
    trainer = counted.get("trainer") or {}
    counted["trainer"] = {key: value for key, value in trainer.items() if key not in UNHASHED_TRAINER_KEYS}
    if not counted.get("search"):
        counted.pop("search", None)  # records from before there were searches have none
    return counted


def spelled(value: Any) -> str:
    """A setting's value as one writes it on the command line."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def overruled(config: Mapping[str, Any]) -> dict[str, str]:
    """The dotted settings that a configuration's budget decides in their place, each with the budget's key."""
    budget = config.get("budget") or {}
    return {
        setting: f"budget.{key}" for key, setting in CHOSEN_BY_BUDGET.items() if budget.get(key) is not None
    }


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Replace `folder/record.json` in one step: a reader, or a crash, sees the old record or the new, never half.

    Numbers that are not finite become null, for JSON has no spelling of them.

    Raises:
        UserError: it cannot be written, for instance because the disk is full.
    """
    path = folder / RECORD_NAME
    draft = folder / f".{RECORD_NAME}.{os.getpid()}"
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(_finite(record), file, indent=2, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); make room, or choose another folder with output_dir=FOLDER."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return path


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in a folder, or None if there is none.

    Raises:
        UserError: there is one that cannot be read, or is not whole.
    """
    path = folder / RECORD_NAME
    try:
        if not path.is_file():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fault = _fault(record)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); make it readable, or leave it out."
        ) from error
    except ValueError as error:
        fault = str(error)
    if fault:
        raise UserError(
            f"{path}: the record is not whole ({fault}); delete that file or train its run again."
        )
    return record


def write_jobs(sweep: Path, names: Sequence[str]) -> None:
    """Note which jobs a sweep has, by the names of their folders in its own: one that never starts leaves nothing."""
    path = sweep / JOBS_NAME
    try:
        path.write_text(json.dumps(list(names), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); make room, or choose another folder."
        ) from error


def unrecorded_jobs(sweep: Path) -> list[str]:
    """The jobs of a sweep that left no record."""
    try:
        names = json.loads((sweep / JOBS_NAME).read_text(encoding="utf-8"))
        return [name for name in names if not (sweep / name / RECORD_NAME).is_file()]
    except FileNotFoundError:
        return []  # no sweep
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{sweep / JOBS_NAME}: cannot be read ({error}); delete that file.") from error


def find_records(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every (folder, record) of a run at or below a folder, in the order of their paths; trials are no runs.

    Raises:
        UserError: one of them cannot be read or is not whole, or a folder cannot be looked into.
    """
    for path in record_paths(root):
        record = read_record(path.parent)
        if record is not None and not record.get("trial"):
            yield path.parent, record


def record_paths(root: Path) -> Iterator[Path]:
    """The path of every run's record at or below a folder, in order.

    Raises:
        UserError: a folder cannot be looked into.
    """

    def refuse(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            return  # nothing was trained into it yet, or it has just been deleted
        raise UserError(
            f"{error.filename}: cannot be looked into ({error.strerror}); make it readable, or name other folders."
        ) from error

    for folder, folders, names in os.walk(root, onerror=refuse):
        if RECORD_NAME in names:
            yield Path(folder, RECORD_NAME)
            folders[:] = [name for name in folders if name != TRIALS]
        folders.sort()


def _fault(record: Any) -> str | None:
    """What keeps a record from being read as one."""
    if not isinstance(record, dict):
        return "it is no JSON object"
    missing = [name for name in EVERY_RECORD if name not in record]
    if not missing and str(record["schema"]).partition(".")[0] == SCHEMA_VERSION.partition(".")[0]:
        for place in _mistyped(record, _schema(), ""):
            return f"{place} is of another type or value"
        if record["status"] in ("completed", "diverged"):
            missing = [name for name in FINISHED_RECORD if not _has(record, name)]
            for index, replica in enumerate(record.get("replicas", [])):
                missing += [f"replicas[{index}].{name}" for name in REPLICA if name not in replica]
            if "search" in record:
                missing += [f"search.{name}" for name in SEARCH if name not in record["search"]]
    return f"{missing[0]} is missing" if missing else None


def _has(record: Any, name: str) -> bool:
    for key in name.split("."):
        if key not in record:
            return False
        record = record[key]
    return True


def _mistyped(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    """The places at which a value has not the type, the choice or the number of items of its schema."""
    names = schema.get("type", list(JSON_TYPES))
    kinds = tuple(JSON_TYPES[name] for name in ([names] if isinstance(names, str) else names))
    if not isinstance(value, kinds) or value not in schema.get("enum", [value]):
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(inner, dict):
                yield from _mistyped(item, inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield place
        for index, item in enumerate(value):
            yield from _mistyped(item, schema.get("items", {}), f"{place}[{index}]")


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("cells") / "record_schema.json").read_text(encoding="utf-8"))
    return schema


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
