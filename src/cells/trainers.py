"""Lightning's Trainer and callbacks, as the parts of a run ask for them."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.strategies import DDPStrategy

from cells.build import Parts
from cells.training.checkpoints import AtomicCheckpointIO, CheckpointWriter
from cells.training.clock import StepClock, Unprofiled
from cells.training.interrupts import Interrupts
from cells.training.logger import ReplicaLogger
from cells.training.objective import baseline_loss
from cells.training.progress import ProgressDisplay
from cells.training.replicas import DIVERGED_AT, ReplicaTracker

SMALL_STATE = 8_000
"""Numbers in a step's hidden states (replicas × batch × hidden size) below which one thread is the safer choice: a
second gains little on an idle machine, and on a busy one the two wait for each other, actively."""

PRECISIONS = {32: "32-true", 64: "64-true", "bf16": "bf16-mixed"}


def quiet_lightning() -> None:
    """Keep Lightning's advertisements, its own deprecations and advice that does not hold here off the terminal."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r"`isinstance\(treespec, LeafSpec\)`",
        "`broadcast_buffers` is deprecated",
        "It is recommended to use .* sync_dist=True",  # every device validates the whole split
    ):
        warnings.filterwarnings("ignore", message=message)


def threads_for(parts: Parts) -> contextlib.AbstractContextManager[None]:
    """To be entered while training: it leaves PyTorch's operations as many threads as do them good."""
    network = parts.learner.network
    state = network.replicas * parts.datamodule.batch_size * parts.learner.hidden_size
    small = parts.training.accelerator == "cpu" and state < SMALL_STATE
    # The fused engine has threads of its own, and what remains of a step is small.
    return one_thread() if small or network.engine_name == "fused" else contextlib.nullcontext()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """While entered, PyTorch's operations keep to one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def callbacks_for(
    parts: Parts, tracker: ReplicaTracker, folder: Path, trial: str | None = None
) -> list[Callback]:
    """In this order: what decides, what looks on, what is saved of both, what is asked to stop, what is shown.

    Args:
        parts, tracker, folder: of the run.
        trial: what to show it as, if it is a trial of a search.
    """
    writer = CheckpointWriter(folder, parts.training.checkpoint_every_steps)
    interval = parts.training.validation_interval(parts.datamodule.steps_per_epoch)
    label = f"{trial + ': ' if trial else ''}{parts.model_name} on {parts.content.name}"
    progress = ProgressDisplay(label, parts.total_steps, parts.monitor)
    diagnosis = [parts.diagnosis] if parts.diagnosis else []
    own = [tracker, *diagnosis, writer, Interrupts(writer, interval), StepClock(), progress]
    return [*own, *parts.callbacks]


def tracker_for(parts: Parts) -> ReplicaTracker:
    """What decides for each replica."""
    learner, content = parts.learner, parts.content
    # A data set whose targets are all alike has a baseline of 0; the bound must not be 0 with it.
    bound = DIVERGED_AT * max(baseline_loss(content.train.targets, learner.loss_name), 1e-3)
    return ReplicaTracker(learner.seeds, content.metric, parts.monitor, bound, parts.training.patience)


def trainer_for(parts: Parts, callbacks: list[Callback], loggers: list[ReplicaLogger]) -> Trainer:
    """Lightning's Trainer for the training."""
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


def tester(parts: Parts, folder: Path) -> Trainer:
    """Lightning's Trainer for the test: one device, and nothing written."""
    return Trainer(
        accelerator=parts.training.accelerator,
        devices=1,
        precision=PRECISIONS[parts.training.precision],  # type: ignore[arg-type]
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
