"""Wall time of one run with several replicas, and of a sweep, against as many processes with one training each.

The loop is what a careful user would write with PyTorch alone: `DataLoader`, `nn.*`, Adam, clipping, no logging;
Lightning is the same as a plain LightningModule with its usual logging, validation and checkpoints. All train for the
same number of updates; ours validates, logs and reports as it always does. Whole processes, started afresh. A peer's
process is timed alone, and counted as often as it would have to run.
"""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import interleaved, parser, report

CELLS = ("elman", "lstm", "gru")


def program(models: str, seeds: int, steps: int) -> float:
    """Seconds of `python train.py`, start-up included; of a sweep if several models are named."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = ["-m"] if "," in models else []
        return _seconds(
            [str(Path(__file__).parents[1] / "train.py"), *sweep, f"model={models}", "data=adding", "data.length=50",
             "model.hidden_size=32", f"seeds={seeds}", f"trainer.max_steps={steps}", f"output_dir={folder}"]
        )  # fmt: skip


def raw_loop(cell: str, steps: int) -> float:
    """Seconds of a process with a loop written by hand."""
    return _seconds(["-m", "benchmarks.raw_loop", cell, "0", str(steps)])


def plain_lightning(cell: str, steps: int) -> float:
    """Seconds of a process with plain Lightning."""
    return _seconds(["-m", "benchmarks.plain_lightning", cell, "0", str(steps), "--validate"])


def _seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, cwd=Path(__file__).parents[1]
    )
    return time.perf_counter() - started


def main() -> None:
    asked = parser("benchmarks.seeds", __doc__).parse_args()
    counts, steps, rounds = ((1, 3), 300, 1) if asked.quick else ((1, 2, 5, 10, 30), 3000, 3)
    rows: list[dict[str, Any]] = []
    peers: list[tuple[float, float]] = []
    for cell in ("gru",) if asked.quick else CELLS:
        both = [partial(peer, cell, steps) for peer in (raw_loop, plain_lightning)]
        ours = [partial(program, cell, seeds, steps) for seeds in counts]
        loop, lightning, *seconds = interleaved([*both, *ours], rounds)
        peers.append((loop, lightning))
        rows += [
            _row(cell, seeds, steps, loop, lightning, spent)
            for seeds, spent in zip(counts, seconds, strict=True)
        ]
    if not asked.quick:
        (sweep,) = interleaved([partial(program, ",".join(CELLS), 10, steps)], rounds)
        loops, lightnings = (sum(times) for times in zip(*peers, strict=True))
        rows.append(_row(f"-m {','.join(CELLS)}", 10, steps, loops, lightnings, sweep))
    report("Several seeds, adding with 50 steps, hidden size 32, batch 32", rows, asked)


def _row(models: str, seeds: int, steps: int, loop: float, lightning: float, ours: float) -> dict[str, Any]:
    return {
        "models": models,
        "seeds": seeds,
        "updates": steps,
        "raw loops s": loop * seeds,
        "plain Lightning s": lightning * seeds,
        "train.py s": ours,
        "times faster than loops": loop * seeds / ours,
        "than Lightning": lightning * seeds / ours,
    }


if __name__ == "__main__":
    main()
