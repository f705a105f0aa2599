"""One bar for a training: loss, validation score, steps per second. Plain lines where there is no terminal."""

import sys
import time
from typing import Any

from pytorch_lightning import Callback, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cells.training.learner import Learner

REFRESH_SECONDS = 0.2
PLAIN_LINE_SECONDS = 10.0


class ProgressDisplay(Callback):
    """Shows where a training stands without waiting for the device in every step.

    Args:
        label: what is being trained, "lstm on sunspots".
        total_steps: updates in the whole training.
        monitor: the validation score to show.
    """

    def __init__(self, label: str, total_steps: int, monitor: str) -> None:
        self._label, self._total_steps, self._monitor = label, total_steps, monitor
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._validation = ""
        self._shown_at, self._shown_step = 0.0, 0

    def on_train_start(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        self._shown_at, self._shown_step = time.monotonic(), trainer.global_step
        console = Console(file=sys.stderr)
        if trainer.is_global_zero and console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(compact=True),
                console=console,
                auto_refresh=False,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(
                self._label, total=self._total_steps, completed=self._shown_step, figures=""
            )

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, learner: Learner, outputs: Any, *_: Any
    ) -> None:
        now = time.monotonic()
        interval = REFRESH_SECONDS if self._bar else PLAIN_LINE_SECONDS
        if now - self._shown_at >= interval:
            rate = (trainer.global_step - self._shown_step) / (now - self._shown_at)
            self._shown_at, self._shown_step = now, trainer.global_step
            self._show(trainer, learner, outputs, rate)

    def on_validation_end(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        values = learner.validation_scores[self._monitor]
        self._validation = f"val {self._monitor} {float(values.nanmean()):.4g}"

    def on_train_end(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        self._close()

    def _show(self, trainer: Trainer, learner: Learner, outputs: Any, rate: float) -> None:
        if not trainer.is_global_zero:
            return
        step = trainer.global_step
        loss = float(outputs["loss"]) / len(learner.seeds) / trainer.world_size
        figures = "  ".join(
            part for part in (f"loss {loss:.4g}", self._validation, f"{rate:.0f} steps/s") if part
        )
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, figures=figures, refresh=True)
        else:
            print(
                f"{self._label}: step {step} of {self._total_steps}  {figures}", file=sys.stderr, flush=True
            )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
