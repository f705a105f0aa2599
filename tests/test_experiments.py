"""Everything that `conf/` offers is executed, with a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import cells.cli.hydra_entry  # noqa: F401 (registers the resolver that the configuration uses)
from cells.build import build
from cells.cli.yaml_comments import group_options
from cells.compare.published import matches
from cells.compare.records import Run, _settings
from cells.run import execute
from cells.settings import read_published
from cells.training.checkpoints import LAST, read_checkpoint

CONF = Path(__file__).parents[1] / "conf"
FEW_STEPS = ("trainer.max_steps=2", "trainer.val_every_steps=1", "logger=csv")
SMALL_DATA = ("data.train_size=64", "data.val_size=32", "data.test_size=32")
ADDING = ("data=adding", "data.length=5", *SMALL_DATA)
OWN_TABLE = ("data.path=own.csv", "data.target=y")

Execute = Callable[..., tuple[dict[str, Any], Path]]


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("cells.conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("config", overrides=[*overrides]), resolve=True)
    assert isinstance(config, dict)
    return config  # type: ignore[return-value]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    monkeypatch.chdir(tmp_path)

    def executed(*overrides: str, into: str = "run") -> tuple[dict[str, Any], Path]:
        folder = tmp_path / into
        folder.mkdir()
        record = execute(composed(*overrides), folder, [*overrides])
        assert record["status"] == "completed", record["message"]
        assert all(replica["test"] for replica in record["replicas"])
        return record, folder

    return executed


def told(experiment: str) -> dict[str, Any]:
    """What the experiment's own file says."""
    content = OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml"))
    return dict(content or {})  # type: ignore[arg-type]


def swept(experiment: str) -> list[tuple[str, ...]]:
    """Overrides that make a job of each value that the experiment sweeps, the other keys at their first."""
    sweeper = told(experiment).get("hydra", {}).get("sweeper", {}).get("params", {})
    values = {key: str(line).split(",") for key, line in sweeper.items()}
    first = {key: options[0] for key, options in values.items()}
    jobs = [first | {key: value} for key, options in values.items() for value in options]
    return list(dict.fromkeys(tuple(f"{key}={value}" for key, value in job.items()) for job in jobs))


def few(experiment: str) -> tuple[str, ...]:
    """Sequences to try an experiment with, where their number is a setting."""
    return SMALL_DATA if "train_size" in composed(f"experiment={experiment}")["data"] else ()


@pytest.mark.parametrize("experiment", group_options("experiment"))
def test_every_experiment_runs(run: Execute, experiment: str) -> None:
    first = swept(experiment)[:1]
    overrides = [f"experiment={experiment}", *(first[0] if first else ()), *few(experiment), *FEW_STEPS]
    record, _ = run(*overrides, "diagnostics=none")
    assert len(record["replicas"]) == told(experiment).get("seeds", 1)


@pytest.mark.parametrize("experiment", [name for name in group_options("experiment") if "/" in name])
def test_published_numbers_are_of_runs_that_are_made_and_their_chance_is_the_tasks(experiment: str) -> None:
    published = read_published(told(experiment).get("published"))
    unseen = list(published.results) if published else []
    for job in swept(experiment):
        config = composed(f"experiment={experiment}", *job, *few(experiment))
        parts = build(config)
        record = {"config": config, "model": {"name": parts.model_name}, "data": {"name": parts.content.name}}
        unseen = [
            result
            for result in unseen
            if not matches(Run(Path(), record, _settings(record["config"])), result.where)
        ]
        if published and published.measure == "score":
            assert published.chance == pytest.approx(parts.content.chance, rel=1e-3)
    assert unseen == []
    for result in published.results if published else ():
        assert any(key.startswith("data.") for key in result.where), (
            "another length would be set beside it, too"
        )
    assert (published is not None) == experiment.startswith("paper/")


@pytest.mark.parametrize("debug", group_options("debug"))
def test_every_debug_preset_runs(run: Execute, debug: str) -> None:
    overrides = [*ADDING, f"debug={debug}", "logger=csv"]
    record, _ = run(*overrides, *([] if debug == "one_batch" else FEW_STEPS))
    if debug != "none":
        assert record["data"]["splits"] == {"train": 32, "val": 32, "test": 32}
    if debug == "one_batch":
        assert record["cost"]["steps"] == 1


@pytest.mark.parametrize("data", group_options("data"))
def test_every_data_set_trains_a_model(run: Execute, data: str) -> None:
    Path("own.csv").write_text("y\n" + "\n".join(str(row % 17 + row / 100) for row in range(600)))
    record, folder = run(f"data={data}", *(OWN_TABLE if data == "csv" else ()), "model=gru", *FEW_STEPS)
    metric = record["metric"]["name"]
    assert any(metric in scores for scores in record["data"]["baselines"].values())
    assert record["replicas"][0]["test"][metric] >= 0
    assert (folder / "predictions.npz").is_file()


@pytest.mark.parametrize("model", group_options("model"))
@pytest.mark.parametrize("data", ["sine", "digits"])
def test_every_model_runs_on_a_forecast_and_on_a_classification(run: Execute, model: str, data: str) -> None:
    record, _ = run(f"model={model}", f"data={data}", *FEW_STEPS)
    assert record["model"]["name"] == {"irnn": "elman"}.get(model, model.partition("_")[0])


@pytest.mark.parametrize("optimizer", group_options("optimizer"))
def test_every_optimizer_changes_the_weights(run: Execute, optimizer: str) -> None:
    record, folder = run(*ADDING, f"optimizer={optimizer}", *FEW_STEPS)
    validations = [line for line in (folder / "history.csv").read_text().splitlines() if ",val/mse," in line]
    assert len({line.rsplit(",", 1)[1] for line in validations}) == 2
    assert record["config"]["optimizer"]["_target_"].lower().endswith(optimizer)


@pytest.mark.parametrize("scheduler", group_options("scheduler"))
def test_every_scheduler_steps(run: Execute, scheduler: str) -> None:
    _, folder = run(*ADDING, f"scheduler={scheduler}", *FEW_STEPS, "trainer.log_every_steps=1")
    lines = (folder / "history.csv").read_text().splitlines()
    rates = {line.rsplit(",", 1)[1] for line in lines if ",lr," in line}
    assert len(rates) == (1 if scheduler == "none" else 2)


@pytest.mark.parametrize("search", group_options("search"))
def test_every_search_chooses(run: Execute, search: str) -> None:
    record, _ = run(*ADDING, f"search={search}", *FEW_STEPS)
    tried = [trial["values"]["optimizer.lr"] for trial in record.get("search", {}).get("trials", [])]
    assert len(tried) == {"none": 0, "lr": 6, "random": 8}[search]
    assert record["config"]["optimizer"]["lr"] in (tried or [0.001])


@pytest.mark.parametrize("callbacks", group_options("callbacks"))
def test_every_callback_runs(run: Execute, callbacks: str) -> None:
    record, _ = run(*ADDING, f"callbacks={callbacks}", *FEW_STEPS)
    assert record["status"] == "completed"


@pytest.mark.parametrize("logger", group_options("logger"))
def test_every_logger_writes(run: Execute, logger: str) -> None:
    _, folder = run(*ADDING, *FEW_STEPS, f"logger={logger}")
    assert (folder / "history.csv").is_file()
    assert bool(list(folder.glob("tensorboard/seed=0/events.out*"))) == (logger == "tensorboard")


@pytest.mark.parametrize("diagnostics", group_options("diagnostics"))
def test_every_diagnosis_runs(run: Execute, diagnostics: str) -> None:
    record, folder = run(*ADDING, f"diagnostics={diagnostics}", *FEW_STEPS)
    assert bool(record["diagnostics"]) == (folder / "diagnostics.npz").is_file() == (diagnostics != "none")


def test_precisions_differ_in_rounding_alone(run: Execute) -> None:
    errors, dtypes = {}, {}
    for precision in ("32", "64", "bf16"):
        options = [*ADDING, "model=elman", f"trainer.precision={precision}", *FEW_STEPS]
        record, folder = run(*options, into=precision)
        errors[precision] = record["replicas"][0]["test"]["mse"]
        weights = read_checkpoint(folder / LAST)["state_dict"]
        dtypes[precision] = {tensor.dtype for tensor in weights.values()}
    assert errors["64"] == pytest.approx(errors["32"], rel=1e-5)
    assert errors["bf16"] == pytest.approx(errors["32"], rel=1e-2)
    assert len(set(errors.values())) == 3
    assert dtypes == {"32": {torch.float32}, "64": {torch.float64}, "bf16": {torch.float32}}
