"""The documentation does what it says: its commands, its files, its links, its list of metrics, its reference."""

import csv
import os
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cells import check
from cells.cli import outcome
from cells.cli.help import reference
from cells.record import read_record
from cells.run import execute
from cli import conftest as command_line

program = command_line.program

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "outputs/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
METRICS = ROOT / "docs" / "metrics.md"

STEPS = ("trainer.max_steps=2", "trainer.val_every_steps=1")
FEW = ("data.train_size=64", "data.val_size=32", "data.test_size=32", *STEPS, "logger=csv")


@pytest.fixture(autouse=True)
def sweeps_run_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quicker, and where a training is taken out it must not take place elsewhere."""
    monkeypatch.setattr("cells.cli.isolation.available", lambda: False)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def commands(page: Path) -> list[str]:
    """The indented lines of a page, outside fenced code, that call this program."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"^    ((?:python train\.py|cells-train|python -m) .*)$", text, flags=re.M)


def words(command: str) -> list[str]:
    """What a shell makes of a command."""
    return shlex.split(os.path.expandvars(command), comments=True)


# The reference of the configuration


def test_the_configuration_reference_is_what_the_yaml_files_say() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m cells.cli.help > docs/configuration.md"


# Links


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_internal_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


# Commands

PLACEHOLDERS = {"data=NAME": "data=sunspots", "data.normalize=KIND": "data.normalize=series"}
CALLS = [(page, command) for page in PAGES if page.name[:5] != "add-a" for command in commands(page)]


@pytest.fixture
def files(tmp_path: Path) -> None:
    """The files that the pages speak of: tables, and the cell of docs/add-a-cell.md."""
    numbers = np.random.default_rng(0).normal(size=(500, 7)).cumsum(0)
    columns = ["load", "y", "PM 2.5 [µg/m³]", "a, b", "c=d", "größe", "price"]
    table = pd.DataFrame(numbers, columns=columns)
    table["hour"] = pd.date_range("2024-01-01", periods=len(table), freq="h")
    (tmp_path / "my files").mkdir()
    for name in ("demand.csv", "air.csv", "my files/air 2024.csv"):
        table.to_csv(tmp_path / name, index=False)
    (tmp_path / "my_cells.py").write_text(blocks(ROOT / "docs" / "add-a-cell.md", "python")[0])


def test_there_are_commands_to_try() -> None:
    assert len(CALLS) > 10


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("page", "command"), CALLS, ids=[f"{page.stem}: {call}" for page, call in CALLS])
def test_every_command_in_the_documentation_passes_the_checks(
    page: Path, command: str, program: command_line.Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for placeholder, value in PLACEHOLDERS.items():
        command = command.replace(placeholder, value)
    first, *arguments = words(command)
    if arguments[0] == "-m" and first == "python":
        assert find_spec(arguments[1].split(" ")[0]), command
        return
    started: list[dict[str, Any]] = []

    def noted(config: dict[str, Any], folder: Path, overrides: list[str]) -> dict[str, Any]:
        started.append(config)
        return {"status": "completed"}

    monkeypatch.setattr("cells.run.execute", noted)
    monkeypatch.setattr(outcome, "conclude", lambda: 0)
    answer = program(*arguments[1:] if first == "python" else arguments)
    if any(word in ("trainer=gpu", "trainer=ddp") for word in arguments) and answer.code == 2:
        assert re.search(r"PyTorch finds (no GPU|\d+) here", answer.err)
        return
    assert answer.code == 0, answer.err
    assert started or "--help" in arguments


# Pages that have the reader write files

FILES = {
    "add-a-cell.md": {"python": ["my_cells.py", "my_modules.py"], "yaml": ["conf/model/mine.yaml"]},
    "add-a-task.md": {"python": ["my_tasks.py", "test_my_tasks.py"], "yaml": ["conf/data/majority.yaml"]},
}


@pytest.mark.parametrize("name", FILES)
def test_a_page_that_has_the_reader_write_files_leads_to_trained_models(
    name: str, program: command_line.Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / name
    for language, paths in FILES[name].items():
        for path, content in zip(paths, blocks(page, language), strict=True):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content, encoding="utf-8")
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert commands(page)
    for command in commands(page):
        first, *arguments = words(command)
        if first == "python":
            assert arguments[:2] == ["-m", "cells.check"]
            assert check.main(arguments[2:]) == 0, command
        else:
            answer = program(*arguments, *FEW)
            assert answer.code == 0, f"{command}: {answer.err}"
    records = [read_record(path.parent) for path in tmp_path.rglob("record.json")]
    assert {record["status"] for record in records if record} == {"completed"}
    assert len(records) >= sum(command.startswith("cells-train") for command in commands(page))
    for path in tmp_path.glob("test_*.py"):
        own: dict[str, Any] = {}
        exec(path.read_text(encoding="utf-8"), own)
        tests = [function for key, function in own.items() if key.startswith("test_")]
        assert tests
        for function in tests:
            function()


# Metrics


def documented_tags() -> set[str]:
    """Tags in the first column of the page's tables on scalars, pictures and text."""
    section = METRICS.read_text(encoding="utf-8").partition("## Scalars")[2].partition("## history.csv")[0]
    return {
        tag
        for row in re.findall(r"^\| (`.*?) \|", section, flags=re.M)
        for tag in re.findall(r"`(.+?)`", row)
    }


def fits(tag: str, pattern: str) -> bool:
    """Whether a tag is one that a pattern such as grad_norm/<parameter> stands for."""
    return re.fullmatch(re.sub(r"<\w+>", ".+", re.escape(pattern)), tag) is not None


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of small runs on numbers, on what is recalled, on classes, and on a series."""
    small = (
        "model=gru",
        "model.hidden_size=4",
        "seeds=2",
        "diagnostics=full",
        "diagnostics.every_steps=2",
        *STEPS,
    )
    kinds = [("data=adding", "data.length=5"), ("data=recall", "data.length=5", "data.max_lag=2")]
    folders = []
    for data in (*kinds, ("data=vowels",), ("data=sunspots",)):
        with initialize_config_module("cells.conf", version_base="1.3"):
            config = OmegaConf.to_container(compose("config", overrides=[*small, *data]), resolve=True)
        folder = tmp_path_factory.mktemp(data[0])
        assert execute(config, folder, list(data))["status"] == "completed"  # type: ignore[arg-type]
        folders.append(folder)
    return folders


def logged(
    folder: Path, kinds: tuple[str, ...] = ("scalars", "images", "tensors")
) -> Iterator[tuple[str, str]]:
    """(run, tag) of everything in a run's event files and its history."""
    for run in (folder / "tensorboard").iterdir():
        events = EventAccumulator(str(run))
        events.Reload()
        tags = events.Tags()
        yield from ((run.name, tag) for kind in kinds for tag in tags[kind])
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        yield from (("history.csv", row["tag"]) for row in csv.DictReader(file))


def test_every_tag_that_is_logged_is_documented_and_every_documented_tag_is_logged(
    all_kinds: list[Path],
) -> None:
    found = {tag for folder in all_kinds for _, tag in logged(folder)}
    page = documented_tags()
    assert len(page) > 15
    assert [tag for tag in sorted(found) if not any(fits(tag, pattern) for pattern in page)] == []
    assert [pattern for pattern in sorted(page) if not any(fits(tag, pattern) for tag in found)] == []


def test_scalars_stand_under_every_seed_and_their_mean_and_in_the_history(all_kinds: list[Path]) -> None:
    for folder in all_kinds:
        tags: dict[str, set[str]] = {}
        for run, tag in logged(folder, kinds=("scalars",)):
            tags.setdefault(run, set()).add(tag)
        assert set(tags) == {"mean", "seed=0", "seed=1", "history.csv"}
        assert tags["mean"] == tags["seed=0"] == tags["seed=1"] == tags["history.csv"]


@pytest.mark.parametrize(
    ("name", "page"), [("predictions.npz", "metrics.md"), ("diagnostics.npz", "diagnostics.md")]
)
def test_files_of_arrays_hold_the_documented_ones_and_no_other(
    all_kinds: list[Path], name: str, page: str
) -> None:
    found = {array for folder in all_kinds for array in np.load(folder / name)}
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = text.partition("| array | shape | holds |\n")[2].partition("\n\n")[0]
    documented = set(re.findall(r"^\| `(.+?)`", table, flags=re.M))
    assert [array for array in sorted(found) if not any(fits(array, pattern) for pattern in documented)] == []
    assert [
        pattern for pattern in sorted(documented) if not any(fits(array, pattern) for array in found)
    ] == []


def test_the_test_score_follows_from_the_predictions_as_the_page_says(all_kinds: list[Path]) -> None:
    for folder in all_kinds:
        record = read_record(folder)
        assert record
        arrays = np.load(folder / "predictions.npz")
        score = (arrays["losses"] * arrays["weights"]).sum(1) / arrays["weights"].sum()
        expected = [replica["test"][record["metric"]["monitor"]] for replica in record["replicas"]]
        np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_hyper_parameters_come_with_test_scores(all_kinds: list[Path]) -> None:
    for folder in all_kinds:
        events = EventAccumulator(str(folder / "tensorboard" / "seed=1"))
        events.Reload()
        assert "_hparams_/session_start_info" in events.summary_metadata


def test_the_code_on_the_page_reads_the_history(
    all_kinds: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (adding,) = [folder for folder in all_kinds if "adding" in folder.name]
    monkeypatch.chdir(adding)
    (code,) = blocks(METRICS, "python")
    exec(code, {})
    assert re.search(r"^2 +0\.\d+ +0\.\d+$", capsys.readouterr().out, flags=re.M)
