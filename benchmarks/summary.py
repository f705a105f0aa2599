"""The newest results in `benchmarks/results`, as the README shows them: a table in Markdown, and a picture.

python -m benchmarks.summary > table.md        # writes docs/images/speed.svg
"""

import json
import math
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "speed.svg"
CELLS = ("elman", "gru", "lstm")


def newest(benchmark: str) -> dict[str, Any]:
    """The result of a benchmark's last full run."""
    content: dict[str, Any] = json.loads(max(RESULTS.glob(f"{benchmark}-*.json")).read_text(encoding="utf-8"))
    return content


def table() -> str:
    """What a user waits for, beside what else there is."""
    kernels, training, seeds = (newest(name)["rows"] for name in ("kernels", "training", "seeds"))
    lines = ["| | Elman | GRU | LSTM |", "|---|--:|--:|--:|"]

    def line(what: str, values: list[float]) -> None:
        lines.append(f"| {what} | " + " | ".join(f"{value:.2g}×" for value in values) + " |")

    alone = [row for row in kernels if row["engine"] == "fused" and row["replicas"] == 1]
    ratios = {cell: [row["times faster"] for row in alone if row["cell"] == cell] for cell in CELLS}
    line("a layer, forward and backward, against `torch.nn`", [_mean(ratios[cell]) for cell in CELLS])
    steps = {row["cell"]: row for row in training}
    line(
        "a training step, against a loop by hand",
        [steps[cell]["times faster than the loop"] for cell in CELLS],
    )
    line("a training step, against plain Lightning", [steps[cell]["than Lightning"] for cell in CELLS])
    ten = {row["models"]: row for row in seeds if row["seeds"] == 10}
    line(
        "ten seeds, whole program, against ten loops by hand",
        [ten[cell]["times faster than loops"] for cell in CELLS],
    )
    line(
        "ten seeds, whole program, against ten times plain Lightning",
        [ten[cell]["than Lightning"] for cell in CELLS],
    )
    return "\n".join(lines)


def picture() -> Figure:
    """Wall time against the number of seeds, one panel a cell."""
    result = newest("seeds")
    figure = Figure(figsize=(9, 3), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    kinds = (
        ("plain Lightning s", "plain Lightning", "#D55E00", "s"),
        ("raw loops s", "loop by hand", "#E69F00", "^"),
        ("train.py s", "train.py", "#0072B2", "o"),
    )
    for panel, cell in zip(panels, CELLS, strict=True):
        rows = [row for row in result["rows"] if row["models"] == cell]
        for key, label, colour, marker in kinds:
            panel.loglog(
                [row["seeds"] for row in rows],
                [row[key] for row in rows],
                color=colour,
                marker=marker,
                label=label,
            )
        panel.set_title(cell)
        panel.set_xlabel("seeds")
        panel.set_xticks([1, 2, 5, 10, 30], ["1", "2", "5", "10", "30"])
        panel.minorticks_off()
        panel.set_yticks([10, 30, 100, 300, 1000], ["10", "30", "100", "300", "1000"])
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"seconds for {result['rows'][0]['updates']:,} updates")
    panels[0].legend(frameon=False)
    return figure


def _mean(ratios: list[float]) -> float:
    return math.prod(ratios) ** (1 / len(ratios))


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    picture().savefig(PICTURE)
    print(table())
