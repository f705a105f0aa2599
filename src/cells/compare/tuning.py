"""What searches chose, and what that took: part of a model's price, and none of its score."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cells.compare.records import Run, canonical, leaf
from cells.record import spelled

Search = Mapping[str, Any]
"""The `search` of a record."""


def searches(runs: Iterable[Run]) -> list[Search]:
    """Those of the runs that began with one."""
    return [run.record["search"] for run in runs if run.record.get("search")]


def grids(found: Sequence[Search]) -> frozenset[str]:
    """What was tried, the same for searches over the same values; nothing without a search."""
    return frozenset(canonical([trial["values"] for trial in search["trials"]]) for search in found)


def chosen(search: Search) -> str:
    """`lr=0.01, hidden_size=64 (highest of the grid)`."""
    values = ", ".join(
        f"{leaf(key)}={spelled(value)}"
        + (f" ({search['edge'][key]} of the grid)" if key in search["edge"] else "")
        for key, value in search["chosen"].items()
    )
    return (
        values
        if any(trial["val"] is not None for trial in search["trials"])
        else f"{values} (every trial diverged)"
    )


def price(found: Sequence[Search]) -> str:
    """`5 trials, 12.3 s`, all searches together; nothing without any."""
    if not found:
        return ""
    trials = sum(len(search["trials"]) for search in found)
    return f"{trials} trial{'s' if trials > 1 else ''}, {sum(search['seconds'] for search in found):,.1f} s"
