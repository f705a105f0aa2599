"""What a validation costs in a training, beside the forward passes it is there for.

The adding problem as in `benchmarks.training`. Measured inside real trainings: from the end of a step to the start of
the next, less what lies between two steps without a validation.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer

from benchmarks.measuring import parser, report
from cells.training.learner import Learner

ROOT = Path(__file__).parents[1]
RESULT = "VALIDATION_RESULT"


class Watch(Callback):
    """Times validations and their forward passes, and writes the medians where `VALIDATION_RESULT` says."""

    def __init__(self) -> None:
        self._ended = self._forward = 0.0
        self._validated = False
        self._plain: list[float] = []
        self._validations: list[tuple[float, float]] = []

    def on_fit_start(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        forward = learner.forward

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            answer = forward(*arguments, **named)
            self._forward += time.perf_counter() - started
            return answer

        learner.forward = timed  # type: ignore[method-assign]

    def on_train_batch_end(self, *_: Any) -> None:
        self._ended, self._forward = time.perf_counter(), 0.0

    def on_validation_start(self, *_: Any) -> None:
        self._validated = True

    def on_train_batch_start(self, *_: Any) -> None:
        if not self._ended:
            return
        gap = time.perf_counter() - self._ended
        if self._validated:
            self._validations.append((gap, self._forward))
        else:
            self._plain.append(gap)
        self._validated = False

    def on_train_end(self, *_: Any) -> None:
        between = statistics.median(self._plain)
        whole = statistics.median(gap for gap, _ in self._validations) - between
        forward = statistics.median(forward for _, forward in self._validations)
        Path(os.environ[RESULT]).write_text(json.dumps([1000 * whole, 1000 * forward]), encoding="utf-8")


def measured(cell: str, seeds: int, steps: int) -> list[float]:
    """Milliseconds of a validation, and of its forward passes."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        subprocess.run(
            [sys.executable, "train.py", f"model={cell}", "data=adding", "data.length=50", f"seeds={seeds}",
             f"trainer.max_steps={steps}", "trainer.val_every_steps=10", f"output_dir={folder}",
             "+callbacks.watch._target_=benchmarks.validation.Watch", "trusted_modules=[benchmarks]"],
            check=True, capture_output=True, cwd=ROOT, env=os.environ | {RESULT: str(result)},
        )  # fmt: skip
        return [float(value) for value in json.loads(result.read_text())]


def main() -> None:
    asked = parser("benchmarks.validation", __doc__).parse_args()
    rows: list[dict[str, Any]] = []
    for cell in ("lstm",) if asked.quick else ("elman", "lstm", "gru"):
        for seeds in (1, 10):
            whole, forward = measured(cell, seeds, 100 if asked.quick else 400)
            rows.append(
                {
                    "cell": cell,
                    "seeds": seeds,
                    "validation ms": whole,
                    "forward passes ms": forward,
                    "ratio": whole / forward,
                }
            )
    report("A validation: 1,000 sequences of 50 steps", rows, asked)


if __name__ == "__main__":
    main()
