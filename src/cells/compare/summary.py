"""What the program shows when it ends: one run beside its baselines, or the verdict on a sweep."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cells.compare.records import FINISHED, beats, listed
from cells.compare.render.console import show
from cells.compare.report import conclude, write
from cells.compare.tuning import chosen, price
from cells.errors import UserError
from cells.record import RECORD_NAME, read_record

MOST_METRICS = 4
HOW_TO_RESUME = "add resume=true to the same command to go on from the last checkpoint"
WIDTH_WITHOUT_TERMINAL = 140


def show_run(folder: Path, record: dict[str, Any], console: Console | None = None) -> str:
    """Print what a run found, beside the baselines, and where it left everything.

    Returns:
        The run's status.
    """
    console = console or _console()
    if record["status"] in ("completed", "diverged"):
        console.print()
        of = f"{record['model']['name']} on {record['data']['name']}"
        console.print(Text(f"{of}: test split, weights of the best validation", style="bold"))
        console.print(_run_table(record))
        console.print(Text(_cost(record), style="dim"))
        if record.get("search"):
            console.print(
                Text(_search(record["search"]), style="yellow" if record["search"]["edge"] else "dim")
            )
        console.print(Text(verdict(record), style="bold"))
        if record["data"]["note"]:
            console.print(Text(record["data"]["note"], style="italic"))
        diverged = [replica["seed"] for replica in record["replicas"] if replica["status"] == "diverged"]
        if diverged:
            console.print(f"diverged: seed {listed(diverged)}, counted where there are weights from before")
    else:
        console.print(f"[bold]{record['status']}[/bold]: {escape(record['message'])}", soft_wrap=True)
        if record["status"] == "interrupted":
            console.print(HOW_TO_RESUME)
    console.print(f"record      {folder / RECORD_NAME}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"look closer tensorboard --logdir {folder}", soft_wrap=True, highlight=False, markup=False)
    return str(record["status"])


def show_sweep(folder: Path, jobs: Sequence[str], console: Console | None = None) -> list[str]:
    """Print the verdict on a sweep and leave its report; then its failures, with their logs.

    Args:
        folder: the sweep's folder.
        jobs: names of the folders in it, one a job; if none are known, every folder that holds a record.
        console: where to print.

    Returns:
        The status of every job; "missing" for one that left no record.
    """
    console = console or _console()
    names = list(jobs) or sorted(path.parent.name for path in folder.glob(f"*/{RECORD_NAME}"))
    records = {name: read_record(folder / name) for name in names}
    statuses = [str(record["status"]) if record else "missing" for record in records.values()]
    if any(status in FINISHED for status in statuses):
        _conclude(folder, [folder / name for name in names], console)
    absent = "it was not started" if "interrupted" in statuses else "it left no record"
    for (name, record), status in zip(records.items(), statuses, strict=True):
        if status not in FINISHED:
            message = escape(record["message"]) if record and record["message"] else absent
            console.print(
                f"[bold red]{status}[/bold red] {escape(name)}: {message}", soft_wrap=True, highlight=False
            )
            told = folder / name / "train.log"
            if told.is_file():  # a job that was not started has none
                console.print(f"  log: {told}", soft_wrap=True, highlight=False, markup=False)
    if "interrupted" in statuses:
        console.print(HOW_TO_RESUME)
    console.print(f"records     {folder}/*/{RECORD_NAME}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"look closer tensorboard --logdir {folder}", soft_wrap=True, highlight=False, markup=False)
    return statuses


def _conclude(folder: Path, jobs: Sequence[Path], console: Console) -> None:
    """Show and write the verdict. A sweep that allows none, such as one over the metric, has still been trained."""
    try:
        report = conclude([folder], folder, only=jobs)
        show(report.judgements, report.suite, (), console)
        console.print(f"report      {write(report, folder)}", soft_wrap=True, highlight=False, markup=False)
    except UserError as error:
        console.print(Text(f"no verdict: {error}", style="red"), soft_wrap=True)


def verdict(record: dict[str, Any]) -> str:
    """One sentence: how the trained model stands against the baselines that have the metric."""
    metric, scores = record["metric"]["name"], test_scores(record, record["metric"]["name"])
    model = record["model"]["name"]
    if not scores:
        return f"No replica of {model} has weights that could be tested."
    ours = statistics.median(scores)
    baselines = {
        name: values[metric] for name, values in record["data"]["baselines"].items() if metric in values
    }
    seeds = f"{len(scores)} seed{'s' if len(scores) > 1 else ''}"
    if not baselines:
        return f"{model}: test {metric} {ours:.4g} ({seeds})."
    beaten = [name for name, value in baselines.items() if beats(ours, value, record["metric"]["goal"])]
    unbeaten = [name for name in baselines if name not in beaten]
    parts = []
    if beaten:
        parts.append(f"beats {listed([_named(name) for name in beaten])}")
    if unbeaten:
        parts.append(f"does not beat {listed([_named(name) for name in unbeaten], 'or')}")
    return f"{model} {', and '.join(parts)} (test {metric} {ours:.4g}, median of {seeds})."


def test_scores(record: dict[str, Any], metric: str) -> list[float]:
    """Test scores of the replicas that have one; a score that is not finite counts as worst, not as absent."""
    values = [replica["test"][metric] for replica in record["replicas"] if replica["test"]]
    worst = math.inf if record["metric"]["goal"] == "min" else -math.inf
    return [worst if value is None else float(value) for value in values]


def _run_table(record: dict[str, Any]) -> Table:
    metric = record["metric"]["name"]
    replicas, goal = record["replicas"], record["metric"]["goal"]
    first: dict[str, float] = next((replica["test"] for replica in replicas if replica["test"]), {})
    metrics = [metric, *(key for key in first if key not in (metric, "loss"))][:MOST_METRICS]
    table = Table()
    table.add_column("", no_wrap=True)
    for key in metrics:
        arrow = {"min": " ↓", "max": " ↑"}[goal] if key == metric else ""
        table.add_column(key.replace("_", " ") + arrow, justify="right")
    table.add_column("best step", justify="right")
    for replica in replicas:
        scores = replica["test"] or {}
        label = f"seed {replica['seed']}" + ("" if replica["status"] != "diverged" else " (diverged)")
        table.add_row(label, *(_number(scores.get(key)) for key in metrics), _number(replica["best_step"]))
    if len(replicas) > 1:
        spread = [_mean_and_deviation(test_scores(record, key)) if key in first else "" for key in metrics]
        table.add_section()
        table.add_row("mean ± sd", *spread, "", style="bold")
    table.add_section()
    for label, scores in record["data"]["baselines"].items():
        table.add_row(label, *(_number(scores.get(key)) for key in metrics), "", style="cyan")
    if record["data"]["chance"] is not None:
        table.add_row("chance (exact)", _number(record["data"]["chance"]), *[""] * len(metrics), style="cyan")
    return table


def _cost(record: dict[str, Any]) -> str:
    cost = record["cost"]
    speed = cost["milliseconds_per_step"]
    steps = f"{cost['steps']} step{'' if cost['steps'] == 1 else 's'}"
    return (
        f"{record['model']['parameters']:,} parameters · {steps} in {cost['seconds']:.1f} s"
        + (f" · {speed:.2f} ms/step" if speed else "")
        + f" · engine {cost['engine']}"
    )


def _search(search: Mapping[str, Any]) -> str:
    edge = "; a better value may lie beyond: widen search.grid" if search["edge"] else ""
    return f"tuned before: {chosen(search)} · {price([search])}{edge}"


def _console() -> Console:
    """The terminal at its own width; a pipe or a file is wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def _named(baseline: str) -> str:
    return baseline if baseline == "chance" else f"the {baseline}"


def _mean_and_deviation(values: list[float]) -> str:
    if not values:
        return "–"
    mean = statistics.fmean(values)
    if len(values) == 1 or not math.isfinite(mean):
        return _number(mean)
    return f"{_number(mean)} ± {statistics.stdev(values):.2g}"


def _number(value: float | int | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
