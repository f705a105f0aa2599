"""One run: build → fit → test → record."""

import contextlib
import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from cells.build import Parts, build, device_count, process_count
from cells.environment import describe_environment, keep_freed_memory, peak_memory_bytes
from cells.errors import UserError
from cells.folders import at_work_in, is_finished, is_same_run
from cells.record import SCHEMA_VERSION, config_hash, read_record, write_record
from cells.search.choice import TrialEnded, tune
from cells.search.plan import Trial, with_values
from cells.trainers import callbacks_for, quiet_lightning, tester, threads_for, tracker_for, trainer_for
from cells.training.checkpoints import BEST, LAST, AtomicCheckpointIO, read_checkpoint
from cells.training.clock import StepClock
from cells.training.interrupts import InterruptedBySignal, Interrupts
from cells.training.learner import count_parameters
from cells.training.processes import local_processes, started_by_a_launcher
from cells.training.results import hyperparameters, log_pictures, save_predictions, text_summary

log = logging.getLogger(__name__)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a used-up quota, a file at its limit: no fault of the program, so told without a traceback."""


def execute(
    config: Mapping[str, Any], folder: Path, overrides: list[str], trial: str | None = None
) -> dict[str, Any]:
    """Train, test and record one configuration. Whatever happens in training ends up in the record's status.

    Args:
        config: a plain container with its interpolations resolved.
        folder: the run's own folder. An unfinished run of this configuration in it is continued; one that has come to
            its end is left as it is.
        overrides: what was said on the command line, for the record.
        trial: this is a trial of a search, to be shown under this name; it is validated and never tested.

    Returns:
        The record that now stands in the folder.

    Raises:
        UserError: another process is at work in the folder.
    """
    quiet_lightning()
    keep_freed_memory()
    with at_work_in(folder):
        return _execute(config, folder, overrides, trial)


def _execute(
    config: Mapping[str, Any], folder: Path, overrides: list[str], trial: str | None
) -> dict[str, Any]:
    earlier = read_record(folder) or {}
    if earlier and is_finished(earlier) and is_same_run(earlier, config):
        log.info("%s has come to its end already", folder)
        return earlier
    record: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "status": "running",
        "message": None,
        "started_at": earlier.get("started_at") or _now(),
        "finished_at": None,
        "config": dict(config),
        "config_hash": config_hash(config),
        "overrides": overrides,
    }
    if trial:
        record["trial"] = True
    if not _kept(folder, record):
        return record
    try:
        if config.get("search"):
            _tune(record, folder)
        _write_yaml(folder / "config.yaml", record["config"])
        parts = build(record["config"])
        run = Run(parts, folder, record, earlier, trial)
        with run.interrupts, threads_for(parts):
            run.fit()
            if trial:
                run.end_trial()
            else:
                run.test()
    except TrialEnded as ended:
        record |= {"status": ended.status, "message": str(ended)}
    except (InterruptedBySignal, KeyboardInterrupt) as stop:
        record |= {"status": "interrupted", "message": f"stopped by {stop}" if str(stop) else "stopped"}
    except UserError as error:
        record |= {"status": "failed", "message": str(error)}
        log.error("%s", error)
    except (Exception, SystemExit) as error:  # a user's code may call sys.exit
        record |= {"status": "failed", "message": f"{type(error).__name__}: {error}"}
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            log.error("%s: %s", folder, error)
        else:
            log.exception("The run failed.")
    record["finished_at"] = _now()
    _kept(folder, record)
    return record


def _tune(record: dict[str, Any], folder: Path) -> None:
    """Carry out the search that a run begins with; its record then has the chosen values in its configuration."""

    def train(trial: Trial, where: Path, name: str) -> dict[str, Any]:
        where.mkdir(parents=True, exist_ok=True)
        return execute(trial.config, where, [*record["overrides"], *trial.settings], trial=name)

    record["search"] = tune(record["config"], folder, train)
    record["config"] = with_values(record["config"], record["search"]["chosen"])


def train_along(
    config: Mapping[str, Any], folder: Path, when_ready: Callable[[], None] = lambda: None
) -> None:
    """The share of a process that does not lead a distributed training: it trains, and writes nothing."""
    quiet_lightning()
    keep_freed_memory()
    parts = build(config)
    trainer = trainer_for(parts, callbacks_for(parts, tracker_for(parts), folder), loggers=[])
    when_ready()
    with contextlib.suppress(InterruptedBySignal), threads_for(parts):
        trainer.fit(parts.learner, datamodule=parts.datamodule, ckpt_path=parts.settings.ckpt_path)


class Run:
    """One training and its test, told in a record that is kept up to date.

    Args:
        parts: what to train.
        folder: where to leave everything.
        record: filled in as things become known.
        earlier: the record of an earlier part of the same run, or {}.
        trial: what to show it as, if it is a trial of a search.
    """

    def __init__(
        self,
        parts: Parts,
        folder: Path,
        record: dict[str, Any],
        earlier: Mapping[str, Any],
        trial: str | None = None,
    ) -> None:
        self._parts, self._folder, self._record = parts, folder, record
        last = folder / LAST
        self._checkpoint = str(last) if last.is_file() else parts.settings.ckpt_path
        resume_step = read_checkpoint(last, resuming=True)["global_step"] if last.is_file() else 0
        self._earlier_cost = (earlier.get("cost") or {}) if resume_step else {}
        self._tracker = tracker_for(parts)
        self._logger = parts.make_logger(folder=folder, resume_step=resume_step)
        self._callbacks = callbacks_for(parts, self._tracker, folder, trial)
        record |= {"environment": describe_environment(_device_name(parts))} | _describe(parts)
        self._note_replicas([None] * len(parts.settings.seeds))
        for note in parts.plan.notes:
            log.info("%s", note)
        self._logger.log_text("summary", text_summary(record, parts.plan.notes, str(parts.learner)))
        write_record(folder, record)

    @property
    def interrupts(self) -> Interrupts:
        """To be entered while the run is going on."""
        return next(callback for callback in self._callbacks if isinstance(callback, Interrupts))

    def fit(self) -> None:
        """Train all replicas; on return each has its best-validation weights on record."""
        parts = self._parts
        clock = next(callback for callback in self._callbacks if isinstance(callback, StepClock))
        started = time.perf_counter()
        try:
            with self._processes():
                trainer = trainer_for(parts, self._callbacks, loggers=[self._logger])
                try:
                    trainer.fit(parts.learner, datamodule=parts.datamodule, ckpt_path=self._checkpoint)
                finally:
                    if torch.distributed.is_initialized():
                        torch.distributed.destroy_process_group()
        finally:
            self._note_cost(time.perf_counter() - started, clock.milliseconds_per_step())
            self._note_replicas([None] * len(parts.settings.seeds))
            self._logger.save()

    def test(self) -> None:
        """Test every replica once, at its best-validation weights, and write down the results."""
        parts, learner = self._parts, self._parts.learner
        self._tracker.load_best(learner)
        trainer = tester(parts, self._folder)
        AtomicCheckpointIO().save_checkpoint({"state_dict": learner.state_dict()}, self._folder / BEST)
        trainer.test(learner, datamodule=parts.datamodule, verbose=False)
        scores = {name: values.tolist() for name, values in learner.test_scores.items()}
        tested: list[dict[str, float] | None] = []
        for index, replica in enumerate(self._tracker.replicas):
            known = replica.best_step is not None
            tested.append({name: values[index] for name, values in scores.items()} if known else None)
        self._note_replicas(tested)
        self._note_end()
        save_predictions(self._folder, learner, parts.content)
        log_pictures(self._logger, learner, parts.content, self._tracker.replicas, parts.total_steps)
        if parts.diagnosis:
            has_weights = [score is not None for score in tested]
            self._record["diagnostics"] = parts.diagnosis.conclude(
                learner, parts.datamodule, has_weights, self._folder, self._logger, parts.total_steps
            )
        self._logger.log_results(
            hyperparameters(self._record),
            [{f"test/{name}": value for name, value in (score or {}).items()} for score in tested],
            parts.total_steps,
        )
        self._logger.close()

    def end_trial(self) -> None:
        """In place of the test: what a trial is for stands in the record already."""
        self._note_end()
        self._logger.close()

    @contextlib.contextmanager
    def _processes(self) -> Iterator[None]:
        training = self._parts.training
        if training.strategy != "ddp" or process_count(training) == 1 or started_by_a_launcher():
            yield
            return
        # The others start from the same checkpoint as this one.
        shared = self._folder / ".config-of-processes.yaml"
        _write_yaml(shared, self._record["config"] | {"ckpt_path": self._checkpoint})
        try:
            with local_processes(
                shared, device_count(training), training.num_nodes, training.accelerator == "cpu"
            ):
                yield
        finally:
            shared.unlink()

    def _note_replicas(self, tested: list[dict[str, float] | None]) -> None:
        self._record["replicas"] = [
            {
                "seed": replica.seed,
                "status": replica.status,
                "last_step": replica.last_step,
                "best_step": replica.best_step,
                "steps_to_solve": replica.steps_to_solve,
                "val": dict(replica.val) or None,
                "test": test,
            }
            for replica, test in zip(self._tracker.replicas, tested, strict=True)
        ]

    def _note_end(self) -> None:
        diverged = all(replica.status == "diverged" for replica in self._tracker.replicas)
        self._record["status"] = "diverged" if diverged else "completed"

    def _note_cost(self, seconds: float, milliseconds_per_step: float | None) -> None:
        learner = self._parts.learner
        on_gpu = torch.cuda.is_available() and self._parts.training.accelerator != "cpu"
        self._record["cost"] = {
            "seconds": round(seconds + self._earlier_cost.get("seconds", 0.0), 3),
            "steps": learner.global_step,
            "milliseconds_per_step": milliseconds_per_step,
            "flops_per_sequence": self._parts.plan.flops_per_sequence,
            "peak_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else peak_memory_bytes(),
            "engine": learner.network.engine_name,
        }


def _describe(parts: Parts) -> dict[str, Any]:
    """The parts of a record that are known before training."""
    learner, content = parts.learner, parts.content
    baselines: dict[str, dict[str, float]] = dict(content.baselines)
    return {
        "model": {
            "name": parts.model_name,
            "parameters": count_parameters(learner, len(learner.seeds)),
            "hidden_size": learner.hidden_size,
            "num_layers": learner.num_layers,
            "loss": learner.loss_name,
        },
        "data": {
            "name": content.name,
            "splits": {name: len(split) for name, split in content.splits.items()},
            "input_size": content.input_size,
            "output_size": content.output_size,
            "baselines": baselines,
            "baseline_seconds": content.baseline_seconds,
            "chance": content.chance,
            "unit": content.unit,
            "note": content.note,
            "figures": content.figures,
        },
        "metric": {
            "name": content.metric.name,
            "goal": content.metric.goal,
            "solved_at": content.metric.solved_at,
            "monitor": parts.monitor,
        },
        "diagnostics": {},
        "cost": None,
    }


def _device_name(parts: Parts) -> str:
    if parts.training.accelerator != "cpu" and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "cpu"


def _kept(folder: Path, record: dict[str, Any]) -> bool:
    """Write the record. A run whose record cannot be written has failed."""
    try:
        write_record(folder, record)
    except UserError as error:
        record |= {"status": "failed", "message": str(error)}
        log.error("%s", error)
        return False
    return True


def _write_yaml(path: Path, config: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
