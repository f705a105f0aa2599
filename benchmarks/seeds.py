"""Wall time of one run with several replicas, against as many hand-written training loops one after the other.

The loop is what a careful user would write with PyTorch alone: `DataLoader`, `nn.*`, Adam, clipping, no logging. Both
train on the same number of updates; ours validates and logs as it always does. Whole processes, started afresh.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import parser, report


def program(cell: str, seeds: int, steps: int) -> float:
    """Seconds of `python train.py`, start-up included."""
    with tempfile.TemporaryDirectory() as folder:
        return _seconds(
            [str(Path(__file__).parents[1] / "train.py"), f"model={cell}", "data=adding", "data.length=50",
             f"seeds={seeds}", f"trainer.max_steps={steps}", f"output_dir={folder}"]
        )  # fmt: skip


def raw_loop(cell: str, seeds: int, steps: int) -> float:
    """Seconds of as many processes with a loop, one after the other."""
    return sum(_seconds(["-m", "benchmarks.raw_loop", cell, str(seed), str(steps)]) for seed in range(seeds))


def _seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, cwd=Path(__file__).parents[1]
    )
    return time.perf_counter() - started


def main() -> None:
    asked = parser("benchmarks.seeds", __doc__).parse_args()
    counts, steps = ((1, 3), 300) if asked.quick else ((1, 2, 5, 10, 30), 3000)
    rows: list[dict[str, Any]] = []
    for cell in ("gru",) if asked.quick else ("elman", "lstm", "gru"):
        # One loop is timed often enough to know it; thirty of them take thirty times as long.
        loop = sorted(raw_loop(cell, 1, steps) for _ in range(1 if asked.quick else 3))[
            -1 if asked.quick else 1
        ]
        for seeds in counts:
            ours = program(cell, seeds, steps)
            rows.append(
                {
                    "cell": cell,
                    "seeds": seeds,
                    "updates": steps,
                    "raw loops s": loop * seeds,
                    "train.py s": ours,
                    "times faster": loop * seeds / ours,
                    "seconds a seed": ours / seeds,
                }
            )
    report("Several seeds, adding with 50 steps, hidden size 32, batch 32", rows, asked)


if __name__ == "__main__":
    main()
