"""What the timing benchmarks share: interleaved measurement in two processes, machine, tables, JSON.

Ratios are medians of interleaved runs. PyTorch as it comes and this project's engines take turns in two processes, for
the project changes how its process hands out memory.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Work = Callable[[], Any]
Maker = Callable[..., Work]


class Workshop:
    """A process that makes pieces of work and times them when asked."""

    def __init__(self, ours: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, ours), daemon=True)
        self._process.start()

    def make(self, maker: Maker, *arguments: Any) -> None:
        """Make a piece of work, in place of the last one, and run it once to warm up."""
        self._ask("make", maker, arguments)

    def seconds(self, times: int = 1) -> float:
        """How long the piece of work takes, run so many times in a row, on average."""
        return float(self._ask("run", times))

    def memory(self) -> int:
        """Largest resident memory of the process so far, in bytes."""
        return int(self._ask("memory"))

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()

    def _ask(self, *question: Any) -> Any:
        self._connection.send(question)
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _work(connection: Connection, ours: bool) -> None:
    from cells.environment import keep_freed_memory, peak_memory_bytes

    if ours:
        keep_freed_memory()
    work: Work = lambda: None  # noqa: E731 (replaced by the first piece of work)
    while True:
        try:
            what, *arguments = connection.recv()
        except EOFError:
            return
        try:
            if what == "make":
                maker, given = arguments
                work = maker(*given)
                work()
                connection.send(None)
            elif what == "run":
                started = time.perf_counter()
                for _ in range(arguments[0]):
                    work()
                connection.send((time.perf_counter() - started) / arguments[0])
            else:
                connection.send(peak_memory_bytes())
        except Exception as error:
            connection.send(error)


def in_fresh_processes(
    makers: Sequence[tuple[bool, Maker, tuple[Any, ...], tuple[Any, ...]]], rounds: int
) -> list[tuple[float, int]]:
    """Seconds of each piece of work, interleaved, and the bytes it takes beyond those of a tiny one.

    Args:
        makers: (as for `Workshop`, what makes the work, its arguments, its arguments for a tiny one).
        rounds: how often each runs.
    """
    workshops = [Workshop(ours) for ours, *_ in makers]
    for workshop, (_, maker, _, tiny) in zip(workshops, makers, strict=True):
        workshop.make(maker, *tiny)
    empty = [workshop.memory() for workshop in workshops]
    for workshop, (_, maker, arguments, _) in zip(workshops, makers, strict=True):
        workshop.make(maker, *arguments)
    seconds = interleaved([workshop.seconds for workshop in workshops], rounds)
    bytes_taken = [workshop.memory() - before for workshop, before in zip(workshops, empty, strict=True)]
    for workshop in workshops:
        workshop.close()
    return list(zip(seconds, bytes_taken, strict=True))


def interleaved(works: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """Medians of what each returns, called in turns."""
    measured: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for values, work in zip(measured, works, strict=True):
            values.append(work())
    return [statistics.median(values) for values in measured]


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    made.add_argument("--quick", action="store_true", help="fewer and smaller measurements: under 50 seconds")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the rows, the date and the machine")
    return made


def report(title: str, rows: list[dict[str, Any]], asked: argparse.Namespace, summary: str = "") -> None:
    """Print rows as a table, and write them as JSON if that is asked for."""
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=160).print(table)
    if summary:
        print(summary)
    if asked.json:
        content = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "quick": asked.quick,
            "summary": summary,
            "rows": rows,
        }
        asked.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Which machine and versions measured."""
    import torch

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
