"""Gate values are those the step multiplies with, and shares leave padding out."""

import pytest
import torch

from cells.diagnostics.saturation import gates, histogram, share
from cells.diagnostics.trajectory import recorded
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

from .conftest import random_network


def test_the_gates_of_an_lstm_and_its_states_satisfy_the_equations() -> None:
    network = random_network(LSTMCell)
    with recorded(network) as trajectories:
        network(torch.randn(2, 3, 6, 3, dtype=torch.float64))
    cell, trajectory = network.cells["l0"], trajectories["l0"]
    assert isinstance(cell, LSTMCell)
    values = gates(cell, trajectory)
    assert list(values) == ["i", "f", "o"]
    for t in range(6):
        i, f, o = (values[name][:, :, t] for name in values)
        before, projected = trajectory.before[t], trajectory.projected[t]
        content = (projected + before["h"] @ cell.weight_hh)[..., 10:15].tanh()
        c = f * before["c"] + i * content
        torch.testing.assert_close(trajectory.states("c")[t], c)
        torch.testing.assert_close(trajectory.states("h")[t], o * c.tanh())


@pytest.mark.parametrize("bias", [True, False])
def test_the_gates_of_a_gru_and_its_states_satisfy_the_equations(bias: bool) -> None:
    network = random_network(lambda *sizes: GRUCell(*sizes, bias=bias))
    with recorded(network) as trajectories:
        network(torch.randn(2, 3, 6, 3, dtype=torch.float64))
    cell, trajectory = network.cells["l0"], trajectories["l0"]
    assert isinstance(cell, GRUCell)
    values = gates(cell, trajectory)
    for t in range(6):
        r, z = values["r"][:, :, t], values["z"][:, :, t]
        h = trajectory.before[t]["h"]
        recurrent = (h @ cell.weight_hh)[..., 10:]
        if cell.bias_hh is not None:
            recurrent = recurrent + cell.bias_hh[..., 10:]
        content = (trajectory.projected[t][..., 10:] + r * recurrent).tanh()
        torch.testing.assert_close(trajectory.states("h")[t], z * h + (1 - z) * content)


def test_a_cell_without_gates_has_none() -> None:
    network = random_network(ElmanCell)
    with recorded(network) as trajectories:
        network(torch.zeros(2, 1, 2, 3, dtype=torch.float64))
    cell = network.cells["l0"]
    assert isinstance(cell, ElmanCell)
    assert gates(cell, trajectories["l0"]) == {}


def test_shares_and_histograms_count_valid_steps_alone() -> None:
    values = torch.tensor([[[0.05, 0.95], [0.5, 0.99]], [[1.0, 0.0], [0.31, 0.31]]]).view(1, 2, 2, 2)
    assert share(values > 0.9, None).tolist() == [3 / 8]
    lengths = torch.tensor([[2, 1]])
    torch.testing.assert_close(share(values > 0.9, lengths), torch.tensor([3 / 6]))
    counts = histogram(values, lengths, bins=10) * 6
    torch.testing.assert_close(counts, torch.tensor([[2.0, 0, 0, 0, 0, 1, 0, 0, 0, 3]]))
