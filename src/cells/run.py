"""One run: build → fit → test → record."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.strategies import DDPStrategy

from cells.build import Parts, build, device_count, process_count
from cells.environment import describe_environment, keep_freed_memory, peak_memory_bytes
from cells.errors import UserError
from cells.folders import is_finished, is_same_run
from cells.record import SCHEMA_VERSION, config_hash, read_record, write_record
from cells.recurrent.engines import fused
from cells.training.checkpoints import BEST, LAST, AtomicCheckpointIO, CheckpointWriter, read_checkpoint
from cells.training.clock import StepClock, Unprofiled
from cells.training.interrupts import InterruptedBySignal, Interrupts
from cells.training.learner import count_parameters
from cells.training.logger import ReplicaLogger
from cells.training.objective import baseline_loss
from cells.training.processes import local_processes, started_by_a_launcher
from cells.training.progress import ProgressDisplay
from cells.training.replicas import DIVERGED_AT, ReplicaTracker
from cells.training.results import hyperparameters, log_pictures, save_predictions, text_summary

log = logging.getLogger(__name__)

PRECISIONS = {32: "32-true", 64: "64-true", "bf16": "bf16-mixed"}


def execute(config: Mapping[str, Any], folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Train, test and record one configuration. Whatever happens in training ends up in the record's status.

    Args:
        config: a plain container with its interpolations resolved.
        folder: the run's own folder. An unfinished run of this configuration in it is continued; one that has come to
            its end is left as it is.
        overrides: what was said on the command line, for the record.

    Returns:
        The record that now stands in the folder.
    """
    _quiet_lightning()
    keep_freed_memory()
    earlier = read_record(folder) or {}
    if is_finished(folder) and is_same_run(folder, config):
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
    write_record(folder, record)
    _write_yaml(folder / "config.yaml", config)
    try:
        parts = build(config)
        run = Run(parts, folder, record, earlier)
        with run.interrupts, _threads(parts):
            run.fit()
            run.test()
    except (InterruptedBySignal, KeyboardInterrupt) as stop:
        record |= {"status": "interrupted", "message": f"stopped by {stop}" if str(stop) else "stopped"}
    except UserError as error:
        record |= {"status": "failed", "message": str(error)}
        log.error("%s", error)
    except Exception as error:
        record |= {"status": "failed", "message": f"{type(error).__name__}: {error}"}
        log.exception("The run failed.")
    record["finished_at"] = _now()
    write_record(folder, record)
    return record


def train_along(
    config: Mapping[str, Any], folder: Path, when_ready: Callable[[], None] = lambda: None
) -> None:
    """The share of a process that does not lead a distributed training: it trains, and writes nothing."""
    _quiet_lightning()
    keep_freed_memory()
    parts = build(config)
    trainer = _trainer(parts, _callbacks(parts, _tracker(parts), folder), loggers=[])
    when_ready()
    with contextlib.suppress(InterruptedBySignal), _threads(parts):
        trainer.fit(parts.learner, datamodule=parts.datamodule, ckpt_path=parts.settings.ckpt_path)


class Run:
    """One training and its test, told in a record that is kept up to date.

    Args:
        parts: what to train.
        folder: where to leave everything.
        record: filled in as things become known.
        earlier: the record of an earlier part of the same run, or {}.
    """

    def __init__(
        self, parts: Parts, folder: Path, record: dict[str, Any], earlier: Mapping[str, Any]
    ) -> None:
        self._parts, self._folder, self._record = parts, folder, record
        last = folder / LAST
        self._checkpoint = str(last) if last.is_file() else parts.settings.ckpt_path
        resume_step = read_checkpoint(last)["global_step"] if last.is_file() else 0
        self._earlier_cost = (earlier.get("cost") or {}) if resume_step else {}
        self._tracker = _tracker(parts)
        self._logger = parts.make_logger(folder, resume_step)
        self._callbacks = _callbacks(parts, self._tracker, folder)
        record |= {"environment": describe_environment(_device_name(parts))} | _describe(parts)
        self._note_replicas([None] * len(parts.settings.seeds))
        self._logger.log_text("summary", text_summary(record, str(parts.learner)))
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
                trainer = _trainer(parts, self._callbacks, loggers=[self._logger])
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
        trainer = Trainer(
            accelerator=parts.training.accelerator,
            devices=1,
            precision=PRECISIONS[parts.training.precision],  # type: ignore[arg-type]
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=self._folder,
        )
        AtomicCheckpointIO().save_checkpoint({"state_dict": learner.state_dict()}, self._folder / BEST)
        trainer.test(learner, datamodule=parts.datamodule, verbose=False)
        scores = {name: values.tolist() for name, values in learner.test_scores.items()}
        tested: list[dict[str, float] | None] = []
        for index, replica in enumerate(self._tracker.replicas):
            known = replica.best_step is not None
            tested.append({name: values[index] for name, values in scores.items()} if known else None)
        self._note_replicas(tested)
        diverged = all(replica.status == "diverged" for replica in self._tracker.replicas)
        self._record["status"] = "diverged" if diverged else "completed"

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

    def _note_cost(self, seconds: float, milliseconds_per_step: float | None) -> None:
        learner = self._parts.learner
        on_gpu = torch.cuda.is_available() and self._parts.training.accelerator != "cpu"
        self._record["cost"] = {
            "seconds": round(seconds + self._earlier_cost.get("seconds", 0.0), 3),
            "steps": learner.global_step,
            "milliseconds_per_step": milliseconds_per_step,
            "peak_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else peak_memory_bytes(),
            "engine": learner.network.engine_name,
        }


def _quiet_lightning() -> None:
    """Keep Lightning's advertisements, its own deprecations and advice that does not hold here off the terminal."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r"`isinstance\(treespec, LeafSpec\)`",
        "`broadcast_buffers` is deprecated",
        "It is recommended to use .* sync_dist=True",  # every device validates the whole split
    ):
        warnings.filterwarnings("ignore", message=message)


def _threads(parts: Parts) -> contextlib.AbstractContextManager[None]:
    if parts.learner.network.engine_name == "fused":
        return fused.alone_on_the_cores()
    return contextlib.nullcontext()


def _callbacks(parts: Parts, tracker: ReplicaTracker, folder: Path) -> list[Callback]:
    """In this order: what decides, what is saved of it, what is asked to stop, what is shown."""
    writer = CheckpointWriter(folder, parts.training.checkpoint_every_steps)
    interval = parts.training.validation_interval(parts.datamodule.steps_per_epoch)
    label = f"{model_name(parts)} on {parts.content.name}"
    progress = ProgressDisplay(label, parts.total_steps, parts.monitor)
    diagnosis = [parts.diagnosis] if parts.diagnosis else []
    own = [tracker, writer, Interrupts(writer, interval), StepClock(), progress, *diagnosis]
    return [*own, *parts.callbacks]


def _tracker(parts: Parts) -> ReplicaTracker:
    learner, content = parts.learner, parts.content
    # A data set whose targets are all alike has a baseline of 0; the bound must not be 0 with it.
    bound = DIVERGED_AT * max(baseline_loss(content.train.targets, learner.loss_name), 1e-3)
    return ReplicaTracker(learner.seeds, content.metric, parts.monitor, bound, parts.training.patience)


def _trainer(parts: Parts, callbacks: list[Callback], loggers: list[ReplicaLogger]) -> Trainer:
    training = parts.training
    strategy: Any = training.strategy
    if strategy == "ddp":
        # Buffers are constants here, the same on every device.
        strategy = DDPStrategy(
            broadcast_buffers=False, process_group_backend="gloo" if training.accelerator == "cpu" else None
        )
    return Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        num_nodes=training.num_nodes,
        strategy=strategy,
        precision=PRECISIONS[training.precision],  # type: ignore[arg-type]
        deterministic=training.deterministic,
        max_steps=parts.total_steps,
        max_epochs=-1,
        log_every_n_steps=1,
        val_check_interval=training.validation_interval(parts.datamodule.steps_per_epoch),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        profiler=Unprofiled(),
        logger=loggers or False,
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _describe(parts: Parts) -> dict[str, Any]:
    """The parts of a record that are known before training."""
    learner, content = parts.learner, parts.content
    baselines: dict[str, dict[str, float]] = dict(content.baselines)
    return {
        "model": {
            "name": model_name(parts),
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


def model_name(parts: Parts) -> str:
    """`lstm` for a cell of the project's own, the class path for a user's cell."""
    target: str = parts.settings.model["cell"]["_target_"]
    if target.startswith("cells.recurrent.adapter."):
        target = parts.settings.model["cell"]["module"]["_target_"]
    if target.startswith("cells.recurrent."):
        return target.rpartition(".")[2].removesuffix("Cell").lower()
    return target


def _device_name(parts: Parts) -> str:
    if parts.training.accelerator != "cpu" and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "cpu"


def _write_yaml(path: Path, config: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
