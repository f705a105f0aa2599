"""A verdict on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from cells.compare.judge import Judgement
from cells.compare.published import cases
from cells.compare.render import tables
from cells.compare.sentences import headline, how_tested, verdict
from cells.compare.suite import Suite

BY_IMPORTANCE = (
    "finished", "tuning", "solved", "memory horizon", "parameters", "ms/step", "median", "steps to solve", "seconds",
    "gradient decay a step", "engine", "hidden size", "FLOPs a sequence",
)  # fmt: skip
"""Columns for which a terminal may have room, beside the model and its mean; the rest is in the report."""


def show(
    judgements: Sequence[Judgement], suite: Suite | None, missing: Sequence[str], console: Console
) -> None:
    """Print the table and the verdict of every comparison, what they say together, and what is missing."""
    for judgement in judgements:
        console.print()
        console.print(_fitting(tables.results(judgement), console))
        for sentence in verdict(judgement):
            console.print(Text(sentence, style="bold"))
        console.print(Text(how_tested(judgement), style="dim"))
        for case in cases(judgement):
            console.print()
            console.print(_rich(tables.published(case)))
            console.print(Text(tables.beside(case), style="dim"))
    for table in (tables.suite_table(suite) if suite else None, tables.largest_solved(judgements)):
        if table is not None:
            console.print()
            console.print(_rich(table))
    if suite is not None:
        console.print(Text(headline(judgements, suite), style="bold"))
    for line in missing:
        console.print(Text(f"missing: {line}", style="red"), soft_wrap=True)


def _fitting(table: tables.Table, console: Console) -> RichTable:
    """As many columns, in their order, as the terminal has room for."""
    everything = console.options.update(max_width=10_000)
    for many in range(len(BY_IMPORTANCE), -1, -1):
        rich = _rich(table.with_columns(BY_IMPORTANCE[:many]))
        if console.measure(rich, options=everything).maximum <= console.width:
            break
    return rich


def _rich(table: tables.Table) -> RichTable:
    rich = RichTable(title=Text(table.title), title_justify="left", title_style="bold")
    for place, heading in enumerate(table.headings):
        rich.add_column(Text(heading), justify="right" if place else "left")
    for place, cells in enumerate(table.rows):
        if place == table.baselines:
            rich.add_section()
        rich.add_row(*map(Text, cells), style="cyan" if place >= table.baselines else "")
    return rich
