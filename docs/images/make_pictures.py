"""The pictures of the documentation, drawn from what runs left: `python docs/images/make_pictures.py SWEEP RUN`.

SWEEP is the folder of a comparison, RUN that of a forecast; docs/first-comparison.md has the commands of both.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

HERE = Path(__file__).parent
STYLES = [("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":")]
"""Colours that the colour-blind can tell apart (Okabe & Ito 2008), each with a line of its own."""


def learning_curves(sweep: Path) -> None:
    """The validation metric of every seed (thin) and their mean (thick) over the updates, for each model of a sweep."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for path, (colour, line) in zip(sorted(sweep.glob("*/record.json")), STYLES, strict=False):
        record = json.loads(path.read_text(encoding="utf-8"))
        history = pd.read_csv(path.with_name("history.csv"))
        tag = f"val/{record['metric']['name']}"
        curves = history[history.tag == tag].pivot(index="step", columns="seed", values="value")
        axes.plot(curves, color=colour, linestyle=line, linewidth=0.6, alpha=0.6)
        axes.plot(
            curves.mean(axis=1), color=colour, linestyle=line, linewidth=2, label=record["model"]["name"]
        )
    axes.axhline(record["data"]["chance"], color="black", linewidth=1, label="chance")
    axes.set(yscale="log", xlabel="updates", ylabel=f"validation {record['metric']['name']}")
    axes.set_title(f"{record['data']['name']}, {len(record['replicas'])} seeds: each, and their mean")
    axes.legend(loc="lower left")
    figure.savefig(HERE / "learning-curves.png", dpi=100)


def forecast(run: Path) -> None:
    """Forecasts of the first seed over the test period: one step ahead, and the full horizon every 60 rows."""
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    found = np.load(run / "predictions.npz")
    predictions, targets, rows = found["predictions"][0], found["targets"], found["positions"]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.plot(rows, targets[:, 0], color="black", linewidth=1, label="actual")
    axes.plot(rows, predictions[:, 0], color="#D55E00", linewidth=1, linestyle="--", label="1 step ahead")
    ahead = np.arange(targets.shape[1])
    for start in range(0, len(rows), 60):
        label = f"{len(ahead)} steps ahead" if start == 0 else None
        axes.plot(rows[start] + ahead, predictions[start], color="#0072B2", linewidth=2, label=label)
    axes.set(xlabel="row of the series", ylabel=record["data"]["unit"])
    axes.set_title(f"{record['model']['name']} on {record['data']['name']}: the test period")
    axes.legend(loc="upper center")
    figure.savefig(HERE / "forecast.png", dpi=100)


if __name__ == "__main__":
    learning_curves(Path(sys.argv[1]))
    forecast(Path(sys.argv[2]))
