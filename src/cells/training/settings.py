"""Settings of the training itself: the `trainer` and `learner` sections of the configuration."""

from dataclasses import dataclass
from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """How a training goes through its data.

    Args:
        carry_state: go through a series in order and start each batch from the state in which the one before it ended.
    """

    carry_state: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How long, on what, and by what rules to train. Steps are optimiser updates.

    Args:
        accelerator, devices, num_nodes, strategy: as in `pytorch_lightning.Trainer`.
        precision: 32, "bf16" (mixed) or 64 bits.
        deterministic: refuse operations whose result differs from run to run.
        max_steps: train for this many updates.
        max_epochs: or for this many passes over the training data, whichever comes first.
        val_every_steps: validate after every so many updates.
        val_every_epochs: validate after every so many passes instead.
        gradient_clip_norm: scale a replica's gradient down to this norm; None leaves it.
        patience: freeze a replica after so many validations without improvement; None never does.
        checkpoint_every_steps: write a checkpoint at the first validation after so many updates.
        log_every_steps: log training loss, learning rate and gradient norms every so many updates.
        overfit_batches: train, validate and test on so many batches alone, to see whether a model learns at all.
    """

    accelerator: Literal["cpu", "gpu", "auto"] = "cpu"
    devices: PositiveInt | Literal["auto"] | list[int] = 1
    num_nodes: PositiveInt = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal[32, 64, "bf16"] = 32
    deterministic: bool = True
    max_steps: PositiveInt | None = 2000
    max_epochs: PositiveInt | None = None
    val_every_steps: PositiveInt = 100
    val_every_epochs: PositiveInt | None = None
    gradient_clip_norm: PositiveFloat | None = 1.0
    patience: PositiveInt | None = None
    checkpoint_every_steps: PositiveInt = 1000
    log_every_steps: PositiveInt = 20
    overfit_batches: NonNegativeInt = 0

    def total_steps(self, steps_per_epoch: int) -> int:
        """Updates in the whole training.

        Raises:
            ValueError: neither max_steps nor max_epochs is given.
        """
        limits = []
        if self.max_steps is not None:
            limits.append(self.max_steps)
        if self.max_epochs is not None:
            limits.append(self.max_epochs * steps_per_epoch)
        if not limits:
            raise ValueError(
                "max_steps and max_epochs are both null, so training would never end; set one of them"
            )
        return min(limits)

    def validation_interval(self, steps_per_epoch: int) -> int:
        """Updates between two validations; there is always one at the end of training."""
        interval = (
            self.val_every_steps if self.val_every_epochs is None else self.val_every_epochs * steps_per_epoch
        )
        return min(interval, self.total_steps(steps_per_epoch))
