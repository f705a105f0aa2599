"""How long a training step takes, validation and diagnostics apart."""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.profilers import Profiler

from cells.training.diagnosis import Diagnosis


class StepClock(Callback):
    """Measures the time of training without its validations and diagnostics, and the steps it was spent on."""

    def __init__(self) -> None:
        self._since = self._looked = self._seconds = 0.0
        self._first_step = self._steps = 0

    def milliseconds_per_step(self) -> float | None:
        """Mean over the training so far; None before its first step."""
        return round(1000 * self._seconds / self._steps, 4) if self._steps else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first_step = trainer.global_step
        self._go_on(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pause(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._go_on(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pause(trainer)

    def _go_on(self, trainer: Trainer) -> None:
        self._since, self._looked = time.perf_counter(), _seconds_of_looks(trainer)

    def _pause(self, trainer: Trainer) -> None:
        looking = _seconds_of_looks(trainer) - self._looked
        self._seconds += time.perf_counter() - self._since - looking
        self._steps = trainer.global_step - self._first_step


def _seconds_of_looks(trainer: Trainer) -> float:
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return sum(callback.seconds for callback in callbacks if isinstance(callback, Diagnosis))


class Unprofiled(Profiler):
    """In place of Lightning's default, which makes a generator for each of some fifty actions in every step."""

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        """Nothing, in one object for all."""
        return _NOTHING

    def start(self, action_name: str) -> None:
        """Nothing."""

    def stop(self, action_name: str) -> None:
        """Nothing."""


_NOTHING = nullcontext()
