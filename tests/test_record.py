"""`record.json`: atomic, finite, named by what changes a result, and as its schema and its documentation say."""

import errno
import json
import math
import os
import signal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from jsonschema import Draft202012Validator
from omegaconf import OmegaConf

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.errors import UserError
from cells.record import (
    SCHEMA_VERSION,
    UNHASHED_KEYS,
    UNHASHED_TRAINER_KEYS,
    config_hash,
    find_records,
    read_record,
    spelled,
    write_record,
)
from cells.run import execute
from cells.training.learner import Learner

SCHEMA = json.loads((files("cells") / "record_schema.json").read_text(encoding="utf-8"))
PAGE = Path(__file__).parents[1] / "docs" / "record.md"

SMALL = (
    "model=elman",
    "model.hidden_size=4",
    "trainer.max_steps=20",
    "trainer.val_every_steps=10",
    "logger=csv",
)
ADDING = ("data=adding", "data.length=5", "data.train_size=64", "data.val_size=32", "data.test_size=32")


def test_a_record_is_replaced_whole_and_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    record = {"schema": SCHEMA_VERSION, "status": "running", "config": {}, "config_hash": "0" * 12}
    write_record(tmp_path, record)
    write_record(tmp_path, record | {"status": "failed", "loss": math.nan, "list": [math.inf, 1.0]})
    assert read_record(tmp_path) == record | {"status": "failed", "loss": None, "list": [None, 1.0]}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    json.loads((tmp_path / "record.json").read_text())


@pytest.mark.parametrize(
    ("damaged", "fault"),
    [
        ("", "Expecting value"),
        ('{"schema": "1.0", "sta', "Unterminated string"),
        ("\udc80", "'utf-8' codec can't decode"),
        ("[]", "it is no JSON object"),
        ('{"schema": "1.0", "status": "failed", "config": {}}', "config_hash is missing"),
        ('{"schema": "1.0", "status": "x", "config": {}, "config_hash": ""}', "status is of another"),
        ('{"schema": "1.0", "status": "failed", "config": 1, "config_hash": ""}', "config is of another"),
        (
            '{"schema": "1.0", "status": "completed", "config": {}, "config_hash": ""}',
            "model.name is missing",
        ),
        (
            '{"schema": "1.0", "status": "failed", "config": {}, "config_hash": "", "replicas": [{"seed": "x"}]}',
            "replicas[0].seed is of another",
        ),
        (
            '{"schema": "1.0", "status": "completed", "config": {}, "config_hash": "", "replicas": []}',
            "replicas is of another",
        ),
    ],
)
def test_a_damaged_record_is_refused_by_the_name_of_its_file(
    tmp_path: Path, damaged: str, fault: str
) -> None:
    path = tmp_path / "record.json"
    path.write_text(damaged, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UserError) as refusal:
        read_record(tmp_path)
    assert str(refusal.value).startswith(f"{path}: the record is not whole ({fault}")


def test_a_record_or_a_folder_that_may_not_be_read_is_told_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(
        tmp_path, {"schema": SCHEMA_VERSION, "status": "running", "config": {}, "config_hash": "0" * 12}
    )
    assert [folder for folder, _ in find_records(tmp_path)] == [tmp_path]
    assert list(find_records(tmp_path / "nowhere")) == []

    def refuse(path: object, *rest: object, **more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        with pytest.raises(
            UserError, match=r"record\.json: cannot be read \(Permission denied\); make it readable"
        ):
            read_record(tmp_path)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot be looked into \(Permission denied\)"):
        list(find_records(tmp_path))


def test_the_hash_ignores_seeds_and_paths_and_sees_everything_else() -> None:
    config = {"model": {"hidden_size": 32}, "seeds": 1, "output_dir": "outputs"}
    assert config_hash(config) == config_hash(
        config | {"seeds": 10, "output_dir": "elsewhere", "resume": True}
    )
    assert config_hash(config) != config_hash(config | {"model": {"hidden_size": 33}})
    assert config_hash(config) == config_hash(config | {"search": {}})
    assert config_hash(config) != config_hash(config | {"search": {"seeds": 2}})


def test_a_value_is_spelled_as_on_the_command_line() -> None:
    assert [spelled(value) for value in (None, True, 0.5, "x")] == ["null", "true", "0.5", "x"]


def recorded(folder: Path, *overrides: str, data: tuple[str, ...] = ADDING) -> dict[str, Any]:
    """The record that a small training leaves in a folder."""
    with initialize_config_module("cells.conf", version_base="1.3"):
        composed = compose("config", overrides=[*SMALL, *data, *overrides])
    config = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(config, dict)
    execute(config, folder, list(overrides))  # type: ignore[arg-type]
    record = read_record(folder)
    assert record is not None
    return record


def complaints(record: dict[str, Any]) -> list[str]:
    """What the schema has against a record."""
    return [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(record)
    ]


def test_the_schema_is_one_and_of_the_version_that_records_name() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("data", [ADDING, ("data=sunspots",), ("data=vowels",)])
def test_a_completed_run_leaves_a_record_as_the_schema_says(tmp_path: Path, data: tuple[str, ...]) -> None:
    record = recorded(tmp_path, "seeds=2", data=data)
    assert record["status"] == "completed", record["message"]
    assert complaints(record) == []


def test_a_diverged_run_leaves_a_record_as_the_schema_says(tmp_path: Path) -> None:
    wild = ("optimizer=sgd", "optimizer.lr=1e9", "trainer.gradient_clip_norm=null", "seeds=2")
    record = recorded(tmp_path, *wild)
    assert record["status"] == "diverged", record["message"]
    assert [replica["status"] for replica in record["replicas"]] == ["diverged", "diverged"]
    assert complaints(record) == []


def test_a_run_with_a_search_and_its_trials_leave_records_as_the_schema_says(tmp_path: Path) -> None:
    record = recorded(tmp_path, "search=lr", "search.grid.optimizer.lr=[0.001,0.1]")
    assert record["status"] == "completed", record["message"]
    assert complaints(record) == []
    for entry in record["search"]["trials"]:
        assert complaints(read_record(tmp_path / entry["folder"]) or {}) == []


def test_an_interrupted_run_leaves_a_record_as_the_schema_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Learner.training_step

    def interrupted(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 12:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", interrupted)
    record = recorded(tmp_path)
    assert record["status"] == "interrupted"
    assert record["replicas"][0]["status"] == "training"
    assert complaints(record) == []


def test_a_run_that_fails_in_training_leaves_a_record_as_the_schema_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(Learner, "training_step", broken)
    record = recorded(tmp_path)
    assert (record["status"], record["message"]) == ("failed", "RuntimeError: out of luck")
    assert complaints(record) == []


def test_a_run_that_cannot_be_built_leaves_a_record_as_the_schema_says(tmp_path: Path) -> None:
    record = recorded(tmp_path, "model.hidden_size=0")
    assert record["status"] == "failed"
    assert "model" not in record
    assert complaints(record) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "done"),
        (("config_hash",), "xyz"),
        (("finished_at",), "yesterday"),
        (("surprise",), 1),
        (("replicas", 0, "seed"), -1),
        (("replicas", 0, "test"), [0.1]),
        (("metric", "goal"), "maximise"),
        (("cost",), None),
    ],
)
def test_the_schema_refuses_what_is_not_a_record(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    record = recorded(tmp_path)
    assert complaints(record) == []
    *way, last = path
    inner: Any = record
    for key in way:
        inner = inner[key]
    inner[last] = value
    assert complaints(record)


def rows(schema: dict[str, Any], prefix: str = "") -> list[str]:
    """The lines of the documentation's table: field, type, meaning."""
    lines = []
    for name, field in schema["properties"].items():
        kinds = field.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if "const" in field:
            kind = f'`"{field["const"]}"`'
        elif "enum" in field:
            kind = " ".join(f"`{value}`" for value in field["enum"])
        else:
            kind = " or ".join(kinds)
        lines.append(f"| `{prefix}{name}` | {kind} | {field['description']} |")
        if "properties" in field:
            lines += rows(field, f"{prefix}{name}.")
        if "properties" in field.get("items", {}):
            lines += rows(field["items"], f"{prefix}{name}[].")
    return lines


def test_the_documentation_has_a_row_for_every_field_and_no_other() -> None:
    _, heading, table = PAGE.read_text(encoding="utf-8").partition(
        "| field | type | meaning |\n|---|---|---|\n"
    )
    assert heading
    assert table.partition("\n\n")[0].splitlines() == rows(SCHEMA)


def test_the_documentation_names_every_key_that_the_hash_leaves_out() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("`config_hash` leaves out")[2]
    for key in [*UNHASHED_KEYS, *(f"trainer.{key}" for key in UNHASHED_TRAINER_KEYS)]:
        assert f"`{key}`" in text
