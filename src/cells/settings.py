"""The top level of the configuration: its keys, their types, and the spellings of `seeds`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from cells.errors import UserError, did_you_mean
from cells.targets import checked

MOST_REPLICAS = 10_000


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """Numbers that others report for one kind of run.

    Args:
        where: which runs: `model` (a name), or any dotted setting, and its value; all have to agree.
        values: what was published, one number a run of theirs; a mean of several counts as one.
    """

    where: Mapping[str, Any]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What others report on the same task, for the comparison to set beside what is found here.

    Args:
        source: who, where, in which table.
        chance: what ignoring the input is expected to give, on the same measure.
        measure: "score" (the run's own metric on the test split) or "solved" (the share of runs that solve the task).
        results: numbers by kind of run; none where a source shows curves alone.
        note: a sentence that belongs beside the numbers.
    """

    source: str
    chance: float
    measure: Literal["score", "solved"] = "score"
    results: tuple[PublishedResult, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A composed configuration with its top level checked; the sections are still plain mappings."""

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    trainer: Mapping[str, Any]
    logger: Mapping[str, Any]
    scheduler: Mapping[str, Any] | None = None
    learner: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Mapping[str, Any] | None = None
    diagnostics: Mapping[str, Any] | None = None
    published: Published | None = None
    search: Mapping[str, Any] | None = None
    budget: Mapping[str, Any] | None = None
    seeds: tuple[int, ...] = (0,)
    engine: str = "auto"
    isolation: Literal["process", "none"] = "process"
    resume: bool = False
    ckpt_path: str | None = None
    output_dir: str = "outputs"
    trusted_modules: tuple[str, ...] = ()


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Check the top level of a composed configuration (a plain container, interpolations resolved).

    Raises:
        UserError: unknown key, missing section or wrong type.
    """
    names = [each.name for each in fields(Settings)]
    for key in config:
        if key not in names:
            raise UserError(
                f"{key}: no such setting; {did_you_mean(key, [*names, *(k for k in dotted_keys(config) if k != key)])}"
            )
    for section in ("model", "data", "optimizer", "trainer", "logger"):
        if not isinstance(config.get(section), Mapping) or "_target_" not in config[section]:
            raise UserError(f"{section}: the configuration names none; choose one with {section}=NAME.")
    given = {key: value for key, value in config.items() if value not in ("", None)}
    read = {
        "seeds": parse_seeds(config.get("seeds", 1)),
        "published": read_published(config.get("published")),
    }
    return Settings(**checked(Settings, given | read, where=""))


def read_published(section: Any) -> Published | None:
    """The `published` section of a configuration, checked; None if there is none.

    Raises:
        UserError: a key that is unknown or missing, or a value of another type.
    """
    if section is None:
        return None
    given = _keys_of(Published, section, "published")
    results = given.get("results", [])
    if not isinstance(results, (list, tuple)):
        raise UserError(f"published.results={results}: a list is needed, of entries with where and values.")
    entries = []
    for index, result in enumerate(results):
        place = f"published.results[{index}]"
        entries.append(
            PublishedResult(**checked(PublishedResult, _keys_of(PublishedResult, result, place), place))
        )
    return Published(**checked(Published, {**given, "results": tuple(entries)}, "published"))


def _keys_of(cls: type, section: Any, where: str) -> Mapping[str, Any]:
    """A section that has every key that it needs."""
    needed = [field.name for field in fields(cls) if field.default is MISSING]
    if not isinstance(section, Mapping):
        raise UserError(f"{where}={section}: a section is needed, with {' and '.join(needed)}.")
    for name in needed:
        if section.get(name) is None:
            raise UserError(
                f"{where}.{name}: it is missing; a section of this kind needs {' and '.join(needed)}."
            )
    return section


def parse_seeds(value: Any) -> tuple[int, ...]:
    """The seeds that a spelling means: 10 → 0…9, "3:7" → 3…6, [3, 7] → 3 and 7.

    Raises:
        UserError: no such spelling, no seed at all, a negative seed, or one seed twice.
    """
    spellings = "write seeds=10 for 0…9, seeds=3:7 for 3…6 or seeds=[3,7]"
    seeds: Sequence[int]  # ranges stay ranges: a list of a thousand million seeds fits no memory
    if isinstance(value, int) and not isinstance(value, bool):
        seeds = range(value)
    elif isinstance(value, str) and re.fullmatch("[0-9]{1,18}:[0-9]{1,18}", value):
        first, end = map(int, value.split(":"))
        seeds = range(first, end)
    elif isinstance(value, (list, tuple)) and all(
        isinstance(s, int) and not isinstance(s, bool) for s in value
    ):
        seeds = value
    else:
        raise UserError(f"seeds={value}: not a number of seeds; {spellings}.")
    if not seeds:
        raise UserError(f"seeds={value}: that is no seed at all; {spellings}.")
    if seeds[MOST_REPLICAS:]:
        raise UserError(f"seeds={value}: that is more than the {MOST_REPLICAS} one run takes; {spellings}.")
    if min(seeds) < 0:
        raise UserError(f"seeds={value}: a seed cannot be negative; {spellings}.")
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1}) if len(set(seeds)) < len(seeds) else []
    if twice:
        raise UserError(
            f"seeds={value}: seed {twice[0]} is named twice, and would give the same replica twice."
        )
    return tuple(seeds)


def dotted_keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key of a nested mapping, dotted: `model.hidden_size`."""
    keys = []
    for key, value in config.items():
        if str(key).startswith("_"):
            continue
        keys.append(f"{prefix}{key}")
        if isinstance(value, Mapping):
            keys += dotted_keys(value, f"{prefix}{key}.")
    return keys
