"""What holds for every synthetic task."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cells.data.sequences import IGNORED_CLASS, Split, valid_targets
from cells.data.tasks.task import SyntheticDataModule
from cells.errors import UserError
from cells.targets import instantiate

CONF = Path(__file__).parents[3] / "conf"
RANDOM = ["adding", "copying", "recall", "temporal_order", "parity", "sine", "mackey_glass"]
NAMES = [*RANDOM, "counting"]
SMALL = {"train_size": 60, "val_size": 20, "test_size": 30}


def composed(name: str, *overrides: str) -> dict:
    """The section `data` as the command line composes it."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=[f"+data={name}", *(f"data.{override}" for override in overrides)])
    return OmegaConf.to_container(config.data)


def task(name: str, **settings) -> SyntheticDataModule:
    return instantiate(composed(name) | settings, "data")


def same(one: Split, other: Split) -> bool:
    return torch.equal(one.inputs, other.inputs) and torch.equal(
        one.targets.nan_to_num(99.0), other.targets.nan_to_num(99.0)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_yaml_file_states_every_setting_with_the_default_of_the_class(name):
    section = composed(name)
    made = instantiate(section, "data")
    own = [field for field in dataclasses.fields(made) if field.name not in ("seeds", "in_order")]
    defaults = {field.name: field.default for field in own}
    assert {key: value for key, value in section.items() if key != "_target_"} == defaults


@pytest.mark.parametrize("file", ["_synthetic", *NAMES])
def test_a_yaml_file_explains_itself_and_each_of_its_keys_in_one_line(file):
    first, *lines = (CONF / "data" / f"{file}.yaml").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"# \S.*[^.]", first)
    settings = [line for line in lines if not line.startswith(("defaults:", "_target_:"))]
    assert settings
    for line in settings:
        assert re.fullmatch(r"\w+: \S+  # \S.*[^.]", line)
        assert list(yaml.safe_load(line))


@pytest.mark.parametrize("name", ["_synthetic", *NAMES])
def test_the_page_on_tasks_gives_the_defaults_of_the_yaml_file(name):
    page = (CONF.parent / "docs" / "tasks.md").read_text(encoding="utf-8")
    sections = {title: text for title, text in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.M | re.S)}
    text = sections[name] if name in sections else page[: page.index("\n## ")]
    settings = yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text(encoding="utf-8"))
    table = dict(re.findall(r"^\| `data\.(\w+)` \| (\S+) \|", text, re.M))
    in_prose = dict(re.findall(r"`data\.(\w+)` is T, (\S+) by default", text))
    told = {key: yaml.safe_load(value) for key, value in (table | in_prose).items()}
    silent = {"target_at"} if name == "parity" else set()
    assert told == {
        key: value for key, value in settings.items() if key not in {"defaults", "_target_"} | silent
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_keeps_what_it_promises_about_shapes_and_types(name):
    content = task(name, **(SMALL if name in RANDOM else {})).content
    assert content.name == name
    for split in content.splits.values():
        rows, steps, features = split.inputs.shape
        assert split.inputs.dtype == torch.float32
        assert split.inputs.isfinite().all()
        assert features == content.input_size
        positions = (rows,) if content.target_at == "last" else (rows, steps)
        if content.target_kind == "real":
            assert split.targets.dtype == torch.float32
            assert split.targets.shape == (*positions, content.output_size)
        else:
            assert split.targets.dtype == torch.int64
            assert split.targets.shape == positions
            assert set(split.targets.unique().tolist()) <= {*range(content.output_size), IGNORED_CLASS}
        assert valid_targets(split.targets).view(rows, -1).any(1).all()
    assert len(content.output_names) == content.output_size
    assert any(content.metric.name in scores for scores in content.baselines.values())
    if name in RANDOM:
        assert [len(split) for split in content.splits.values()] == list(SMALL.values())


@pytest.mark.parametrize("name", RANDOM)
def test_equal_settings_and_seed_make_equal_data_and_another_seed_makes_other_data(name):
    once, again, other = (task(name, **SMALL, seed=seed).content for seed in (3, 3, 4))
    for split in ("train", "val", "test"):
        assert same(once.splits[split], again.splits[split])
        assert not same(once.splits[split], other.splits[split])
    assert once.baselines == again.baselines


@pytest.mark.parametrize("name", RANDOM)
def test_no_split_depends_on_the_size_of_another(name):
    usual = task(name, **SMALL).content
    for resized, size in (("train_size", 90), ("val_size", 1), ("test_size", 50)):
        changed = task(name, **SMALL | {resized: size}).content
        for split in usual.splits:
            if f"{split}_size" != resized:
                assert same(usual.splits[split], changed.splits[split])


@pytest.mark.parametrize("name", RANDOM)
def test_the_three_splits_are_drawn_independently(name):
    content = task(name, train_size=30, val_size=30, test_size=30).content
    train, val, test = content.splits.values()
    assert not same(train, val)
    assert not same(train, test)
    assert not same(val, test)


@pytest.mark.parametrize("name", RANDOM)
def test_global_random_numbers_are_neither_used_nor_moved(name):
    np.random.seed(1)
    torch.manual_seed(1)
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = task(name, **SMALL).content
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.random.seed(2)
    torch.manual_seed(2)
    assert same(first.test, task(name, **SMALL).content.test)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("adding", {"length": 7}),
        ("copying", {"blanks": 9}),
        ("recall", {"length": 9, "max_lag": 4}),
        ("recall", {"length": 9, "lag": 3}),
        ("temporal_order", {"length": 10, "symbols": 2}),
        ("temporal_order", {"length": 10, "symbols": 3}),
        ("parity", {"length": 5}),
        ("parity", {"length": 5, "target_at": "last"}),
        ("sine", {"length": 6, "noise": 0.5}),
    ],
)
def test_the_exact_chance_level_is_what_the_constant_predictor_measures(name, settings):
    content = task(name, train_size=50_000, test_size=50_000, **settings).content
    measured = content.baselines["chance" if content.target_kind == "class" else "training mean"]
    assert measured[content.metric.name] == pytest.approx(content.chance, rel=0.05)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("adding", "length", 1),
        ("adding", "length", "long"),
        ("adding", "train_size", 0),
        ("adding", "batch_size", -1),
        ("adding", "seed", -1),
        ("copying", "blanks", 0),
        ("recall", "max_lag", 0),
        ("recall", "lag", 0),
        ("temporal_order", "length", 9),
        ("temporal_order", "symbols", 4),
        ("parity", "target_at", "first"),
        ("sine", "noise", -0.1),
        ("sine", "noise", float("inf")),
        ("sine", "shortest_period", 1.5),
        ("sine", "forecast_horizon", 0),
        ("mackey_glass", "tau", 0),
        ("mackey_glass", "forecast_horizon", 0),
        ("counting", "scale", 0),
        ("counting", "length", 1),
        ("parity", "length", 10**10),
        ("adding", "length", 10**10),
        ("copying", "blanks", 10**10),
        ("temporal_order", "length", 10**10),
        ("recall", "max_lag", 10**5),
        ("sine", "forecast_horizon", 10**10),
        ("mackey_glass", "tau", 10**5),
        ("counting", "count", 10**10),
        ("counting", "forecast_horizon", 10**10),
        ("parity", "lenght", 5),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name, key, value):
    with pytest.raises(UserError, match=rf"^data\.{key}.*\.$|^data\.{key}.*\?$"):
        task(name, **{key: value})


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("recall", {"length": 20}, "max_lag"),
        ("recall", {"length": 20, "lag": 20}, "lag"),
        ("sine", {"shortest_period": 30.0, "longest_period": 20.0}, "shortest_period"),
        ("counting", {"count": 22}, "count"),
        ("counting", {"count": 5}, "count"),
        ("adding", {"train_size": 10**9}, "train_size"),
        ("adding", {"length": 10**5}, "train_size"),
        ("recall", {"length": 10**5, "max_lag": 1000}, "train_size"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_one_sentence_on_loading(name, settings, key):
    made = task(name, **settings)
    with pytest.raises(UserError, match=rf"^data\.{key}=") as caught:
        made.load()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_an_output_of_a_univariate_forecast_stands_beside_the_older_methods():
    assert set(task("sine", **SMALL).content.baselines) == {
        "training mean",
        "last value",
        "linear autoregression",
    }
    assert set(task("adding", **SMALL).content.baselines) == {"training mean"}
    assert set(task("parity", **SMALL).content.baselines) == {"chance"}
