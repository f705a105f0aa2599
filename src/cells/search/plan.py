"""From a grid of settings to trials: what is tried, in which order, and what may not be tuned."""

import copy
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import PositiveInt

from cells.errors import UserError, did_you_mean
from cells.folders import slug
from cells.record import spelled
from cells.settings import MOST_REPLICAS, dotted_keys, parse_seeds
from cells.targets import instantiate

FIRST_SEED = 1_000_000
"""The first seed of every trial: far from the seeds that results are reported for."""

MOST_TRIALS = 1000

TUNABLE = ("model.", "optimizer.", "scheduler.", "trainer.gradient_clip_norm", "data.batch_size")
"""What a search may vary: not what is asked (data), how long (trainer), with which luck (seeds) or where."""

RANGE = {"min", "max", "log"}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is tried before the training that counts.

    Args:
        grid: settings and their values, nested as the configuration is; a value is a list, or with `trials` a range
            {min, max, log}: whole numbers where both bounds are.
        seeds: how many seeds every trial trains.
        max_steps: updates of a trial; None is those of the training that follows.
        trials: so many random draws; None tries every combination.
    """

    grid: Mapping[str, Any]
    seeds: PositiveInt = 2
    max_steps: PositiveInt | None = None
    trials: PositiveInt | None = None


@dataclass(frozen=True)
class Trial:
    """One combination of values, and the configuration that trains it: no test, no diagnostics, no event files."""

    values: dict[str, Any]
    config: dict[str, Any]

    @property
    def settings(self) -> list[str]:
        return [f"{key}={spelled(value)}" for key, value in self.values.items()]

    @property
    def name(self) -> str:
        """Of its folder."""
        return slug(self.settings)


def plan(config: Mapping[str, Any]) -> list[Trial]:
    """The trials of a composed configuration, none if it asks for no search.

    They depend on the grid alone, so that every model under the same search has the same.

    Raises:
        UserError: a key that does not exist or is not to be tuned, no values, or too few or too many combinations.
    """
    section = config.get("search")
    if not section:
        return []
    if "_target_" not in section:
        raise UserError("search: the configuration names none; choose one with search=lr or search=random.")
    search: Search = instantiate(section, "search", tuple(config.get("trusted_modules") or ()))
    specs = dict(sorted(specs_of(search.grid)))
    if not specs:
        raise UserError(
            "search.grid: it names no setting; write for instance search.grid.optimizer.lr=[0.001,0.01]."
        )
    if search.seeds > MOST_REPLICAS:
        raise UserError(
            f"search.seeds={search.seeds}: that is more than the {MOST_REPLICAS} one trial takes."
        )
    for key, spec in specs.items():
        _check_key(key, config)
        _check_values(key, spec, search.trials)
    seeds = range(FIRST_SEED, FIRST_SEED + search.seeds)
    shared = sorted(set(seeds) & set(parse_seeds(config.get("seeds", 1))))
    if shared:
        raise UserError(
            f"seeds: seed {shared[0]} belongs to the trials of the search; choose seeds below {FIRST_SEED}."
        )
    if config.get("ckpt_path"):
        raise UserError("ckpt_path: a search trains from the start; leave ckpt_path or search out.")
    base = _base(config, search, list(seeds))
    return [Trial(values, with_values(base, values)) for values in _combinations(specs, search.trials)]


def with_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with dotted keys set to values."""
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    for key, value in values.items():
        *way, last = key.split(".")
        section = changed
        for part in way:
            section = section[part]
        section[last] = value
    return changed


def _base(config: Mapping[str, Any], search: Search, seeds: list[int]) -> dict[str, Any]:
    """What all trials share."""
    base = {**config, "search": {}, "seeds": seeds, "resume": False, "diagnostics": {}}
    if "tensorboard" in config["logger"]:
        base["logger"] = {**config["logger"], "tensorboard": False}
    if search.max_steps is not None:
        base["trainer"] = {**config["trainer"], "max_steps": search.max_steps}
        base["budget"] = {**(config.get("budget") or {}), "flops": None}  # it would decide instead
    return base


def specs_of(grid: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and what is to be tried for each."""
    for key, spec in grid.items():
        if isinstance(spec, Mapping) and spec and not {"min", "max"} & spec.keys():
            yield from specs_of(spec, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", spec


def _check_key(key: str, config: Mapping[str, Any]) -> None:
    sections = {name: value for name, value in config.items() if name not in ("search", "hydra")}
    known = [name for name in dotted_keys(sections) if not isinstance(_value(sections, name), Mapping)]
    if key not in known:
        tunable = [name for name in known if name.startswith(TUNABLE)]
        raise UserError(f"search.grid.{key}: no such setting; {did_you_mean(key, tunable)}")
    if not key.startswith(TUNABLE):
        whole = ", ".join(f"{name}*" if name.endswith(".") else name for name in TUNABLE)
        raise UserError(f"search.grid.{key}: this is not to be tuned; choose from: {whole}.")


def _value(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value


def _check_values(key: str, spec: Any, trials: int | None) -> None:
    place = f"search.grid.{key}"
    if isinstance(spec, Mapping):
        _check_range(place, spec, trials)
    elif not isinstance(spec, (list, tuple)) or not spec:
        raise UserError(f"{place}={spelled(spec)}: a list of values is needed, written [a,b].")
    else:
        twice = [value for place, value in enumerate(spec) if value in spec[:place]]
        if twice:
            raise UserError(f"{place}: {twice[0]} stands twice; leave one out.")


def _check_range(place: str, spec: Mapping[str, Any], trials: int | None) -> None:
    if not {"min", "max"} <= spec.keys() <= RANGE:
        raise UserError(
            f"{place}: a range is written {{min: 0.0001, max: 0.1, log: true}}; log may be left out."
        )
    low, high = spec["min"], spec["max"]
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not math.isfinite(bound):
            raise UserError(f"{place}: {bound} is no bound of a range; a finite number is needed.")
    if not isinstance(spec.get("log", False), bool):
        raise UserError(f"{place}.log={spec['log']}: true or false is needed.")
    if not low < high:
        raise UserError(f"{place}: min={low} is not below max={high}; exchange them, or widen the range.")
    if spec.get("log") and low <= 0:
        raise UserError(f"{place}: min={low} has no logarithm; choose one above 0, or leave log out.")
    if trials is None:
        raise UserError(
            f"{place}: a range is drawn from; say how often with search.trials=N, or write a list."
        )


def _combinations(specs: Mapping[str, Any], trials: int | None) -> list[dict[str, Any]]:
    size = math.prod(len(spec) if isinstance(spec, (list, tuple)) else math.inf for spec in specs.values())
    many = size if trials is None else trials
    if many > MOST_TRIALS:
        raise UserError(
            f"search: {many} trials are more than the {MOST_TRIALS} that one search takes; set search.trials lower."
        )
    if trials is None:
        return [dict(zip(specs, values, strict=True)) for values in product(*specs.values())]
    if trials > size:
        raise UserError(
            f"search.trials={trials}: the grid has {size} combinations; set it lower, or to null to try them all."
        )
    return _drawn(specs, trials)


def _drawn(specs: Mapping[str, Any], trials: int) -> list[dict[str, Any]]:
    """So many different combinations, the same at every call."""
    source = random.Random(0)
    drawn: dict[str, dict[str, Any]] = {}
    for _ in range(100 * trials):
        values = {key: _at(spec, source.random()) for key, spec in specs.items()}
        drawn.setdefault(repr(values), values)
        if len(drawn) == trials:
            return list(drawn.values())
    raise UserError(
        f"search.trials={trials}: the ranges of search.grid hold only {len(drawn)} different combinations, or hardly "
        "more; set it lower, or widen them."
    )


def _at(spec: Any, share: float) -> Any:
    """The value at a share of the way through a list or a range, 0 ≤ share < 1."""
    if not isinstance(spec, Mapping):
        return spec[int(share * len(spec))]
    low, high = spec["min"], spec["max"]
    whole = isinstance(low, int) and isinstance(high, int)
    end = high + 1 if whole else high
    value = low * (end / low) ** share if spec.get("log") else low + (end - low) * share
    return min(high, int(value)) if whole else min(high, max(low, float(f"{value:.3g}")))
