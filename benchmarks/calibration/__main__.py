"""Run every measurement, print the table, and say whether all promises are kept (exit code 0) or not (1)."""

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import measure
from benchmarks.calibration.measure import Row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer simulations: under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, the date and the machine")
    asked = parser.parse_args()
    many, some, few = (700, 250, 300) if asked.quick else (measure.FULL, 4000, 2000)
    random = np.random.default_rng(0)
    started = time.perf_counter()
    rows = [
        *measure.false_claims(random, many),
        *measure.false_claims_beside_a_true_one(random, many),
        *measure.false_claims_over_looks(random, some),
        *measure.real_false_claims(random),
        *measure.power(random, some),
        *measure.coverage(random, some),
        *measure.seeds_that_suffice(random, some),
        *measure.false_claims_on_series(random, few),
    ]
    seconds = time.perf_counter() - started
    broken = [row for row in rows if not row.kept]
    _show(rows)
    print(f"{seconds:.0f} s; {len(broken)} of {sum(_promise(row) != '' for row in rows)} promises broken")
    if asked.json:
        asked.json.write_text(
            json.dumps(_content(rows, seconds, asked.quick), indent=1, default=int) + "\n", encoding="utf-8"
        )
    return 1 if broken else 0


def _show(rows: list[Row]) -> None:
    table = Table("what", "case", "rate", "99 %", "promised", "kept")
    for what in dict.fromkeys(row.what for row in rows):
        table.add_section()
        for place, row in enumerate(row for row in rows if row.what == what):
            low, high = row.interval
            kept = ("yes" if row.kept else "NO") if _promise(row) else ""
            name = "" if place else what
            table.add_row(name, row.case, f"{row.rate:.3f}", f"{low:.3f} … {high:.3f}", _promise(row), kept)
    Console(width=160).print(table)


def _promise(row: Row) -> str:
    if row.at_most is not None:
        return f"≤ {row.at_most:.3g}"
    return f"≥ {row.at_least:.3g}" if row.at_least is not None else ""


def _content(rows: list[Row], seconds: float, quick: bool) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "quick": quick,
        "seconds": round(seconds, 1),
        "rows": [vars(row) | {"rate": round(row.rate, 5), "kept": row.kept} for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
