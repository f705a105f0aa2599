"""What a budget buys, against `torch.nn`, closed forms, and networks counted in full."""

import logging
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.build import Parts, build
from cells.errors import UserError
from cells.record import config_hash
from cells.recurrent.cell import Cell, State, affine
from cells.run import execute
from cells.training.learner import LARGEST_HIDDEN_SIZE, count_parameters
from cells.training.results import hyperparameters

LENGTH, FEATURES, BATCH = 12, 2, 16
ADDING = (
    "data=adding", f"data.length={LENGTH}", f"data.batch_size={BATCH}", "data.train_size=64", "data.val_size=32",
    "data.test_size=32",
)  # fmt: skip
TWINS: dict[str, type[nn.RNNBase]] = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
GATES = {"elman": 1, "lstm": 4, "gru": 3}

Planned = Callable[..., Parts]


class Heads(Cell):
    """An Elman cell whose hidden size has to be a multiple of its four heads."""

    gates = ("h",)

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        assert hidden_size % 4 == 0
        super().__init__(input_size, hidden_size, replicas)
        self.add_gates()

    def project(self, inputs: Tensor) -> Tensor:
        return affine(inputs, self.weight_ih, self.bias_ih)

    def step(self, projected: Tensor, state: State) -> State:
        return {"h": (projected + state["h"] @ self.weight_hh + self.bias_hh).tanh()}


class AsksForNumbers(Heads):
    """Cannot be built or run where tensors have no numbers."""

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self.scale = float(torch.ones(3).mean())

    def step(self, projected: Tensor, state: State) -> State:
        assert state["h"].abs().max().item() <= self.scale
        return super().step(projected, state)


class Attends(Cell):
    """Every step looks at all steps, so that a sequence of twice the length takes four times the products."""

    def __init__(self, input_size: int, hidden_size: int, replicas: int = 1) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("weight_ih", input_size, hidden_size)

    def step(self, projected: Tensor, state: State) -> State:
        raise NotImplementedError

    def unroll(self, projected: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        values = affine(projected, self.weight_ih)
        mixed = (values @ values.transpose(-1, -2)).tril() @ values
        return mixed, {"h": mixed[:, :, -1]}


@pytest.fixture
def planned() -> Planned:
    """Build a configuration: its plan, its learner, its number of updates."""
    return lambda *overrides, cell=None: build(composed(*overrides, cell=cell))


def composed(*overrides: str, cell: dict[str, Any] | None = None) -> dict[str, Any]:
    options = [override for override in overrides if "." not in override.partition("=")[0]]
    settings = [override for override in overrides if override not in options]
    plain = OmegaConf.to_container(
        OmegaConf.merge(chosen(*options), OmegaConf.from_dotlist(settings)), resolve=True
    )
    assert isinstance(plain, dict)
    if cell:
        plain["model"]["cell"], plain["trusted_modules"] = cell, [__name__, "torch.nn"]
    return plain  # type: ignore[return-value]


@cache
def chosen(*options: str) -> DictConfig:
    """A configuration of these options; on small data where none are named."""
    data = () if any(option.startswith("data=") for option in options) else ADDING
    with initialize_config_module("cells.conf", version_base="1.3"):
        return compose("config", overrides=[*data, *options])


def own(cell: type[Cell]) -> dict[str, Any]:
    return {"_target_": f"{__name__}.{cell.__name__}", "_partial_": True}


def adapted(module: type[nn.Module]) -> dict[str, Any]:
    inner = {"_target_": f"torch.nn.{module.__name__}", "_partial_": True}
    return {"_target_": "cells.recurrent.adapter.ModuleCell", "_partial_": True, "module": inner}


def size_and_count(parts: Parts) -> tuple[int, int]:
    return parts.learner.hidden_size, count_parameters(parts.learner, len(parts.learner.seeds))


def twin_count(model: str, hidden_size: int, layers: int = 1, bidirectional: bool = False) -> int:
    """Parameters of PyTorch's own network and readout."""
    network = TWINS[model](FEATURES, hidden_size, layers, bidirectional=bidirectional)
    readout = nn.Linear(hidden_size * (1 + bidirectional), 1)
    return sum(parameter.numel() for part in (network, readout) for parameter in part.parameters())


# Parameters


@pytest.mark.parametrize("model", TWINS)
@pytest.mark.parametrize(
    ("budget", "layers", "bidirectional"), [(16_000, 1, False), (70_000, 1, False), (16_000, 2, True)]
)
def test_the_hidden_size_is_the_largest_whose_parameters_stay_within_the_budget(
    planned: Planned, model: str, budget: int, layers: int, bidirectional: bool
) -> None:
    shape = (f"model.num_layers={layers}", f"model.bidirectional={bidirectional}".lower(), "seeds=2")
    size, count = size_and_count(planned(f"model={model}", *shape, f"budget.parameters={budget}"))
    assert count == twin_count(model, size, layers, bidirectional) <= budget
    assert twin_count(model, size + 1, layers, bidirectional) > budget


def test_a_budget_that_is_met_exactly_is_used_up(planned: Planned) -> None:
    exactly = twin_count("gru", 33)
    assert size_and_count(planned("model=gru", f"budget.parameters={exactly}")) == (33, exactly)
    assert size_and_count(planned("model=gru", f"budget.parameters={exactly - 1}"))[0] == 32


def test_the_feedforward_network_is_counted_on_the_whole_window_that_it_reads(planned: Planned) -> None:
    size, count = size_and_count(planned("model=feedforward", "budget.parameters=16000"))
    assert count == size * (LENGTH * FEATURES + 1) + size + 1
    assert count <= 16_000 < count + LENGTH * FEATURES + 2


def test_a_module_in_the_adapter_gets_the_size_of_the_same_cell_of_our_own(planned: Planned) -> None:
    module = planned("budget.parameters=16000", cell=adapted(nn.GRUCell))
    assert size_and_count(module) == size_and_count(planned("model=gru", "budget.parameters=16000"))


@pytest.mark.parametrize("cell", [Heads, AsksForNumbers])
def test_sizes_that_a_cell_refuses_are_passed_over(planned: Planned, cell: type[Cell]) -> None:
    size, count = size_and_count(planned("budget.parameters=1000", cell=own(cell)))
    assert size % 4 == 0
    assert count == twin_count("elman", size) <= 1000 < twin_count("elman", size + 4)


def test_a_cell_that_refuses_every_size_is_told_of_by_its_own_message(planned: Planned) -> None:
    with pytest.raises(UserError, match="bidirectional=true: sunspots is a forecast"):
        planned("data=sunspots", "model.bidirectional=true", "budget.parameters=1000")


def test_a_budget_below_the_smallest_network_names_what_that_has(planned: Planned) -> None:
    smallest = twin_count("lstm", 1)
    assert planned("budget.parameters=" + str(smallest)).learner.hidden_size == 1
    with pytest.raises(
        UserError, match=f"this model has {smallest} parameters with hidden_size=1, the smallest"
    ):
        planned(f"budget.parameters={smallest - 1}")
    with pytest.raises(
        UserError, match=f"has {twin_count('elman', 4)} parameters with hidden_size=4, the smallest"
    ):
        planned("budget.parameters=8", cell=own(Heads))


def test_a_budget_above_the_largest_network_names_what_that_has(planned: Planned) -> None:
    largest = LARGEST_HIDDEN_SIZE * (LENGTH * FEATURES + 2) + 1
    with pytest.raises(
        UserError, match=f"hidden_size={LARGEST_HIDDEN_SIZE}, the largest there is, has {largest:,}"
    ):
        planned("model=feedforward", f"budget.parameters={largest}")


# Operations


@pytest.mark.parametrize("model", GATES)
def test_the_operations_of_a_layer_are_those_of_the_closed_form(planned: Planned, model: str) -> None:
    size, columns = 8, GATES[model] * 8
    inputs = LENGTH * 2 * (2 * FEATURES * columns)  # forward, and the gradient of weight_ih
    recurrence = (LENGTH * 2 + LENGTH - 1) * (2 * size * columns)  # and that of h, which h_0 does not need
    readout = 3 * (2 * size)
    plan = planned(f"model={model}", f"model.hidden_size={size}").plan
    assert plan.flops_per_sequence == inputs + recurrence + readout


@pytest.mark.parametrize(
    ("overrides", "cell"),
    [
        (("model=lstm", "model.num_layers=2", "model.bidirectional=true"), None),
        (("model=gru", "data=vowels"), None),
        (("model=feedforward",), None),
        (("model=feedforward", "data=recall", "data.length=25"), None),
        ((), own(Heads)),
        ((), own(AsksForNumbers)),
        ((), own(Attends)),
        ((), adapted(nn.LSTMCell)),
    ],
    ids=str,
)
def test_what_is_counted_over_two_steps_is_what_whole_sequences_take(
    planned: Planned, overrides: tuple[str, ...], cell: dict[str, Any] | None
) -> None:
    parts = planned("model.hidden_size=8", *overrides, cell=cell)
    network = parts.learner.network
    if network.engine_name != "own":
        network.engine_name = "reference"  # its operations are PyTorch's, which can be counted
    batch = parts.datamodule.batch_size
    with FlopCounterMode(display=False) as counter:
        parts.learner(parts.content.train.inputs[:batch].unsqueeze(0))[0].sum().backward()
    assert counter.get_total_flops() == batch * parts.plan.flops_per_sequence


def test_what_grows_with_the_square_of_the_length_is_counted_so(planned: Planned) -> None:
    plan = planned("model.hidden_size=8", cell=own(Attends)).plan
    products = 3 * 2 * (2 * LENGTH * LENGTH * 8)  # two, each with two gradients
    assert plan.flops_per_sequence == products + LENGTH * 2 * (2 * FEATURES * 8) + 3 * (2 * 8)


def test_neither_seeds_nor_the_engine_nor_dropout_change_what_is_counted(planned: Planned) -> None:
    layers = ("model=gru", "model.num_layers=2")
    plain = planned(*layers).plan
    assert planned(*layers, "seeds=3", "engine=reference", "model.dropout=0.5").plan == plain


def test_the_updates_are_as_many_as_the_operations_buy(planned: Planned) -> None:
    update = BATCH * planned("model=gru").plan.flops_per_sequence
    assert planned("model=gru", f"budget.flops={7 * update}").total_steps == 7
    assert planned("model=gru", f"budget.flops={7 * update - 1}", "trainer.max_steps=null").total_steps == 6
    assert (
        planned("model=gru", f"budget.flops={7 * update}", "trainer.max_epochs=1").total_steps == 64 // BATCH
    )
    with pytest.raises(
        UserError, match=rf"budget.flops=.*: one update takes {update:,} floating-point operations"
    ):
        planned("model=gru", f"budget.flops={update - 1}")


def test_a_run_trains_as_long_as_its_budget_lasts_and_ends_its_schedule_and_validation_with_it(
    tmp_path: Path, planned: Planned, caplog: pytest.LogCaptureFixture
) -> None:
    size = ("model=gru", "budget.parameters=500")
    update = BATCH * planned(*size).plan.flops_per_sequence
    config = composed(
        *size,
        f"budget.flops={7.5 * update}",
        "scheduler=cosine",
        "trainer.log_every_steps=1",
        "seeds=2",
        "logger=csv",
        "diagnostics=none",
    )
    with caplog.at_level(logging.INFO):
        record = execute(config, tmp_path, [])
    assert record["status"] == "completed", record["message"]
    assert (record["cost"]["steps"], record["cost"]["flops_per_sequence"]) == (7, update // BATCH)
    assert [replica["best_step"] for replica in record["replicas"]] == [7, 7]
    assert (record["model"]["hidden_size"], record["model"]["parameters"]) == (10, twin_count("gru", 10))
    assert "budget.parameters=500: hidden size 10, 431 parameters" in caplog.text
    assert f"7 updates of {update:,} operations each" in caplog.text
    rates = [line.split(",") for line in (tmp_path / "history.csv").read_text().splitlines()]
    last = [float(row[-1]) for row in rates if "lr" in row][-1]
    assert last == pytest.approx(0.5 * 0.001 * (1 + math.cos(math.pi * 6 / 7)), rel=1e-4)

    shown = hyperparameters(record)
    assert (shown["model.hidden_size"], shown["model.parameters"]) == (10, 431)
    assert shown["budget.parameters"] == 500
    assert "trainer.max_steps" not in shown


# Documentation


def test_the_page_on_fairness_shows_what_its_commands_decide(planned: Planned) -> None:
    page = (Path(__file__).parents[1] / "docs" / "fairness.md").read_text(encoding="utf-8")
    page = page.partition("## Equal parameters")[2].partition("## Equal tuning")[0]
    rows = [
        tuple(re.findall(r"[\w,]+", row)) for row in re.findall(r"^\| (?!model).*\d \|$", page, flags=re.M)
    ]
    assert len(rows) == 4 + 3
    decided = {}
    for model in ("elman", "lstm", "gru", "feedforward"):
        budgets = ("budget.parameters=70000", "budget.flops=1e13")
        parts = planned(f"model={model}", "data=adding", "data.length=200", *budgets)
        flops, batch = parts.plan.flops_per_sequence, parts.datamodule.batch_size
        decided[model] = (*size_and_count(parts), parts.total_steps, batch * flops, flops)
    for model, *numbers in rows:
        shown = [int(number.replace(",", "")) for number in numbers]
        assert shown in ([*decided[model][:2]], [*decided[model][2:]]), model


# Names


@pytest.mark.parametrize("budget", [{"parameters": 500}, {"flops": 1e9}])
def test_a_budget_changes_the_hash_of_a_configuration(budget: Mapping[str, Any]) -> None:
    config = composed()
    assert config_hash(config | {"budget": config["budget"] | budget}) != config_hash(config)
