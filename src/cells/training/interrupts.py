"""Ctrl-C and SIGTERM as an orderly end: finish the step, write a checkpoint, say so."""

import signal
from types import FrameType, TracebackType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from cells.training.checkpoints import CheckpointWriter

AGREEMENT_STEPS = 10
"""Several devices have to stop at the same update; they ask each other this often."""


class InterruptedBySignal(Exception):  # noqa: N818 (an event, not an error)
    """Training was asked to stop and has left a checkpoint."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)


class Interrupts(Callback):
    """While entered, the first SIGINT or SIGTERM ends training at the next step's end; a second one at once.

    Outside of the training loop, as in the test, the first one does. Lightning alone would answer SIGTERM with exit
    code 0 under Hydra, and Ctrl-C without a checkpoint or by exiting.

    Args:
        writer: writes the checkpoint.
        validation_interval: updates between validations. A checkpoint is never written just before one: a run
            resumed from there would skip it.
    """

    def __init__(self, writer: CheckpointWriter, validation_interval: int) -> None:
        self._writer, self._validation_interval = writer, validation_interval
        self._received: int | None = None
        self._training = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._install()  # Lightning has put a handler of its own in place meanwhile
        self._training = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step % self._validation_interval and not trainer.should_stop:
            self._stop_if_asked(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._training:
            self._stop_if_asked(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._training = False

    def _install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None or not self._training:
            raise InterruptedBySignal(number)
        self._received = number

    def _stop_if_asked(self, trainer: Trainer) -> None:
        if trainer.world_size > 1:
            if trainer.global_step % AGREEMENT_STEPS:
                return
            self._received = trainer.strategy.broadcast(self._received)
        if self._received is not None:
            self._writer.write(trainer)
            raise InterruptedBySignal(self._received)
