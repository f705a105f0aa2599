"""What is decided per replica while a stack trains: best weights, early stopping, divergence, steps to solve.

Lightning's own EarlyStopping and ModelCheckpoint would see the stack as one model and decide for all at once.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from cells.data.sequences import Metric
from cells.training.learner import Learner

DIVERGED_AT = 1000.0
"""A training loss above this multiple of the best constant prediction's counts as diverged.

`isfinite` alone does not do: on small networks Adam with a learning rate of 1e9 stays finite.
"""
DIVERGENCE_CHECK_STEPS = 10
"""The running maximum of the loss stays on the device; it is read back this often."""


@dataclass
class Replica:
    """Where one replica stands. Plain numbers only: this travels in checkpoints and in the record.

    Attributes:
        seed: its seed.
        status: "training"; "stopped" early; "diverged"; "finished" all steps.
        last_step: updates it has had.
        best_step: the update after which validation was best; None before the first finite validation.
        val: validation scores at that step.
        steps_to_solve: the first validated update at which the metric passed `solved_at`; None if none did.
        stale: validations since the best one.
    """

    seed: int
    status: Literal["training", "stopped", "diverged", "finished"] = "training"
    last_step: int = 0
    best_step: int | None = None
    val: dict[str, float] = field(default_factory=dict)
    steps_to_solve: int | None = None
    stale: int = 0


class ReplicaTracker(Callback):
    """Keeps every replica's best-validation weights and freezes replicas that are done.

    Args:
        seeds: one a replica.
        metric: the score by which a replica counts as having solved its task.
        monitor: the validation score that chooses the weights; smaller is better.
        diverged_above: training loss above which a replica is diverged.
        patience: validations without improvement before a replica is stopped; None never stops one.
    """

    def __init__(
        self,
        seeds: tuple[int, ...],
        metric: Metric,
        monitor: str,
        diverged_above: float,
        patience: int | None,
    ) -> None:
        self.replicas = [Replica(seed) for seed in seeds]
        self.best_parameters: dict[str, Tensor] = {}
        self._metric, self._monitor = metric, monitor
        self._diverged_above, self._patience = diverged_above, patience

    def on_fit_start(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        if not self.best_parameters:
            self.best_parameters = {name: p.detach().clone() for name, p in learner.named_parameters()}
        self._freeze(learner)

    def on_train_batch_end(self, trainer: Trainer, learner: Learner, *_: Any) -> None:  # type: ignore[override]
        if trainer.global_step % DIVERGENCE_CHECK_STEPS == 0:
            self._find_diverged(trainer, learner)
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True  # makes Lightning validate once more, wherever the last validation was

    def on_validation_end(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        self._find_diverged(trainer, learner)
        # Every device has validated the whole split; the first one's numbers decide for all.
        scores = {name: value.tolist() for name, value in learner.validation_scores.items()}
        scores = trainer.strategy.broadcast(scores)
        for index, replica in enumerate(self.replicas):
            if replica.status == "training":
                self._judge(index, replica, {name: values[index] for name, values in scores.items()}, learner)
        self._freeze(learner)
        if all(replica.status != "training" for replica in self.replicas):
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        for replica in self.replicas:
            # A callback of the user's may have ended training before max_steps.
            if replica.status == "training":
                replica.status = "finished" if trainer.global_step >= trainer.max_steps else "stopped"

    def _judge(self, index: int, replica: Replica, scores: dict[str, float], learner: Learner) -> None:
        step = replica.last_step = learner.global_step
        score = scores[self._monitor]
        if math.isfinite(score) and score < replica.val.get(self._monitor, math.inf):
            replica.best_step, replica.val, replica.stale = step, scores, 0
            with torch.no_grad():
                for name, parameter in learner.named_parameters():
                    self.best_parameters[name][index] = parameter[index]
        else:
            replica.stale += 1
        if replica.steps_to_solve is None and self._solved(scores):
            replica.steps_to_solve = step
        if self._patience is not None and replica.stale >= self._patience:
            replica.status = "stopped"

    def _solved(self, scores: dict[str, float]) -> bool:
        threshold = self._metric.solved_at
        if threshold is None:
            return False
        score = scores[self._metric.name]
        return score <= threshold if self._metric.goal == "min" else score >= threshold

    def _find_diverged(self, trainer: Trainer, learner: Learner) -> None:
        if learner.worst_loss is None:
            return
        worst = learner.across_devices(learner.worst_loss).tolist()
        for replica, loss in zip(self.replicas, worst, strict=True):
            if replica.status == "training" and not loss <= self._diverged_above:  # NaN compares false
                replica.status, replica.last_step = "diverged", learner.global_step
        self._freeze(learner)
        if all(replica.status != "training" for replica in self.replicas):
            trainer.should_stop = True

    def _freeze(self, learner: Learner) -> None:
        learner.frozen = [
            index for index, replica in enumerate(self.replicas) if replica.status != "training"
        ]

    def load_best(self, learner: Learner) -> None:
        """Give every replica the weights at which its validation was best."""
        with torch.no_grad():
            for name, parameter in learner.named_parameters():
                parameter.copy_(self.best_parameters[name])

    def state_dict(self) -> dict[str, Any]:
        return {
            "replicas": [asdict(replica) for replica in self.replicas],
            "best_parameters": self.best_parameters,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.replicas = [Replica(**replica) for replica in state_dict["replicas"]]
        self.best_parameters = state_dict["best_parameters"]
