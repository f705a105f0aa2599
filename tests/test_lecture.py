"""What docs/lecture.md shows as output, and the numbers that it quotes, are what its commands give."""

import csv
import doctest
import json
import re
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.build import build
from cells.diagnostics import bptt
from cells.errors import UserError
from cells.run import execute

PAGE = (Path(__file__).parents[1] / "docs" / "lecture.md").read_text(encoding="utf-8")


def command(start: str, *without: str) -> list[str]:
    """The settings of the page's one command that starts so."""
    (line,) = re.findall(rf"^    (?:\$ )?python train\.py (?:-m )?({re.escape(start)}.*)$", PAGE, flags=re.M)
    return [setting for setting in line.split() if not setting.startswith(without or ("\0",))]


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("cells.conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("config", overrides=[*overrides]), resolve=True)
    assert isinstance(config, dict)
    return config  # type: ignore[return-value]


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir()
    record = execute(composed(*overrides, "logger=csv"), folder, [*overrides])
    assert record["status"] == "completed", record["message"]
    return record


def logged(folder: Path, tag: str, step: int) -> list[float]:
    """A value's history at a step, over seeds."""
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [float(row["value"]) for row in rows if row["tag"] == tag and int(row["step"]) == step]


def row(start: str) -> list[str]:
    """The cells of the page's one table row that starts so."""
    (line,) = re.findall(rf"^\| {re.escape(start)}.*\|$", PAGE, flags=re.M)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_python_on_the_page_prints_what_it_shows() -> None:
    code = "\n".join(re.findall(r"^```pycon\n(.*?)^```", PAGE, flags=re.M | re.S))
    examples = doctest.DocTestParser().get_doctest(code, {}, "lecture", "lecture.md", 0)
    assert len(examples.examples) > 10
    told: list[str] = []
    doctest.DocTestRunner().run(examples, out=told.append)
    assert "".join(told) == ""


def test_the_three_gradients_are_those_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, flags=re.M | re.S)
    bptt.main([])
    printed = iter(capsys.readouterr().out.splitlines())
    for line in shown.splitlines():
        assert line in printed, line  # in this order, lines may be left out
    terms = re.findall(r"step [15], .*\[ +([\d.]+) +([\d.]+) \]", shown.partition("∂E/∂W_s")[0])
    first, last = (np.hypot(*map(float, pair)) for pair in terms)
    (share,) = re.findall(r"has 1/(\d+) of the size", PAGE)
    assert last / first == pytest.approx(float(share), abs=0.5)


def test_a_network_without_memory_recalls_nothing(tmp_path: Path) -> None:
    settings = command("model=elman,feedforward data=recall", "model=")
    for model in ("elman", "feedforward"):
        record = run(tmp_path / model, f"model={model}", *settings)
        _, parameters, score, horizon = row(f"`{model}`")
        assert record["model"]["parameters"] == int(parameters.replace(",", ""))
        mean = np.mean([replica["test"]["mse"] for replica in record["replicas"]])
        assert mean == pytest.approx(float(score), rel=0.05)
        found = set(record["diagnostics"]["memory_horizon"])
        assert found == {int(re.findall(r"\d+", horizon)[0])}
    assert record["data"]["baselines"]["training mean"]["mse"] == pytest.approx(
        float(row("answering the mean")[2]), abs=5e-4
    )


def test_the_wrong_loss_is_refused_in_the_words_of_the_page() -> None:
    with pytest.raises(UserError) as refusal:
        build(composed(*command("model=elman data=adding model.loss")))
    assert f"    {refusal.value}\n" in PAGE


def test_a_linear_output_comes_with_squared_error_and_classes_with_cross_entropy() -> None:
    for data, loss in (("adding", "mse"), ("temporal_order", "cross_entropy")):
        assert build(composed("model=elman", f"data={data}", "data.length=10")).learner.loss_name == loss


def test_counting_ends_where_the_page_says(tmp_path: Path) -> None:
    record = run(tmp_path / "run", "experiment=counting", "diagnostics=none")
    (quoted,) = re.findall(r"the error is ([\d.]+) \(`mse original`\)", PAGE)
    assert record["replicas"][0]["test"]["mse_original"] == pytest.approx(float(quoted), rel=0.02)
    assert record["data"]["baselines"]["straight line"]["mse_original"] == pytest.approx(0, abs=1e-6)
    (pair,) = re.findall(r"After 41 … 45 it expects (\d+\.\d) and (\d+\.\d)", PAGE)
    predictions = np.load(tmp_path / "run" / "predictions.npz")["predictions"]
    assert predictions[0, 0] == pytest.approx([float(number) for number in pair], abs=0.15)
    assert record["model"]["hidden_size"] == 32


def test_untrained_gradients_shrink_and_grow_as_quoted(tmp_path: Path) -> None:
    (shrinking,) = re.findall(r"shrinks by ([\d.]+), ([\d.]+) and ([\d.]+) a step", PAGE)
    (growing,) = re.findall(r"factor of ([\d.]+) a step", PAGE)
    cases = [("vanishing", radius, quoted) for radius, quoted in zip((0.5, 0.7, 1.0), shrinking, strict=True)]
    few = ("data.train_size=64", "data.test_size=32", "trainer.max_steps=1")
    for experiment, radius, quoted in [*cases, ("exploding", 1.5, growing)]:
        folder = tmp_path / f"{experiment}{radius}"
        run(folder, f"experiment={experiment}", f"model.spectral_radius={radius}", *few)
        rates = logged(folder, "gradient_through_time/decay_per_step", 0)
        assert len(rates) == 5
        assert geometric_mean(rates) == pytest.approx(float(quoted), abs=0.006)


def test_the_carried_state_is_ahead_after_200_updates_by_what_the_page_says(tmp_path: Path) -> None:
    for carried, start in (("false", "each year from None"), ("true", "from the state of the year before")):
        folder = tmp_path / carried
        settings = (f"learner.carry_state={carried}", "trainer.max_steps=200", "diagnostics=none")
        run(folder, "experiment=carried_state", *settings)
        assert f"learner.carry_state={carried}" in row(start)[0]
        assert median(logged(folder, "val/mse", 200)) == pytest.approx(float(row(start)[1]), abs=0.015)


def test_counting_in_four_batches_hands_the_state_on(tmp_path: Path) -> None:
    settings = command("experiment=counting data.batch_size=1")
    record = run(tmp_path / "run", *settings, "trainer.max_steps=8", "trainer.val_every_steps=8")
    assert json.loads((tmp_path / "run" / "record.json").read_text())["config"]["learner"]["carry_state"]
    assert record["cost"]["steps"] == 8
