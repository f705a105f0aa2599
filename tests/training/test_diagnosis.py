"""When a network is looked at, what is left of it, and that looking changes nothing."""

import csv
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cells.training.checkpoints import LAST, read_checkpoint
from cells.training.learner import Learner

Train = Callable[..., tuple[dict[str, Any], Path]]
SHORT = ("trainer.max_steps=12", "trainer.val_every_steps=6", "model.hidden_size=8")
OFTEN = ("diagnostics=full", "diagnostics.every_steps=5")


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "diagnostics.npz", allow_pickle=False) as file:
        return dict(file)


def test_looking_changes_no_weight(train: Train) -> None:
    options = ("model=lstm", "model.num_layers=2", "model.dropout=0.2", "seeds=2", *SHORT)
    blind_record, blind = train(*options, "diagnostics=none")
    record, looked = train(*options, *OFTEN)
    assert record["config_hash"] == blind_record["config_hash"]
    assert record["replicas"] == blind_record["replicas"]
    expected = read_checkpoint(blind / LAST)["state_dict"]
    for name, tensor in read_checkpoint(looked / LAST)["state_dict"].items():
        assert torch.equal(tensor, expected[name]), name
    assert blind_record["diagnostics"] == {}
    assert not (blind / "diagnostics.npz").exists()


def test_a_run_leaves_curves_by_step_and_scalars_by_seed(train: Train) -> None:
    record, folder = train("model=lstm", "seeds=[3,7]", *SHORT, *OFTEN)
    left = arrays(folder)
    assert left["gradient_through_time/steps"].tolist() == [0, 5, 10]
    assert left["gradient_through_time/lag"].tolist() == list(range(8))
    for state in ("h", "c"):
        assert left[f"gradient_through_time/l0/{state}"].shape == (3, 2, 8)
        assert (left[f"gradient_through_time/l0/{state}"] > 0).all()
    with (folder / "history.csv").open(newline="") as file:
        logged = {
            (int(row["step"]), int(row["seed"])): float(row["value"])
            for row in csv.DictReader(file)
            if row["tag"] == "gradient_through_time/decay_per_step"
        }
    assert set(logged) == {(step, seed) for step in (0, 5, 10) for seed in (3, 7)}
    lags = np.arange(8)
    for (step, seed), rate in logged.items():
        curve = left["gradient_through_time/l0/h"][step // 5, (3, 7).index(seed)]
        assert np.isclose(rate, np.exp(np.polyfit(lags, np.log(curve), 1)[0]), rtol=1e-4)

    found = record["diagnostics"]
    for replica, rate in enumerate(found["gradient_decay_per_step"]):
        at_best = left["gradient_through_time/l0/h_at_best"][replica]
        assert np.isclose(rate, np.exp(np.polyfit(lags, np.log(at_best), 1)[0]), rtol=1e-4)
        assert np.isclose(found["gradient_half_life_steps"][replica], np.log(0.5) / np.log(rate), rtol=1e-4)
    assert len(found["spectral_radius"]) == len(found["lyapunov_exponent"]) == 2
    assert found["seconds"] > 0
    assert (folder / "tensorboard" / "mean").is_dir()


def test_a_replica_of_a_stack_is_looked_at_as_if_it_were_alone(train: Train) -> None:
    _, stack = train("model=gru", "seeds=3", *SHORT, *OFTEN)
    _, alone = train("model=gru", "seeds=[2]", *SHORT, *OFTEN)
    for name in ("gradient_through_time/l0/h", "gradient_through_time/l0/h_at_best", "gates/l0/z"):
        stacked, single = arrays(stack)[name], arrays(alone)[name]
        axis = 1 if stacked.ndim == 3 else 0
        np.testing.assert_allclose(stacked.take(2, axis), single.take(0, axis), rtol=1e-3, atol=1e-5)


def test_a_look_takes_fewer_sequences_where_many_would_not_fit(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cells.training import diagnosis

    _, three = train(*SHORT, *OFTEN, "diagnostics.sequences=3")
    monkeypatch.setattr(diagnosis, "MOST_NUMBERS", 3 * 8 * 8)  # three sequences of 8 steps and 8 units
    _, limited = train(*SHORT, *OFTEN)
    for name, values in arrays(three).items():
        np.testing.assert_array_equal(arrays(limited)[name], values, err_msg=name)


@pytest.mark.parametrize("at", [3, 5, 6])
def test_a_resumed_run_leaves_what_an_uninterrupted_one_leaves(
    train: Train, interrupt: Callable[..., Path], at: int
) -> None:
    options = ("model=gru", "data=recall", "data.max_lag=2", *SHORT, *OFTEN)
    whole_record, whole = train(*options)
    folder = interrupt(*options, at=at, number=signal.SIGTERM)
    record, _ = train(*options, folder=folder)
    assert record["status"] == "completed", record["message"]
    for name, values in arrays(whole).items():
        np.testing.assert_array_equal(arrays(folder)[name], values, err_msg=name)
    validated = read_checkpoint(folder / LAST)["callbacks"]["Diagnosis"]["validated"]
    assert [step for step, _ in validated] == [6, 12]
    for result in (record, whole_record):
        del result["diagnostics"]["seconds"]
    assert record["diagnostics"] == whole_record["diagnostics"]


def test_a_replica_that_is_not_a_number_is_null_and_leaves_the_others_alone(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Learner.training_step

    def poisoned(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 2:
            with torch.no_grad():
                for parameter in self.parameters():
                    parameter[0] = torch.nan
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", poisoned)
    record, folder = train("model=lstm", "seeds=2", *SHORT, *OFTEN)
    assert record["replicas"][0]["status"] == "diverged"
    assert record["replicas"][0]["test"] is None
    for name in ("gradient_decay_per_step", "spectral_radius", "lyapunov_exponent"):
        broken, whole = record["diagnostics"][name]
        assert broken is None
        assert whole is not None
    seen = np.isfinite(arrays(folder)["gradient_through_time/l0/h"]).all(-1)
    assert seen.tolist() == [[True, True], [False, True], [False, True]]


def test_memory_is_the_recalled_share_of_variance_on_the_test_split(train: Train) -> None:
    recall = ("data=recall", "data.length=12", "data.max_lag=3", "optimizer.lr=0.01", "model=gru")
    record, folder = train(*recall, "seeds=2", "trainer.max_steps=120", "trainer.val_every_steps=20")
    found, left = record["diagnostics"], arrays(folder)
    assert left["memory/lag"].tolist() == [1, 2, 3]
    with np.load(folder / "predictions.npz") as file:
        error = (file["predictions"] - file["targets"]) ** 2
        variance = np.nanmean((file["targets"] - np.nanmean(file["targets"], (0, 1))) ** 2, (0, 1))
    np.testing.assert_allclose(left["memory/r2"], 1 - np.nanmean(error, (1, 2)) / variance, rtol=1e-4)
    np.testing.assert_allclose(found["memory_capacity"], left["memory/r2"].sum(1), rtol=1e-4)
    for horizon, r2 in zip(found["memory_horizon"], left["memory/r2"], strict=True):
        assert horizon >= 1
        assert (r2[:horizon] >= 0.5).all()
        assert horizon == 3 or r2[horizon] < 0.5
    assert found["memory_longest_lag"] == 3
    assert all(isinstance(flag, bool) for flag in found["memory_horizon_still_improving"])


def test_of_one_lag_alone_there_is_its_share_of_variance_and_no_horizon(train: Train) -> None:
    record, folder = train("data=recall", "data.length=12", "data.lag=4", *SHORT)
    found, left = record["diagnostics"], arrays(folder)
    assert left["memory/lag"].tolist() == [4]
    np.testing.assert_allclose(found["memory_capacity"], left["memory/r2"][:, 0], rtol=1e-5)
    assert found["memory_longest_lag"] == 4
    assert "memory_horizon" not in found


def test_a_share_of_nearly_nothing_is_not_told_as_minus_zero(
    train: Train, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cells.training.diagnosis.recalled_variance", lambda *_: torch.tensor([[-0.001]]))
    caplog.set_level("INFO")
    train("data=recall", "data.length=12", "data.lag=4", *SHORT)
    assert caplog.messages[-1] == "Recall of the input 4 steps ago, R² by seed: 0.00"
