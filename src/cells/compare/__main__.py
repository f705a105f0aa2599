"""`python -m cells.compare FOLDER…`: a verdict from records alone."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cells.compare.render.console import show
from cells.compare.report import conclude, write
from cells.errors import UserError

WIDTH_WITHOUT_TERMINAL = 140

DESCRIPTION = """\
Which model is better, and how sure is that? Reads the records in the folders (runs, sweeps, or folders of them),
prints a verdict and leaves report.html, comparison.csv/.json/.md/.tex and figures/*.svg. How everything is computed
is in docs/verdict.md."""

EXAMPLES = """\
examples:
  python -m cells.compare outputs/SWEEP
  python -m cells.compare outputs --where data=adding model=lstm,gru --output outputs/lstm-gru
  python -m cells.compare outputs/SWEEP --group-by model.hidden_size
  python -m cells.compare outputs/SWEEP --reference my_cells.MyCell

Exit code: 0 with a verdict, 1 without one (nothing has finished), 2 if the input is refused."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the result is its exit code."""
    asked = _parser().parse_args(arguments)
    output = asked.output or asked.folders[0]
    try:
        if asked.output is None and len(asked.folders) > 1:
            raise UserError(
                "--output: several folders are compared, so name one in which to leave the report."
            )
        report = conclude(
            asked.folders,
            output,
            where=_conditions(asked.where),
            group_by=[key for text in asked.group_by for key in text.split(",") if key],
            reference=asked.reference,
            single_look=asked.single_look,
        )
        console = Console()
        if not console.is_terminal:  # a pipe or a file is wide enough for every table
            console = Console(width=WIDTH_WITHOUT_TERMINAL)
        show(report.judgements, report.suite, report.missing, console)
        if not report.judgements:
            console.print("Nothing has finished yet, so there is no verdict.")
            return 1
        page = write(report, output)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    console.print(f"report      {page}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cells.compare",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="runs, sweeps, or folders of them"
    )
    parser.add_argument(
        "--where",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="only runs of this kind: data=adding, model=lstm,gru, model.hidden_size=64",
    )
    parser.add_argument(
        "--group-by",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY",
        help="what names the contestants (model, or any setting); by default everything that differs",
    )
    parser.add_argument("--reference", metavar="NAME", help="test only the pairs that this model is part of")
    parser.add_argument(
        "--single-look",
        action="store_true",
        help="promise to look once only, and test at 0.05 (otherwise look k tests at 0.05/2^k)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where the report goes; by default FOLDER"
    )
    return parser  # fmt: skip


def _conditions(texts: Sequence[str]) -> dict[str, list[str]]:
    conditions: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not (key and equals and values):
            raise UserError(f"--where {text}: not a condition; write KEY=VALUE or KEY=VALUE,VALUE.")
        conditions.setdefault(key, []).extend(values.split(","))
    return conditions


if __name__ == "__main__":
    sys.exit(main())
