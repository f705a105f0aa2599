"""Runs of one task at several lengths: who solves how long a sequence."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from cells.compare.lengths import reached, success_by
from cells.diagnostics.pictures import COLOURS
from cells.diagnostics.sweep.look import Look

LENGTHS = ("data.length", "data.blanks")
"""What makes a task longer."""


def difficulty_summary(looks: Sequence[Look]) -> tuple[Table, Figure]:
    """The largest length solved by each model, and its success against length."""
    key = length_of(looks)
    assert key is not None
    models = list(dict.fromkeys(look.model for look in looks))
    task, metric = looks[0].record["data"]["name"], looks[0].record["metric"]
    by_model = {
        model: success_by([look.record for look in looks if look.model == model], key) for model in models
    }
    lengths = sorted({length for success in by_model.values() for length in success})
    table = Table("model", title=f"{task}: replicas that solved it, by length", title_justify="left")
    for heading in ("largest solved", *(f"{length:g}" for length in lengths)):
        table.add_column(heading, justify="right")
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    for place, (model, success) in enumerate(by_model.items()):
        solved = (success.get(length) for length in lengths)
        table.add_row(model, reached(success), *(f"{s.solved} of {s.total}" if s else "–" for s in solved))
        rates = [point.rate for point in success.values()]
        axes.plot(
            list(success), rates, "os^D"[place % 4] + "-", color=COLOURS[place % len(COLOURS)], label=model
        )
    axes.set(xlabel=key, ylabel="share of seeds that solved it", ylim=(-0.05, 1.05))
    thresholds = {look.record["metric"]["solved_at"] for look in looks}  # one a length, on copying
    goal = "below" if metric["goal"] == "min" else "above"
    score = f"{thresholds.pop():g}" if len(thresholds) == 1 else "its threshold"
    axes.set_title(f"{task}: solved is a validation {metric['name']} {goal} {score}")
    axes.set_xticks(np.asarray(lengths))
    axes.legend()
    return table, figure


def length_of(looks: Sequence[Look]) -> str | None:
    """The length in which runs differ; None if they differ in none."""
    return next((key for key in LENGTHS if len({look.setting(key) for look in looks} - {None}) > 1), None)
