"""Runs of one task at several lengths: who solves how long a sequence."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from cells.compare.lengths import Success, largest_solved, success_by
from cells.diagnostics.pictures import COLOURS
from cells.diagnostics.sweep.look import Look

LENGTH = "data.length"


def difficulty_summary(looks: Sequence[Look]) -> tuple[Table, Figure]:
    """The largest length solved by each model, and its success against length."""
    models = list(dict.fromkeys(look.model for look in looks))
    task, metric = looks[0].record["data"]["name"], looks[0].record["metric"]
    by_model = {
        model: success_by([look.record for look in looks if look.model == model], LENGTH) for model in models
    }
    lengths = sorted({length for success in by_model.values() for length in success})
    table = Table("model", title=f"{task}: replicas that solved it, by length", title_justify="left")
    for heading in ("largest solved", *(f"{length:g}" for length in lengths)):
        table.add_column(heading, justify="right")
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    for place, (model, success) in enumerate(by_model.items()):
        solved = (success.get(length) for length in lengths)
        table.add_row(model, _reached(success), *(f"{s.solved} of {s.total}" if s else "–" for s in solved))
        rates = [point.rate for point in success.values()]
        axes.plot(
            list(success), rates, "os^D"[place % 4] + "-", color=COLOURS[place % len(COLOURS)], label=model
        )
    axes.set(xlabel="length of the sequences", ylabel="share of seeds that solved it", ylim=(-0.05, 1.05))
    goal = "below" if metric["goal"] == "min" else "above"
    axes.set_title(f"{task}: solved is a validation {metric['name']} {goal} {metric['solved_at']:g}")
    axes.set_xticks(np.asarray(lengths))
    axes.legend()
    return table, figure


def _reached(success: dict[float, Success]) -> str:
    """At least half of the replicas solve this length and every shorter one that was tried."""
    reached = largest_solved(success)
    if reached is None:
        return f"< {min(success):g}"
    return f"{'≥ ' if reached == max(success) else ''}{reached:g}"
