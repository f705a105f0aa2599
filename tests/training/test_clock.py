from types import SimpleNamespace

import pytest

from cells.training import clock
from cells.training.clock import StepClock
from cells.training.diagnosis import Diagnosis


def test_a_step_takes_the_time_of_training_without_validations_and_looks(monkeypatch):
    now = 0.0
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now)
    diagnosis, watch = Diagnosis(), StepClock()
    trainer = SimpleNamespace(global_step=100, callbacks=[diagnosis, watch])

    diagnosis.seconds = 5.0  # a look before the clock starts
    watch.on_train_start(trainer, None)
    assert watch.milliseconds_per_step() is None
    for _ in range(3):
        trainer.global_step += 10
        now += 2.0 + 0.5
        diagnosis.seconds += 0.5  # a look between two steps
        watch.on_validation_start(trainer, None)
        now += 7.0 + 0.25
        diagnosis.seconds += 0.25  # a look within a validation
        watch.on_validation_end(trainer, None)
    watch.on_train_end(trainer, None)
    assert watch.milliseconds_per_step() == pytest.approx(1000 * 3 * 2.0 / 30)
