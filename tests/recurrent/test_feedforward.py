import math

import pytest
import torch
from torch import nn

from cells.recurrent.feedforward import FeedforwardCell
from cells.recurrent.layer import RecurrentNetwork

from .torch_twin import seeded


@pytest.mark.parametrize("engine", ["own", "reference"])
@pytest.mark.parametrize(("nonlinearity", "activation"), [("tanh", torch.tanh), ("relu", torch.relu)])
def test_it_is_a_linear_layer_and_a_nonlinearity_at_every_step(engine, nonlinearity, activation):
    def make_cell(*sizes):
        return FeedforwardCell(*sizes, nonlinearity=nonlinearity)

    network = RecurrentNetwork(make_cell, 3, 5, replicas=2, engine=engine).double()
    network.reset_parameters([seeded(0), seeded(1)])
    inputs = torch.randn(2, 4, 6, 3, generator=seeded(2), dtype=torch.float64)
    outputs, (state,) = network(inputs)
    cell = network.cells["l0"]
    for r in range(2):
        linear = nn.Linear(3, 5, dtype=torch.float64)
        linear.load_state_dict({"weight": cell.weight_ih[r].t(), "bias": cell.bias_ih[r, 0]})
        torch.testing.assert_close(outputs[r], activation(linear(inputs[r])), rtol=1e-12, atol=1e-12)
    assert torch.equal(state["h"], outputs[:, :, -1])


@pytest.mark.parametrize("engine", ["own", "reference"])
def test_it_forgets_at_once_and_padding_repeats_the_last_valid_step(engine):
    network = RecurrentNetwork(FeedforwardCell, 1, 2, engine=engine)
    network.reset_parameters([seeded(0)])
    inputs = torch.tensor([1.0, 2.0, 3.0, math.nan]).reshape(1, 1, 4, 1)
    outputs, (state,) = network(inputs, lengths=torch.tensor([[3]]))
    alone, _ = network(torch.tensor([3.0]).reshape(1, 1, 1, 1))
    for step in (2, 3):
        torch.testing.assert_close(outputs[0, 0, step], alone[0, 0, 0])
    torch.testing.assert_close(state["h"], alone[:, :, 0])


def test_it_starts_like_a_linear_layer():
    cell = FeedforwardCell(16, 2000)
    cell.reset_parameters([seeded(0)])
    for parameter in cell.parameters():
        assert 0.249 < parameter.abs().max() <= 0.25
        assert abs(parameter.std() - 0.25 / math.sqrt(3)) < 0.005
