import pytest
import torch
from torch import nn

from cells.recurrent.adapter import ModuleCell
from cells.recurrent.cell import Cell
from cells.recurrent.engines import choose, deferred
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork

from .torch_twin import (
    CASES,
    DTYPES,
    Case,
    errors_beside_torch_nn,
    network_numbers,
    network_of,
    seeded,
    series_and_states,
)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_agrees_with_torch_nn_in_outputs_states_and_all_gradients(case, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(deferred, "STEPS", 4)
    errors = errors_beside_torch_nn(case, 2, "deferred", dtype)
    assert max(errors.values()) <= tolerance, errors


class Odd(Cell):
    """Uses its weights in every way that a step may: twice, transposed, scaled, elementwise, changed in place after."""

    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("weight_ih", input_size, hidden_size)
        self.add_parameter("weight_hh", hidden_size, hidden_size)
        self.add_parameter("scale", 1, hidden_size)
        self.add_parameter("unused", 1, hidden_size)
        self.add_parameter("frozen", hidden_size, hidden_size)
        self.frozen.requires_grad_(False)

    @property
    def state_shapes(self):
        return {"h": (self.hidden_size,), "c": (self.hidden_size,)}

    def step(self, projected, state):
        h, c = state["h"], state["c"]
        first = h @ self.weight_hh
        first.mul_(2.0)
        second = torch.bmm(c, self.weight_hh) + c @ self.weight_hh.transpose(1, 2) + h @ (-self.weight_hh)
        c = torch.tanh(first + second + projected @ self.weight_ih) * self.scale
        return {"h": torch.tanh(c + h @ self.frozen), "c": c}


@pytest.mark.parametrize("inputs_learn", [False, True])
def test_whatever_a_step_does_with_its_weights_gradients_are_those_of_the_loop(inputs_learn):
    gradients = {}
    for engine in ("deferred", "reference"):
        network = RecurrentNetwork(Odd, 3, 5, num_layers=2, replicas=2, engine=engine).double()
        network.reset_parameters([seeded(seed) for seed in range(2)])
        inputs = torch.randn(2, 4, deferred.STEPS + 7, 3, generator=seeded(1), dtype=torch.float64)
        inputs.requires_grad_(inputs_learn)
        outputs, _ = network(inputs)
        outputs.square().sum().backward()
        gradients[engine] = {name: p.grad for name, p in network.named_parameters()} | {"inputs": inputs.grad}
    for name, gradient in gradients["reference"].items():
        if gradient is None:
            ours = gradients["deferred"][name]
            assert ours is None or not ours.any(), name
        else:
            torch.testing.assert_close(
                gradients["deferred"][name], gradient, rtol=1e-10, atol=1e-12, msg=name
            )


def test_products_are_formed_for_many_steps_at_once(monkeypatch):
    """No weight's gradient is formed step by step: the sum over steps has one product a piece in it."""
    network = network_of(Case("gru", layers=1, steps=8), 2, "deferred", torch.float64)
    inputs, states, _ = series_and_states(Case("gru", layers=1, steps=8), network, torch.float64)
    found = {}

    def spy(results, adjoints, tensors, edges):
        found["products"], found["weights"] = len(edges), tensors[-4:]
        gradients = whole(results, adjoints, tensors, edges)
        found["left to autograd"] = gradients[2:6]
        return gradients

    whole = deferred._gradients
    monkeypatch.setattr(deferred, "_gradients", spy)
    network_numbers(network, inputs, states)
    assert found["products"] == 8
    names = [name for name, _ in network.cells["l0"].named_parameters()]
    assert found["left to autograd"][names.index("weight_hh")] is None


def test_going_back_twice_gives_the_same_gradients():
    network = network_of(Case("lstm", layers=1), 2, "deferred", torch.float64)
    outputs, _ = network(torch.randn(2, 3, 6, 3, generator=seeded(1), dtype=torch.float64))
    loss = outputs.square().sum()
    first, second = (
        torch.autograd.grad(loss, list(network.parameters()), retain_graph=True) for _ in range(2)
    )
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_a_weight_changed_before_the_way_back_is_noticed():
    network = network_of(Case("gru", layers=1), 1, "deferred", torch.float64)
    outputs, _ = network(torch.ones(1, 2, 4, 3, dtype=torch.float64))
    with torch.no_grad():
        network.cells["l0"].weight_hh.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


class Overwriting(GRUCell):
    """Changes the state it was given, after having multiplied it with a weight."""

    def step(self, projected, state):
        h = state["h"] + 0.0
        product = h @ self.weight_hh
        h.mul_(2.0)
        return {"h": torch.tanh(h + product[..., : self.hidden_size])}


@pytest.mark.parametrize("engine", ["deferred", "reference"])
def test_a_state_changed_before_the_way_back_is_noticed(engine):
    network = RecurrentNetwork(Overwriting, 2, 3, engine=engine)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        network(torch.ones(1, 2, 3, 2))[0].sum().backward()


class Constant(GRUCell):
    """Depends on nothing, though it looks at its weights."""

    def step(self, projected, state):
        with torch.no_grad():
            return {"h": torch.ones_like(state["h"] @ self.weight_hh)[..., : self.hidden_size]}


def test_a_cell_that_depends_on_nothing_has_no_gradients():
    network = RecurrentNetwork(Constant, 2, 3, engine="deferred")
    network(torch.ones(1, 2, 3, 2))[0].sum().backward()
    assert not any(parameter.grad.any() for parameter in network.parameters())


def test_a_step_that_fails_leaves_the_cell_its_parameters():
    class Failing(GRUCell):
        def step(self, projected, state):
            raise ZeroDivisionError

    network = RecurrentNetwork(Failing, 2, 3, engine="deferred")
    with pytest.raises(ZeroDivisionError):
        network(torch.ones(1, 2, 3, 2))
    assert all(type(parameter) is nn.Parameter for parameter in network.parameters())


def test_without_gradients_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(deferred, "_Deferred", None)
    network = network_of(Case("gru", layers=1), 1, "deferred", torch.float64)
    with torch.no_grad():
        outputs, _ = network(torch.ones(1, 2, 4, 3, dtype=torch.float64))
    assert not outputs.requires_grad


class Own(GRUCell):
    """A cell that the fused kernels do not know."""


def test_auto_takes_it_for_cells_of_ones_own_that_are_large():
    assert choose("auto", Own(1, 512)) == "deferred"
    assert choose("auto", Own(1, 511)) == "reference"
    assert choose("auto", Own(1, 256, replicas=4)) == "deferred"
    assert choose("deferred", Own(1, 2)) == "deferred"
    assert choose("auto", ModuleCell(1, 512, module=nn.GRUCell)) == "reference"


def test_lowered_precision_is_left_to_the_loop():
    network = RecurrentNetwork(Own, 2, 512)
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.ones(1, 2, 3, 2))[0].sum().backward()
    assert network.engine_name == "reference"
