"""Learning-rate schedules over the updates of a whole training; each is stepped after every update."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

Fraction = Annotated[float, Field(ge=0, le=1)]


def cosine(optimizer: Optimizer, total_steps: int, final_fraction: Fraction = 0.0) -> LRScheduler:
    """Half a cosine from the learning rate down to `final_fraction` of it (Loshchilov & Hutter 2017, no restarts)."""
    return CosineAnnealingLR(
        optimizer, T_max=total_steps, eta_min=final_fraction * optimizer.param_groups[0]["lr"]
    )


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    rising_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3,
    initial_divisor: PositiveFloat = 25.0,
    final_divisor: PositiveFloat = 1e4,
) -> LRScheduler:
    """One cycle (Smith & Topin 2019): up from lr/initial_divisor to lr, then far below where it started."""
    return OneCycleLR(
        optimizer,
        max_lr=optimizer.param_groups[0]["lr"],
        total_steps=total_steps,
        pct_start=rising_fraction,
        div_factor=initial_divisor,
        final_div_factor=final_divisor,
        cycle_momentum=False,  # plain SGD and RMSprop have no momentum to cycle
    )


def warmup(optimizer: Optimizer, total_steps: int, warmup_steps: NonNegativeInt = 100) -> LRScheduler:
    """Linear rise from lr/warmup_steps to lr over the first `warmup_steps` updates, constant after them."""
    return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / max(1, warmup_steps)))
