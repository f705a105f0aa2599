from pathlib import Path

import pytest

from cells.recurrent.engines import fused

from .conftest import SMALL, Program


def test_what_building_warns_of_is_told_once(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    answer = program("model=gru", *SMALL)
    line = "engine=fused does not run here"
    before_logging_is_set_up = sum(line in message for message in caplog.messages)
    assert before_logging_is_set_up + answer.err.count(line) == 1
    (log,) = tmp_path.rglob("train.log")
    assert log.read_text(encoding="utf-8").count(line) == 1
