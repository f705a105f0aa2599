"""`resume=true` and `ckpt_path` from the command line: what is gone on with, and what is refused untouched."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from cells.cli import EXIT_REFUSED
from cells.folders import at_work_in
from cells.record import RECORD_NAME
from cells.training.checkpoints import LAST

from .conftest import SMALL, Program


def trained(program: Program, tmp_path: Path, *arguments: str) -> Path:
    """The folder of a run that looks as if it had been killed after its last checkpoint."""
    assert program(*SMALL, *arguments).code == 0
    folder = max(tmp_path.glob("outputs/*"), key=lambda path: path.stat().st_ctime_ns)
    record = json.loads((folder / RECORD_NAME).read_text())
    (folder / RECORD_NAME).write_text(json.dumps(record | {"status": "running"}))
    return folder


def rewrite(checkpoint: Path, **changes: Any) -> None:
    torch.save(torch.load(checkpoint, weights_only=True) | changes, checkpoint)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: path.write_bytes(b""), "not a checkpoint, or not a whole one"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "not a checkpoint, or not a whole one"),
        (lambda path: torch.save({"state_dict": [1]}, path), "not a checkpoint of this program"),
        (lambda path: torch.save({"state_dict": {}}, path), "it holds weights only"),
        (lambda path: rewrite(path, state_dict={"w": torch.ones(2)}), "it holds another model"),
        (lambda path: rewrite(path, optimizer="SGD"), "it was trained with optimizer SGD"),
        (lambda path: rewrite(path, seeds=[7]), r"it was trained with seeds [7], and this run has [0]"),
        (lambda path: rewrite(path, global_step=99), "it stands at update 99 already"),
    ],
)
def test_a_run_whose_checkpoint_is_of_no_use_is_not_resumed_and_stays_as_it_is(
    program: Program, tmp_path: Path, damage: Any, expected: str
) -> None:
    folder = trained(program, tmp_path, "model=gru")
    damage(folder / LAST)
    before = (folder / RECORD_NAME).read_bytes()
    answer = program(*SMALL, "model=gru", "resume=true")
    assert answer.code == EXIT_REFUSED
    sentence = answer.err.strip().splitlines()[-1]
    assert sentence.startswith(f"resume=true: {folder.relative_to(tmp_path) / LAST} of the run to resume")
    assert expected in sentence
    assert sentence.endswith("start anew without resume=true.")
    assert "Traceback" not in answer.err
    assert (folder / RECORD_NAME).read_bytes() == before


def test_a_run_that_another_process_is_at_work_on_is_not_resumed(program: Program, tmp_path: Path) -> None:
    folder = trained(program, tmp_path, "model=gru")
    before = (folder / RECORD_NAME).read_bytes()
    with at_work_in(folder):  # a lock of another opening, as another process would have
        answer = program(*SMALL, "model=gru", "resume=true")
    assert answer.code == EXIT_REFUSED
    assert answer.err.strip().splitlines()[-1] == (
        f"{folder.relative_to(tmp_path)}: another process is at work on this run; wait for its end, or stop it first."
    )
    assert (folder / RECORD_NAME).read_bytes() == before
    assert program(*SMALL, "model=gru", "resume=true").code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("optimizer=sgd",), "it was trained with optimizer Adam"),
        (("seeds=[5]",), "it was trained with seeds [0], and this run has [5]"),
    ],
)
def test_a_checkpoint_of_another_optimizer_or_other_seeds_is_refused(
    program: Program, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    checkpoint = trained(program, tmp_path, "model=gru") / LAST
    longer = ("model=gru", "trainer.max_steps=8", f"ckpt_path='{checkpoint}'")
    answer = program(*SMALL, *longer, *arguments)
    assert answer.code == EXIT_REFUSED
    assert answer.err.startswith(f"ckpt_path={checkpoint}: {expected}")
    assert len(list(tmp_path.glob("outputs/*"))) == 1
    assert program(*SMALL, *longer).code == 0


def test_a_run_is_found_by_its_configuration_however_it_was_spelled(program: Program, tmp_path: Path) -> None:
    folder = trained(program, tmp_path, "model=gru", "seeds=2", "optimizer.lr=0.001")
    other = ("optimizer.lr=1e-3", "trainer.log_every_steps=3", "seeds=0:2", "model=gru", "resume=true")
    answer = program(*SMALL, *other)
    assert answer.code == 0
    assert f"Resuming {folder.relative_to(tmp_path)}" in answer.err
    assert json.loads((folder / RECORD_NAME).read_text())["status"] == "completed"
    assert len(list(tmp_path.glob("outputs/*"))) == 1


def test_a_sweep_is_found_by_its_jobs_however_they_were_spelled(program: Program, tmp_path: Path) -> None:
    assert program(*SMALL, "-m", "model=gru,elman", "seeds=2").code == 0
    (job,) = tmp_path.glob("outputs/*/*elman*")
    before = json.loads((job / RECORD_NAME).read_text())
    (job / RECORD_NAME).write_text(json.dumps(before | {"status": "running"}))
    answer = program("-m", "seeds=0:2", "model=elman,gru", *SMALL, "resume=true")
    assert answer.code == 0
    assert "Resuming" in answer.err
    assert json.loads((job / RECORD_NAME).read_text())["replicas"] == before["replicas"]
    assert len(list(tmp_path.glob("outputs/*"))) == 1
    program("-m", "model=elman,gru", "seeds=2", *SMALL, "resume=true")
    assert len(list(tmp_path.glob("outputs/*"))) == 2, "what is finished is not resumed but done anew"


@pytest.mark.parametrize("damaged", ["", "[]", "{}"])
def test_a_folder_with_a_damaged_record_is_left_out_with_a_warning(
    program: Program, tmp_path: Path, damaged: str
) -> None:
    folder = trained(program, tmp_path, "model=gru")
    (folder / RECORD_NAME).write_text(damaged)
    answer = program(*SMALL, "model=gru", "resume=true")
    assert answer.code == 0
    warning = f"Not resumed: {folder.relative_to(tmp_path) / RECORD_NAME}: the record is not whole"
    assert answer.err.count(warning) == 1
    assert (folder / RECORD_NAME).read_text() == damaged
    assert len(list(tmp_path.glob("outputs/*"))) == 2


@pytest.mark.parametrize("full_from", [1, 2, 3, 4, 5])
def test_a_full_disk_is_told_in_a_sentence_and_leaves_no_draft(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_from: int
) -> None:
    syncs = iter(range(1, 100))

    def full(descriptor: int) -> None:
        if next(syncs) >= full_from:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    answer = program(*SMALL, "model=gru")
    assert answer.code == 1
    assert "cannot be written (No space left on device)" in answer.out.replace("\n", " ")
    assert "Traceback" not in answer.out + answer.err
    assert not [path for path in tmp_path.rglob(".*") if path.name.startswith((".record", ".last", ".best"))]
