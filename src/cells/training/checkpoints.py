"""Checkpoints that are whole or absent, written where a run can be continued to the same end."""

import os
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.io import CheckpointIO

from cells.errors import UserError
from cells.training.learner import Learner
from cells.training.streams import carried_streams

LAST = Path("checkpoints", "last.ckpt")
BEST = Path("checkpoints", "best.ckpt")

ENTRIES = frozenset(
    {"loops", "callbacks", "optimizer_states", "lr_schedulers", "global_step", "seeds", "optimizer"}
)
"""What a checkpoint of a training has besides weights."""


class AtomicCheckpointIO(CheckpointIO):
    """Writes a checkpoint beside its final name, then renames it: a kill in between leaves the older one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with draft.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except (OSError, RuntimeError) as error:
            # torch.save raises a RuntimeError of its own upon the file's error.
            first = error.__context__ if isinstance(error.__context__, OSError) else error
            reason = getattr(first, "strerror", None) or first
            raise UserError(
                f"{path}: cannot be written ({reason}); make room, then go on with resume=true."
            ) from error
        finally:
            draft.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path, map_location: Any = "cpu", resuming: bool = False) -> dict[str, Any]:
    """A checkpoint's content, tensors and plain containers only: loading one runs no code that it carries.

    Args:
        path: the file.
        map_location: where its tensors go.
        resuming: it was found by `resume=true`, and not named by the user; for the message.

    Raises:
        UserError: the file is missing or is not a whole checkpoint of this program.
    """
    if not path.is_file():
        raise _unusable(path, "no such file", f"give the path of a checkpoint, …/{LAST}", resuming)
    try:
        checkpoint = torch.load(path, map_location=map_location or "cpu", weights_only=True)
    except Exception as error:  # torch.load fails in many ways on a file that is not its own
        raise _unusable(path, "not a checkpoint, or not a whole one", f"give …/{LAST}", resuming) from error
    if not isinstance(checkpoint, dict) or not _holds_tensors(checkpoint.get("state_dict")):
        raise _unusable(
            path, "not a checkpoint of this program", f"give …/{LAST} of one of its runs", resuming
        )
    return checkpoint


def check_checkpoint(
    path: Path, learner: Learner, total_steps: int, streams: int, resuming: bool = False
) -> None:
    """Refuse a checkpoint that a training cannot go on from.

    Args:
        path: the file.
        learner: as built for the training.
        total_steps: updates in the whole training.
        streams: how many streams of a series it carries the state of; 0 for none.
        resuming: as of `read_checkpoint`.

    Raises:
        UserError: it is no checkpoint of a training, or one of another training, or that training has ended.
    """
    checkpoint = read_checkpoint(path, resuming=resuming)
    if ENTRIES - checkpoint.keys():
        raise _unusable(
            path, "it holds weights only, not a training to go on with", "use …/last.ckpt", resuming
        )
    as_trained = "give it the configuration that it was trained with"
    ours, theirs = learner.state_dict(), checkpoint["state_dict"]
    for name in ours.keys() | theirs.keys():
        mine, given = (tuple(state[name].shape) if name in state else "absent" for state in (ours, theirs))
        if mine != given:
            complaint = (
                f"it holds another model or another number of seeds ({name} is {given} there and {mine} here)"
            )
            raise _unusable(path, complaint, as_trained, resuming)
    optimizer = type(learner.configure_optimizers()["optimizer"]).__name__
    for key, value in (("seeds", list(learner.seeds)), ("optimizer", optimizer)):
        if checkpoint[key] != value:
            complaint = f"it was trained with {key} {checkpoint[key]}, and this run has {value}"
            raise _unusable(path, complaint, as_trained, resuming)
    carried = carried_streams(checkpoint)
    if carried != streams:
        complaint = f"it carries the state of {carried} streams, and this run of {streams}"
        raise _unusable(path, complaint, as_trained, resuming)
    step = checkpoint["global_step"]
    # A run that was stopped in its test has made all its updates.
    if step > total_steps or (step == total_steps and not resuming):
        raise _unusable(
            path, f"it stands at update {step} already", "set trainer.max_steps above that to go on", resuming
        )


def _unusable(path: Path, complaint: str, remedy: str, resuming: bool) -> UserError:
    """The refusal of a checkpoint, told to whoever named it or to whoever asked for `resume=true`."""
    if resuming:
        return UserError(
            f"resume=true: {path} of the run to resume is of no use ({complaint}); start anew without resume=true."
        )
    return UserError(f"ckpt_path={path}: {complaint}; {remedy}.")


def _holds_tensors(state: Any) -> bool:
    return isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values())


class CheckpointWriter(Callback):
    """Writes `checkpoints/last.ckpt` after a validation, every so many steps and at the end of training.

    It adds what a training that goes on has to agree with: its seeds and the name of its optimiser's class.

    Args:
        folder: the run's output folder.
        every_steps: updates between two checkpoints, rounded up to the next validation.
    """

    def __init__(self, folder: Path, every_steps: int) -> None:
        self._path = folder / LAST
        self._every_steps = every_steps
        self._last_step = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._last_step = trainer.global_step

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["seeds"] = list(cast(Learner, pl_module).seeds)
        checkpoint["optimizer"] = type(trainer.optimizers[0]).__name__

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step - self._last_step >= self._every_steps or trainer.should_stop:
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write the checkpoint now. In distributed training every process has to call this."""
        trainer.save_checkpoint(self._path)
        self._last_step = trainer.global_step
