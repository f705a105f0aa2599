"""`report.html`: one file that needs no network. Every text in it that came from a record is escaped."""

import base64
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from cells.compare.judge import Judgement
from cells.compare.published import cases
from cells.compare.render import tables
from cells.compare.render.drawing import Drawing
from cells.compare.sentences import first_lines, headline, how_tested, verdict
from cells.compare.suite import Suite
from cells.record import spelled

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 84rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; border-top: 2px solid #1a1a1a; padding-top: .8rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
ul.verdict { padding-left: 1.2rem; margin: .4rem 0; }
.note { color: #555; font-size: .87rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .22rem .4rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; white-space: normal; }
tbody.baselines { color: #555; font-style: italic; }
tbody.baselines tr:first-child td { border-top: 2px solid #999; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 0 1.5rem; }
figure { margin: 1rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: .85rem; color: #444; max-width: 44rem; }
table.environment td { text-align: left; white-space: normal; }
.missing { border-left: 4px solid #D55E00; padding: .2rem .8rem; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; } th, td { padding: .15rem .3rem; white-space: normal; }
  h2, h3 { break-after: avoid; }
  .figures { grid-template-columns: 1fr 1fr; }
  .note, figcaption { font-size: 7.5pt; } h1 { font-size: 15pt; }
  tr { break-inside: avoid; }
}
"""

ENVIRONMENT_KEYS = ("device", "cpu_count", "python", "packages", "platform", "git_commit", "git_modified")


def page(
    judgements: Sequence[Judgement], suite: Suite | None, missing: Sequence[str], drawings: Sequence[Drawing]
) -> str:
    """The report: verdict first, then tables, figures, what differs, and where it was trained."""
    title = headline(judgements, suite)
    parts = [f"<h1>{escape(title)}</h1>", _note(_facts(judgements))]
    if missing:
        parts.append(f'<div class="missing"><h3>Missing</h3>{_list(missing)}</div>')
    if len(judgements) > 1:
        lines = [line if data in line else f"{data}: {line}" for data, line in first_lines(judgements)]
        parts.append(_list(lines, "verdict"))
    if suite is not None:
        note = "Rank 1 is best. Skill: 0 is the best baseline (or worse), 1 is a perfect score."
        parts += ["<h2>All comparisons together</h2>", _table(tables.suite_table(suite)), _note(note)]
    solved = tables.largest_solved(judgements)
    if solved is not None:
        parts.append(_table(solved))
    parts.append(_figures(drawings, of=None))
    for judgement in judgements:
        parts += _section(judgement, drawings, headed=len(judgements) == 1)
    parts += ["<h2>Environment</h2>", _environments(judgements)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _facts(judgements: Sequence[Judgement]) -> str:
    """How much was trained, and when: what a quoted verdict holds for."""
    rows = [row for judgement in judgements for row in judgement.rows]
    if not rows:
        return ""
    models, seeds = len({row.name for row in rows}), sorted({row.replicas for row in rows})
    each = " each" if models > 1 else ""
    started = sorted(
        str(run.record.get("started_at") or "")[:10] for row in rows for run in row.contestant.runs
    )
    return " · ".join(
        [
            f"{models} model{'s' if models > 1 else ''}",
            f"{'–'.join(map(str, dict.fromkeys([seeds[0], seeds[-1]])))} seed{'s' if seeds[-1] > 1 else ''}{each}",
            f"at most {max(row.steps for row in rows):,} updates",
            *([f"trained {' to '.join(dict.fromkeys([started[0], started[-1]]))}"] if started[0] else []),
        ]
    )


def _section(judgement: Judgement, drawings: Sequence[Drawing], headed: bool) -> Iterable[str]:
    """All about one comparison; `headed` if its first sentence stands above everything already."""
    yield f"<h2>{escape(judgement.comparison.label)}</h2>"
    if lines := verdict(judgement)[headed:]:
        yield _list(lines, "verdict")
    yield _table(tables.results(judgement))
    notes = dict.fromkeys(
        run.record["data"].get("note") or "" for row in judgement.rows for run in row.contestant.runs
    )
    yield _note(
        " ".join(
            [
                "Scores are over finished runs; diverged runs count as last in every test. A model beats a baseline "
                "if its median leads it by 2 % of the way to a perfect score.",
                *notes,
            ]
        )
    )
    if judgement.pairs:
        yield _table(tables.pairs(judgement))
    yield _note(how_tested(judgement))
    for case in cases(judgement):
        yield _table(tables.published(case))
        yield _note(tables.beside(case))
    yield _figures(drawings, judgement.comparison.label)
    if judgement.differences:
        yield _table(tables.differences(judgement))


def _table(table: tables.Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    models = "".join(row(cells, "td") for cells in table.rows[: table.baselines])
    simple = "".join(row(cells, "td") for cells in table.rows[table.baselines :])
    return (
        f'<div class="scroll"><table><caption>{escape(table.title)}</caption>'
        f"<thead>{row(table.headings, 'th')}</thead><tbody>{models}</tbody>"
        + (f'<tbody class="baselines">{simple}</tbody>' if simple else "")
        + "</table></div>"
    )


def _figures(drawings: Sequence[Drawing], of: str | None) -> str:
    """The figures of one comparison, or, for None, those over all of them."""
    shown = [_figure(drawing) for drawing in drawings if drawing.comparison == of]
    return f'<div class="figures">{"".join(shown)}</div>' if shown else ""


def _figure(drawing: Drawing) -> str:
    # As an image, an SVG can neither run a script nor clash with another's ids.
    data = base64.b64encode(drawing.svg.encode()).decode()
    caption = escape(drawing.caption)
    return (
        f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _environments(judgements: Sequence[Judgement]) -> str:
    """What the runs were trained with; where they differ, every value."""
    values: dict[str, dict[str, None]] = {key: {} for key in ENVIRONMENT_KEYS}
    runs = [run for judgement in judgements for row in judgement.rows for run in row.contestant.runs]
    for run in runs:
        for key in ENVIRONMENT_KEYS:
            values[key][_spelled(run.record.get("environment", {}).get(key))] = None
    rows = "".join(
        f"<tr><td>{escape(key.replace('_', ' '))}</td><td>{escape(' | '.join(found))}</td></tr>"
        for key, found in values.items()
        if found
    )
    commands = dict.fromkeys(shlex.join(run.record.get("environment", {}).get("command", [])) for run in runs)
    folders = dict.fromkeys(str(run.folder.parent) for run in runs)
    listed = _list(
        [*(f"command: {command}" for command in commands if command), *(f"records: {f}" for f in folders)]
    )
    return f'<table class="environment"><tbody>{rows}</tbody></table><div class="note">{listed}</div>'


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return spelled(value)


def _list(lines: Iterable[str], kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<ul{attribute}>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text.strip())}</p>'
