"""What contestants and seeds are called: a model by what tells it from others of the same cell, seeds in ranges."""

from collections.abc import Iterable, Iterator, Sequence

from cells.compare.records import Flat, Run, canonical, differing_keys, leaf, listed, value_of
from cells.record import spelled

TRAINING_KEYS_OF_DATA = ("data.batch_size",)
"""Keys under `data` that do not change what is predicted: models that differ in them can be compared."""

TUNED = "tuned"
"""What stands for the value that a search chose, in the name of a contestant."""


def contestant_names(runs: Sequence[Run], group_by: Sequence[str]) -> list[str]:
    """A name for each run's contestant: the model, and what tells it from others of the same model."""
    if group_by:
        return [
            " ".join(
                spelled(value_of(run, key))
                if key == "model"
                else f"{leaf(key)}={spelled(value_of(run, key))}"
                for key in group_by
            )
            for run in runs
        ]
    telling: dict[str, list[str]] = {}
    for model in {run.model for run in runs}:
        telling[model] = _telling_keys([_training(run) for run in runs if run.model == model])
    return [" ".join([run.model, *_settings(_training(run), telling[run.model])]) for run in runs]


def _telling_keys(configs: Sequence[Flat]) -> list[str]:
    """The keys that tell configurations apart, without those that only some of them have if the others suffice."""
    keys = differing_keys(configs)

    def kinds(chosen: Sequence[str]) -> int:
        return len({canonical([config.get(key) for key in chosen]) for config in configs})

    for key in [key for key in keys if any(key not in config for config in configs)]:
        others = [other for other in keys if other != key]
        if kinds(others) == kinds(keys):
            keys = others
    return keys


def _settings(config: Flat, keys: Sequence[str]) -> Iterator[str]:
    """`lr=0.1`; of a class, its name alone; of a search, nothing where there is none."""
    for key in keys:
        value = config.get(key)
        if leaf(key) == "_target_":
            yield leaf(spelled(value))
        elif value is not None or not key.startswith("search."):
            yield f"{_tail(key, keys)}={spelled(value)}"


def _tail(key: str, keys: Sequence[str]) -> str:
    """The shortest end of a dotted key that no other of them has."""
    parts = key.split(".")
    tails = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
    others = [f".{other}" for other in keys if other != key]
    return next((tail for tail in tails if not any(other.endswith(f".{tail}") for other in others)), key)


def _training(run: Run) -> Flat:
    """A run's configuration but for the question it answers; what a search chose is no difference between its runs."""
    training = {
        key: value
        for key, value in run.config.items()
        if not key.startswith("data.") or key in TRAINING_KEYS_OF_DATA
    }
    return training | dict.fromkeys(run.tuned, TUNED)


def seed_ranges(seeds: Iterable[int]) -> str:
    """`seed 3`, or `seeds 0–6 and 9`."""
    spans: list[list[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    texts = [str(first) if first == last else f"{first}–{last}" for first, last in spans]
    return f"seed{'s' if len(texts) > 1 or '–' in texts[0] else ''} {listed(texts)}"
