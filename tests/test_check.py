import os
import subprocess
import sys
from pathlib import Path

import pytest

from cells.check import cell_factory, find_class, main
from cells.recurrent.cell import Cell

MY_CELLS = """
import torch
from torch import nn
from cells.recurrent.cell import Cell


class Leaky(Cell):
    def __init__(self, input_size, hidden_size, replicas=1, *, target: str, alpha: float = 0.5):
        super().__init__(input_size, hidden_size, replicas)
        self.alpha = alpha
        self.add_parameter("weight_ih", input_size, hidden_size)

    def step(self, projected, state):
        return {"h": self.alpha * state["h"] + (1 - self.alpha) * projected @ self.weight_ih}


class Stepper(nn.Module):
    def __init__(self, features, units, slope: float = 1.0):
        super().__init__()
        self.linear = nn.Linear(features + units, units)
        self.slope = slope

    def forward(self, x, h):
        return torch.tanh(self.slope * self.linear(torch.cat([x, h], -1)))


class Wrong(Leaky):
    def step(self, projected, state):
        return {"h": super().step(projected, state)["h"].detach()}
"""


@pytest.fixture
def my_cells(tmp_path, monkeypatch):
    """A folder with a user's module in it, as the current one."""
    (tmp_path / "my_cells.py").write_text(MY_CELLS)
    (tmp_path / "broken_cells.py").write_text("import torch\nclass Half(\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("my_cells", None)


def test_a_sound_cell_is_told_so_and_how_to_train_it(my_cells, capsys):
    assert main(["my_cells.Leaky", "--set", "target=x", "--set", "alpha=0.25", "--hidden-size", "3"]) == 0
    printed = capsys.readouterr().out
    assert "my_cells.Leaky passes all 12 checks." in printed
    assert "cells-train model=my_cells.Leaky model.cell.target=x model.cell.alpha=0.25" in printed


def test_a_plain_module_goes_through_the_adapter(my_cells, capsys):
    assert main(["my_cells.Stepper", "--set", "slope=2"]) == 0
    assert "my_cells.Stepper passes all 12 checks." in capsys.readouterr().out


def test_a_failing_check_says_why_and_exits_with_1(my_cells, capsys):
    assert main(["my_cells.Wrong", "--set", "target=x"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  Gradients agree with finite differences: the gradient with respect to weight_ih" in printed
    assert "Train it with" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my_cell.Leaky"], "there is no module 'my_cell' here or installed; did you mean 'my_cells'?"),
        (["my_cells.Leeky"], "my_cells has no cell or module 'Leeky'; did you mean 'Leaky'?"),
        (["my_cells.torch"], "my_cells has no cell or module 'torch'"),
        (["Leaky"], "a module and a class are needed"),
        (["broken_cells.Half"], "importing broken_cells fails (SyntaxError: "),
        (["my_cells.Leaky"], "Leaky needs target: give it a value with --set target=…."),
        (
            ["my_cells.Leaky", "--set", "target=x", "--set", "alhpa=1"],
            "alhpa: no such setting; did you mean 'alpha'?",
        ),
        (
            ["my_cells.Leaky", "--set", "target=x", "--set", "alpha=much"],
            "alpha=much: input should be a valid number",
        ),
        (["my_cells.Leaky", "--set", "alpha"], "write --set alpha=VALUE."),
        (["my_cells.Stepper", "--set", "units=3"], "units: no such setting; "),
        (["my_cells.Leaky", "--hidden-size", "0"], "--hidden-size=0: a positive number is needed."),
    ],
)
def test_bad_usage_is_one_sentence_and_exits_with_2(my_cells, capsys, arguments, message):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_it_runs_as_a_command(my_cells):
    source = Path(__file__).parents[1] / "src"
    command = [sys.executable, "-m", "cells.check", "my_cells.Stepper"]
    run = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(source)}, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("ok    ") == 12


def test_a_factory_is_made_for_cells_and_for_modules_alike(my_cells):
    sys.path.insert(0, "")
    leaky = cell_factory(find_class("my_cells.Leaky"), {"target": "x", "alpha": 0.75})(2, 3, 4)
    stepper = cell_factory(find_class("my_cells.Stepper"), {"slope": 2.0})(2, 3, 4)
    assert (leaky.alpha, stepper.module.slope) == (0.75, 2.0)
    for cell in (leaky, stepper):
        assert isinstance(cell, Cell)
        assert (cell.input_size, cell.hidden_size, cell.replicas) == (2, 3, 4)
