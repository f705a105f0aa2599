"""Trains the trials of a search one after the other, and chooses among them by validation."""

import io
import logging
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cells.folders import is_finished
from cells.record import TRIALS, spelled
from cells.search.plan import Trial, plan, specs_of

log = logging.getLogger(__name__)

Train = Callable[[Trial, Path, str], dict[str, Any]]
"""Trains a trial in a folder, under a label; the record that it leaves. One that is finished is not trained again."""


class TrialEnded(Exception):  # noqa: N818 (an interruption is no error)
    """A trial was interrupted or failed, and with it the search."""

    def __init__(self, trial: Trial, record: Mapping[str, Any]) -> None:
        super().__init__(f"trial {' '.join(trial.settings)}: {record['message']}")
        self.status = record["status"]


def tune(config: Mapping[str, Any], folder: Path, train: Train) -> dict[str, Any]:
    """Train every trial of a configuration below a folder, and choose.

    Returns:
        The record's `search`; its `chosen` are values by dotted key.

    Raises:
        UserError: the search cannot be carried out as it is written.
        TrialEnded: a trial did not come to its end.
    """
    trials, found = plan(config), []
    monitor = ""
    for number, trial in enumerate(trials, start=1):
        label = f"trial {number} of {len(trials)}"
        record = train(trial, folder / TRIALS / trial.name, label)
        if not is_finished(record):
            raise TrialEnded(trial, record)
        monitor = record["metric"]["monitor"]
        found.append(outcome(trial, record))
        log.info("%s: %s, val %s %s", label, " ".join(trial.settings), monitor, _score(found[-1]))
    best = choose(found)
    edge = {} if best["val"] is None else edges(found, best, dict(specs_of(config["search"]["grid"])))
    log.info("The trials:\n%s", _table(found, best, monitor))
    if best["val"] is None:
        log.warning("Every trial diverged, so the choice means nothing; widen search.grid.")
    for key, end in edge.items():
        log.warning(
            "%s=%s is the %s value of the grid, and a better one may lie beyond; widen search.grid.%s.",
            *(key, spelled(best["values"][key]), end, key),
        )
    return {
        "seeds": trials[0].config["seeds"],
        "trials": found,
        "chosen": best["values"],
        "edge": edge,
        "seconds": round(sum(entry["seconds"] for entry in found), 3),
    }


def outcome(trial: Trial, record: Mapping[str, Any]) -> dict[str, Any]:
    """What a trial's record says of it: the mean of its best validation scores, over the seeds that have one."""
    monitor, replicas = record["metric"]["monitor"], record["replicas"]
    scores = [(replica["val"] or {}).get(monitor) for replica in replicas if replica["status"] != "diverged"]
    finite = [score for score in scores if score is not None]
    return {
        "values": trial.values,
        "val": statistics.fmean(finite) if finite else None,
        "diverged": len(replicas) - len(finite),
        "seconds": record["cost"]["seconds"],
        "folder": f"{TRIALS}/{trial.name}",
    }


def choose(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The trial of which fewest seeds diverged; of these, the best validated; of these, the first."""
    return min(found, key=lambda e: (e["diverged"], math.inf if e["val"] is None else e["val"]))


def edges(
    found: Sequence[Mapping[str, Any]], best: Mapping[str, Any], specs: Mapping[str, Any]
) -> dict[str, str]:
    """Keys whose chosen number is at the `lowest` or the `highest` end of what the grid allows.

    A range's end is its outermost tenth. No end is what another value did as well as, and 0 at the lower end: hardly
    any setting goes below it.
    """
    ends = {}
    for key, value in best["values"].items():
        others = [entry for entry in found if entry["values"][key] != value]
        tied = any((entry["diverged"], entry["val"]) == (best["diverged"], best["val"]) for entry in others)
        place = _place(value, specs[key])
        if place is None or not others or tied:
            continue
        if place >= 0.9:
            ends[key] = "highest"
        elif place <= 0.1 and value != 0:
            ends[key] = "lowest"
    return ends


def _place(value: Any, spec: Any) -> float | None:
    """How far a number is on its way through a range, 0 to 1; of a list, 0 and 1 are its ends."""
    if isinstance(spec, Mapping):
        low, high = spec["min"], spec["max"]
        if spec.get("log"):
            low, high, value = math.log(low), math.log(high), math.log(value)
        return float((value - low) / (high - low))
    numbers = [v for v in spec if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if value not in numbers or len(numbers) < 2:
        return None
    return {min(numbers): 0.0, max(numbers): 1.0}.get(value, 0.5)


def _score(entry: Mapping[str, Any]) -> str:
    return "– (diverged)" if entry["val"] is None else f"{entry['val']:.4g}"


def _table(found: Sequence[Mapping[str, Any]], best: Mapping[str, Any], monitor: str) -> str:
    """The trials on lines of text, the chosen one marked."""
    table = Table(box=None, pad_edge=False)
    for heading in (*best["values"], f"val {monitor} ↓", "diverged", "seconds", ""):
        table.add_column(Text(heading), justify="right" if heading else "left")
    for entry in found:
        table.add_row(
            *map(spelled, entry["values"].values()),
            "–" if entry["val"] is None else f"{entry['val']:.4g}",
            str(entry["diverged"] or ""),
            f"{entry['seconds']:.1f}",
            "chosen" if entry is best else "",
        )
    text = io.StringIO()
    Console(file=text, width=120).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
