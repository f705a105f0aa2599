"""`record.json`: atomic, finite, and named by what changes a result."""

import json
import math
from pathlib import Path

from cells.record import config_hash, read_record, write_record


def test_a_record_is_replaced_whole_and_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    write_record(tmp_path, {"status": "running"})
    write_record(tmp_path, {"status": "completed", "loss": math.nan, "list": [math.inf, 1.0]})
    assert read_record(tmp_path) == {"status": "completed", "loss": None, "list": [None, 1.0]}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    json.loads((tmp_path / "record.json").read_text())


def test_the_hash_ignores_seeds_and_paths_and_sees_everything_else() -> None:
    config = {"model": {"hidden_size": 32}, "seeds": 1, "output_dir": "outputs"}
    assert config_hash(config) == config_hash(
        config | {"seeds": 10, "output_dir": "elsewhere", "resume": True}
    )
    assert config_hash(config) != config_hash(config | {"model": {"hidden_size": 33}})
