"""What the runs of a sweep found out about memory and gradients: a table and a picture.

python -m cells.diagnostics.sweep FOLDER [--picture FILE]
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from cells.diagnostics.pictures import saved
from cells.diagnostics.sweep.difficulty import LENGTHS, difficulty_summary, length_of
from cells.diagnostics.sweep.look import Look, read_looks
from cells.diagnostics.sweep.memory import memory_summary
from cells.diagnostics.sweep.radius import RADIUS, radius_summary
from cells.errors import UserError


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and draw the picture into the sweep's folder or the file named."""
    parser = argparse.ArgumentParser(prog="python -m cells.diagnostics.sweep")
    parser.description = (
        "What a sweep found out about memory and gradients: a table and a picture. Its runs are on data=recall, or "
        "differ in model.spectral_radius, in data.length or in data.blanks."
    )
    parser.add_argument("folder", type=Path, help="a sweep's folder")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="where to draw; default: FOLDER/diagnostics.png"
    )
    given = parser.parse_args(arguments)
    picture = given.picture or given.folder / "diagnostics.png"
    try:
        table, figure = _summary(read_looks(given.folder), given.folder)
        picture = saved(figure, picture, dpi=110)
    except UserError as error:
        parser.error(str(error))
    except (OSError, ValueError) as reason:
        parser.error(f"{picture} cannot be written: {reason}")
    Console(width=120).print(table)
    print(f"picture     {picture}")


def _summary(looks: list[Look], folder: Path) -> tuple[Table, Figure]:
    tasks = sorted({look.record["data"]["name"] for look in looks})
    if len(tasks) > 1:
        raise UserError(
            f"{folder}: its runs are on {', '.join(tasks)}; name a folder with runs on one of them."
        )
    if _differ(looks, RADIUS):
        return radius_summary([look for look in looks if look.setting(RADIUS) is not None])
    if any("memory/r2" in look.arrays for look in looks):
        return memory_summary(looks)
    if length_of(looks) and looks[0].record["metric"]["solved_at"] is not None:
        return difficulty_summary(looks)
    raise UserError(
        f"{folder}: nothing to sum up; it has to hold runs on recall, or runs that differ in {RADIUS}, or in "
        f"{' or '.join(LENGTHS)}, their task being one that counts as solved at some score."
    )


def _differ(looks: list[Look], key: str) -> bool:
    return len({look.setting(key) for look in looks} - {None}) > 1


if __name__ == "__main__":
    main()
