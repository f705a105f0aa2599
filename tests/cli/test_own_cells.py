"""A user's own cell by its dotted path, by a YAML file of theirs, and an nn.Module as it is."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import SMALL, Program

LEAKY = """
from typing import Annotated

import torch
from pydantic import Field

from cells.recurrent.cell import Cell


class Leaky(Cell):
    def __init__(self, input_size, hidden_size, replicas=1, *, alpha: Annotated[float, Field(gt=0, le=1)] = 0.5):
        super().__init__(input_size, hidden_size, replicas)
        self.alpha = alpha
        self.add_parameter("weight_ih", input_size, hidden_size)
        self.add_parameter("weight_hh", hidden_size, hidden_size)

    def step(self, projected, state):
        target = torch.tanh(projected @ self.weight_ih + state["h"] @ self.weight_hh)
        return {"h": (1 - self.alpha) * state["h"] + self.alpha * target}


class Needy(Leaky):
    def __init__(self, input_size, hidden_size, replicas=1, *, order: int):
        super().__init__(input_size, hidden_size, replicas)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder in which a user keeps cells of their own, and calls the program."""
    (tmp_path / "own_cells.py").write_text(LEAKY)
    models = tmp_path / "conf" / "model"
    models.mkdir(parents=True)
    (models / "leaky.yaml").write_text(
        "# A leaky cell\ndefaults: [_network, _self_]\nhidden_size: 6\n"
        "cell:\n  _target_: own_cells.Leaky\n  _partial_: true\n  alpha: 0.25\n"
    )
    return tmp_path


def records(folder: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(folder.rglob("record.json"))]
    return {record["model"]["name"]: record for record in found}


def test_a_sweep_sets_an_own_cell_beside_a_built_in_one(program: Program, own: Path) -> None:
    answer = program(*SMALL, "-m", "model=gru,own_cells.Leaky", "seeds=2")
    assert answer.code == 0, answer.err
    assert "own_cells.Leaky" in answer.out
    found = records(own)
    assert found.keys() == {"gru", "own_cells.Leaky"}
    leaky = found["own_cells.Leaky"]
    assert leaky["status"] == "completed"
    assert [replica["seed"] for replica in leaky["replicas"]] == [0, 1]
    assert leaky["model"]["parameters"] == 2 * 32 + 32 * 32 + 33
    (history,) = own.glob("outputs/*/*Leaky*/history.csv")
    with history.open() as file:
        tags = {row["tag"] for row in csv.DictReader(file)}
    assert {"grad_norm/total", "val/mse", "test/mse"} <= tags
    assert any(tag.endswith("weight_hh") for tag in tags)


def test_constructor_arguments_of_an_own_cell_are_settings(program: Program, own: Path) -> None:
    answer = program(*SMALL, "model=own_cells.Leaky", "model.cell.alpha=1", "model.hidden_size=5")
    assert answer.code == 0, answer.err
    record = records(own)["own_cells.Leaky"]
    assert record["config"]["model"]["cell"]["alpha"] == 1
    assert record["model"]["hidden_size"] == 5
    default = program("--cfg", "job", "model=own_cells.Leaky").out
    assert "alpha: 0.5" in default


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.cell.alpha=1.5"], "model.cell.alpha=1.5: input should be less than or equal to 1."),
        (["model.cell.alpha=slow"], "model.cell.alpha=slow: input should be a valid number"),
        (["model.cell.alfa=0.5"], "model.cell.alfa: no such setting; did you mean 'model.cell.alpha'?"),
        (["model=own_cells.Leeky"], "own_cells has no class 'Leeky'; did you mean 'Leaky'"),
        (["model=own_cell.Leaky"], "there is no module 'own_cell'"),
        (["model=own_cells.Needy"], "model.cell.order: this setting has no default"),
        (["model=own_cells.Leaky", "engine=torch"], "engine=torch cannot run this model"),
    ],
)
def test_what_does_not_fit_an_own_cell_is_refused(
    program: Program, own: Path, arguments: list[str], sentence: str
) -> None:
    answer = program(*SMALL, "model=own_cells.Leaky", *arguments)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1
    assert not (own / "outputs").exists()


def test_an_own_module_that_needs_a_missing_one_says_which(program: Program, own: Path) -> None:
    (own / "needs_more.py").write_text("import not_installed_anywhere\n")
    answer = program(*SMALL, "model=needs_more.Cell")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "needs_more needs a module that is missing: not_installed_anywhere" in answer.err


def test_an_own_module_with_a_mistake_in_it_says_where(program: Program, own: Path) -> None:
    (own / "broken.py").write_text("x = 1\nclass Cell(:\n")
    answer = program(*SMALL, "model=broken.Cell")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "broken.py, line 2" in answer.err


def test_a_module_of_pytorch_that_steps_once_is_a_model(program: Program, own: Path) -> None:
    answer = program(*SMALL, "model=torch.nn.GRUCell", "model.cell.bias=false", "model.hidden_size=4")
    assert answer.code == 0, answer.err
    record = records(own)["torch.nn.GRUCell"]
    assert record["model"]["parameters"] == 3 * 4 * (2 + 4) + 5


def test_a_yaml_file_in_a_folder_of_the_users_own_needs_trust_and_then_runs(
    program: Program, own: Path
) -> None:
    arguments = [*SMALL, f"hydra.searchpath=[file://{own / 'conf'}]", "model=leaky"]
    refused = program(*arguments)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "add trusted_modules=[own_cells]" in refused.err
    assert not (own / "outputs").exists()

    answer = program(*arguments, "trusted_modules=[own_cells]")
    assert answer.code == 0, answer.err
    record = records(own)["own_cells.Leaky"]
    assert record["config"]["model"]["cell"]["alpha"] == 0.25
    assert record["model"]["hidden_size"] == 6


def test_naming_an_own_cell_does_not_trust_other_modules(program: Program, own: Path) -> None:
    (own / "other.py").write_text("def made(*args, **kwargs): raise SystemExit('it ran')\n")
    answer = program(*SMALL, "model=own_cells.Leaky", "optimizer._target_=other.made")
    assert answer.code == 2
    assert "'other.made' is outside the modules a configuration may run" in answer.err


def test_trust_that_is_given_as_well_is_kept(program: Program, own: Path) -> None:
    (own / "other.py").write_text("import torch\nclass Slow(torch.optim.SGD):\n    elementwise = True\n")
    answer = program(
        *SMALL,
        "model=own_cells.Leaky",
        "trusted_modules=[other]",
        "optimizer=sgd",
        "optimizer._target_=other.Slow",
    )
    assert answer.code == 0, answer.err
    assert records(own)["own_cells.Leaky"]["config"]["trusted_modules"] == ["own_cells", "other"]


def test_a_cell_whose_step_fails_is_refused_before_anything_is_trained(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from cells.recurrent.elman import ElmanCell\n\n\nclass Bare(ElmanCell):\n"
        "    def step(self, projected, state):\n        return projected\n"
    )
    answer = program("model=mine.Bare", *SMALL)
    assert answer.code == 2
    assert answer.err.startswith("model.cell (mine.Bare): its first step fails with ")
    assert not (tmp_path / "outputs").exists()


def test_a_cell_that_ends_the_program_has_its_run_told_as_failed(program: Program, tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(
        "import sys\n\nimport torch\n\nfrom cells.recurrent.elman import ElmanCell\n\n\nclass Leaves(ElmanCell):\n"
        "    def step(self, projected, state):\n"
        "        leaves = torch.is_grad_enabled() and projected.is_cpu\n"
        "        return sys.exit(0) if leaves else super().step(projected, state)\n"
    )
    assert program("model=leaving.Leaves", *SMALL).code == 1
    (record,) = (json.loads(path.read_text()) for path in tmp_path.rglob("record.json"))
    assert record["status"] == "failed"
    assert record["message"] == "SystemExit: 0"
