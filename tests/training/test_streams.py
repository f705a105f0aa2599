"""Where there is no state to carry, that is told before anything is trained."""

from collections.abc import Callable
from typing import Any

import pytest

from cells.build import build
from cells.errors import UserError

Compose = Callable[..., dict[str, Any]]

SUNSPOTS = ("data=sunspots", "data.stride=48", "data.normalize=series", "data.batch_size=20")
REFUSED = [
    (("data=adding",), "the sequences of adding are independent of one another"),
    (("data=mackey_glass",), "the sequences of mackey_glass are independent of one another"),
    ((*SUNSPOTS, "data.stride=1"), "set data.stride=48 (data.window) and data.normalize=series"),
    ((*SUNSPOTS, "data.stride=49"), "set data.stride=48 (data.window) and data.normalize=series"),
    ((*SUNSPOTS, "data.normalize=window"), "set data.stride=48 (data.window) and data.normalize=series"),
    ((*SUNSPOTS, "data.batch_size=21"), "and there are 40 in all; set it to 20 or less"),
    ((*SUNSPOTS, "debug=one_batch"), "there have to be at least two; set it to 2 or more"),
    ((*SUNSPOTS, "trainer=ddp_cpu", "trainer.devices=2"), "set trainer.devices=1"),
]


@pytest.mark.parametrize(("overrides", "complaint"), REFUSED)
def test_what_makes_no_streams_is_refused(
    compose_config: Compose, overrides: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(UserError) as refusal:
        build(compose_config(*overrides, "learner.carry_state=true"))
    message = str(refusal.value)
    assert "learner.carry_state=true" in message
    assert complaint in message


def test_what_makes_streams_is_built(compose_config: Compose) -> None:
    assert build(compose_config(*SUNSPOTS, "learner.carry_state=true")).datamodule.streams == 20
    assert build(compose_config(*SUNSPOTS)).datamodule.streams == 0
    two = build(compose_config(*SUNSPOTS, "learner.carry_state=true", "trainer.overfit_batches=2"))
    assert two.datamodule.streams == 20
