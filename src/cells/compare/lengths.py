"""The largest length solved: from the records of a sweep over difficulty to success against it, and one number."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cells.compare.judge import Judgement

RECALLED_FROM = 0.5
"""A lag counts as recalled from this share of variance (R²) on."""


@dataclass(frozen=True)
class Success:
    """At one difficulty: how many replicas solved the task, of how many."""

    solved: int
    total: int

    @property
    def rate(self) -> float:
        return self.solved / self.total


def success_by(records: Iterable[Mapping[str, Any]], key: str) -> dict[float, Success]:
    """Success against difficulty, easiest first. A diverged replica has not solved anything.

    Solved means that a validation passed the task's `solved_at`; on recall, which has none, that the lag asked for
    (or, of several, the longest) is recalled with all shorter ones.

    Args:
        records: of one model, differing in the difficulty and in seeds alone.
        key: the dotted setting that is the difficulty: data.length, or data.lag.

    Raises:
        ValueError: a record without a number under the key, or of a task that nothing counts as solving.
    """
    outcomes: dict[float, list[bool]] = defaultdict(list)
    for record in records:
        outcomes[_number(record, key)] += _solved(record)
    return {value: Success(sum(outcomes[value]), len(outcomes[value])) for value in sorted(outcomes)}


def success_against_setting(
    judgements: Sequence[Judgement],
) -> tuple[str, dict[str, dict[float, Success]]] | None:
    """Of comparisons that differ in one number, such as a length: that setting, and each model's success against it.

    Here solved means that the test score passes, as in the table of a comparison. None if they differ in anything else,
    or their task is one that nothing counts as solving.
    """
    keys = {key for judgement in judgements for key in judgement.comparison.key}
    if len(keys) != 1 or len({judgement.comparison.data for judgement in judgements}) != 1:
        return None
    (key,) = keys
    found: dict[str, dict[float, Success]] = defaultdict(dict)
    for judgement in judgements:
        value = judgement.comparison.key[key]
        if type(value) not in (int, float):
            return None
        for row in judgement.rows:
            if row.solved is not None:
                found[row.name][float(value)] = Success(row.solved, row.replicas)
    return (key, dict(found)) if found else None


def reached(success: Mapping[float, Success]) -> str:
    """`50`, with "≥" if nothing harder was tried, or "< 10" if even the easiest was not solved."""
    largest = largest_solved(success)
    if largest is None:
        return f"< {min(success):g}"
    return f"{'≥ ' if largest == max(success) else ''}{largest:g}"


def largest_solved(success: Mapping[float, Success], rate: float = 0.5) -> float | None:
    """The largest difficulty up to which every one tried was solved by at least this share of replicas.

    Returns:
        None if that holds for none; the largest one tried is a lower bound.
    """
    reached = None
    for difficulty in sorted(success):
        if success[difficulty].rate < rate:
            break
        reached = difficulty
    return reached


def _solved(record: Mapping[str, Any]) -> list[bool]:
    if record["metric"]["solved_at"] is not None:
        return [replica["steps_to_solve"] is not None for replica in record["replicas"]]
    diagnostics = record["diagnostics"]
    if "memory_horizon" in diagnostics:
        return [horizon == diagnostics["memory_longest_lag"] for horizon in diagnostics["memory_horizon"]]
    if "memory_capacity" in diagnostics:  # of one lag alone, its share of variance recalled
        return [share is not None and share >= RECALLED_FROM for share in diagnostics["memory_capacity"]]
    raise ValueError(f"nothing counts as solving {record['data']['name']}")


def _number(record: Mapping[str, Any], key: str) -> float:
    value: Any = record["config"]
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{key} is no number in a record of {record['data']['name']}: {value!r}")
    return float(value)
