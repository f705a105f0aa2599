from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from cells.data.sequences import SequenceData
from cells.data.series.forecasting import SeriesDataModule
from cells.data.series.normalization import Normalize
from cells.errors import UserError
from cells.targets import instantiate

from .conftest import Forecast

CONF = Path(__file__).parents[3] / "conf"
SERIES = ["sunspots", "co2", "beijing_pm"]
LABELLED = ["digits", "vowels", "power_demand"]


def walk(rows: int, columns: int = 1) -> np.ndarray:
    """A random walk, rounded as a file would hold it."""
    return np.random.default_rng(0).normal(size=(rows, columns)).cumsum(axis=0).round(4) + 100


def lines(values: np.ndarray) -> list[str]:
    return [",".join(map(str, row)) for row in values.tolist()]


# Windows


def test_inputs_targets_and_positions_are_those_of_a_slow_loop(forecast: Forecast) -> None:
    values = walk(200, 3)
    module = forecast(
        lines(values), header="a,x,b", target=["b", "a"], features="x", normalize="series", stride=2
    )
    content = module.content
    mean, std = values[:140].mean(axis=0), values[:140].std(axis=0)
    scaled = (values - mean) / std
    borders = {"train": (0, 140), "val": (140, 170), "test": (170, 200)}
    for name, (first, last) in borders.items():
        split, window = content.splits[name], 0
        for start in range(first, last - 9 + 1, 2):
            np.testing.assert_allclose(
                split.inputs[window], scaled[start : start + 6][:, [2, 0, 1]], atol=1e-5
            )
            np.testing.assert_allclose(
                split.targets[window].reshape(3, 2), scaled[start + 6 : start + 9][:, [2, 0]], atol=1e-5
            )
            assert split.positions is not None
            assert split.positions[window] == start + 6
            window += 1
        assert len(split) == window > 0
    assert content.output_names == ("b +1", "a +1", "b +2", "a +2", "b +3", "a +3")
    np.testing.assert_allclose(content.target_std, np.tile(std[[2, 0]], 3), rtol=1e-6)


def test_windows_follow_one_another_where_they_adjoin_on_one_scale(forecast: Forecast) -> None:
    values = lines(walk(200, 2))
    values[13] = ",1"  # an input of the third window of six rows, and to be forecast by the second
    settings = {"header": "y,x", "gaps": "drop", "stride": 6}
    content = forecast(values, **settings, normalize="series").content
    starts = content.train.positions - 6
    assert starts[:4].tolist() == [0, 18, 24, 30]
    assert content.train.follows[:4].tolist() == [False, False, True, True]
    assert content.val.follows.tolist() == [False, *[True] * (len(content.val) - 1)]
    for changed in ({"stride": 5}, {"stride": 7}, {"normalize": "window"}, {"normalize": "difference"}):
        other = forecast(values, **({"normalize": "series"} | settings | changed)).content
        assert not other.train.follows.any(), changed


@pytest.mark.parametrize("normalize", ["series", "window", "difference"])
@pytest.mark.parametrize("center", ["last", "mean"])
def test_normalisation_undoes_exactly(forecast: Forecast, normalize: Normalize, center: str) -> None:
    values = walk(200, 2)
    values[20:40] = 97.0  # flat windows as well
    content = forecast(
        lines(values), header="a,b", target=["a", "b"], normalize=normalize, window_center=center
    ).content
    for split in content.splits.values():
        assert split.offset is not None
        assert split.scale is not None
        assert split.positions is not None
        restored = split.offset + split.scale * split.targets
        rows = split.positions[:, None] + np.arange(3)
        np.testing.assert_allclose(
            restored, values[rows].reshape(len(split), -1), rtol=4 * np.finfo(np.float32).eps
        )


def test_a_flat_window_before_a_jump_has_a_bounded_target(forecast: Forecast) -> None:
    values = walk(200)
    values[40:60] = 97.0
    values[60:] += 1.0
    train = forecast(lines(values)).content.train
    assert train.targets.abs().max() < 10 * np.abs(np.ptp(values)) / values[:140].std()


def tensors(content: SequenceData, split: str) -> list[torch.Tensor]:
    chosen = content.splits[split]
    assert chosen.offset is not None
    assert chosen.scale is not None
    assert content.target_std is not None
    return [chosen.inputs, chosen.targets, chosen.offset, chosen.scale, content.target_std]


@pytest.mark.parametrize("normalize", ["series", "window", "difference"])
@pytest.mark.parametrize("gaps", ["drop", "interpolate"])
def test_a_planted_leak_changes_nothing_in_training(
    forecast: Forecast, normalize: Normalize, gaps: str
) -> None:
    values = walk(200, 2)
    table = [f"{y},{x},{'calm' if row < 140 else 'storm'}" for row, (y, x) in enumerate(values.tolist())]
    table[50] = ",,calm"
    planted = table[:140] + [f"{y * 50},{x - 1e4},gale" for y, x in values[140:].tolist()]
    settings = {"header": "y,x,wind", "features": "all", "normalize": normalize, "gaps": gaps}
    honest = forecast(table, name="honest.csv", **settings).content
    leaky = forecast(planted, name="planted.csv", **settings).content
    for before, after in zip(tensors(honest, "train"), tensors(leaky, "train"), strict=True):
        assert torch.equal(before.nan_to_num(7e7), after.nan_to_num(7e7))
    assert not torch.equal(honest.test.offset, leaky.test.offset) or normalize == "series"
    assert not torch.equal(honest.test.inputs, leaky.test.inputs)
    assert honest.figures["inputs"] == leaky.figures["inputs"] == ["y", "x", "wind=calm"]


@pytest.mark.parametrize("normalize", ["series", "window", "difference"])
def test_changing_the_future_changes_no_earlier_input(forecast: Forecast, normalize: Normalize) -> None:
    values = walk(200)
    table = lines(values)
    table[184] = ""  # the last input of one window: a line drawn to the next value would tell the future
    settings = {"header": "y,", "normalize": normalize, "gaps": "interpolate"}
    before = forecast([f"{line}," for line in table], name="a.csv", **settings).content.test
    changed = table[:185] + lines(values[185:] - 50)
    after = forecast([f"{line}," for line in changed], name="b.csv", **settings).content.test
    assert before.positions is not None
    seen = torch.from_numpy(before.positions <= 185)
    assert seen.sum() == 10
    assert torch.equal(before.inputs[seen], after.inputs[seen])
    assert torch.equal(before.offset[seen], after.offset[seen])  # type: ignore[index]
    assert not torch.equal(before.inputs[~seen], after.inputs[~seen])


def test_a_missing_target_is_not_scored_and_a_missing_input_is_filled(forecast: Forecast) -> None:
    table = [str(row) for row in range(100)]
    table[20] = "NA"
    train = forecast(table, gaps="interpolate", normalize="series").content.train
    missing = train.targets.isnan()
    rows = train.positions[:, None] + np.arange(3)  # type: ignore[index]
    assert (missing.numpy() == (rows == 20)).all()
    assert missing.sum() == 3
    steps = train.inputs[:, :, 0]
    assert steps.isnan().sum() == 0
    covering = [start for start in range(15, 20)]  # windows with row 20 inside, not at the end
    np.testing.assert_allclose(np.diff(steps[covering][:, 1:-1]), np.diff(steps[0])[0], rtol=1e-4)


# Baselines


@pytest.mark.parametrize("normalize", ["series", "window", "difference"])
def test_simple_baselines_are_those_of_a_slow_loop(forecast: Forecast, normalize: Normalize) -> None:
    values = walk(200)[:, 0]
    content = forecast(lines(values[:, None]), normalize=normalize, seasonal_period=2).content
    mean, std = values[:140].mean(), values[:140].std()
    errors: dict[str, list[float]] = {"training mean": [], "last value": [], "seasonal naive": []}
    for first in range(176, 200 - 2):
        for ahead in range(3):
            errors["training mean"].append(values[first + ahead] - mean)
            errors["last value"].append(values[first + ahead] - values[first - 1])
            errors["seasonal naive"].append(values[first + ahead] - values[first - 2 + ahead % 2])
    for name, listed in errors.items():
        error = np.array(listed)
        expected = {
            "mse": np.mean(error**2) / std**2,
            "mae": np.mean(np.abs(error)) / std,
            "mse_original": np.mean(error**2),
            "mae_original": np.mean(np.abs(error)),
        }
        assert content.baselines[name] == pytest.approx(expected)


def test_linear_autoregression_continues_what_is_linear(forecast: Forecast) -> None:
    wave = 5 * np.sin(np.arange(300) * 2 * np.pi / 17) + 20
    content = forecast(lines(wave[:, None].round(6)), window=20, seasonal_period=17).content
    assert content.baselines["linear autoregression"]["mae_original"] < 0.02
    assert content.baselines["seasonal naive"]["mae_original"] < 1e-5
    assert content.baselines["last value"]["mae_original"] > 1


# What is refused


def refusal(module: SeriesDataModule) -> str:
    with pytest.raises(UserError) as refused:
        module.load()
    return str(refused.value)


@pytest.mark.parametrize(
    ("rows", "split", "has"),
    [(2, "train", 1), (12, "train", 8), (30, "val", 5), (57, "val", 8)],
)
def test_a_series_too_short_in_a_split_is_told_with_what_it_has_and_needs(
    forecast: Forecast, rows: int, split: str, has: int
) -> None:
    message = refusal(forecast([str(row) for row in range(rows)]))
    assert message.startswith("data.window=6 and data.forecast_horizon=3 need 9 rows in every split")
    assert f"but the {split} split has {has} (of {rows})" in message


def test_a_constant_series_is_refused(forecast: Forecast) -> None:
    assert refusal(forecast(["0.1"] * 100)).startswith(
        "data.target='y': every value of the training split is the constant 0.1;"
    )


def test_a_series_that_varies_after_training_only_is_refused(forecast: Forecast) -> None:
    assert "the constant 7" in refusal(forecast(["7"] * 80 + [str(row) for row in range(20)]))


def test_a_series_without_a_training_value_is_refused(forecast: Forecast) -> None:
    table = ["NA"] * 75 + [str(row) for row in range(25)]
    assert "every value of the training split is missing" in refusal(forecast(table, gaps="drop"))


def test_a_split_without_a_whole_window_is_refused(forecast: Forecast) -> None:
    table = [str(row) if row < 70 or row % 4 else "NA" for row in range(140)]
    message = refusal(forecast(table, gaps="drop"))
    assert message.startswith(
        "data.gaps=drop: every window of 6 + 3 rows in the val split holds too long a gap"
    )


def test_windows_over_the_memory_limit_are_refused_before_they_are_made(forecast: Forecast) -> None:
    table = [str(row % 9) for row in range(5000)]
    message = refusal(forecast(table, window=700, max_megabytes=2))
    assert "data.max_megabytes=2: the 2,894 windows would take 8 MB" in message


def test_a_window_of_one_row_needs_a_level(forecast: Forecast) -> None:
    table = lines(walk(100))
    assert refusal(forecast(table, window=1)).startswith("data.window=1 with data.normalize=window")
    assert forecast(table, window=1, normalize="series").content.train.inputs.shape == (67, 1, 1)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("window", 0),
        ("forecast_horizon", 0),
        ("stride", 0),
        ("seasonal_period", 0),
        ("train_fraction", 1.0),
        ("val_fraction", 0.0),
        ("max_megabytes", 0),
        ("gaps", "ignore"),
        ("normalize", "minmax"),
        ("window_center", "median"),
    ],
)
def test_values_out_of_range_are_refused_by_name(setting: str, value: object) -> None:
    section = composed("sunspots") | {setting: value}
    with pytest.raises(UserError, match=rf"^data\.{setting}={value}: "):
        instantiate(section, "data")


# The command line


def composed(name: str, *overrides: str) -> dict:
    """The section `data` as the command line composes it."""
    with initialize_config_dir(str(CONF / "data"), version_base="1.3"):
        return OmegaConf.to_container(compose(name, overrides=list(overrides)))  # type: ignore[return-value]


AWKWARD_NAMES = [
    "PM 2.5 [µg/m³]",
    "größe",
    "a=b",
    "a, b",
    "it's",
    "{x}",
    "50 %",
    "(raw)",
    "2020",
    "true",
    "x:y",
]


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_column_of_any_name_can_be_named_on_the_command_line(forecast: Forecast, name: str) -> None:
    table = lines(walk(100, 2))
    path = forecast(table, header=f'"{name}",other').path
    parser = OverridesParser.create()
    assert parser.parse_override(f'data.target="{name}"').value() == name
    for override in (f'target="{name}"', f'target=["{name}"]'):
        section = composed("csv", f"path={path}", override, "window=6", "forecast_horizon=3")
        assert instantiate(section, "data").content.output_names[0] == f"{name} +1"


def test_no_column_to_forecast_is_refused() -> None:
    with pytest.raises(UserError, match=r"^data\.target=\[\]: no column is named; write data\.target=COLUMN"):
        instantiate(composed("sunspots", "target=[]"), "data")


def test_a_column_called_by_a_year_needs_no_quotes(forecast: Forecast) -> None:
    path = forecast(lines(walk(100)), header="2020").path
    section = composed("csv", f"path={path}", "target=2020", "window=6", "forecast_horizon=3")
    assert instantiate(section, "data").targets == ["2020"]


@pytest.mark.parametrize("name", [*SERIES, *LABELLED])
def test_every_bundled_set_loads_with_its_defaults(name: str) -> None:
    content = instantiate(composed(name), "data").load()
    assert content.name == name
    for split in content.splits.values():
        assert torch.isfinite(split.inputs).all()
        assert len(split) >= 16
    assert all(np.isfinite(list(scores.values())).all() for scores in content.baselines.values())
    assert any(content.metric.name in scores for scores in content.baselines.values())


@pytest.mark.parametrize("name", [*SERIES, *LABELLED, "csv", "_series", "_labelled"])
def test_every_key_of_the_configuration_is_explained(name: str) -> None:
    first, *rest = (CONF / "data" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert all("  # " in line for line in rest if not line.startswith(("defaults:", "_target_:")))


def test_sunspots_keep_what_the_record_needs() -> None:
    content = instantiate(composed("sunspots"), "data").content
    assert content.input_size == 1
    assert content.output_size == 12
    assert content.figures["rows"] == 2820
    assert content.figures["splits"] == {
        "train": {"rows": 1974, "windows": 1915, "first": "1749-01-01", "last": "1913-06-01"},
        "val": {"rows": 423, "windows": 364, "first": "1913-07-01", "last": "1948-09-01"},
        "test": {"rows": 423, "windows": 364, "first": "1948-10-01", "last": "1983-12-01"},
    }


def test_a_column_that_hardly_varies_is_told_before_it_breaks_the_arithmetic(forecast: Forecast) -> None:
    tiny = [f"{row % 7}e-200,{row}" for row in range(200)]
    with pytest.raises(
        UserError, match=r"data\.target='y': .* vary by 6e-200 at most, too little to compute"
    ):
        _ = forecast(tiny, header="y,x").content
    with pytest.raises(UserError, match=r"data\.features: column 'y' varies by 6e-200 at most"):
        _ = forecast(tiny, header="y,x", target="x", features="y").content


def test_the_largest_values_that_are_read_make_finite_windows_and_baselines(forecast: Forecast) -> None:
    content = forecast([f"{value}e15" for value in lines(walk(200))]).content
    assert content.train.inputs.isfinite().all()
    assert np.isfinite([*content.baselines["linear autoregression"].values()]).all()


def test_interpolating_is_no_advice_to_who_interpolates(forecast: Forecast) -> None:
    table = [f"{row}," if 140 <= row < 170 else f"{row},{row % 7}" for row in range(200)]
    with pytest.raises(UserError, match=r"data\.gaps=interpolate: .*shorten data\.window or mend the file"):
        _ = forecast(table, header="t,y", gaps="interpolate").content
