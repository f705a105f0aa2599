"""The tables of a comparison, as text in cells."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cells.compare.judge import MOST_SEEDS, WORTH_CHASING, Interval, Judgement, Pair, Row
from cells.compare.lengths import reached, success_against_setting
from cells.compare.published import FEWEST_SEEDS, Beside, Case
from cells.compare.records import leaf
from cells.compare.sentences import share
from cells.compare.suite import Suite
from cells.compare.tuning import price, searches
from cells.record import spelled

NOTHING = "–"
EMPTY = ("", NOTHING)


@dataclass(frozen=True)
class Table:
    """Cells of text under headings. The first column names the row; rows from `baselines` on are no models."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    baselines: int

    def with_columns(self, headings: Sequence[str]) -> "Table":
        """The first two columns, and of the others those with these headings."""
        kept = [place for place, name in enumerate(self.headings) if place < 2 or name in headings]
        return Table(
            self.title,
            tuple(self.headings[place] for place in kept),
            tuple(tuple(cells[place] for place in kept) for cells in self.rows),
            self.baselines,
        )


def number(value: float | None, digits: int = 4) -> str:
    """A number as people read it: 0.1234, 12,345, or – for none."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def interval(bounds: Interval | None, digits: int = 3) -> str:
    """`0.12 … 0.34`, or – for none."""
    return NOTHING if bounds is None else f"{number(bounds[0], digits)} … {number(bounds[1], digits)}"


Column = tuple[str, Callable[[Row], str]]


def results(judgement: Judgement) -> Table:
    """A row for each model, best first, then the baselines. Columns that are empty throughout are left out."""
    comparison = judgement.comparison
    arrow = "↓" if comparison.goal == "min" else "↑"
    columns: list[Column] = [
        ("model", lambda row: row.name),
        (f"{comparison.metric} {arrow} mean", lambda row: number(row.mean)),
        ("95 % of the mean", lambda row: interval(row.interval)),
        ("median", lambda row: number(row.median)),
        ("sd", lambda row: number(row.deviation, 2)),
        ("finished", lambda row: share(len(row.values), row.replicas)),
        ("diverged", lambda row: str(row.diverged) if row.diverged else ""),
        ("solved", lambda row: "" if row.solved is None else share(row.solved, row.replicas)),
        (
            "95 % of the rate",
            lambda row: "" if row.solve_interval is None else interval(row.solve_interval, 2),
        ),
        ("steps to solve", steps_to_solve),
        ("memory horizon", lambda row: row.memory_horizon or ""),
        (
            "gradient decay a step",
            lambda row: "" if row.gradient_decay is None else number(row.gradient_decay, 3),
        ),
        ("hidden size", lambda row: number(row.hidden_size)),
        ("parameters", lambda row: number(row.parameters)),
        ("FLOPs a sequence", lambda row: number(row.flops_per_sequence, 3)),
        ("ms/step", lambda row: number(row.milliseconds_per_step, 3)),
        ("seconds", lambda row: _seconds(row.seconds)),
        ("engine", lambda row: row.engine),
        ("tuning", _tuning),
    ]
    models = [[show(row) for _, show in columns] for row in judgement.rows]
    kept = [place for place in range(len(columns)) if any(cells[place] not in EMPTY for cells in models)]
    baselines = sorted(comparison.baselines, key=lambda name: judgement.sign * comparison.baselines[name])
    facts: dict[str, Callable[[str], str]] = {
        columns[0][0]: lambda name: name,
        columns[1][0]: lambda name: number(comparison.baselines[name]),
        "seconds": lambda name: _seconds(comparison.baseline_seconds.get(name)),
    }
    simple = [[facts.get(heading, lambda _: "")(name) for heading, _ in columns] for name in baselines]
    return Table(
        title=f"{comparison.label}: test {comparison.metric}, weights of the best validation",
        headings=tuple(columns[place][0] for place in kept),
        rows=tuple(tuple(cells[place] for place in kept) for cells in [*models, *simple]),
        baselines=len(models),
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else "< 0.1" if value < 0.1 else number(value, 3)


def steps_to_solve(row: Row) -> str:
    """The median, or what it is known to exceed."""
    if row.solved is None:
        return ""
    return f"> {row.steps:,}" if row.steps_to_solve is None else number(row.steps_to_solve)


def _tuning(row: Row) -> str:
    found = searches(row.contestant.runs)
    return price(found) + (", at an edge" if any(search["edge"] for search in found) else "")


def pairs(judgement: Judgement) -> Table:
    """A row for each pair of models."""
    headings = (
        "pair", "seeds won", "p", "p (Holm)", "claim", "P(first beats second)", "95 %",
        "correlation of seeds", "seeds needed", "tested", "over time",
    )  # fmt: skip
    rows = tuple(_pair_cells(pair) for pair in judgement.pairs)
    return _compact(f"{judgement.comparison.label}: every pair of models", headings, rows)


def _compact(title: str, headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table without the columns that are empty throughout."""
    kept = [place for place in range(len(headings)) if any(cells[place] not in EMPTY for cells in rows)]
    return Table(
        title,
        tuple(headings[place] for place in kept),
        tuple(tuple(cells[place] for place in kept) for cells in rows),
        baselines=len(rows),
    )


def _pair_cells(pair: Pair) -> tuple[str, ...]:
    over_time = pair.over_time
    return (
        f"{pair.leader} : {pair.follower}",
        share(pair.wins, pair.shared) if pair.shared else "",
        f"{pair.claim.p:.2g}",
        f"{pair.claim.p_holm:.2g}",
        "yes" if pair.claim.made else "no" if pair.claim.possible else f"not below {pair.enough} seeds",
        f"{pair.superiority:.2f}",
        f"{pair.interval[0]:.2f} … {pair.interval[1]:.2f}",
        NOTHING if pair.correlation is None else f"{pair.correlation:+.2f}",
        "" if pair.needed is None else _needed(pair.needed),
        "within seeds" if pair.claim.within else "across models",
        "" if over_time is None else _over_time(over_time.origins, over_time.interval, over_time.holds),
    )


def _needed(needed: Interval) -> str:
    if needed[0] > WORTH_CHASING:
        return "not worth chasing"
    return f"{needed[0]:g} … {'over ' if needed[1] > MOST_SEEDS else ''}{min(needed[1], MOST_SEEDS):,g}"


def _over_time(origins: int, bounds: Interval | None, holds: bool) -> str:
    if bounds is None:
        return f"{origins} origin{'s' if origins != 1 else ''}: not known"
    return f"{'holds' if holds else 'does not hold'} at {origins} origins ({interval(bounds)})"


def differences(judgement: Judgement) -> Table:
    """The settings in which the models differ."""
    names = [row.name for row in judgement.rows]
    return Table(
        title=f"{judgement.comparison.label}: settings that differ",
        headings=("setting", *names),
        rows=tuple(
            (key, *(spelled(values[name]) for name in names)) for key, values in judgement.differences.items()
        ),
        baselines=len(judgement.differences),
    )


def suite_table(suite: Suite) -> Table:
    """Models over several data sets."""
    intervals = ("95 %, new seeds", "95 %, new tasks")
    headings = ("model", "mean rank", *intervals, "skill", *intervals)
    rows = [
        (
            row.name,
            number(row.rank.mean, 3), interval(row.rank.over_seeds), interval(row.rank.over_tasks),
            number(row.skill.mean if row.skill else None, 3),
            interval(row.skill.over_seeds if row.skill else None),
            interval(row.skill.over_tasks if row.skill else None),
        )
        for row in suite.rows
    ]  # fmt: skip
    return _compact(f"Over all {suite.tasks} comparisons", headings, rows)


def largest_solved(judgements: Sequence[Judgement]) -> Table | None:
    """How long a sequence each model solves, where comparisons differ in one number; None where they do not."""
    found = success_against_setting(judgements)
    if found is None:
        return None
    key, models = found
    values = sorted({value for success in models.values() for value in success})
    return Table(
        title=f"{judgements[0].comparison.data}: replicas that solved it, by {leaf(key)}",
        headings=("model", "largest solved by half", *(f"{value:g}" for value in values)),
        rows=tuple(
            (name, reached(by), *(share(by[v].solved, by[v].total) if v in by else NOTHING for v in values))
            for name, by in models.items()
        ),
        baselines=len(models),
    )


def published(case: Case) -> Table:
    """Models beside what others report of them."""
    solving = case.published.measure == "solved"
    return Table(
        title=f"Beside {case.published.source}",
        headings=(
            "model", "theirs", "at chance, theirs", "ours, solved" if solving else "ours, median",
            "95 % of the rate" if solving else "95 % of one more run", "at chance, ours", "consistent",
        ),
        rows=tuple(
            (
                row.name,
                ", ".join(number(value) for value in row.theirs) or NOTHING, _at_chance(*row.their_chance),
                number(row.ours), interval(row.interval), _at_chance(*row.our_chance), _consistent(row),
            )
            for row in case.rows
        ),
        baselines=len(case.rows),
    )  # fmt: skip


def _at_chance(there: int, total: int) -> str:
    if total == 0:
        return NOTHING
    return "no" if there == 0 else "yes" if there == total else share(there, total)


def _consistent(row: Beside) -> str:
    if not row.theirs:
        return "no number"
    if row.interval is None:
        return NOTHING if row.ours is None else f"not below {FEWEST_SEEDS} seeds"
    return "yes" if row.consistent else "no"


def beside(case: Case) -> str:
    """What goes below the table of a case."""
    measure = "share of runs that solve it" if case.published.measure == "solved" else "test score"
    note = case.published.note.strip()
    return (
        f"Compared by {measure}; chance is {number(case.published.chance)}, and at chance is what does not lead it by "
        f"2 % of the way to a perfect score. Consistent: what is published lies in our interval."
        + (f" {note}" if note else "")
    )
