"""Results for other programs and for papers: CSV, JSON, Markdown and LaTeX."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from cells.compare.judge import Judgement, Row
from cells.compare.published import cases
from cells.compare.render.tables import Table, beside, largest_solved, pairs, published, results, suite_table
from cells.compare.sentences import headline, how_tested, verdict
from cells.compare.suite import Suite


def to_csv(judgements: Sequence[Judgement]) -> str:
    """Every replica's score: one row a (data, model, seed)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("data", "metric", "model", "seed", "score", "status", "steps_to_solve", "parameters"))
    for judgement in judgements:
        for row in judgement.rows:
            for score in row.contestant.scores:
                writer.writerow(
                    (
                        _no_formula(judgement.comparison.label),
                        judgement.comparison.metric,
                        _no_formula(row.name),
                        score.seed,
                        "" if score.value is None else repr(score.value),
                        "diverged" if score.value is None else "finished",
                        "" if score.solved_after is None else score.solved_after,
                        row.parameters,
                    )
                )
    return text.getvalue()


PUBLISHED_COLUMNS = (
    *("data", "source", "measure", "chance", "model", "theirs", "theirs_at_chance", "ours", "ours_at_chance"),
    *("low", "high", "consistent"),
)


def published_to_csv(judgements: Sequence[Judgement]) -> str:
    """Every model that stands beside a published result: one row a (data, source, model)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PUBLISHED_COLUMNS)
    for judgement in judgements:
        for case in cases(judgement):
            told = case.published
            about = (
                _no_formula(judgement.comparison.label),
                _no_formula(told.source),
                told.measure,
                told.chance,
            )
            for row in case.rows:
                theirs = " ".join(map(str, row.theirs)), "{} of {}".format(*row.their_chance)
                ours = row.ours, "{} of {}".format(*row.our_chance)
                judged = *(row.interval or (None, None)), row.consistent
                writer.writerow((*about, _no_formula(row.name), *theirs, *ours, *judged))
    return text.getvalue()


def to_json(judgements: Sequence[Judgement], suite: Suite | None) -> str:
    """Everything that was concluded, with unrounded numbers; what is not finite is null."""
    content = {
        "comparisons": [
            {
                "data": judgement.comparison.label,
                "metric": judgement.comparison.metric,
                "goal": judgement.comparison.goal,
                "verdict": verdict(judgement),
                "tested": how_tested(judgement),
                "look": judgement.look,
                "alpha": judgement.alpha,
                "baselines": judgement.comparison.baselines,
                "models": [_model(row) for row in judgement.rows],
                "pairs": [asdict(pair) for pair in judgement.pairs],
                "published": [asdict(case) for case in cases(judgement)],
                "differences": judgement.differences,
                "missing": list(judgement.comparison.gaps),
            }
            for judgement in judgements
        ],
        "suite": None if suite is None else asdict(suite),
    }
    return json.dumps(_finite(content), indent=2, allow_nan=False, ensure_ascii=False, default=str) + "\n"


def to_markdown(judgements: Sequence[Judgement], suite: Suite | None, missing: Sequence[str]) -> str:
    """Verdicts and tables, to paste into an issue or a README."""
    over_all = (suite_table(suite) if suite else None, largest_solved(judgements))
    parts = [_markdown_table(table) for table in over_all if table is not None]
    for judgement in judgements:
        sentences = "\n".join(f"- {_escape_markdown(sentence)}" for sentence in verdict(judgement))
        parts += [
            f"## {_escape_markdown(judgement.comparison.label)}",
            sentences,
            _markdown_table(results(judgement)),
        ]
        if judgement.pairs:
            parts.append(_markdown_table(pairs(judgement)))
        parts.append(_escape_markdown(how_tested(judgement)))
        for case in cases(judgement):
            parts += [
                f"### {_escape_markdown(published(case).title)}",
                _markdown_table(published(case)),
                _escape_markdown(beside(case)),
            ]
    if missing:
        parts.append("Missing:\n" + "\n".join(f"- {_escape_markdown(line)}" for line in missing))
    return "\n\n".join(parts) + "\n"


FOR_PAPERS = (
    "95 % of the mean", "median", "finished", "solved", "steps to solve", "memory horizon", "parameters",
    "FLOPs a sequence",
)  # fmt: skip
"""Columns for which a page is wide enough, beside the model and its mean; all are in the report."""


def to_latex(judgements: Sequence[Judgement], suite: Suite | None) -> str:
    """A `tabular` for each comparison and one for all, under their verdicts as comments; needs the package booktabs."""
    parts = [_latex_table(suite_table(suite), [headline(judgements, suite)])] if suite else []
    for judgement in judgements:
        table = results(judgement).with_columns(FOR_PAPERS)
        parts.append(_latex_table(table, [*verdict(judgement), how_tested(judgement)]))
    return "\n".join(parts)


def _markdown_table(table: Table) -> str:
    lines = [
        table.headings,
        tuple("---" if place == 0 else "--:" for place in range(len(table.headings))),
        *table.rows,
    ]
    head, rule, *rows = lines
    escaped = [tuple(map(_escape_markdown, cells)) for cells in (head, *rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (escaped[0], rule, *escaped[1:]))


def _latex_table(table: Table, comments: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(_escape_latex, cells)) + r" \\"

    models, simple = table.rows[: table.baselines], table.rows[table.baselines :]
    body = [*map(line, models), *([r"\midrule", *map(line, simple)] if simple else [])]
    return "\n".join(
        [
            *("% " + " ".join(line.split()) for line in (table.title, *comments)),
            rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
            r"\toprule", line(table.headings), r"\midrule", *body, r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )  # fmt: skip


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "…": r"\dots{}",
    "–": "--", "−": "$-$", "≥": r"$\geq$", "∞": r"$\infty$", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "*": "{*}",  # at the start of a row they would be arguments of the line break before it
}  # fmt: skip


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _escape_markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|#])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _no_formula(text: str) -> str:
    """A spreadsheet takes a cell that starts like this for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _model(row: Row) -> dict[str, Any]:
    scores = {score.seed: score.value for score in row.contestant.scores}
    facts = {field.name: getattr(row, field.name) for field in fields(row) if field.name != "contestant"}
    return facts | {"scores": scores}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
