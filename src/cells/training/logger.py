"""The logger that knows replicas: TensorBoard with one run folder a seed and a `mean`, and `history.csv`."""

import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from cells.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

ROWS_BEFORE_FLUSH = 64
"""Logged steps kept on the device before they are read back and written in one go."""


class ReplicaLogger(Logger):
    """Fans tensors of shape (R,) out: one TensorBoard run for each seed, one for their mean, one row each in the CSV.

    Values stay on the device until enough have gathered or the run pauses (validation, end), so that logging costs
    no synchronisation per step.

    Args:
        folder: the run's output folder.
        seeds: one a replica.
        tensorboard: write event files; without them `history.csv` holds the same values.
        resume_step: the update a resumed run goes on from.
    """

    def __init__(
        self, folder: Path, seeds: tuple[int, ...], tensorboard: bool = True, resume_step: int = 0
    ) -> None:
        super().__init__()
        self._folder, self._seeds, self._tensorboard = Path(folder), seeds, tensorboard
        self._resume_step = resume_step
        self._history: History | None = None
        self._writers: dict[str, SummaryWriter] = {}
        self._pending: list[tuple[int, list[int], dict[str, Tensor]]] = []

    @property
    def name(self) -> str:
        return "cells"

    @property
    def version(self) -> str:
        return self._folder.name

    @property
    def save_dir(self) -> str:
        return str(self._folder)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing yet: hyper-parameters are written by `log_results`, together with real metrics."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Scalars that have no replica axis, from a callback of the user's, say: to the `mean` run."""
        self._write("mean", metrics, step or 0)

    @rank_zero_only
    def log_replicas(self, values: dict[str, Tensor], active: list[int], step: int) -> None:
        """Take tensors of shape (R,) by tag; only the replicas still in training are written."""
        if not active:
            return
        # A copy, for the caller may reuse its buffers before this is written.
        self._pending.append((step, active, {tag: value.detach().clone() for tag, value in values.items()}))
        if len(self._pending) >= ROWS_BEFORE_FLUSH:
            self.save()

    @rank_zero_only
    def save(self) -> None:
        """Write what is pending."""
        pending, self._pending = self._pending, []
        rows: list[tuple[int, int, str, float]] = []
        for step, active, values in pending:
            stacked = torch.stack([value.double() for value in values.values()]).cpu().numpy()
            for replica in active:
                scalars = dict(zip(values, stacked[:, replica].tolist(), strict=True))
                rows += [(step, self._seeds[replica], tag, value) for tag, value in scalars.items()]
                self._write(f"seed={self._seeds[replica]}", scalars, step)
            means = {tag: _finite_mean(mine[active]) for tag, mine in zip(values, stacked, strict=True)}
            self._write("mean", means, step)
        if self._history is None:
            self._history = History(self._folder, self._resume_step)
        self._history.append(rows)
        for writer in self._writers.values():
            writer.flush()

    @rank_zero_only
    def log_text(self, tag: str, text: str) -> None:
        """Markdown for TensorBoard's text tab."""
        if self._tensorboard:
            self._writer("mean").add_text(tag, text)

    @rank_zero_only
    def log_figure(self, tag: str, figure: "Figure", step: int, run: str = "mean") -> None:
        """A picture for TensorBoard's image tab; the figure is closed."""
        if self._tensorboard:
            self._writer(run).add_figure(tag, figure, step)

    @rank_zero_only
    def log_results(
        self, hyperparameters: dict[str, Any], results: list[dict[str, float]], step: int
    ) -> None:
        """Final scores of each replica: as scalars, as rows of the CSV and as metrics of the HParams tab."""
        from torch.utils.tensorboard.summary import hparams

        self.save()
        assert self._history is not None
        for seed, scores in zip(self._seeds, results, strict=True):
            self._history.append([(step, seed, tag, value) for tag, value in scores.items()])
            run = f"seed={seed}"
            self._write(run, scores, step)
            if self._tensorboard:
                events = self._writer(run)._get_file_writer()
                for summary in hparams(hyperparameters | {"seed": seed}, scores):
                    events.add_summary(summary)
        means = {}
        for tag in {tag: None for scores in results for tag in scores}:
            values = [scores[tag] for scores in results if tag in scores and math.isfinite(scores[tag])]
            if values:
                means[tag] = sum(values) / len(values)
        self._write("mean", means, step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is pending. Event files stay open: the test follows the training."""
        self.save()

    @rank_zero_only
    def close(self) -> None:
        """Write everything and close the event files."""
        self.save()
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _write(self, run: str, scalars: Mapping[str, float], step: int) -> None:
        if self._tensorboard and scalars:
            from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

            # All in one event: `add_scalar` makes one a tag, which with ten seeds takes four times as long.
            points = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars.items()]
            self._writer(run)._get_file_writer().add_summary(Summary(value=points), step)

    def _writer(self, run: str) -> "SummaryWriter":
        if run not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            # What an interrupted run logged beyond the checkpoint that it resumes from is to be forgotten.
            purge_step = self._resume_step or None
            folder = self._folder / "tensorboard" / run
            self._writers[run] = SummaryWriter(str(folder), purge_step=purge_step)
        return self._writers[run]


def _finite_mean(values: np.ndarray[Any, Any]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
