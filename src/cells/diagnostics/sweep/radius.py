"""Runs that start with different spectral radii: their gradients before training, and what training made of them."""

from collections import defaultdict
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from cells.diagnostics.pictures import COLOURS
from cells.diagnostics.sweep.look import Look, draw_gradient, rate
from cells.record import spelled

RADIUS = "model.spectral_radius"


def radius_summary(looks: Sequence[Look]) -> tuple[Table, Figure]:
    """The gradient before training, and what becomes of training, against the spectral radius at the start."""
    variants = _variants(looks)
    metric, data = looks[0].record["metric"], looks[0].record["data"]
    table = Table(title=f"{data['name']}: spectral radius at the start", title_justify="left")
    for heading in (
        "",
        "radius",
        "decay untrained",
        "… trained",
        f"test {metric['name']} by seed",
        "diverged",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    over_lag, decays, scores = figure.subplots(1, 3)
    colours = matplotlib.colormaps["viridis"]
    radii = sorted({look.setting(RADIUS) for look in looks})
    for place, (variant, own) in enumerate(variants.items()):
        dash, marker = ("-", "--", ":", "-.")[place % 4], "os^D"[place % 4]
        for look in own:
            radius = look.setting(RADIUS)
            colour = colours(0.9 * radii.index(radius) / max(1, len(radii) - 1))
            draw_gradient(over_lag, f"{radius:g}" if place == 0 else "", colour, look.before, dash)
            _add_radius_row(table, variant, look)
        x = [look.setting(RADIUS) for look in own]
        decays.plot(
            x, [rate(look.before) for look in own], marker + dash, color=COLOURS[place], label=variant
        )
        middle = [np.median(values) if (values := _scores(look)) else np.nan for look in own]
        scores.plot(x, middle, marker + dash, color=COLOURS[place], label=variant)
        for look in own:
            values = _scores(look)
            points = [look.setting(RADIUS)] * len(values)
            scores.plot(points, values, marker, color=COLOURS[place], markersize=3, alpha=0.5)
    decays.plot(radii, radii, color="black", linewidth=0.8, label="decay = radius")
    if data["chance"] is not None:
        scores.axhline(data["chance"], color="black", linewidth=0.8, label="chance")
    over_lag.set(xlabel="lag", ylabel="gradient norm over that at lag 0", title="before training, by radius")
    decays.set(xlabel="spectral radius at the start", title="gradient decay per step, before training")
    scores.set(
        xlabel="spectral radius at the start", title=f"test {metric['name']} after training", yscale="log"
    )
    for axes in (over_lag, decays, scores):
        axes.legend(fontsize=7)
    return table, figure


def _variants(looks: Sequence[Look]) -> dict[str, list[Look]]:
    """Runs that differ in their radius alone, under what tells them from the others."""
    keys = ("model.cell.nonlinearity", "trainer.gradient_clip_norm", "model.init", "optimizer.lr")
    told = [key for key in keys if len({str(look.setting(key)) for look in looks}) > 1]
    groups = defaultdict(list)
    for look in sorted(looks, key=lambda look: look.setting(RADIUS)):
        parts = [f"{key.rpartition('.')[2]}={spelled(look.setting(key))}" for key in told]
        groups[", ".join(parts) or look.model].append(look)
    return dict(sorted(groups.items()))


def _add_radius_row(table: Table, variant: str, look: Look) -> None:
    diverged = sum(replica["status"] == "diverged" for replica in look.record["replicas"])
    table.add_row(
        variant,
        f"{look.setting(RADIUS):g}",
        f"{rate(look.before):.2f}",
        f"{rate(look.after):.2f}",
        "  ".join(f"{value:.3g}" for value in _scores(look)) or "–",
        str(diverged or ""),
    )


def _scores(look: Look) -> list[float]:
    name = look.record["metric"]["name"]
    tests = [replica["test"][name] for replica in look.record["replicas"] if replica["test"]]
    return [value for value in tests if value is not None]
