"""Pictures of a trained model's predictions: forecast against actual, and a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

MOST_CLASSES_LABELLED = 20


def forecast_figure(
    predicted: np.ndarray, actual: np.ndarray, positions: np.ndarray | None, label: str, title: str
) -> Figure:
    """Two panels: the first step ahead over the whole test period, and the whole horizon of a few windows.

    Args:
        predicted, actual: (N, horizon) in original units, one output series.
        positions: (N,) row number of each window's first target; None numbers the windows.
        label: the series' name and unit.
        title: what was predicted by what.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    over_time, ahead = figure.subplots(2, 1)
    rows = np.arange(len(actual)) if positions is None else np.asarray(positions)
    order = np.argsort(rows)
    over_time.plot(rows[order], actual[order, 0], color="black", linewidth=1, label="actual")
    over_time.plot(
        rows[order], predicted[order, 0], color="#D55E00", linewidth=1, label="predicted, 1 step ahead"
    )
    over_time.set(title=title, xlabel="row of the series", ylabel=label)
    over_time.legend(loc="upper right")

    horizon = actual.shape[1]
    steps = np.arange(1, horizon + 1)
    chosen = order[np.linspace(0, len(order) - 1, num=min(4, len(order)), dtype=int)]
    for place, window in enumerate(chosen):
        x = place * (horizon + 2) + steps
        ahead.plot(
            x, actual[window], "o-", color="black", markersize=3, label="actual" if place == 0 else None
        )
        ahead.plot(
            x,
            predicted[window],
            "s--",
            color="#D55E00",
            markersize=3,
            label="predicted" if place == 0 else None,
        )
    ahead.set_xticks([place * (horizon + 2) + 1 for place in range(len(chosen))])
    ahead.set_xticklabels([f"row {rows[window]}" for window in chosen])
    ahead.set(xlabel=f"four windows, {horizon} steps ahead each", ylabel=label)
    ahead.legend(loc="upper right")
    return figure


def confusion_figure(predicted: np.ndarray, actual: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """A confusion matrix, rows normalised: of the sequences of a class, the share that was called each class.

    Args:
        predicted, actual: (N,) classes 0 … C−1; negative actual classes do not count.
        names: C labels.
        title: what was classified by what.
    """
    counted = actual >= 0
    classes = len(names)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (actual[counted], predicted[counted]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, label="share of the actual class")
    axes.set(xlabel="predicted class", ylabel="actual class", title=title)
    if classes <= MOST_CLASSES_LABELLED:
        axes.set_xticks(range(classes), names, rotation=45 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(range(classes), names)
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(
                column, row, str(int(counts[row, column])), ha="center", va="center", color=colour, fontsize=8
            )
    return figure
