"""From a composed configuration to objects. Everything that can be checked before training is checked here."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from torch import Tensor

from cells.budget import Budget, Plan, plan
from cells.data.datamodule import SequenceDataModule
from cells.data.sequences import SequenceData, Split
from cells.environment import memory_bytes
from cells.errors import UserError
from cells.settings import Settings, read_settings
from cells.targets import checked, instantiate, locate
from cells.training.checkpoints import check_checkpoint
from cells.training.diagnosis import Diagnosis
from cells.training.learner import Learner
from cells.training.logger import ReplicaLogger
from cells.training.settings import LearnerSettings, TrainerSettings
from cells.training.streams import refuse_unordered

ELEMENTWISE_OPTIMIZERS = frozenset(
    {"Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"}
)
"""Optimisers whose update of a number depends on that number's own gradient alone, so that replicas stay apart."""

REPLACED_CALLBACKS = {
    "EarlyStopping": "trainer.patience stops each replica by itself",
    "ModelCheckpoint": "the best weights of each replica are kept anyway, and trainer.checkpoint_every_steps sets "
    "how often the whole training is saved",
    "GradientAccumulationScheduler": "data.batch_size sets how many sequences make an update",
}
"""Lightning callbacks that would see a stack of replicas as one model, or change what a step is."""


@dataclass(frozen=True)
class Parts:
    """A configuration turned into objects, ready to train."""

    settings: Settings
    training: TrainerSettings
    plan: Plan
    datamodule: SequenceDataModule
    learner: Learner
    total_steps: int
    callbacks: list[Callback]
    diagnosis: Diagnosis | None
    make_logger: Callable[..., ReplicaLogger]

    @property
    def content(self) -> SequenceData:
        return self.datamodule.content

    @property
    def model_name(self) -> str:
        """`lstm` for a cell of the project's own, the class path for a user's cell."""
        path = _class_path(self.settings)
        return path.rpartition(".")[2].removesuffix("Cell").lower() if _is_ours(path) else path

    @property
    def monitor(self) -> str:
        """The validation score that chooses weights. Accuracy is too coarse to choose by; cross-entropy is not."""
        return self.content.metric.name if self.content.target_kind == "real" else "cross_entropy"


def _class_path(settings: Settings) -> str:
    """Of the cell, or of the module that the adapter makes a cell of."""
    cell = settings.model["cell"]
    path: str = cell["_target_"]
    return str(cell["module"]["_target_"]) if path.startswith("cells.recurrent.adapter.") else path


def _is_ours(path: str) -> bool:
    return path.startswith("cells.recurrent.")


def build(config: Mapping[str, Any], last: Path | None = None) -> Parts:
    """Check a composed configuration and turn it into objects, without training anything.

    Args:
        config: a plain container with its interpolations resolved.
        last: the checkpoint of the unfinished run that is resumed, to be checked as `ckpt_path` is.

    Raises:
        UserError: what is wrong, where, and what to do.
    """
    settings = read_settings(config)
    trusted = settings.trusted_modules
    training: TrainerSettings = instantiate(settings.trainer, "trainer", trusted)
    _check_devices(training)
    in_order = LearnerSettings(**checked(LearnerSettings, settings.learner, "learner")).carry_state
    datamodule: SequenceDataModule = instantiate(
        settings.data, "data", trusted, seeds=settings.seeds, in_order=in_order
    )
    content = _load(json.dumps(settings.data, sort_keys=True), trusted)
    if training.overfit_batches:
        content = _first_rows(content, training.overfit_batches * datamodule.batch_size)
    datamodule.content = content
    batch, processes = min(datamodule.batch_size, len(content.train)), process_count(training)
    if batch < processes:
        raise UserError(
            f"trainer.devices={training.devices}: {processes} processes cannot share a batch of {batch} sequences; use "
            "fewer, or raise data.batch_size."
        )
    if in_order:
        if training.overfit_batches == 1:
            raise UserError(
                "trainer.overfit_batches=1: with learner.carry_state=true each batch goes on from the one before, so "
                "there have to be at least two; set it to 2 or more, or leave learner.carry_state out."
            )
        refuse_unordered(content, datamodule.batch_size, processes)
    make_optimizer = _optimizer(settings)
    planned = _planned(settings, content, batch, make_optimizer)
    _check_memory(planned.parameters * len(settings.seeds))
    training = replace(training, **planned.training)
    try:
        total_steps = training.total_steps(datamodule.steps_per_epoch)
    except ValueError as error:
        raise UserError(f"trainer: {error}.") from error
    learner: Learner = instantiate(
        {**settings.model, **planned.model},
        "model",
        trusted,
        content=content,
        seeds=settings.seeds,
        optimizer=make_optimizer,
        scheduler=_scheduler(settings),
        total_steps=total_steps,
        gradient_clip_norm=training.gradient_clip_norm,
        log_every_steps=training.log_every_steps,
    )
    _try_cell(learner, settings, content)
    _try_optimizer(learner, settings)
    if settings.ckpt_path is not None:
        check_checkpoint(Path(settings.ckpt_path), learner, total_steps, datamodule.streams)
    if last is not None:
        check_checkpoint(last, learner, total_steps, datamodule.streams, resuming=True)
    diagnosis = instantiate(settings.diagnostics, "diagnostics", trusted) if settings.diagnostics else None
    make_logger = instantiate(
        {**settings.logger, "_partial_": True},
        "logger",
        trusted,
        folder=Path(),
        seeds=settings.seeds,
        resume_step=0,
    )
    return Parts(
        settings,
        training,
        planned,
        datamodule,
        learner,
        total_steps,
        _callbacks(settings),
        diagnosis,
        make_logger,
    )


def _planned(
    settings: Settings, content: SequenceData, batch: int, make_optimizer: Callable[..., Any]
) -> Plan:
    """What the budget comes to for this model, these data and this size of batch."""

    def one_replica(**model: Any) -> Learner:
        made: Learner = instantiate(
            {**settings.model, "engine": "reference", **model},
            "model",
            settings.trusted_modules,
            content=content,
            seeds=(0,),
            optimizer=make_optimizer,
        )
        return made

    budget = Budget(**checked(Budget, settings.budget or {}, "budget"))
    with _telling_of_own_cell(settings):
        return plan(budget, one_replica, content, batch)


@lru_cache(maxsize=1)
def _load(section: str, trusted: tuple[str, ...]) -> SequenceData:
    # Jobs of a sweep mostly share their data; it is never modified, so it is loaded once.
    datamodule: SequenceDataModule = instantiate(json.loads(section), "data", trusted)
    return datamodule.load()


def _first_rows(content: SequenceData, rows: int) -> SequenceData:
    def first(tensor: Tensor | None) -> Any:
        return None if tensor is None else tensor[:rows]

    train = content.train
    few = Split(
        first(train.inputs),
        first(train.targets),
        first(train.lengths),
        first(train.offset),
        first(train.scale),
        None if train.positions is None else train.positions[:rows],
        first(train.follows),
    )
    # The baselines were measured on the whole test split, and say nothing about these few.
    note = f"trained and tested on the same {len(few)} sequences: a look at whether it learns at all, and no result"
    return replace(
        content, train=few, val=few, test=few, baselines={}, baseline_seconds={}, chance=None, note=note
    )


def _optimizer(settings: Settings) -> Callable[..., Any]:
    section = settings.optimizer
    target = locate(section["_target_"], "optimizer", settings.trusted_modules)
    name = getattr(target, "__name__", "")
    if name not in ELEMENTWISE_OPTIMIZERS and not getattr(target, "elementwise", False):
        raise UserError(
            f"optimizer._target_={section['_target_']}: it may mix numbers of different replicas in one update; use "
            f"an elementwise one ({', '.join(sorted(ELEMENTWISE_OPTIMIZERS))}), or mark your own class with "
            "elementwise = True."
        )
    rate = section.get("lr")
    if isinstance(rate, (int, float)) and not rate > 0:
        raise UserError(f"optimizer.lr={rate}: a learning rate has to be above 0.")
    made: Callable[..., Any] = instantiate(
        {**section, "_partial_": True}, "optimizer", settings.trusted_modules
    )
    return made


def _scheduler(settings: Settings) -> Callable[..., Any] | None:
    if not settings.scheduler:
        return None
    made: Callable[..., Any] = instantiate(
        {**settings.scheduler, "_partial_": True}, "scheduler", settings.trusted_modules
    )
    return made


def _try_cell(learner: Learner, settings: Settings, content: SequenceData) -> None:
    """Two steps of two sequences, so that a user's cell that cannot step is told of before anything is trained."""
    if _is_ours(_class_path(settings)) or learner.flattens_window:
        return
    few = content.train.inputs[:2, :2].expand(len(settings.seeds), -1, -1, -1)
    with torch.no_grad(), _telling_of_own_cell(settings):
        learner.network(few, dropout_seeds=settings.seeds)


@contextlib.contextmanager
def _telling_of_own_cell(settings: Settings) -> Iterator[None]:
    """Turn whatever a user's cell raises into one sentence."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if _is_ours(_class_path(settings)):
            raise
        target = settings.model["cell"]["_target_"]
        raise UserError(
            f"model.cell ({target}): its first step fails with {type(error).__name__}: {error}; python -m cells.check "
            "with the class's path tells what it has to return."
        ) from error


def _try_optimizer(learner: Learner, settings: Settings) -> None:
    try:
        learner.configure_optimizers()
    except (ValueError, TypeError) as error:
        raise UserError(f"optimizer ({settings.optimizer['_target_']}) or scheduler: {error}.") from error


def _callbacks(settings: Settings) -> list[Callback]:
    callbacks = []
    for name, section in (settings.callbacks or {}).items():
        where = f"callbacks.{name}"
        callback = instantiate(section, where, settings.trusted_modules)
        for kind in type(callback).__mro__:
            if kind.__name__ in REPLACED_CALLBACKS:
                raise UserError(
                    f"{where}: {kind.__name__} does not go with replicas that train side by side; leave it out: "
                    f"{REPLACED_CALLBACKS[kind.__name__]}."
                )
        callbacks.append(callback)
    return callbacks


def _check_memory(parameters: int) -> None:
    """Refuse what this machine cannot hold. Asking for it would fill the memory before it fails."""
    needed, there = 2 * 4 * parameters, memory_bytes()
    if there is not None and needed > there:
        raise UserError(
            f"model: weights and gradients of all replicas take {needed / 1e9:,.0f} GB, and this machine has "
            f"{there / 1e9:,.0f} GB; choose smaller sizes or fewer seeds."
        )


def _check_devices(training: TrainerSettings) -> None:
    asked, processes = training.devices, process_count(training)
    if isinstance(asked, list) and (training.accelerator != "gpu" or not asked):
        raise UserError(
            f"trainer.devices={asked}: a list names graphics cards, for trainer=gpu; give a number of processes."
        )
    if training.accelerator == "gpu":
        there = torch.cuda.device_count()
        if there == 0:
            raise UserError(
                "trainer.accelerator=gpu: PyTorch finds no GPU here; choose trainer=cpu, or install a CUDA build of "
                "torch."
            )
        if device_count(training) > there or (isinstance(asked, list) and max(asked) >= there):
            raise UserError(f"trainer.devices={asked}: PyTorch finds {there} here, numbered from 0.")
    if training.strategy != "ddp" and processes > 1:
        several = "ddp_cpu" if training.accelerator == "cpu" else "ddp"
        key = "devices" if training.num_nodes == 1 else "num_nodes"
        raise UserError(
            f"trainer.{key}={getattr(training, key)}: several processes need trainer.strategy=ddp; choose "
            f"trainer={several}."
        )


def device_count(training: TrainerSettings) -> int:
    """How many devices of one machine `trainer.devices` means."""
    if training.devices == "auto":
        return 1 if training.accelerator == "cpu" else max(1, torch.cuda.device_count())
    return len(training.devices) if isinstance(training.devices, list) else int(training.devices)


def process_count(training: TrainerSettings) -> int:
    """How many processes train together, one a device, over all machines."""
    return device_count(training) * training.num_nodes
