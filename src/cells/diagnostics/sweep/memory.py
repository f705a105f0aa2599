"""Runs on recall: how far back each model remembers, and its gradient through time before and after training."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from cells.compare.horizon import median_horizon
from cells.compare.lengths import largest_solved, success_by
from cells.diagnostics.pictures import COLOURS
from cells.diagnostics.sweep.look import Look, draw_gradient, rate

_IMPROVING = "memory_horizon_still_improving"


def memory_summary(looks: Sequence[Look]) -> tuple[Table, Figure]:
    """How far back each model remembers, and its gradients."""
    models = list(dict.fromkeys(look.model for look in looks))
    table = Table("model", title="recall: how far back", title_justify="left")
    for heading in ("one lag alone", "all at once", "capacity", "decay untrained", "… trained"):
        table.add_column(heading, justify="right")
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    recalled, through_time = figure.subplots(1, 2)
    common = _longest_lag_that_all_solve(looks, models)
    for colour, model in zip(COLOURS, models, strict=False):
        own = [look for look in looks if look.model == model]
        alone = sorted(
            (look for look in own if look.setting("data.lag")), key=lambda x: x.setting("data.lag")
        )
        at_once = [look for look in own if not look.setting("data.lag")]
        _draw_memory(recalled, model, colour, alone, at_once)
        shown = next((look for look in alone if look.setting("data.lag") == common), (alone or at_once)[-1])
        draw_gradient(through_time, f"{model}, untrained", colour, shown.before, ":")
        draw_gradient(through_time, f"{model}, trained", colour, shown.after, "-")
        table.add_row(
            model, *_memory_row(alone, at_once), f"{rate(shown.before):.2f}", f"{rate(shown.after):.2f}"
        )
    recalled.axhline(0.5, color="black", linewidth=0.8)
    recalled.set(xlabel="lag: steps back", ylabel="R² on the test split", ylim=(-0.1, 1.05))
    recalled.set_title("recalled: one lag alone (points: seeds), all lags at once (dashed)")
    recalled.legend()
    through_time.set(
        xlabel="lag: steps before the one the loss reads", ylabel="gradient norm over that at lag 0"
    )
    through_time.set_title(
        f"gradient through time, asked for {f'lag {common:g}' if common else 'the longest lag'}"
    )
    through_time.legend(fontsize=8)
    return table, figure


def _longest_lag_that_all_solve(looks: Sequence[Look], models: Sequence[str]) -> float | None:
    reached = []
    for model in models:
        alone = [look.record for look in looks if look.model == model and look.setting("data.lag")]
        reached.append(largest_solved(success_by(alone, "data.lag")))
    solved = [lag for lag in reached if lag is not None]
    return min(solved) if len(solved) == len(reached) else None


def _memory_row(alone: list[Look], at_once: list[Look]) -> list[str]:
    row = ["–", "–", "–"]
    if alone:
        success = success_by([look.record for look in alone], "data.lag")
        reached = largest_solved(success) or 0.0
        # What was not solved, but was still getting better, might have been with more training.
        beyond = [look for look in alone if look.setting("data.lag") > reached][:1]
        improving = any(flag for look in beyond for flag in look.record["diagnostics"][_IMPROVING])
        bound = "≥ " if improving or not beyond else ""
        row[0] = f"{bound}{reached:g}" if reached else f"< {min(success):g}"
    if at_once:
        found = [look.record["diagnostics"] for look in at_once]
        capacities = [value for one in found for value in one["memory_capacity"] if value is not None]
        horizon = median_horizon(found)
        if horizon is not None:
            row[1:] = [horizon, f"{np.median(capacities):.1f}"]
    return row


def _draw_memory(axes: Axes, model: str, colour: str, alone: list[Look], at_once: list[Look]) -> None:
    by_lag: dict[int, list[float]] = defaultdict(list)
    for look in alone:
        by_lag[look.setting("data.lag")] += look.arrays["memory/r2"][:, 0].tolist()
    for lag, values in by_lag.items():
        axes.plot([lag] * len(values), values, "o", color=colour, markersize=4, alpha=0.6)
    if by_lag:
        medians = [float(np.median(values)) for values in by_lag.values()]
        axes.plot(list(by_lag), medians, color=colour, label=model)
    for look in at_once:
        lags, r2 = look.arrays["memory/lag"], np.median(look.arrays["memory/r2"], axis=0)
        axes.plot(lags, r2, "--", color=colour, label=None if by_lag else model)
