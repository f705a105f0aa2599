"""Reading records, and the conditions on them."""

import json

import pytest

from cells.compare.load import load
from cells.compare.records import differing_keys, read_runs
from cells.errors import UserError
from cells.record import RECORD_NAME, write_jobs


def models(tmp_path, **where: str) -> list[str]:
    conditions = {key.replace("__", "."): value.split(",") for key, value in where.items()}
    return sorted(run.model for run in read_runs([tmp_path], conditions)[0])


def test_a_condition_keeps_the_runs_that_meet_it(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("lstm", [0.1])
    make_run("elman", [0.1], data="recall", settings={"optimizer.lr": 0.01})
    assert models(tmp_path, model="gru,lstm") == ["gru", "lstm"]
    assert models(tmp_path, data="recall") == ["elman"]
    assert models(tmp_path, optimizer__lr="1e-2") == ["elman"]
    assert models(tmp_path, data__length="10", model="gru") == ["gru"]
    assert len(models(tmp_path)) == 3


def test_a_misspelt_key_or_a_value_that_no_run_has_is_told_in_a_sentence(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("elman", [0.1], data="recall")
    with pytest.raises(UserError, match=r"model.hiden_size: no run has .* did you mean 'model.hidden_size'"):
        models(tmp_path, model__hiden_size="8")
    with pytest.raises(
        UserError, match="--where data=recal: none of the 2 finished runs is; did you mean 'recall'"
    ):
        models(tmp_path, model="gru", data="recal")
    with pytest.raises(
        UserError, match=r"--where model=gru data=recall: none of the 2 .* leave a condition out"
    ):
        models(tmp_path, model="gru", data="recall")


def test_a_folder_that_is_missing_or_holds_no_record_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        read_runs([tmp_path / "nowhere"], {})
    with pytest.raises(UserError, match=r"no record\.json at or below"):
        read_runs([tmp_path], {})


def test_half_a_record_and_one_of_another_schema_are_refused(make_run, tmp_path) -> None:
    path = make_run("gru", [0.1]) / RECORD_NAME
    whole = path.read_text()
    path.write_text(whole[:100])
    with pytest.raises(UserError, match="is not whole"):
        read_runs([tmp_path], {})
    path.write_text(json.dumps(json.loads(whole) | {"model": None}))
    with pytest.raises(UserError, match=r"the record is not whole \(model is of another type"):
        read_runs([tmp_path], {})
    path.write_text(json.dumps(json.loads(whole) | {"schema": "9.0"}))
    with pytest.raises(UserError, match=r"schema '9\.0' is not"):
        read_runs([tmp_path], {})


def test_unfinished_runs_are_told_and_not_judged(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("lstm", [0.1], status="interrupted")
    make_run("elman", [0.1], status="running")
    runs, unfinished = read_runs([tmp_path], {})
    assert [run.model for run in runs] == ["gru"]
    assert sorted(sentence.partition(" ")[2] for sentence in unfinished) == [
        "interrupted",
        "is still running, or was killed",
    ]


def test_a_run_named_twice_counts_once(make_run, tmp_path) -> None:
    folder = make_run("gru", [0.1])
    assert len(read_runs([tmp_path, folder, folder.parent], {})[0]) == 1


def test_what_changes_no_result_is_no_difference(make_run, tmp_path) -> None:
    make_run("gru", {0: 0.1})
    make_run("gru", {1: 0.1}, settings={"logger.tensorboard": False, "trainer.log_every_steps": 1})
    runs, _ = read_runs([tmp_path], {})
    assert differing_keys([run.config for run in runs]) == []


def test_a_setting_that_a_budget_decided_instead_is_no_setting(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    make_run("lstm", [0.1], settings={"model.hidden_size": 16, "budget.parameters": 500})
    runs, _ = read_runs([tmp_path], {})
    sizes = {
        run.model: (run.config.get("model.hidden_size"), run.config.get("budget.parameters")) for run in runs
    }
    assert sizes == {"gru": (8, None), "lstm": (None, 500)}


def test_equal_numbers_are_equal_and_a_missing_key_is_a_difference() -> None:
    assert differing_keys([{"a": 1, "b": 2, "c": True}, {"a": 1.0, "b": 3}]) == ["b", "c"]


def test_a_record_of_an_older_minor_version_is_read_without_what_it_lacks(make_run, tmp_path) -> None:
    folder = make_run("gru", [0.1])
    record = json.loads((folder / RECORD_NAME).read_text())
    del record["data"]["baseline_seconds"]
    (folder / RECORD_NAME).write_text(json.dumps(record | {"schema": "1.0"}))
    (comparison,) = load([tmp_path]).comparisons
    assert comparison.baselines == {"training mean": 1.0}
    assert comparison.baseline_seconds == {}


def test_a_job_that_was_never_started_is_missed(make_run, tmp_path) -> None:
    first = make_run("gru", [0.1], folder="sweep/model=gru")
    write_jobs(tmp_path / "sweep", ["model=gru", "model=lstm"])
    told = ["model=lstm left no record: it was not started"]
    assert read_runs([tmp_path / "sweep"], {})[1] == told
    assert read_runs([tmp_path], {})[1] == told
    assert read_runs([first], {})[1] == []  # of a run alone nobody asks where the others are
    (tmp_path / "sweep" / "model=lstm").mkdir()
    (tmp_path / "sweep" / "model=lstm" / "history.csv").touch()
    assert read_runs([tmp_path], {})[1] == ["model=lstm was trained, and its record.json is gone"]
    make_run("lstm", [0.1], folder="sweep/model=lstm")
    assert read_runs([tmp_path], {})[1] == []
    (tmp_path / "sweep" / "jobs.json").write_text("{half")
    with pytest.raises(UserError, match=r"jobs\.json: cannot be read"):
        read_runs([tmp_path], {})
