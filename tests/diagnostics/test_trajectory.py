"""What is recorded is what the network computes, and the network is left as it was."""

import pytest
import torch

from cells.diagnostics.trajectory import recorded
from cells.recurrent.elman import ElmanCell
from cells.recurrent.lstm import LSTMCell

from .conftest import random_network


def test_recorded_states_are_those_of_the_network_s_own_engine() -> None:
    network = random_network(LSTMCell, replicas=1, num_layers=2)
    inputs = torch.randn(1, 3, 6, 3, dtype=torch.float64)
    outputs, final = network(inputs)
    with recorded(network) as trajectories:
        network(inputs)
    assert list(trajectories) == ["l0", "l1"]
    torch.testing.assert_close(torch.stack(trajectories["l1"].states("h"), dim=2), outputs)
    for state, trajectory in zip(final, trajectories.values(), strict=True):
        torch.testing.assert_close(trajectory.after[-1], state)
        assert len(trajectory.before) == len(trajectory.projected) == 6
        assert trajectory.before[3] is trajectory.after[2]


def test_a_network_is_itself_again_after_an_error() -> None:
    network = random_network(ElmanCell, replicas=1)
    engine = network.engine_name
    with pytest.raises(ValueError, match="inputs"), recorded(network):
        network(torch.zeros(1, 2, 3))
    assert network.engine_name == engine
    assert "step" not in vars(network.cells["l0"])


def test_a_part_of_a_trajectory_holds_its_first_sequences_and_steps() -> None:
    network = random_network(ElmanCell)
    with recorded(network) as trajectories:
        network(torch.randn(2, 4, 6, 3, dtype=torch.float64))
    whole, part = trajectories["l0"], trajectories["l0"].part(sequences=3, steps=2)
    assert len(part.before) == len(part.after) == len(part.projected) == 2
    torch.testing.assert_close(part.after[1]["h"], whole.after[1]["h"][:, :3])
    torch.testing.assert_close(part.projected[1], whole.projected[1][:, :3])
