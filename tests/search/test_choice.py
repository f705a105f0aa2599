"""Which trial is chosen, what is said of it, and what happens when a trial does not come to its end."""

import logging
from pathlib import Path
from typing import Any

import pytest

from cells.search.choice import TrialEnded, choose, edges, outcome, tune
from cells.search.plan import Trial


def entry(lr: Any, val: float | None, diverged: int = 0) -> dict[str, Any]:
    return {"values": {"optimizer.lr": lr}, "val": val, "diverged": diverged, "seconds": 1.5, "folder": ""}


def record(*scores: float | None, status: str = "completed") -> dict[str, Any]:
    """A trial's record: a validation score for each seed, None where it diverged."""
    replicas = [
        {
            "status": "diverged" if score is None else "finished",
            "val": {"mse": 0.001 if score is None else score},
        }
        for score in scores
    ]
    return {
        "status": status,
        "message": "stopped by SIGINT" if status == "interrupted" else None,
        "metric": {"monitor": "mse"},
        "replicas": replicas,
        "cost": {"seconds": 1.5},
    }  # fmt: skip


def test_the_smallest_mean_validation_score_is_chosen_and_the_first_of_equals() -> None:
    assert choose([entry(0.1, 3.0), entry(0.2, 1.0), entry(0.3, 2.0)])["values"] == {"optimizer.lr": 0.2}
    assert choose([entry(0.1, 1.0), entry(0.2, 1.0)])["values"] == {"optimizer.lr": 0.1}


def test_a_diverged_seed_is_worse_than_any_score() -> None:
    found = [entry(0.1, 0.001, diverged=1), entry(0.2, 5.0), entry(0.3, None, diverged=2)]
    assert choose(found)["values"] == {"optimizer.lr": 0.2}
    assert choose([found[2], found[0]]) is found[0]
    assert choose([found[2]]) is found[2]


def test_the_mean_is_over_seeds_that_did_not_diverge_whatever_the_others_reached_before() -> None:
    trial = Trial({"optimizer.lr": 0.1}, {})
    assert outcome(trial, record(1.0, 3.0))["val"] == 2.0
    told = outcome(trial, record(1.0, None))
    assert (told["val"], told["diverged"]) == (1.0, 1)
    assert (outcome(trial, record(None, None))["val"], outcome(trial, record(None, None))["diverged"]) == (
        None,
        2,
    )


@pytest.mark.parametrize(
    ("spec", "chosen", "expected"),
    [
        ([0.1, 0.01, 1], 1, "highest"),
        ([0.1, 0.01, 1], 0.01, "lowest"),
        ([0.1, 0.01, 1], 0.1, None),
        ([0, 0.5], 0, None),  # nothing lies below it
        ([0, 0.5], 0.5, "highest"),
        ([0.1], 0.1, None),
        ([None, 1.0, 5.0], 5.0, "highest"),
        ([None, 1.0, 5.0], None, None),
        (["torch", "chrono"], "torch", None),
        ([True, False], True, None),
        ({"min": 0.001, "max": 0.1, "log": True}, 0.0341, None),
        ({"min": 0.001, "max": 0.1, "log": True}, 0.08, "highest"),
        ({"min": 0.001, "max": 0.1, "log": True}, 0.0012, "lowest"),
        ({"min": 1, "max": 100}, 8, "lowest"),
    ],
)
def test_the_edge_is_where_the_grid_ends_whatever_was_drawn_from_it(
    spec: Any, chosen: Any, expected: str | None
) -> None:
    best = entry(chosen, 1.0)
    found = edges([best, entry(-1, 2.0)], best, {"optimizer.lr": spec})
    assert found == ({"optimizer.lr": expected} if expected else {})


def test_what_another_value_did_as_well_as_is_no_edge() -> None:
    best = entry(0.1, 1.0)
    assert edges([best, entry(0.2, 1.0), entry(0.3, 2.0)], best, {"optimizer.lr": [0.1, 0.2, 0.3]}) == {}


CONFIG: dict[str, Any] = {
    "optimizer": {"lr": 0.1},
    "trainer": {},
    "logger": {},
    "search": {"_target_": "cells.search.plan.Search", "grid": {"optimizer": {"lr": [0.1, 0.2, 0.3]}}},
}


def test_every_trial_is_trained_once_and_what_they_found_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = []

    def train(trial: Trial, folder: Path, name: str) -> dict[str, Any]:
        trained.append((trial.values["optimizer.lr"], folder.parent, name))
        return record(*{0.1: (5.0, 6.0), 0.2: (None, 0.1), 0.3: (2.0, 3.0)}[trial.values["optimizer.lr"]])

    with caplog.at_level(logging.INFO):
        found = tune(CONFIG, tmp_path, train)
    assert trained == [
        (lr, tmp_path / "trials", f"trial {number} of 3") for number, lr in enumerate((0.1, 0.2, 0.3), 1)
    ]
    assert found["seeds"] == [1_000_000, 1_000_001]
    assert [(e["val"], e["diverged"]) for e in found["trials"]] == [(5.5, 0), (0.1, 1), (2.5, 0)]
    assert (found["chosen"], found["edge"]) == ({"optimizer.lr": 0.3}, {"optimizer.lr": "highest"})
    assert found["seconds"] == 4.5
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith("optimizer.lr=0.3 is the highest value of the grid")
    *lines, table = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert [line.partition(":")[0] for line in lines] == [f"trial {number} of 3" for number in (1, 2, 3)]
    assert [line.split() for line in table.splitlines()[2:]] == [
        ["0.1", "5.5", "1.5"],
        ["0.2", "0.1", "1", "1.5"],
        ["0.3", "2.5", "1.5", "chosen"],
    ]


def test_a_search_in_which_everything_diverges_says_that_its_choice_means_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = tune(CONFIG, tmp_path, lambda *_: record(None, None, status="diverged"))
    assert found["chosen"] == {"optimizer.lr": 0.1}
    assert "Every trial diverged" in caplog.text
    assert found["edge"] == {}, "the end of a grid that was not searched"
    assert "a better one may lie beyond" not in caplog.text


def test_a_trial_that_is_interrupted_ends_the_search_with_its_name_and_reason(tmp_path: Path) -> None:
    with pytest.raises(TrialEnded, match=r"trial optimizer.lr=0.1: stopped by SIGINT") as ended:
        tune(CONFIG, tmp_path, lambda *_: record(1.0, status="interrupted"))
    assert ended.value.status == "interrupted"
