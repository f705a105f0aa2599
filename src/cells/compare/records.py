"""Reading records, and the configurations in them, dotted."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells.errors import UserError, did_you_mean
from cells.record import (
    HISTORY_NAME,
    RECORD_NAME,
    SCHEMA_VERSION,
    find_records,
    overruled,
    spelled,
    unrecorded_jobs,
    what_counts,
)

FINISHED = ("completed", "diverged")

WORTHWHILE = 0.02
"""A lead over a baseline below this share of the way to a perfect score does not count: the mean of a test set of
1,000 sequences errs by as much."""

Flat = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A record in its folder, with its configuration dotted and without what changes no result."""

    folder: Path
    record: dict[str, Any]
    config: Flat

    @property
    def model(self) -> str:
        return str(self.record["model"]["name"])

    @property
    def tuned(self) -> dict[str, Any]:
        """What a search chose for this run, by dotted key; nothing without one."""
        return dict((self.record.get("search") or {}).get("chosen") or {})

    @property
    def data(self) -> str:
        return str(self.record["data"]["name"])


def beats(score: float, baseline: float, goal: str) -> bool:
    """Whether a score leads a baseline by what is worthwhile."""
    way = baseline if goal == "min" else 1.0 - baseline
    lead = baseline - score if goal == "min" else score - baseline
    return lead >= WORTHWHILE * way and lead > 0


def read_runs(
    folders: Sequence[Path],
    where: Mapping[str, Sequence[str]],
    known_keys: Iterable[str] = (),
    only: Iterable[Path] | None = None,
) -> tuple[list[Run], list[str]]:
    """The finished runs at or below the folders that meet every condition, and a sentence for each unfinished one.

    A job of a sweep that left no record is one of these.

    Args:
        folders: runs, sweeps, or folders of them.
        where: dotted key, `model` or `data` → the values that are wanted.
        known_keys: further keys that have to exist.
        only: of the folders found, those that count; None for all.

    Raises:
        UserError: no folder, no record, a record that is not whole, an unknown key, or no run of the kind.
    """
    wanted = None if only is None else {folder.resolve() for folder in only}
    found: dict[Path, dict[str, Any]] = {}
    for root in folders:
        if not root.is_dir():
            raise UserError(f"{root}: there is no such folder; name folders that hold runs or sweeps.")
        for folder, record in _readable(root):
            if wanted is None or folder.resolve() in wanted:
                found[folder.resolve()] = record
    if not found:
        raise UserError(f"{listed(folders)}: there is no {RECORD_NAME} at or below; train something first.")
    runs, unfinished = [], []
    for folder, record in found.items():
        if record["status"] in FINISHED:
            runs.append(Run(folder, record, _settings(record["config"])))
        else:
            unfinished.append(_unfinished(folder, record))
    roots = [root.resolve() for root in folders]
    above = dict.fromkeys([*roots, *(folder.parent for folder in found)])
    for sweep in (folder for folder in above if any(folder.is_relative_to(root) for root in roots)):
        unfinished += [_unrecorded(sweep / name) for name in unrecorded_jobs(sweep)]
    _refuse_unknown([*known_keys, *where], runs)
    chosen = [run for run in runs if all(_matches(run, key, values) for key, values in where.items())]
    if runs and not chosen:
        raise UserError(_why_none(runs, where))
    return chosen, unfinished


def value_of(run: Run, key: str) -> Any:
    """What a run has under a dotted key; `model` and `data` are their names."""
    return {"model": run.model, "data": run.data}.get(key, run.config.get(key))


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys on which configurations do not agree, in their order; lacking one is a difference."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({canonical(config.get(key)) for config in configs}) > 1]


def leaf(key: str) -> str:
    """The last part of a dotted key, by which it is mostly known."""
    return key.rpartition(".")[2]


def canonical(value: Any) -> str:
    """A spelling that equal values share: 1 and 1.0 are equal."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return json.dumps(value, sort_keys=True, default=str)


def listed(items: Iterable[object], word: str = "and") -> str:
    """`a, b and c`, or with another word before the last."""
    *most, last = map(str, items)
    return f"{', '.join(most)} {word} {last}" if most else last


def _readable(root: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = list(find_records(root))
    for folder, record in found:
        if str(record["schema"]).partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
            raise UserError(
                f"{folder / RECORD_NAME}: schema {record['schema']!r} is not {SCHEMA_VERSION}, which this version "
                "reads; compare these runs with the version that trained them."
            )
    return found


def _settings(config: Mapping[str, Any]) -> Flat:
    """What counts of a configuration, flat, without what its budget has overruled."""
    without = overruled(config)
    return {key: value for key, value in _flattened(what_counts(config)).items() if key not in without}


def _flattened(config: Mapping[str, Any], prefix: str = "") -> Flat:
    flat: Flat = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _refuse_unknown(keys: Iterable[str], runs: Sequence[Run]) -> None:
    known = dict.fromkeys(["model", "data", *(key for run in runs for key in run.config)])
    for key in keys:
        if key not in known and runs:
            raise UserError(f"{key}: no run has such a setting; {did_you_mean(key, known)}")


def _why_none(runs: Sequence[Run], where: Mapping[str, Sequence[str]]) -> str:
    """Why no run meets all conditions, and what to do."""
    for key, values in where.items():
        if not any(_matches(run, key, values) for run in runs):
            there = [spelled(value_of(run, key)) for run in runs]
            advice = did_you_mean(values[0], there)
            return f"--where {key}={','.join(values)}: none of the {len(runs)} finished runs is; {advice}"
    conditions = " ".join(f"{key}={','.join(values)}" for key, values in where.items())
    return f"--where {conditions}: none of the {len(runs)} finished runs is all of it; leave a condition out."


def _matches(run: Run, key: str, values: Sequence[str]) -> bool:
    # `1e-3` and `0.001` are the same value, and so are a number and its spelling.
    actual = value_of(run, key)
    return any(spelled(actual) == text or canonical(_parsed(text)) == canonical(actual) for text in values)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unrecorded(folder: Path) -> str:
    if (folder / HISTORY_NAME).is_file():
        return f"{folder.name} was trained, and its {RECORD_NAME} is gone"
    return f"{folder.name} left no record: it was not started"


def _unfinished(folder: Path, record: Mapping[str, Any]) -> str:
    reason = f": {record['message']}" if record.get("message") else ""
    state = "is still running, or was killed" if record["status"] == "running" else record["status"]
    return f"{folder.name} {state}{reason}"
