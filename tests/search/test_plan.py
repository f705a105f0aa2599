"""What a search tries: the same for every model, on seeds of its own, and nothing that is not to be tuned."""

import math
from typing import Any

import pytest

from cells.errors import UserError
from cells.search.plan import FIRST_SEED, plan, with_values

MODEL = {
    "_target_": "cells.training.learner.Learner",
    "hidden_size": 32,
    "cell": {"_target_": "x", "bias": True},
}
CONFIG: dict[str, Any] = {
    "model": MODEL,
    "data": {"_target_": "y", "length": 10, "batch_size": 32},
    "optimizer": {"lr": 0.001, "betas": [0.9, 0.999]},
    "trainer": {"max_steps": 100, "gradient_clip_norm": 1.0},
    "logger": {"tensorboard": True},
    "diagnostics": {"every_steps": 10},
    "seeds": 3,
}
LOG_RANGE = {"min": 0.0001, "max": 0.1, "log": True}


def searching(grid: Any, **settings: Any) -> dict[str, Any]:
    search = {"_target_": "cells.search.plan.Search", "grid": grid, **settings}
    return {**CONFIG, "search": search}


def values(grid: Any, **settings: Any) -> list[dict[str, Any]]:
    return [trial.values for trial in plan(searching(grid, **settings))]


def test_a_grid_is_every_combination_in_the_order_of_its_keys_names() -> None:
    grid = {"optimizer": {"lr": [0.1, 0.01]}, "model": {"cell": {"bias": [True, False]}}}
    assert values(grid) == [
        {"model.cell.bias": bias, "optimizer.lr": lr} for bias in (True, False) for lr in (0.1, 0.01)
    ]
    assert values(dict(reversed(grid.items()))) == values(grid)


def test_without_a_search_there_are_no_trials() -> None:
    assert plan(CONFIG) == plan({**CONFIG, "search": {}}) == plan({**CONFIG, "search": None}) == []


def test_a_trial_is_the_run_with_its_values_on_seeds_of_its_own_and_without_what_only_looks_on() -> None:
    (trial,) = plan(searching({"model": {"hidden_size": [64]}}, seeds=4, max_steps=10))
    assert trial.config["model"] == {**MODEL, "hidden_size": 64}
    assert trial.config["seeds"] == [FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2, FIRST_SEED + 3]
    assert trial.config["trainer"] == {"max_steps": 10, "gradient_clip_norm": 1.0}
    assert not trial.config["search"]
    assert not trial.config["diagnostics"]
    assert trial.config["logger"] == {"tensorboard": False}
    assert {key: trial.config[key] for key in ("data", "optimizer")} == {
        key: CONFIG[key] for key in ("data", "optimizer")
    }
    assert CONFIG["model"]["hidden_size"] == 32, "the configuration itself stays as it is"


def test_the_updates_that_a_trial_is_given_are_not_those_of_a_budget() -> None:
    budget = {"budget": {"parameters": 5000, "flops": 1e9}}
    grid = {"optimizer": {"lr": [1]}}
    (short,), (whole,) = plan(searching(grid, max_steps=10) | budget), plan(searching(grid) | budget)
    assert short.config["budget"] == {"parameters": 5000, "flops": None}
    assert short.config["trainer"]["max_steps"] == 10
    assert whole.config["budget"] == budget["budget"]


def test_a_grid_without_a_search_is_refused() -> None:
    with pytest.raises(UserError, match="search: the configuration names none; choose one with search=lr"):
        plan(CONFIG | {"search": {"grid": {"optimizer": {"lr": [1]}}}})


def test_random_draws_are_the_same_for_every_model_and_differ_among_themselves() -> None:
    grid = {"optimizer": {"lr": LOG_RANGE}, "model": {"cell": {"bias": [True, False]}}}
    asked = searching(grid, trials=20)
    other = with_values(asked, {"model.cell": {"_target_": "z", "bias": False}, "seeds": [7]})
    drawn = [trial.values for trial in plan(asked)]
    assert drawn == [trial.values for trial in plan(other)]
    assert len({str(trial) for trial in drawn}) == 20


def test_draws_from_a_logarithmic_range_are_uniform_in_the_logarithm() -> None:
    rates = [trial["optimizer.lr"] for trial in values({"optimizer": {"lr": LOG_RANGE}}, trials=900)]
    assert min(rates) >= 0.0001
    assert max(rates) <= 0.1
    for decade in (-4, -3, -2):
        share = sum(decade <= math.log10(rate) < decade + 1 for rate in rates) / len(rates)
        assert share == pytest.approx(1 / 3, abs=0.05)


def test_whole_bounds_draw_whole_numbers_both_ends_among_them() -> None:
    for log in (False, True):
        grid = {"model": {"hidden_size": {"min": 3, "max": 6, "log": log}}}
        drawn = values(grid, trials=4)
        assert {trial["model.hidden_size"] for trial in drawn} == {3, 4, 5, 6}
        assert all(isinstance(trial["model.hidden_size"], int) for trial in drawn)


def test_as_many_draws_as_combinations_are_all_of_them() -> None:
    grid = {"optimizer": {"lr": [0.1, 0.01, 0.001]}, "model": {"hidden_size": [4, 8]}}
    assert sorted(map(str, values(grid, trials=6))) == sorted(map(str, values(grid)))


@pytest.mark.parametrize(
    ("grid", "settings", "sentence"),
    [
        ({}, {}, "search.grid: it names no setting"),
        ({"optimizer": {"lrr": [1]}}, {}, "search.grid.optimizer.lrr: no such setting; did you mean 'optimizer.lr'?"),
        ({"model": [1]}, {}, "search.grid.model: no such setting"),
        ({"scheduler": {"warmup_steps": [1]}}, {}, "choose from: data.batch_size, model.cell.bias, "),
        ({"model": {"hidden_size": {}}}, {}, "search.grid.model.hidden_size: a range is written"),
        ({"optimizer": {"lr": [1]}}, {"seeds": 10_001}, "search.seeds=10001: that is more than the 10000"),
        ({"model": {"_target_": ["x"]}}, {}, "search.grid.model._target_: no such setting"),
        ({"optimizer": {"lr": []}}, {}, "search.grid.optimizer.lr=[]: a list of values is needed"),
        ({"optimizer": {"lr": 0.1}}, {}, "search.grid.optimizer.lr=0.1: a list of values is needed"),
        ({"optimizer": {"lr": [0.1, 0.1]}}, {}, "search.grid.optimizer.lr: 0.1 stands twice"),
        ({"seeds": [1, 2]}, {}, "search.grid.seeds: this is not to be tuned; choose from: model.*"),
        ({"data": {"length": [5]}}, {}, "search.grid.data.length: this is not to be tuned"),
        ({"trainer": {"max_steps": [5]}}, {}, "search.grid.trainer.max_steps: this is not to be tuned"),
        ({"optimizer": {"lr": LOG_RANGE}}, {}, "say how often with search.trials=N"),
        ({"optimizer": {"lr": {"min": 1}}}, {"trials": 2}, "a range is written {min: 0.0001, max: 0.1, log: true}"),
        ({"optimizer": {"lr": {"min": 1, "max": 2, "mean": 1}}}, {"trials": 2}, "a range is written"),
        ({"optimizer": {"lr": {"min": "a", "max": 1}}}, {"trials": 2}, "a is no bound of a range"),
        ({"optimizer": {"lr": {"min": 1, "max": math.inf}}}, {"trials": 2}, "inf is no bound of a range"),
        ({"optimizer": {"lr": {"min": 1, "max": 1}}}, {"trials": 2}, "min=1 is not below max=1"),
        ({"optimizer": {"lr": {"min": 0, "max": 1, "log": True}}}, {"trials": 2}, "min=0 has no logarithm"),
        ({"optimizer": {"lr": {"min": 0, "max": 1, "log": 3}}}, {"trials": 2}, "log=3: true or false is needed"),
        ({"optimizer": {"lr": [1, 2]}}, {"trials": 3}, "search.trials=3: the grid has 2 combinations"),
        ({"model": {"hidden_size": {"min": 1, "max": 2}}}, {"trials": 9}, "hold only 2 different combinations"),
        ({"optimizer": {"lr": [*range(1, 1002)]}}, {}, "1001 trials are more than the 1000"),
        ({"optimizer": {"lr": [1]}}, {"seeds": 0}, "search.seeds=0: input should be greater than 0"),
        ({"optimizer": {"lr": [1]}}, {"max_steps": 0}, "search.max_steps=0: input should be greater than 0"),
        ({"optimizer": {"lr": [1]}}, {"triels": 2}, "search.triels: no such setting; did you mean 'trials'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_in_one_sentence(grid: Any, settings: Any, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        plan(searching(grid, **settings))
    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith((".", "?"))


def test_a_seed_of_the_run_that_a_trial_would_have_is_refused() -> None:
    grid = {"optimizer": {"lr": [1]}}
    assert plan(searching(grid) | {"seeds": [FIRST_SEED + 2]})
    with pytest.raises(UserError, match="seed 1000001 belongs to the trials"):
        plan(searching(grid) | {"seeds": [0, FIRST_SEED + 1]})


def test_a_search_does_not_start_from_a_checkpoint() -> None:
    with pytest.raises(UserError, match="ckpt_path: a search trains from the start"):
        plan(searching({"optimizer": {"lr": [1]}}) | {"ckpt_path": "last.ckpt"})
