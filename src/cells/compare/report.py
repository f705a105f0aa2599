"""Folders in, verdict out: what `python -m cells.compare` and the end of a multirun both do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cells.compare.judge import Judgement, judge
from cells.compare.load import load
from cells.compare.looks import Looks
from cells.compare.published import cases
from cells.compare.suite import Suite, aggregate
from cells.errors import UserError

REPORT_NAME = "report.html"
FIGURES = "figures"


@dataclass(frozen=True)
class Report:
    """Judgements, what they say together, and what is missing."""

    judgements: tuple[Judgement, ...]
    suite: Suite | None
    missing: tuple[str, ...]


def conclude(
    folders: Sequence[Path],
    output: Path,
    *,
    where: Mapping[str, Sequence[str]] | None = None,
    group_by: Sequence[str] = (),
    reference: str | None = None,
    single_look: bool = False,
    only: Iterable[Path] | None = None,
) -> Report:
    """Judge every comparison that the folders hold; the looks are kept in `output`.

    Raises:
        UserError: see `load`, `Looks` and `judge`.
    """
    loaded = load(folders, where, group_by, only)
    looks = Looks(output, single_look)
    judgements = tuple(
        judge(comparison, looks, loaded.comparisons, reference) for comparison in loaded.comparisons
    )
    return Report(judgements, aggregate(judgements), loaded.unfinished)


def write(report: Report, output: Path) -> Path:
    """Leave the report, tables for other programs, and the figures in a folder.

    Returns:
        The path of `report.html`.

    Raises:
        UserError: the folder cannot be written to.
    """
    # Drawing is what costs time here, so it is imported when there is something to draw.
    from cells.compare.render import export
    from cells.compare.render.figures import draw
    from cells.compare.render.page import page

    drawings = draw(report.judgements)
    files = {
        REPORT_NAME: page(report.judgements, report.suite, report.missing, drawings),
        "comparison.csv": export.to_csv(report.judgements),
        "comparison.json": export.to_json(report.judgements, report.suite),
        "comparison.md": export.to_markdown(report.judgements, report.suite, report.missing),
        "comparison.tex": export.to_latex(report.judgements, report.suite),
        **{f"{FIGURES}/{drawing.name}.svg": drawing.svg for drawing in drawings},
    }
    if any(map(cases, report.judgements)):
        files["published.csv"] = export.published_to_csv(report.judgements)
    try:
        (output / FIGURES).mkdir(parents=True, exist_ok=True)
        for stale in (output / FIGURES).glob("*.svg"):
            stale.unlink()
        for name, text in files.items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{output}: the report cannot be written ({error}); name a folder with --output."
        ) from error
    return output / REPORT_NAME
