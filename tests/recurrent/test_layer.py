import math
from functools import partial

import pytest
import torch
from torch import nn

from cells.errors import UserError
from cells.recurrent.adapter import ModuleCell
from cells.recurrent.cell import Cell
from cells.recurrent.elman import ElmanCell
from cells.recurrent.feedforward import FeedforwardCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

from .torch_twin import network_numbers, relative_errors, seeded

CELLS = [ElmanCell, LSTMCell, GRUCell, FeedforwardCell, partial(ModuleCell, module=nn.LSTMCell)]
CELL_IDS = ["elman", "lstm", "gru", "feedforward", "module"]
every_cell = pytest.mark.parametrize("make_cell", CELLS, ids=CELL_IDS)


def network_of(make_cell, seeds=(0,), dtype=torch.float64, **settings):
    network = RecurrentNetwork(make_cell, 3, 5, replicas=len(seeds), **settings)
    network.reset_parameters([seeded(seed) for seed in seeds])
    return network.to(dtype)


def series(replicas=1, batch=4, steps=6, seed=0):
    return torch.randn(replicas, batch, steps, 3, generator=seeded(seed), dtype=torch.float64)


def flat(network):
    return torch.cat([parameter.detach().flatten(1) for parameter in network.parameters()], dim=1)


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_replica_r_of_a_stack_equals_the_single_run_with_its_seed(make_cell, bidirectional):
    seeds, settings = (3, 0, 7), {"num_layers": 2, "bidirectional": bidirectional}
    stack, inputs = network_of(make_cell, seeds, **settings), series(3)
    lengths = torch.tensor([[1, 6, 3, 2], [6, 6, 6, 6], [2, 1, 5, 4]])
    numbers = network_numbers(stack, inputs, lengths=lengths)
    for r, seed in enumerate(seeds):
        single = network_of(make_cell, (seed,), **settings)
        assert torch.equal(flat(single)[0], flat(stack)[r])
        alone = network_numbers(single, inputs[r : r + 1], lengths=lengths[r : r + 1])
        in_stack = {name: tensor[r : r + 1] for name, tensor in numbers.items()}
        errors = relative_errors(in_stack, alone)
        assert max(errors.values()) <= 1e-10, errors


@every_cell
def test_stacked_training_equals_single_training(make_cell):
    def trained(seeds):
        network = network_of(make_cell, seeds)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for step in range(5):
            inputs = torch.cat([series(seed=100 * seed + step) for seed in seeds])
            optimizer.zero_grad()
            outputs, _ = network(inputs)
            (outputs - inputs.sum(-1, keepdim=True)).square().mean((1, 2, 3)).sum().backward()
            optimizer.step()
        return flat(network)

    stack = trained((0, 1, 2))
    for r in range(3):
        single = trained((r,))[0]
        assert (stack[r] - single).norm() <= 1e-10 * single.norm()


@every_cell
@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize("poisoned", ["inputs", "parameters"])
def test_a_nan_in_one_replica_never_touches_another(make_cell, batch, poisoned):
    settings = {"num_layers": 2, "bidirectional": True}
    clean = network_numbers(network_of(make_cell, (0, 1, 2), **settings), series(3, batch))
    network, inputs = network_of(make_cell, (0, 1, 2), **settings), series(3, batch)
    with torch.no_grad():
        for tensor in [inputs] if poisoned == "inputs" else network.parameters():
            tensor[1] = math.nan
    numbers = network_numbers(network, inputs)
    assert numbers["outputs"][1].isnan().any()
    for name, expected in clean.items():
        assert torch.equal(numbers[name][[0, 2]], expected[[0, 2]]), name


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("padding", [math.nan, math.inf, 1e30])
def test_what_padding_holds_changes_nothing_forwards_or_backwards(make_cell, bidirectional, padding):
    lengths = torch.tensor([[1, 6, 3, 2]])
    padded = (torch.arange(6) >= lengths.unsqueeze(-1)).unsqueeze(-1)
    results = []
    for fill in (0.0, padding):
        network = network_of(make_cell, num_layers=2, bidirectional=bidirectional)
        results.append(network_numbers(network, series().masked_fill(padded, fill), lengths=lengths))
    for name, expected in results[0].items():
        assert expected.isfinite().all(), name
        assert torch.equal(results[1][name], expected), name


@every_cell
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_two_halves_with_the_state_carried_equal_the_whole(make_cell, engine):
    network, inputs = network_of(make_cell, num_layers=2, engine=engine), series()
    whole, final = network(inputs)
    first, carried = network(inputs[:, :, :2])
    second, last = network(inputs[:, :, 2:], carried)
    torch.testing.assert_close(torch.cat([first, second], dim=2), whole, rtol=1e-12, atol=1e-12)
    for state, expected in zip(last, final, strict=True):
        for name in expected:
            torch.testing.assert_close(state[name], expected[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell, FeedforwardCell])
def test_gradients_agree_with_finite_differences(make_cell):
    network = network_of(make_cell, (0, 1), num_layers=2, bidirectional=True)
    lengths = torch.tensor([[3, 1], [2, 3]])

    def run(inputs, *parameters):
        names = (name for name, _ in network.named_parameters())
        outputs, states = torch.func.functional_call(
            network, dict(zip(names, parameters, strict=True)), (inputs, None, lengths)
        )
        return outputs, *(tensor for state in states for tensor in state.values())

    leaves = [series(2, 2, 3), *(parameter.detach().clone() for parameter in network.parameters())]
    assert torch.autograd.gradcheck(run, [leaf.requires_grad_() for leaf in leaves], fast_mode=True)


def test_the_reverse_direction_reads_each_sequence_within_its_own_length():
    network = network_of(GRUCell, bidirectional=True)
    forward, reverse = network.cells["l0"], network.cells["l0_reverse"]
    with torch.no_grad():
        for name, parameter in forward.named_parameters():
            reverse.get_parameter(name).copy_(parameter)
    inputs, lengths = series(), torch.tensor([[4, 6, 1, 3]])
    outputs, states = network(inputs, lengths=lengths)
    for b, steps in enumerate(lengths[0].tolist()):
        mirrored, _ = network(inputs[:, b : b + 1, :steps].flip(2))
        torch.testing.assert_close(outputs[0, b, :steps, 5:], mirrored[0, 0, :, :5].flip(0))
    torch.testing.assert_close(network.last_hidden(states)[..., 5:], outputs[:, :, 0, 5:])


def test_last_hidden_is_the_last_output_of_one_direction():
    network = network_of(LSTMCell, num_layers=2)
    outputs, states = network(series())
    assert torch.equal(network.last_hidden(states), outputs[:, :, -1])


class TestDropout:
    def outputs(self, seeds, dropout_seeds, **settings):
        network = network_of(ElmanCell, seeds, num_layers=2, **({"dropout": 0.5} | settings))
        return network(series(1).expand(len(seeds), -1, -1, -1), dropout_seeds=dropout_seeds)[0]

    def test_what_is_dropped_is_a_function_of_seed_and_step(self):
        torch.manual_seed(0)
        first = self.outputs((0,), [(0, 1)])
        torch.manual_seed(1)
        assert torch.equal(self.outputs((0,), [(0, 1)]), first)
        assert not torch.equal(self.outputs((0,), [(0, 2)]), first)
        assert not torch.equal(self.outputs((0,), [(1, 1)]), first)

    def test_a_replica_drops_the_same_in_a_stack_as_alone(self):
        stack = self.outputs((4, 0), [(4, 9), (0, 9)])
        for r, seed in enumerate((4, 0)):
            torch.testing.assert_close(stack[r], self.outputs((seed,), [(seed, 9)], engine="reference")[0])

    def test_the_global_generator_is_left_alone(self):
        before = torch.get_rng_state()
        self.outputs((0,), [3])
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_expected_value_stays(self):
        network = RecurrentNetwork(
            partial(FeedforwardCell, nonlinearity="relu"), 1, 1, num_layers=2, dropout=0.3
        )
        with torch.no_grad():
            for cell in network.cells.values():
                cell.weight_ih.fill_(1.0)
        outputs, _ = network(torch.ones(1, 100, 1000, 1), dropout_seeds=[0])
        assert {round(value, 5) for value in outputs.unique().tolist()} == {0.0, round(1 / 0.7, 5)}
        assert abs(outputs.mean() - 1) < 4 * math.sqrt(0.3 / 0.7 / 1e5)

    def test_nothing_is_dropped_in_evaluation(self):
        network = network_of(ElmanCell, num_layers=2, dropout=0.5).eval()
        without = network_of(ElmanCell, num_layers=2)
        assert torch.equal(network(series())[0], without(series())[0])

    def test_without_seeds_training_is_refused(self):
        with pytest.raises(ValueError, match="dropout_seeds, one for each of 1 replicas"):
            self.outputs((0,), None)

    def test_dropout_with_one_layer_is_warned_about(self):
        with pytest.warns(UserWarning, match="acts between layers"):
            RecurrentNetwork(ElmanCell, 3, 5, dropout=0.5)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((series(2)[..., :2],), r"\(2, 4, 6, 2\), expected \(replicas=2, batch, time, input_size=3\)"),
        ((series(1),), r"\(1, 4, 6, 3\), expected \(replicas=2"),
        ((series(2)[0],), r"\(4, 6, 3\), expected"),
        ((series(2)[:, :, :0],), r"\(2, 4, 0, 3\), expected"),
        ((series(2), [{"h": torch.zeros(2, 4, 5)}]), "1 states given, expected one for each of l0, l1"),
        ((series(2), [{"h": torch.zeros(2, 4, 5)}] * 2), r"the state of l0 has shapes .*expected .*'c'"),
        (
            (series(2), [{"h": torch.zeros(2, 4, 5), "c": torch.zeros(1, 4, 5)}] * 2),
            r"'c': \(1, 4, 5\).*expected.*'c': \(2, 4, 5\)",
        ),
        ((series(2), None, torch.ones(4)), r"lengths have shape \(4,\), expected \(2, 4\)"),
        ((series(2), None, torch.full((2, 4), 1.5)), "lengths are torch.float32, expected torch.int64"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        network_of(LSTMCell, (0, 1), num_layers=2)(*arguments)


def test_what_is_no_cell_is_refused():
    with pytest.raises(UserError, match=r"GRUCell is not a Cell: .*ModuleCell"):
        RecurrentNetwork(lambda features, hidden, replicas: nn.GRUCell(features, hidden), 3, 5)


def test_a_cell_without_a_hidden_state_of_the_layer_s_size_is_refused():
    class Wide(Cell):
        state_shapes = {"h": (7,)}  # noqa: RUF012

        def step(self, projected, state):
            return state

    with pytest.raises(UserError, match=r"Wide.state_shapes has to hold 'h': \(5,\)"):
        RecurrentNetwork(Wide, 3, 5)


def test_the_chosen_engine_is_on_record():
    assert network_of(LSTMCell).engine_name == "fused"
    assert network_of(LSTMCell, engine="torch").engine_name == "torch"


@every_cell
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
@pytest.mark.parametrize("padded", [False, True])
def test_mixed_precision_stays_near_single_precision(make_cell, seeds, padded):
    network = network_of(make_cell, seeds, torch.float32, num_layers=2, bidirectional=True)
    inputs = series(len(seeds)).float()
    lengths = torch.tensor([[1, 6, 3, 2]]).expand(len(seeds), -1) if padded else None
    exact, _ = network(inputs, lengths=lengths)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, states = network(inputs, lengths=lengths)
        again, _ = network(inputs, states, lengths)
    assert (outputs.float() - exact).norm() < 0.03 * exact.norm()
    again.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
