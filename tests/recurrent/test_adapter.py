from functools import partial

import pytest
import torch
from torch import nn

from cells.errors import UserError
from cells.recurrent.adapter import ModuleCell
from cells.recurrent.layer import RecurrentNetwork

from .torch_twin import seeded


class Plain(nn.Module):
    """As people write it: two linear layers and an activation."""

    def __init__(self, input_size, hidden_size, activation="tanh"):
        super().__init__()
        self.from_input = nn.Linear(input_size, hidden_size)
        self.from_hidden = nn.Linear(hidden_size, hidden_size)
        self.activation = getattr(torch, activation)

    def forward(self, x, h):
        return self.activation(self.from_input(x) + self.from_hidden(h))


class ThreeStates(nn.Module):
    """A state of three tensors of different sizes; starts from None as torch.nn's cells do."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = nn.Linear(input_size, hidden_size)
        self.hidden_size = hidden_size

    def forward(self, x, state=None):
        if state is None:
            state = (
                x.new_zeros(len(x), self.hidden_size),
                x.new_zeros(len(x), 2),
                x.new_zeros(len(x), 2, 3),
            )
        h, count, memory = state
        return torch.tanh(self.mix(x) + h + memory.sum((1, 2)).unsqueeze(-1)), count + 1, memory + x.mean()


class Reservoir(nn.Module):
    """Fixed random weights, held as a buffer, and one parameter used in two places."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.register_buffer("fixed", torch.randn(hidden_size, hidden_size) / hidden_size)
        self.scale = nn.Linear(input_size, hidden_size)
        self.same = self.scale

    def forward(self, x, h):
        return torch.tanh(self.scale(x) + self.same(x) + h @ self.fixed)


class Tied(nn.Module):
    """Two submodules that share one weight matrix."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.before = nn.Linear(input_size, hidden_size)
        self.after = nn.Linear(input_size, hidden_size)
        self.after.weight = self.before.weight

    def forward(self, x, h):
        return torch.tanh(self.before(x) + h * torch.tanh(self.after(x)))


class Branching(nn.Module):
    """Control flow that looks at numbers, which vmap cannot follow."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = nn.Linear(input_size, hidden_size)

    def forward(self, x, h):
        return self.mix(x) if x.sum() > 0 else h


def loop_over_time(module, inputs, start):
    """The module as its author would run it: (B, T, F) → (B, T, H)."""
    outputs, state = [], start
    for x in inputs.unbind(1):
        state = module(x, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize(
    ("module", "settings"),
    [
        (nn.RNNCell, {"nonlinearity": "relu"}),
        (nn.GRUCell, {}),
        (nn.GRUCell, {"bias": False}),
        (nn.LSTMCell, {}),
        (Plain, {"activation": "sigmoid"}),
        (ThreeStates, {}),
        (Reservoir, {}),
        (Tied, {}),
        (Branching, {}),
    ],
)
def test_each_replica_computes_what_the_module_alone_computes(module, settings, replicas):
    network = RecurrentNetwork(
        partial(ModuleCell, module=module, **settings), 3, 5, replicas=replicas
    ).double()
    network.reset_parameters([seeded(seed) for seed in range(replicas)])
    inputs = torch.randn(replicas, 2, 4, 3, generator=seeded(9), dtype=torch.float64)
    outputs, _ = network(inputs)
    outputs.square().sum().backward()
    stacked = dict(network.cells["l0"].module.named_parameters())
    for r in range(replicas):
        alone = module(3, 5, **settings).double()
        alone.load_state_dict({n: t[r] for n, t in network.cells["l0"].module.state_dict().items()})
        start = (
            torch.zeros(2, 5, dtype=torch.float64) if module in (Plain, Reservoir, Tied, Branching) else None
        )
        expected = loop_over_time(alone, inputs[r], start)
        expected.square().sum().backward()
        torch.testing.assert_close(outputs[r], expected, rtol=1e-10, atol=1e-12)
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(stacked[name].grad[r], parameter.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("module", [nn.LSTMCell, Plain, Reservoir])
def test_replica_r_starts_as_the_single_run_with_its_seed_and_unlike_the_others(module):
    stack = ModuleCell(3, 5, 3, module=module)
    stack.reset_parameters([seeded(seed) for seed in (7, 0, 2)])
    for r, seed in enumerate((7, 0, 2)):
        single = ModuleCell(3, 5, module=module)
        single.reset_parameters([seeded(seed)])
        for name, tensor in single.state_dict().items():
            assert torch.equal(tensor[0], stack.state_dict()[name][r])
            assert not torch.equal(tensor[0], stack.state_dict()[name][r - 1])


def test_the_module_s_own_initialisation_is_kept():
    cell = ModuleCell(3, 400, module=nn.GRUCell)
    cell.reset_parameters([seeded(0)])
    weight = cell.module.weight_hh
    assert 0.0499 < weight.abs().max() <= 0.05
    assert abs(weight.std() - 0.05 / 3**0.5) < 1e-3


def test_building_and_initialising_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    ModuleCell(3, 5, 2, module=Plain).reset_parameters([seeded(0), seeded(1)])
    assert torch.equal(torch.get_rng_state(), before)


def test_state_names_and_shapes_come_from_a_trial_step():
    def shapes(module):
        return ModuleCell(3, 5, module=module).state_shapes

    assert shapes(nn.GRUCell) == shapes(Plain) == {"h": (5,)}
    assert shapes(nn.LSTMCell) == {"h": (5,), "c": (5,)}
    assert shapes(ThreeStates) == {"h": (5,), "s1": (2,), "s2": (2, 3)}


def test_a_parameter_used_in_two_places_stays_one():
    def names(module):
        return [name for name, _ in ModuleCell(3, 5, 2, module=module).named_parameters()]

    assert names(Reservoir) == ["module.scale.weight", "module.scale.bias"]
    assert names(Tied) == ["module.before.weight", "module.before.bias", "module.after.bias"]


@pytest.mark.parametrize(("module", "calls_a_step"), [(Plain, 1), (Branching, 3)])
def test_replicas_run_at_once_where_their_operations_can_be_batched(module, calls_a_step):
    cell, calls = ModuleCell(3, 5, 3, module=module), []
    cell.module.register_forward_hook(lambda *arguments: calls.append(1))
    inputs = torch.ones(3, 2, 3)
    cell.step(inputs, cell.initial_state(2, inputs))
    assert len(calls) == calls_a_step


class Backwards(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()

    def forward(self, x, h):
        return x


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Linear, "Linear does not step as torch.nn.GRUCell .* takes 2 positional arguments"),
        (nn.LSTM, "LSTM does not step as torch.nn.GRUCell and torch.nn.LSTMCell do"),
        (Backwards, r"Backwards does not step: its next h has shape \(1, 3\)"),
    ],
)
def test_a_module_that_does_not_step_is_refused(module, reason):
    with pytest.raises(UserError, match=reason):
        ModuleCell(3, 5, module=module)
