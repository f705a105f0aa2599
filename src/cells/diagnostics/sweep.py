"""What the runs of a sweep found out about memory and gradients, side by side: a table and a picture.

    python -m cells.diagnostics.sweep FOLDER [--picture FILE]

Of runs on recall: how far back each model remembers, one lag at a time and all at once, and its gradient through
time before and after training. Of runs that differ in `model.spectral_radius`: the gradient against the radius.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from cells.compare.lengths import largest_solved, success_by
from cells.diagnostics.pictures import COLOURS, geometric_mean
from cells.errors import UserError
from cells.record import find_records

ARRAYS = "diagnostics.npz"
PREFIX = "gradient_through_time"
_IMPROVING = "memory_horizon_still_improving"


@dataclass(frozen=True)
class Look:
    """A finished run: its record, and the arrays of its diagnostics.npz."""

    record: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def setting(self, key: str) -> Any:
        value: Any = self.record["config"]
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @property
    def model(self) -> str:
        return str(self.record["model"]["name"])

    @property
    def before(self) -> np.ndarray:
        """Gradient norm over lag, (K,), before training: of the last layer's h, geometric mean over replicas."""
        return geometric_mean(self.arrays[self._state][0])

    @property
    def after(self) -> np.ndarray:
        """The same at the tested weights."""
        return geometric_mean(self.arrays[f"{self._state}_at_best"])

    @property
    def _state(self) -> str:
        return f"{PREFIX}/l{self.record['model']['num_layers'] - 1}/h"


def read_looks(folder: Path) -> list[Look]:
    """Every finished run at or below a folder that left diagnostics of its whole training.

    Raises:
        UserError: there is none.
    """
    looks = []
    for place, record in find_records(folder):
        path = place / ARRAYS
        if record["status"] in ("completed", "diverged") and path.is_file():
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            if f"{PREFIX}/steps" in arrays and arrays[f"{PREFIX}/steps"][0] == 0:
                looks.append(Look(record, arrays))
    if not looks:
        raise UserError(
            f"{folder}: no finished run with an {ARRAYS} is at or below; train with diagnostics=standard."
        )
    return looks


def rate(curve: np.ndarray) -> float:
    """Geometric decay per step of a curve over lag, as `gradient_through_time.decay_per_step`; NaN without one."""
    usable = np.isfinite(curve) & (curve > np.finfo(np.float32).tiny)
    lags = np.arange(len(curve))[usable]
    return float(np.exp(np.polyfit(lags, np.log(curve[usable]), 1)[0])) if len(lags) > 1 else float("nan")


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
        _draw_gradient(through_time, f"{model}, untrained", colour, shown.before, ":")
        _draw_gradient(through_time, f"{model}, trained", colour, shown.after, "-")
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
        horizons = [value for one in found for value in one["memory_horizon"] if value is not None]
        capacities = [value for one in found for value in one["memory_capacity"] if value is not None]
        improving = any(flag for one in found for flag in one[_IMPROVING])
        if horizons:
            row[1:] = [f"{'≥ ' if improving else ''}{np.median(horizons):g}", f"{np.median(capacities):.1f}"]
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
    radii = sorted({look.setting("model.spectral_radius") for look in looks})
    for place, (variant, own) in enumerate(variants.items()):
        dash, marker = ("-", "--", ":", "-.")[place % 4], "os^D"[place % 4]
        for look in own:
            radius = look.setting("model.spectral_radius")
            colour = colours(0.9 * radii.index(radius) / max(1, len(radii) - 1))
            _draw_gradient(over_lag, f"{radius:g}" if place == 0 else "", colour, look.before, dash)
            _add_radius_row(table, variant, look)
        x = [look.setting("model.spectral_radius") for look in own]
        decays.plot(
            x, [rate(look.before) for look in own], marker + dash, color=COLOURS[place], label=variant
        )
        middle = [np.median(values) if (values := _scores(look)) else np.nan for look in own]
        scores.plot(x, middle, marker + dash, color=COLOURS[place], label=variant)
        for look in own:
            values = _scores(look)
            points = [look.setting("model.spectral_radius")] * len(values)
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
    for look in sorted(looks, key=lambda look: look.setting("model.spectral_radius")):
        parts = [f"{key.rpartition('.')[2]}={look.setting(key)}" for key in told]
        groups[", ".join(parts) or look.model].append(look)
    return dict(sorted(groups.items()))


def _add_radius_row(table: Table, variant: str, look: Look) -> None:
    diverged = sum(replica["status"] == "diverged" for replica in look.record["replicas"])
    table.add_row(
        variant,
        f"{look.setting('model.spectral_radius'):g}",
        f"{rate(look.before):.2f}",
        f"{rate(look.after):.2f}",
        "  ".join(f"{value:.3g}" for value in _scores(look)) or "–",
        str(diverged or ""),
    )


def _scores(look: Look) -> list[float]:
    name = look.record["metric"]["name"]
    tests = [replica["test"][name] for replica in look.record["replicas"] if replica["test"]]
    return [value for value in tests if value is not None]


def _draw_gradient(axes: Axes, label: str, colour: Any, curve: np.ndarray, dash: str) -> None:
    relative = np.where(curve > 0, curve, np.nan) / curve[0]
    axes.semilogy(relative, dash, color=colour, label=label or None)


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and draw the picture into the sweep's folder or the file named."""
    parser = argparse.ArgumentParser(prog="python -m cells.diagnostics.sweep")
    parser.description = "What a sweep found out about memory and gradients: a table and a picture."
    parser.add_argument("folder", type=Path, help="a sweep's folder")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="default: FOLDER/diagnostics.png")
    given = parser.parse_args(arguments)
    try:
        looks = read_looks(given.folder)
        if len({look.setting("model.spectral_radius") for look in looks} - {None}) > 1:
            swept = [look for look in looks if look.setting("model.spectral_radius") is not None]
            table, figure = radius_summary(swept)
        elif recall := [look for look in looks if "memory/r2" in look.arrays]:
            table, figure = memory_summary(recall)
        else:
            raise UserError(
                f"{given.folder}: neither runs on recall nor a sweep over model.spectral_radius; nothing to sum up."
            )
    except UserError as error:
        parser.error(str(error))
    Console(width=120).print(table)
    picture = given.picture or given.folder / "diagnostics.png"
    figure.savefig(picture, dpi=110)
    print(f"picture     {picture}")


if __name__ == "__main__":
    main()
