"""The figures of a comparison: every replica's score, learning, memory, gradients, and scores against a setting."""

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cells.compare import curves
from cells.compare.curves import Curves
from cells.compare.judge import Judgement, Row
from cells.compare.records import leaf, listed
from cells.compare.render.drawing import (
    STYLE,
    WIDTH,
    Drawing,
    Styles,
    drawn,
    log_if_wide,
    one_panel,
    plot_curves,
    short,
    style_of,
)
from cells.folders import slug


def draw(judgements: Sequence[Judgement]) -> list[Drawing]:
    """Every figure for which there is something to show."""
    styles = {
        name: place for place, name in enumerate(dict.fromkeys(r.name for j in judgements for r in j.rows))
    }
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        drawings: list[Drawing | None] = [*_against_setting(judgements, styles)]
        for judgement in judgements:
            drawings += [
                _scores(judgement, styles),
                _learning(judgement, styles),
                _memory(judgement, styles),
                _gradients(judgement, styles),
                _heatmaps(judgement),
            ]
    return [drawing for drawing in drawings if drawing is not None]


def _scores(judgement: Judgement, styles: Styles) -> Drawing:
    """Every replica's score, the mean and its interval; baselines as lines."""
    comparison, rows = judgement.comparison, judgement.rows
    ticks = [_tick(row) for row in reversed(rows)]
    longest = max(len(line) for tick in ticks for line in tick.split("\n"))
    figure, axes = one_panel(1.3 + 0.42 * len(rows), left=0.35 + 0.075 * longest, top=0.6, right=0.55)
    for height, row in enumerate(reversed(rows)):
        colour, _, marker = style_of(row.name, styles)
        # A fixed scatter up and down, so that equal scores stay visible.
        jitter = 0.22 * np.sin(2.4 * np.arange(len(row.values)))
        axes.plot(
            row.values, height + jitter, marker, color=colour, alpha=0.65, markersize=4.5, clip_on=False
        )
        if row.mean is not None:
            axes.plot([row.mean] * 2, [height - 0.32, height + 0.32], color="black", linewidth=1.6)
        if row.interval is not None:
            axes.plot(row.interval, [height] * 2, color="black", linewidth=1.2)
    values = [value for row in rows for value in row.values]
    near = _near(comparison.baselines, values)
    log_if_wide(axes.set_xscale, [*values, *near.values()])
    for place, (name, score) in enumerate(near.items()):
        axes.axvline(score, color="#777777", linestyle="--", linewidth=1)
        axes.annotate(
            short(name), (score, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 9 * (place % 3)), ha="center",
            textcoords="offset points", fontsize=7.5, color="#555555",
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), ticks)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    better = "smaller" if comparison.goal == "min" else "larger"
    axes.set_xlabel(short(f"test {comparison.metric} ({better} is better)"))
    far = [f"{name} {score:.4g}" for name, score in comparison.baselines.items() if name not in near]
    caption = (
        f"every replica's test {comparison.metric}; upright line: mean; level line: its 95 % interval (from 5 seeds). "
        f"Dashed: baselines{f'; off the scale: {listed(far)}' if far else ''}."
    )
    return drawn(figure, "scores", comparison.label, caption)


def _near(baselines: Mapping[str, float], values: Sequence[float]) -> dict[str, float]:
    """Baselines, in order, that leave the scores apart when drawn on one axis with them; the nearest in any case."""
    if not baselines or not values:
        return dict(sorted(baselines.items(), key=lambda item: item[1]))
    low, high = min(values), max(values)
    reach = 2 * max(high - low, 0.1 * max(abs(low), abs(high)))
    away = {name: max(low - score, score - high, 0.0) for name, score in baselines.items()}
    limit = max(reach, min(away.values()))
    return {
        name: score
        for name, score in sorted(baselines.items(), key=lambda item: item[1])
        if away[name] <= limit
    }


def _tick(row: Row) -> str:
    return short(row.name) + (f"\n({row.diverged} diverged)" if row.diverged else "")


def _learning(judgement: Judgement, styles: Styles) -> Drawing | None:
    comparison = judgement.comparison
    found = _all_curves(
        judgement, lambda row: curves.learning_curves(row.contestant, f"val/{comparison.metric}")
    )
    if not found:
        return None
    figure, axes = one_panel()
    plot_curves(axes, found, styles)
    log_if_wide(axes.set_yscale, [value for curve in found.values() for value in curve.middle])
    axes.set_xlabel("updates")
    axes.set_ylabel(short(f"validation {comparison.metric}"))
    caption = f"validation {comparison.metric}; line: median over seeds; band: all seeds."
    return drawn(figure, "learning", comparison.label, caption)


def _memory(judgement: Judgement, styles: Styles) -> Drawing | None:
    found = _all_curves(judgement, lambda row: curves.memory_curves(row.contestant))
    if all(len(curve.x) == 1 for curve in found.values()):  # one lag alone is a score, not a curve
        return None
    figure, axes = one_panel()
    plot_curves(axes, found, styles)
    axes.axhline(0.5, color="#777777", linestyle="--", linewidth=1)
    axes.set_ylim(-0.05, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("steps back")
    axes.set_ylabel("share of variance recalled, R²")
    caption = "how much of the input k steps ago is recalled; the memory horizon is where R² falls below 0.5."
    return drawn(figure, "memory", judgement.comparison.label, caption)


def _gradients(judgement: Judgement, styles: Styles) -> Drawing | None:
    found = _all_curves(judgement, lambda row: curves.gradient_curves(row.contestant))
    if not found:
        return None
    figure, axes = one_panel()
    plot_curves(axes, found, styles)
    if any((curve.middle > 0).any() for curve in found.values()):
        axes.set_yscale("log")
    axes.set_xlabel("lag: steps before the loss")
    axes.set_ylabel("‖∂L/∂h‖")
    caption = (
        "gradient through time in the last layer, at the best weights; line: median over seeds; band: all."
    )
    return drawn(figure, "gradient-through-time", judgement.comparison.label, caption)


def _heatmaps(judgement: Judgement) -> Drawing | None:
    found = {row.name: curves.gradient_heatmap(row.contestant) for row in judgement.rows}
    maps = {name: heatmap for name, heatmap in found.items() if heatmap is not None}
    if not maps:
        return None
    logs = {name: np.log10(np.maximum(heatmap.values, 1e-30)) for name, heatmap in maps.items()}
    top = max(float(np.nanmax(values)) for values in logs.values())
    bottom = max(min(float(np.nanmin(values)) for values in logs.values()), top - 8)
    width, height = max(WIDTH, 1.5 * len(maps) + 1.8), 2.7
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.7 / width, 0.5 / height, 1 - 1.1 / width, 1 - 0.3 / height, wspace=0.1)
    panels = figure.subplots(1, len(maps), squeeze=False, sharey=True)[0]
    for axes, (name, heatmap) in zip(panels, maps.items(), strict=True):
        image = axes.pcolormesh(
            heatmap.lags, heatmap.steps, logs[name], cmap="cividis", vmin=bottom, vmax=top, shading="nearest",
            rasterized=True,
        )  # fmt: skip
        axes.set_title(short(name), fontsize=9)
        axes.set_xlabel("lag")
        axes.set_ylim(heatmap.steps[0], heatmap.steps[-1])
        axes.grid(False)
    panels[0].set_ylabel("update")
    scale = figure.add_axes((1 - 0.95 / width, 0.5 / height, 0.15 / width, 1 - 0.8 / height))
    figure.colorbar(image, cax=scale, label="log₁₀ ‖∂L/∂h‖")
    caption = "gradient through time over the course of training, geometric mean over seeds."
    return drawn(figure, "gradient-heatmap", judgement.comparison.label, caption)


def _against_setting(judgements: Sequence[Judgement], styles: Styles) -> list[Drawing]:
    """Scores and success against the one number in which the data sets differ, such as their length."""
    keys = {key for judgement in judgements for key in judgement.comparison.key}
    same_data = len({judgement.comparison.data for judgement in judgements}) == 1
    if len(keys) != 1 or not same_data:
        return []
    (key,) = keys
    judgements = [
        judgement for judgement in judgements if type(judgement.comparison.key[key]) in (int, float)
    ]
    if len(judgements) < 2:
        return []
    judgements = sorted(judgements, key=lambda judgement: judgement.comparison.key[key])
    rows = {
        name: [(j.comparison.key[key], row) for j in judgements for row in j.rows if row.name == name]
        for name in styles
    }
    scores, success = {}, {}
    for name, points in rows.items():
        scored = [(place, row.values) for place, row in points if row.values]
        if scored:
            widest = max(len(values) for _, values in scored)
            padded = [[*values, *[math.nan] * (widest - len(values))] for _, values in scored]
            scores[name] = Curves(np.array([place for place, _ in scored], float), np.array(padded).T)
        # The median of rate, lower and upper bound is the rate, and their range is the interval.
        shares = [
            (place, [row.solved / row.replicas, *row.solve_interval])
            for place, row in points
            if row.solved is not None and row.solve_interval is not None
        ]
        if shares:
            success[name] = Curves(
                np.array([place for place, _ in shares], float), np.array([y for _, y in shares]).T
            )
    comparison, setting = judgements[0].comparison, leaf(key)
    kinds = (
        (scores, "score", f"test {comparison.metric}", "line: median over seeds; band: all seeds"),
        (success, "success", "share of replicas that solve it", "band: its 95 % interval"),
    )
    drawings = []
    for found, kind, label, explained in kinds:
        if not found:
            continue
        figure, axes = one_panel()
        plot_curves(axes, found, styles, markers=True)
        if kind == "score":
            log_if_wide(axes.set_yscale, [value for curve in found.values() for value in curve.middle])
        else:
            axes.set_ylim(-0.03, 1.03)
        if all(isinstance(judgement.comparison.key[key], int) for judgement in judgements):
            axes.locator_params(axis="x", integer=True)
        axes.set_xlabel(short(setting))
        axes.set_ylabel(short(label))
        caption = f"{comparison.data}: {label} against {setting}; {explained}."
        drawings.append(drawn(figure, f"{kind}-against-{slug([setting])}", None, caption))
    return drawings


def _all_curves(judgement: Judgement, read: Callable[[Row], Curves | None]) -> dict[str, Curves]:
    found = {row.name: read(row) for row in judgement.rows}
    return {name: curve for name, curve in found.items() if curve is not None}
