"""Looks at a network while it trains: when, on what, and what is kept of it. What a look is, is in `examination`."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from cells.data.datamodule import SequenceDataModule, gather
from cells.data.sequences import Batch, SequenceData
from cells.data.tasks.recall import Recall
from cells.diagnostics.memory import (
    RECALLED_FROM,
    memory_capacity,
    memory_horizon,
    recalled_variance,
    still_improving,
)
from cells.training.examination import Findings, examine
from cells.training.learner import Learner
from cells.training.logger import ReplicaLogger

log = logging.getLogger(__name__)

NAME = "diagnostics.npz"

MOST_NUMBERS = 2**26
"""Numbers in the hidden states of a look, replicas × sequences × steps × units; its graph is ten times as large."""


class Diagnosis(Callback):
    """Looks at a network every so many updates, always at the same validation sequences, and sums up at the end.

    It only looks: no weight, gradient or random number that training depends on is touched.

    Args:
        every_steps: updates between two looks; the first is before training.
        sequences: how many sequences of the validation split are looked at; fewer where that would take gigabytes.
        gates: follow gate values, too.
        lyapunov_exponents: how many of the largest to follow, too.
    """

    def __init__(
        self,
        every_steps: PositiveInt = 200,
        sequences: PositiveInt = 32,
        gates: bool = False,
        lyapunov_exponents: NonNegativeInt = 0,
    ) -> None:
        self._every_steps, self._sequences = every_steps, sequences
        self._gates, self._lyapunov_exponents = gates, lyapunov_exponents
        self._curves: list[tuple[int, dict[str, Tensor]]] = []
        self._validated: list[tuple[int, Tensor]] = []
        self._earlier_seconds = 0.0
        self.seconds = 0.0
        """Spent in this process so far."""

    def on_train_start(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        # What was seen at or after the update that a run resumes from is seen again.
        self._curves = [seen for seen in self._curves if seen[0] < trainer.global_step]
        self._look_if_due(trainer, learner)

    def on_train_batch_end(self, trainer: Trainer, learner: Learner, *_: Any) -> None:  # type: ignore[override]
        self._look_if_due(trainer, learner)

    def on_validation_end(self, trainer: Trainer, learner: Learner) -> None:  # type: ignore[override]
        self._validated.append((trainer.global_step, learner.validation_scores["loss"].cpu()))

    def _look_if_due(self, trainer: Trainer, learner: Learner) -> None:
        if trainer.global_step % self._every_steps or not trainer.is_global_zero:
            return
        content = cast(SequenceDataModule, trainer.datamodule).content  # type: ignore[attr-defined]
        findings = self._look(learner, content)
        self._curves.append((trainer.global_step, findings.curves))
        learner.log_replicas(findings.scalars)

    def _look(self, learner: Learner, content: SequenceData) -> Findings:
        started = time.perf_counter()
        training = learner.training
        learner.eval()  # without dropout
        try:
            batch = _first_sequences(content, self._sequences, learner)
            findings = examine(learner, batch, self._gates, self._lyapunov_exponents)
        finally:
            learner.train(training)
        findings.curves = {name: curve.cpu() for name, curve in findings.curves.items()}
        self.seconds += time.perf_counter() - started
        return findings

    def conclude(
        self,
        learner: Learner,
        datamodule: SequenceDataModule,
        tested: Sequence[bool],
        folder: Path,
        logger: ReplicaLogger,
        step: int,
    ) -> dict[str, Any]:
        """Look once more, at the weights that were tested, and leave `diagnostics.npz` and pictures.

        Args:
            learner: at the tested weights, after the test.
            datamodule: what it was trained on.
            tested: whether each replica has such weights.
            folder: the run's.
            logger: for the pictures.
            step: where in training the pictures are to stand.

        Returns:
            The record's `diagnostics`: lists of one number a replica, in the order of the seeds.
        """
        findings = self._look(learner, datamodule.content)
        arrays = self._arrays(learner, findings)
        found: dict[str, Any] = {
            name: [value if known else None for value, known in zip(values.tolist(), tested, strict=True)]
            for name, values in _headlines(findings.scalars).items()
        }
        if isinstance(datamodule, Recall):
            found |= self._memory(learner, datamodule, tested, arrays)
        found["every_steps"] = self._every_steps
        found["seconds"] = round(self._earlier_seconds + self.seconds, 3)
        np.savez_compressed(folder / NAME, **arrays)  # type: ignore[arg-type]
        _log_pictures(logger, arrays, findings, datamodule.content.name, step)
        return found

    def _arrays(self, learner: Learner, findings: Findings) -> dict[str, np.ndarray]:
        arrays = {"seeds": np.asarray(learner.seeds)}
        if self._curves:
            arrays["gradient_through_time/steps"] = np.asarray([step for step, _ in self._curves])
        for name, best in findings.curves.items():
            prefix = "gradient_through_time"
            arrays[f"{prefix}/lag"] = np.arange(best.shape[1])
            arrays[f"{prefix}/{name}_at_best"] = best.float().numpy()
            if self._curves:
                looks = torch.stack([curves[name] for _, curves in self._curves])
                arrays[f"{prefix}/{name}"] = looks.float().numpy()
        for name, shares in findings.histograms.items():
            arrays[f"gates/{name}"] = shares.cpu().float().numpy()
        return arrays

    def _memory(
        self, learner: Learner, recall: Recall, tested: Sequence[bool], arrays: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        r2 = recalled_variance(learner.test_outputs["predictions"].cpu(), recall.content.test.targets)
        r2[[not known for known in tested]] = torch.nan
        lags = list(recall.lags)
        arrays |= {"memory/lag": np.asarray(lags), "memory/r2": r2.float().numpy()}
        steps = [step for step, _ in self._validated]
        improving = [
            still_improving(steps, [scores[replica].item() for _, scores in self._validated])
            for replica in range(len(tested))
        ]
        found = {
            "memory_capacity": memory_capacity(r2).tolist(),
            "memory_longest_lag": lags[-1],
            "memory_horizon_still_improving": improving,
        }
        if len(lags) > 1:  # one lag alone says nothing of shorter ones
            horizons = memory_horizon(r2, lags)
            found["memory_horizon"] = [
                h if known else None for h, known in zip(horizons, tested, strict=True)
            ]
            bounds = [more or h == lags[-1] for h, more in zip(horizons, improving, strict=True)]
            spelled = [f"≥ {h}" if bound else str(h) for h, bound in zip(horizons, bounds, strict=True)]
            log.info("Memory horizon in steps (R² ≥ %g), by seed: %s", RECALLED_FROM, ", ".join(spelled))
        else:
            shares = ", ".join(f"{share:z.2f}" for share in r2[:, 0].tolist())
            log.info("Recall of the input %d steps ago, R² by seed: %s", lags[0], shares)
        return found

    def state_dict(self) -> dict[str, Any]:
        return {
            "curves": self._curves,
            "validated": self._validated,
            "seconds": self._earlier_seconds + self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._curves, self._validated = list(state_dict["curves"]), list(state_dict["validated"])
        self._earlier_seconds = state_dict["seconds"]


def _headlines(scalars: dict[str, Tensor]) -> dict[str, Tensor]:
    """The few numbers a record holds. Of several blocks or layers, the largest."""

    def largest(prefix: str) -> Tensor | None:
        found = [values for tag, values in scalars.items() if tag.startswith(prefix)]
        return torch.stack(found).amax(0) if found else None

    headlines = {
        "gradient_decay_per_step": scalars["gradient_through_time/decay_per_step"],
        "gradient_half_life_steps": scalars["gradient_through_time/half_life_steps"],
        "spectral_radius": largest("spectral_radius/"),
        "lyapunov_exponent": largest("lyapunov_exponent/"),
    }
    return {name: values for name, values in headlines.items() if values is not None}


def _first_sequences(content: SequenceData, many: int, learner: Learner) -> Batch:
    network = learner.network
    numbers = len(learner.seeds) * content.val.inputs.shape[1] * network.output_size * network.num_layers
    fitting = max(1, MOST_NUMBERS // numbers)
    rows = torch.arange(min(many, fitting, len(content.val))).unsqueeze(0)
    parameter = next(learner.parameters())

    def moved(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        return tensor.to(parameter.device, parameter.dtype if tensor.is_floating_point() else tensor.dtype)

    return Batch(*(moved(tensor) for tensor in gather(content.val, rows, len(learner.seeds))))  # type: ignore[arg-type]


def _log_pictures(
    logger: ReplicaLogger, arrays: dict[str, np.ndarray], findings: Findings, data: str, step: int
) -> None:
    from cells.diagnostics.pictures import (
        curves_figure,
        gates_figure,
        geometric_mean,
        heatmap_figure,
        memory_figure,
    )

    prefix = "gradient_through_time"
    curves = {name: arrays[f"{prefix}/{name}_at_best"] for name in findings.curves}
    title = f"{data}: gradient through time at the tested weights"
    logger.log_figure(f"{prefix}/curve", curves_figure(curves, title), step)
    for name in curves:
        if f"{prefix}/{name}" in arrays:
            over_training = geometric_mean(arrays[f"{prefix}/{name}"].swapaxes(0, 1))
            title = f"{data}: ∂ℓ/∂{name} through time, over training (geometric mean over seeds)"
            figure = heatmap_figure(over_training, arrays[f"{prefix}/steps"], title)
            logger.log_figure(f"{prefix}/heatmap/{name}", figure, step)
    if findings.histograms:
        histograms = {name: arrays[f"gates/{name}"] for name in findings.histograms}
        logger.log_figure("gates", gates_figure(histograms, f"{data}: gates at the tested weights"), step)
    if "memory/r2" in arrays:
        r2, lags = arrays["memory/r2"], arrays["memory/lag"].tolist()
        logger.log_figure("memory", memory_figure(lags, r2, f"{data}: what is recalled, by lag"), step)
