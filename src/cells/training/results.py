"""What a finished run leaves beside its scores: predictions, pictures, and hyper-parameters for TensorBoard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cells.data.sequences import SequenceData
from cells.record import overruled
from cells.training.learner import Learner
from cells.training.logger import ReplicaLogger
from cells.training.replicas import Replica

PREDICTIONS_NAME = "predictions.npz"
MOST_PREDICTION_BYTES = 64 * 2**20
HYPERPARAMETER_SECTIONS = ("model", "data", "learner", "optimizer", "scheduler", "trainer", "budget")


def save_predictions(folder: Path, learner: Learner, content: SequenceData) -> None:
    """Write `predictions.npz`: per-sequence test losses, and predictions beside what was to be predicted.

    Arrays: `seeds` (R,); `losses` (R, N), each test sequence's score on the metric ("cross_entropy" for classes);
    `weights` (N,), its number of targets; `predictions` (R, M, …) and `targets` (M, …), in original units for a
    series, classes for a classification, for the first M sequences that fit into 64 MiB; `positions` (N,), where the
    test windows of a series begin.
    """
    outputs, split = learner.test_outputs, content.test
    kept = outputs["predictions"]
    per_sequence = kept[:, 0].numel() * 4
    many = max(1, min(kept.shape[1], MOST_PREDICTION_BYTES // max(1, per_sequence)))
    predictions = _original(kept[:, :many].cpu(), content, many)
    targets = _original(split.targets[:many], content, many)
    loss = "cross_entropy" if content.target_kind == "class" else content.metric.name
    arrays = {
        "seeds": np.asarray(learner.seeds),
        "losses": outputs[loss].float().cpu().numpy(),
        "weights": outputs["weight"][0].cpu().numpy(),
        "predictions": _compact(predictions),
        "targets": _compact(targets),
    }
    if split.positions is not None:
        arrays["positions"] = split.positions
    np.savez_compressed(folder / PREDICTIONS_NAME, **arrays)  # type: ignore[arg-type]


def log_pictures(
    logger: ReplicaLogger, learner: Learner, content: SequenceData, replicas: list[Replica], step: int
) -> None:
    """Draw each of the first replicas' test predictions for TensorBoard's image tab."""
    from cells.training.pictures import confusion_figure, forecast_figure

    predictions = learner.test_outputs["predictions"].cpu()
    split, many = content.test, predictions.shape[1]
    for index, replica in enumerate(replicas[:3]):
        if replica.best_step is None:
            continue
        run, title = f"seed={replica.seed}", f"{content.name}, test split, seed {replica.seed}"
        if content.target_kind == "class":
            names = content.output_names or tuple(str(number) for number in range(content.output_size))
            figure = confusion_figure(
                predictions[index].flatten().numpy(), split.targets.flatten().numpy(), names, title
            )
            logger.log_figure("test/confusion_matrix", figure, step, run)
        elif content.target_at == "last" and content.forecast:
            predicted = _original(predictions[index : index + 1], content, many)[0].float().numpy()
            actual = _original(split.targets, content, many).numpy()
            for name, columns in _series(content):
                figure = forecast_figure(
                    predicted[:, columns],
                    actual[:, columns],
                    split.positions,
                    name if content.unit in ("", name) else f"{name} [{content.unit}]",
                    title,
                )
                logger.log_figure(f"test/forecast/{name}", figure, step, run)


def text_summary(record: Mapping[str, Any], notes: Sequence[str], network: str) -> str:
    """Model and data in Markdown, for TensorBoard's text tab; `notes` are lines of their own."""
    model, data, metric = record["model"], record["data"], record["metric"]
    splits = ", ".join(f"{count:,} {name}" for name, count in data["splits"].items())
    seeds = ", ".join(str(replica["seed"]) for replica in record["replicas"])
    lines = [
        f"**{model['name']} on {data['name']}**, seeds {seeds}",
        "",
        f"- model: hidden size {model['hidden_size']}, {model['parameters']:,} parameters a seed, loss {model['loss']}",
        *(f"- {note}" for note in notes),
        f"- data: {splits} sequences; inputs a step: {data['input_size']}, outputs: {data['output_size']}",
        f"- metric: {metric['name']} ({metric['goal']}); weights chosen by val/{metric['monitor']}",
        *([f"- {data['note']}"] if data["note"] else []),
        "",
        f"| baseline | {metric['name']} |",
        "|---|---|",
        *(f"| {name} | {scores[metric['name']]:.4g} |" for name, scores in data["baselines"].items()),
        "",
        *(f"    {line}" for line in network.splitlines()),
    ]
    return "\n".join(lines)


def hyperparameters(record: Mapping[str, Any]) -> dict[str, Any]:
    """What TensorBoard's HParams tab shows: a configuration's scalars, dotted, and the model's size."""
    model, config = record["model"], record["config"]
    found: dict[str, Any] = {"model": model["name"], "data": record["data"]["name"]}

    def visit(prefix: str, section: Mapping[str, Any]) -> None:
        for key, value in section.items():
            if isinstance(value, Mapping):
                visit(f"{prefix}.{key}", value)
            elif not key.startswith("_") and isinstance(value, (bool, int, float, str)):
                found[f"{prefix}.{key}"] = value

    for name in HYPERPARAMETER_SECTIONS:
        visit(name, config.get(name) or {})
    for key in overruled(config):
        found.pop(key, None)
    return found | {"model.hidden_size": model["hidden_size"], "model.parameters": model["parameters"]}


def _original(values: Tensor, content: SequenceData, many: int) -> Tensor:
    """Undo the normalisation of a series: original = offset + scale · value, for the first `many` test windows."""
    split = content.test
    if split.offset is None or split.scale is None:
        return values
    return split.offset[:many] + split.scale[:many] * values


def _compact(values: Tensor) -> np.ndarray:
    return values.to(torch.float32 if values.is_floating_point() else torch.int16).numpy()


def _series(content: SequenceData) -> list[tuple[str, slice]]:
    """Each forecast series' name, and where its horizon stands among the outputs."""
    names = content.figures.get("targets")
    if not isinstance(names, (list, tuple)) or not names:
        return [(content.name, slice(None))]
    horizon = content.output_size // len(names)
    return [(str(name), slice(place * horizon, (place + 1) * horizon)) for place, name in enumerate(names)]
