"""Milliseconds a step of the whole program, against a loop written by hand and against plain Lightning.

All three train the same network on the adding problem: 50 steps of time, hidden size 32, batch 32, Adam, clipping.
Plain Lightning is the usual module with a DataLoader, TensorBoard, its progress bar and its own gradient norms. The
program logs what it always logs. Processes take turns; the first fifth of the steps of both peers does not count.
"""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import interleaved, parser, report

ROOT = Path(__file__).parents[1]


def program(cell: str, steps: int) -> float:
    """Milliseconds a step as the record has them, validation apart."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "train.py", f"model={cell}", "data=adding", "data.length=50", f"trainer.max_steps={steps}",
             f"trainer.val_every_steps={steps // 2}", f"output_dir={folder}"],
            check=True, capture_output=True, cwd=ROOT,
        )  # fmt: skip
        (record,) = Path(folder).rglob("record.json")
        return float(json.loads(record.read_text())["cost"]["milliseconds_per_step"])


def peer(module: str, cell: str, steps: int) -> float:
    """Milliseconds a step as the peer prints them."""
    answer = subprocess.run(
        [sys.executable, "-m", module, cell, "0", str(steps)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return float(answer.stdout.split()[-4])


def main() -> None:
    asked = parser("benchmarks.training", __doc__).parse_args()
    steps, rounds = (400, 1) if asked.quick else (1500, 7)
    rows: list[dict[str, Any]] = []
    for cell in ("lstm",) if asked.quick else ("elman", "lstm", "gru"):
        raw, lightning, ours = interleaved(
            [
                partial(peer, "benchmarks.raw_loop", cell, steps),
                partial(peer, "benchmarks.plain_lightning", cell, steps),
                partial(program, cell, steps),
            ],
            rounds,
        )
        rows.append(
            {
                "cell": cell,
                "raw loop ms": raw,
                "plain Lightning ms": lightning,
                "train.py ms": ours,
                "times faster than the loop": raw / ours,
                "than Lightning": lightning / ours,
            }
        )
    report("A training step, one seed", rows, asked)


if __name__ == "__main__":
    main()
