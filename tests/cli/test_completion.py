"""What a shell offers on <Tab>."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from .conftest import Program


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("exper", "experiment="),
        ("experiment=su", "experiment=suite/memory experiment=sunspots"),
        ("experiment=paper/adding_6", "experiment=paper/adding_600"),
        ("model=l", "model=lstm model=lstm_chrono model=lstm_forget_1"),
        ("hydra/l", "hydra/launcher="),
    ],
)
def test_options_are_completed_those_in_folders_too(
    program: Program, monkeypatch: pytest.MonkeyPatch, typed: str, offered: str
) -> None:
    monkeypatch.setattr(ConfigLoaderImpl, "get_group_options", ConfigLoaderImpl.get_group_options)  # put back
    monkeypatch.setenv("COMP_LINE", f"python train.py {typed}")
    assert program("-sc", "query=bash").out.strip() == offered
