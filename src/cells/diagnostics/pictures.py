"""Pictures of what the diagnostics found. Colours are told apart by the colour-blind (Okabe & Ito)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def curves_figure(curves: Mapping[str, np.ndarray], title: str) -> Figure:
    """The gradient over lag on a logarithmic scale: a thin line for every replica, their geometric mean thick.

    Args:
        curves: "<cell>/<state>" → norms (R, K).
        title: of what.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for colour, (name, norms) in zip(_cycle(len(curves)), curves.items(), strict=True):
        positive = np.where(norms > 0, norms, np.nan)  # a logarithm has no place for 0
        axes.semilogy(positive.T, color=colour, alpha=0.35, linewidth=0.8)
        axes.semilogy(geometric_mean(norms), color=colour, linewidth=2, label=f"∂ℓ/∂{name}")
    axes.set(xlabel="lag: steps before the one the loss reads", ylabel="gradient norm", title=title)
    axes.legend()
    return figure


def heatmap_figure(norms: np.ndarray, steps: np.ndarray, title: str) -> Figure:
    """The gradient over lag and over training: rows are looks, the colour log₁₀ of the norm.

    Args:
        norms: (S, K).
        steps: (S,) the update after which each look was.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    with np.errstate(divide="ignore"):
        logarithm = np.log10(norms)
    finite = logarithm[np.isfinite(logarithm)]
    top = float(finite.max()) if len(finite) else 0.0
    low = max(float(finite.min()), top - 12) if len(finite) else -1.0
    image = axes.imshow(logarithm, aspect="auto", origin="lower", cmap="viridis", vmin=low, vmax=top)
    figure.colorbar(image, label="log₁₀ of the gradient norm")
    shown = np.unique(np.linspace(0, len(steps) - 1, num=min(8, len(steps)), dtype=int))
    axes.set_yticks(shown, [str(steps[place]) for place in shown])
    axes.set(xlabel="lag: steps before the one the loss reads", ylabel="updates", title=title)
    return figure


def gates_figure(histograms: Mapping[str, np.ndarray], title: str) -> Figure:
    """How often each gate takes which value: one panel a gate, one line a replica.

    Args:
        histograms: "<cell>/<gate>" → shares (R, bins) of equally wide bins from 0 to 1.
    """
    figure = Figure(figsize=(3.2 * len(histograms), 3.2), layout="constrained")
    panels = figure.subplots(1, len(histograms), sharey=True, squeeze=False)[0]
    for axes, (name, shares) in zip(panels, histograms.items(), strict=True):
        edges = np.linspace(0, 1, shares.shape[1] + 1)
        for replica in shares:
            axes.stairs(replica, edges, alpha=0.7)
        axes.set(title=name, xlabel="gate value")
    panels[0].set_ylabel("share of values")
    figure.suptitle(title)
    return figure


def memory_figure(lags: Sequence[int], r2: np.ndarray, title: str) -> Figure:
    """The share of variance recalled over lag: a thin line for every replica, their mean thick.

    Args:
        lags: K of them.
        r2: (R, K).
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(lags, r2.T, color=COLOURS[0], alpha=0.35, linewidth=0.8)
    axes.plot(lags, r2.mean(0), "o-", color=COLOURS[0], label="mean over seeds")
    axes.axhline(0.5, color="black", linestyle=":", label="counted as recalled")
    axes.set(xlabel="lag: steps back", ylabel="R² on the test split", title=title, ylim=(-0.1, 1.05))
    axes.legend()
    return figure


def geometric_mean(norms: np.ndarray) -> np.ndarray:
    """Over the first axis, of those that are finite and above 0: (R, …) → (…)."""
    usable = np.isfinite(norms) & (norms > 0)
    logarithm = np.log(np.where(usable, norms, 1.0))
    many = usable.sum(0)
    mean = np.exp(logarithm.sum(0) / np.maximum(many, 1))
    return np.where(many > 0, mean, np.nan)


def saved(figure: Figure, path: Path, dpi: int) -> Path:
    """Write a figure as its file's suffix says, without one as PNG; the file's path."""
    path = path if path.suffix else path.with_suffix(".png")
    figure.savefig(path, dpi=dpi)
    return path


def _cycle(many: int) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(many)]
