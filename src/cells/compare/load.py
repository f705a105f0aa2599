"""From folders of records to comparisons: who stands against whom, on which data, with which scores."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cells.compare.naming import TRAINING_KEYS_OF_DATA, contestant_names, seed_ranges
from cells.compare.records import Flat, Run, canonical, differing_keys, leaf, listed, read_runs
from cells.errors import UserError
from cells.record import HISTORY_NAME, spelled

LARGEST_SCORE = 3.4e38
"""What a 32-bit number can hold. A score beyond it counts as infinite; squares of those within can be summed."""

EXACT_CHANCE = "chance (exact)"
"""What knowing nothing is expected to score, beside the baselines that were scored on the test set."""


@dataclass(frozen=True)
class Score:
    """What one replica scored on the test split.

    Attributes:
        value: the metric; None for a run that diverged or whose score is not finite.
        cost: what ranks it: smaller is better, infinity without a value.
        solved_after: updates to the first validation that passed `solved_at`, or None.
        trained_for: updates it had.
    """

    seed: int
    value: float | None
    cost: float
    solved_after: int | None
    trained_for: int


@dataclass(frozen=True)
class Contestant:
    """A model of a comparison: runs of one configuration, their replicas merged."""

    name: str
    runs: tuple[Run, ...]
    scores: tuple[Score, ...]

    @cached_property
    def costs(self) -> dict[int, float]:
        return {score.seed: score.cost for score in self.scores}


@dataclass(frozen=True)
class Comparison:
    """Models that answered the same question: the same data, the same metric.

    Attributes:
        label: the data, with what tells it from other data of the same name ("adding length=20").
        question: a digest of the data's settings, the same whatever else is compared beside it.
        key: of the data's dotted settings, those that differ among all comparisons.
        baselines: what scores without learning, on the metric.
        baseline_seconds: what fitting and scoring each took; those of older records are not known.
        gaps: what is missing or amiss, one sentence each.
    """

    label: str
    data: str
    question: str
    key: Flat
    metric: str
    goal: str
    solved_at: float | None
    baselines: dict[str, float]
    baseline_seconds: dict[str, float]
    contestants: tuple[Contestant, ...]
    gaps: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Loaded:
    """All comparisons, and the runs that are not part of any because they did not finish."""

    comparisons: tuple[Comparison, ...]
    unfinished: tuple[str, ...]


def load(
    folders: Sequence[Path],
    where: Mapping[str, Sequence[str]] | None = None,
    group_by: Sequence[str] = (),
    only: Iterable[Path] | None = None,
) -> Loaded:
    """Read every record at or below the folders, and set equals beside equals.

    Args:
        folders, where, only: see `read_runs`.
        group_by: dotted keys, or `model`, that name the contestants; without any, all that differs does.

    Raises:
        UserError: see `read_runs`; a seed that stands twice; or data with two metrics.
    """
    runs, unfinished = read_runs(folders, where or {}, group_by, only)
    return Loaded(tuple(_comparisons(runs, group_by)), tuple(unfinished))


def _comparisons(runs: Sequence[Run], group_by: Sequence[str]) -> list[Comparison]:
    questions = defaultdict(list)
    for run in runs:
        questions[canonical(_question(run, group_by))].append(run)
    groups = list(questions.values())
    metrics: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        for run in group:
            metrics[run.data].add(f"{run.record['metric']['name']} ({run.record['metric']['goal']})")
    for data, names in metrics.items():
        if len(names) > 1:
            raise UserError(
                f"{data}: its runs are scored by different metrics, {listed(sorted(names))}, which cannot be "
                "compared; choose runs of one kind with --where."
            )
    comparisons = []
    for group in groups:
        asked = [_question(other[0], group_by) for other in groups if other[0].data == group[0].data]
        differing = differing_keys(asked)
        key = {name: value for name, value in _question(group[0], group_by).items() if name in differing}
        comparisons.append(_comparison(group, key, group_by))
    return _with_gaps(sorted(comparisons, key=_place))


def _place(comparison: Comparison) -> tuple[str, list[tuple[float, str]]]:
    """By name, and those of one name by what differs between them: length 20 before 100."""
    return comparison.data, [
        (value, "") if isinstance(value, (int, float)) else (math.inf, spelled(value))
        for value in comparison.key.values()
    ]


def _question(run: Run, group_by: Sequence[str]) -> Flat:
    """What makes scores comparable: the data and how it is split and drawn."""
    ignored = (*TRAINING_KEYS_OF_DATA, *group_by)
    digest = (run.record["data"].get("figures") or {}).get("sha256")  # a file may change under its name
    return {
        "data": run.data,
        **{key: value for key, value in run.config.items() if key.startswith("data.") and key not in ignored},
        **({"data.sha256": digest[:8]} if isinstance(digest, str) else {}),
    }


def _comparison(runs: Sequence[Run], key: Flat, group_by: Sequence[str]) -> Comparison:
    data, metric = runs[0].record["data"], runs[0].record["metric"]
    grouped = [key for key in group_by if key.startswith("data.") and key not in TRAINING_KEYS_OF_DATA]
    named = defaultdict(list)
    for run, contestant in zip(runs, contestant_names(runs, group_by), strict=True):
        named[contestant].append(run)
    label = " ".join([data["name"], *(f"{leaf(part)}={spelled(value)}" for part, value in key.items())])
    return Comparison(
        label=label,
        data=data["name"],
        question=hashlib.sha256(canonical(_question(runs[0], group_by)).encode()).hexdigest()[:12],
        key=key,
        metric=metric["name"],
        goal=metric["goal"],
        solved_at=metric["solved_at"],
        baselines=_shared_baselines(runs),
        baseline_seconds=data.get("baseline_seconds", {}),
        contestants=tuple(_contestant(group, members, label) for group, members in sorted(named.items())),
        gaps=(
            *(
                f"{key} differs between these contestants, so they were not scored on the same test data"
                for key in differing_keys([{key: run.config.get(key) for key in grouped} for run in runs])
            ),
            *_lost_curves(runs),
        ),
    )


def _lost_curves(runs: Sequence[Run]) -> list[str]:
    lacking = [run for run in runs if not (run.folder / HISTORY_NAME).is_file()]
    if len(lacking) == len(runs):  # records alone were kept
        return []
    return [f"{run.folder.name} has no {HISTORY_NAME}, so its learning curve is left out" for run in lacking]


def _shared_baselines(runs: Sequence[Run]) -> dict[str, float]:
    """The baselines that score alike in all runs: others would stand beside scores on other test data."""

    def of(run: Run) -> dict[str, float]:
        data, metric = run.record["data"], run.record["metric"]["name"]
        scores = {name: scores.get(metric) for name, scores in data["baselines"].items()}
        scores[EXACT_CHANCE] = data.get("chance")
        return {name: score for name, score in scores.items() if score is not None}

    first, *others = map(of, runs)
    return {
        name: score
        for name, score in first.items()
        if all(name in other and math.isclose(score, other[name], rel_tol=1e-3) for other in others)
    }


def _contestant(name: str, runs: Sequence[Run], label: str) -> Contestant:
    scores: dict[int, Score] = {}
    origin: dict[int, Path] = {}
    for run in runs:
        for replica in run.record["replicas"]:
            seed = int(replica["seed"])
            if seed in scores:
                raise UserError(
                    f"{name} on {label}: seed {seed} stands twice, in {origin[seed]} and in {run.folder}; leave one of "
                    "them out, or tell them apart with --where or --group-by."
                )
            scores[seed], origin[seed] = _score(replica, run.record["metric"]), run.folder
    return Contestant(name, tuple(runs), tuple(scores[seed] for seed in sorted(scores)))


def _score(replica: Mapping[str, Any], metric: Mapping[str, Any]) -> Score:
    value = (replica.get("test") or {}).get(metric["name"])
    if replica["status"] == "diverged" or value is None or not abs(value) <= LARGEST_SCORE:
        value, cost = None, math.inf
    else:
        cost = value if metric["goal"] == "min" else -value
    return Score(
        int(replica["seed"]), value, cost, replica.get("steps_to_solve"), replica.get("last_step") or 0
    )


def _with_gaps(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Say where a model lacks seeds that another has in the same sweep, or is absent from one of the sweep's data."""
    models: dict[Path, dict[str, None]] = defaultdict(dict)
    for comparison in comparisons:
        for run in _runs(comparison):
            models[run.folder.parent][run.model] = None
    result = []
    for comparison in comparisons:
        sweeps = dict.fromkeys(run.folder.parent for run in _runs(comparison))
        present = {run.model for run in _runs(comparison)}
        gaps = [
            f"No run of {model} on {comparison.label} has finished"
            for model in dict.fromkeys(model for sweep in sweeps for model in models[sweep])
            if model not in present
        ]
        for sweep in sweeps:
            seeds = {c.name: _seeds(c, sweep) for c in comparison.contestants if _seeds(c, sweep)}
            everyone = set().union(*seeds.values())
            gaps += [
                f"{name} on {comparison.label} lacks {seed_ranges(everyone - own)}"
                for name, own in seeds.items()
                if everyone - own and any(own & other for key, other in seeds.items() if key != name)
            ]  # with no seed in common they were never meant to pair
        result.append(replace(comparison, gaps=(*comparison.gaps, *gaps)))
    return result


def _runs(comparison: Comparison) -> list[Run]:
    return [run for contestant in comparison.contestants for run in contestant.runs]


def _seeds(contestant: Contestant, sweep: Path) -> set[int]:
    return {
        int(replica["seed"])
        for run in contestant.runs
        if run.folder.parent == sweep
        for replica in run.record["replicas"]
    }
