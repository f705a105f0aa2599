import copy
import pickle

import pytest
import torch

from cells.recurrent.cell import Cell, affine
from cells.recurrent.elman import ElmanCell
from cells.recurrent.feedforward import FeedforwardCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

from .torch_twin import seeded


def test_affine_uses_each_replica_s_own_weights_and_biases():
    inputs, weight = torch.randn(3, 3, 4, 2, generator=seeded(0)), torch.randn(3, 2, 5, generator=seeded(1))
    some, more = torch.randn(2, 3, 1, 5, generator=seeded(2))
    result = affine(inputs, weight, some, None, more)
    for r in range(3):
        for b in range(3):
            torch.testing.assert_close(result[r, b], inputs[r, b] @ weight[r] + some[r, 0] + more[r, 0])


def test_affine_without_biases_is_a_product():
    inputs, weight = torch.randn(2, 3, 4, 2, generator=seeded(0)), torch.randn(2, 2, 5, generator=seeded(1))
    torch.testing.assert_close(affine(inputs, weight, None), inputs @ weight.unsqueeze(1))


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell, FeedforwardCell])
def test_replica_r_starts_from_the_same_numbers_as_a_single_run_with_its_seed(make_cell):
    stack = make_cell(3, 17, 4)
    stack.reset_parameters([seeded(seed) for seed in (11, 0, 5, 2)])
    for r, seed in enumerate((11, 0, 5, 2)):
        single = make_cell(3, 17, 1)
        single.reset_parameters([seeded(seed)])
        for name, parameter in single.named_parameters():
            assert torch.equal(parameter[0], stack.get_parameter(name)[r]), (name, seed)


def test_a_generator_for_every_replica_is_needed():
    with pytest.raises(ValueError, match="1 generators given for 2 replicas"):
        ElmanCell(3, 4, 2).reset_parameters([seeded(0)])


def test_the_initial_state_follows_the_type_of_the_inputs():
    state = LSTMCell(3, 4, 2).initial_state(5, torch.zeros(1, dtype=torch.float64))
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()} == {
        "h": ((2, 5, 4), torch.float64),
        "c": ((2, 5, 4), torch.float64),
    }


def test_a_parameter_may_have_an_initialisation_of_its_own():
    class Leaky(Cell):
        def __init__(self, input_size, hidden_size, replicas=1):
            super().__init__(input_size, hidden_size, replicas)
            self.add_parameter("rate", 1, hidden_size, init=lambda rate, generator: rate.fill_(0.5))

        def step(self, projected, state):
            return {"h": state["h"] * self.rate}

    cell = Leaky(2, 3, 2)
    cell.reset_parameters([seeded(0), seeded(1)])
    assert cell.rate.tolist() == [[[0.5] * 3]] * 2


def test_cells_can_be_copied_and_pickled():
    cell = LSTMCell(2, 3)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        twin.reset_parameters([seeded(3)])
        cell.reset_parameters([seeded(3)])
        assert torch.equal(twin.weight_hh, cell.weight_hh)
