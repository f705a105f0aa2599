"""The gradient through time is the total derivative: checked against theory, finite differences and a twin."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from cells.diagnostics.gradient_through_time import (
    by_lag,
    decay_per_step,
    half_life_steps,
    recorded_adjoints,
)
from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines.fused.operation import watched
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

from .conftest import linear_network, random_network


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_the_gradient_of_a_scalar_linear_cell_over_k_steps_is_w_to_the_k() -> None:
    network = linear_network([[0.8]], [[1.1]], [[-0.5]])
    inputs = random(3, 4, 30, 1)
    norms, _ = recorded_adjoints(network, lambda: network(inputs)[0][:, :, -1, 0])
    curve = by_lag(norms["l0/h"], torch.full((3, 4), 29))
    lag = torch.arange(30, dtype=torch.float64)
    expected = torch.tensor([[0.8], [1.1], [0.5]], dtype=torch.float64) ** lag
    torch.testing.assert_close(curve, expected, rtol=1e-12, atol=0)
    decay = decay_per_step(curve)
    torch.testing.assert_close(decay, expected[:, 1], rtol=1e-10, atol=0)
    torch.testing.assert_close(
        half_life_steps(decay), torch.tensor([math.log(0.5) / math.log(0.8), math.inf, 1.0]).double()
    )


def test_the_gradient_of_an_elman_cell_equals_the_product_of_its_jacobians() -> None:
    network = random_network(ElmanCell)
    cell, inputs, steps = network.cells["l0"], random(2, 3, 7, 3), 7
    readout = random(2, 1, 5)
    norms, trajectories = recorded_adjoints(network, lambda: (network(inputs)[0][:, :, -1] * readout).sum(-1))
    states = trajectories["l0"].states("h")
    assert isinstance(cell, ElmanCell)
    adjoint = readout.expand(2, 3, 5)
    for t in range(steps - 1, -1, -1):
        torch.testing.assert_close(norms["l0/h"][:, :, t], adjoint.norm(dim=-1), rtol=1e-12, atol=0)
        adjoint = (adjoint * (1 - states[t] ** 2)) @ cell.weight_hh.mT


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_it_equals_finite_differences_of_the_loss_at_every_state(
    make_cell: type, layers: int, engine: str
) -> None:
    """A state is nudged and the rest of the sequence run from there, every layer at once."""
    network = random_network(make_cell, num_layers=layers, engine=engine)
    inputs, readout = random(2, 1, 6, 3), random(2, 1, 5)

    def loss(states: list[dict[str, Tensor]] | None, first: int) -> Tensor:
        _, final = network(inputs[:, :, first:], states)
        return (final[-1]["h"] * readout).sum(-1)

    norms, trajectories = recorded_adjoints(network, lambda: loss(None, 0))
    top = f"l{layers - 1}"
    for key in network.cells[top].state_shapes:  # type: ignore[union-attr]
        for t in (0, 3):
            base = [
                {name: trajectory.states(name)[t].detach() for name in trajectory.after[-1]}
                for trajectory in trajectories.values()
            ]
            slopes = []
            for unit in range(5):
                nudged = []
                for sign in (1, -1):
                    step = torch.zeros(5, dtype=torch.float64)
                    step[unit] = sign * 1e-6
                    moved = [dict(state) for state in base]
                    moved[-1][key] = moved[-1][key] + step
                    if key == "c":  # h is read off c in the same step
                        opened = base[-1]["h"] / base[-1]["c"].tanh()
                        moved[-1]["h"] = opened * moved[-1]["c"].tanh()
                    nudged.append(loss(moved, t + 1))
                slopes.append((nudged[0] - nudged[1]) / 2e-6)
            numeric = torch.stack(slopes, -1).norm(dim=-1)
            torch.testing.assert_close(norms[f"{top}/{key}"][:, :, t], numeric.detach(), rtol=1e-6, atol=1e-9)


def test_retain_grad_on_the_outputs_would_be_zero_for_every_earlier_step() -> None:
    network = random_network(GRUCell, replicas=1)
    inputs = random(1, 2, 6, 3)
    outputs, _ = network(inputs)
    outputs.retain_grad()
    outputs[:, :, -1].sum().backward()
    assert outputs.grad is not None
    assert not outputs.grad[:, :, :-1].any(), "the trap: the direct gradient alone"
    norms, _ = recorded_adjoints(network, lambda: network(inputs)[0][:, :, -1].sum(-1))
    assert (norms["l0/h"] > 0.01).all()


def test_the_states_of_a_cell_that_is_not_trained_have_gradients_too() -> None:
    network = random_network(GRUCell, replicas=1)
    network.engine_name = "reference"
    inputs = random(1, 2, 6, 3)
    trained, _ = recorded_adjoints(network, lambda: network(inputs)[0][:, :, -1].sum(-1))
    network.requires_grad_(False)
    frozen, _ = recorded_adjoints(network, lambda: network(inputs)[0][:, :, -1].sum(-1))
    torch.testing.assert_close(frozen, trained, rtol=0, atol=0)


def test_every_engine_gives_the_gradient_of_the_same_function_and_gets_its_engine_back() -> None:
    network = random_network(LSTMCell, replicas=1)
    inputs = random(1, 2, 6, 3)
    assert network.engine_name != "reference"
    engine = network.engine_name
    start = [{name: tensor.requires_grad_() for name, tensor in network.initial_state(2, inputs)[0].items()}]
    by_engine = torch.autograd.grad(network(inputs, start)[0][:, :, -1].sum(), start[0]["h"])[0]
    by_recording, trajectories = recorded_adjoints(network, lambda: network(inputs)[0][:, :, -1].sum(-1))
    assert network.engine_name == engine
    assert "step" not in vars(network.cells["l0"])
    # One step further back from the first state recorded, by hand:
    h, c = (trajectories["l0"].states(name)[0] for name in ("h", "c"))
    rest, _ = network(inputs[:, :, 1:], [{"h": h.detach().requires_grad_(), "c": c.detach()}])
    assert by_engine.shape == (1, 2, 5)
    new = network.cells["l0"].step(trajectories["l0"].projected[0].detach(), start[0])  # type: ignore[operator]
    moved = [{name: tensor for name, tensor in new.items()}]
    tail = torch.autograd.grad(network(inputs[:, :, 1:], moved)[0][:, :, -1].sum(), [new["h"], start[0]["h"]])
    torch.testing.assert_close(tail[1], by_engine, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(tail[0].norm(dim=-1), by_recording["l0/h"][:, :, 0], rtol=1e-10, atol=1e-12)
    assert rest.shape[2] == 5


def test_replicas_do_not_touch_one_another_and_one_that_is_not_a_number_stays_alone() -> None:
    stack, inputs = random_network(LSTMCell, replicas=3), random(3, 2, 6, 3)
    with torch.no_grad():
        stack.cells["l0"].weight_hh[1] = torch.nan  # type: ignore[index, operator]
    norms, _ = recorded_adjoints(stack, lambda: stack(inputs)[0][:, :, -1].sum(-1))
    assert norms["l0/c"][1].isnan().all()
    for replica in (0, 2):
        alone = RecurrentNetwork(LSTMCell, 3, 5).double()
        with torch.no_grad():
            for name, parameter in alone.named_parameters():
                parameter[0] = stack.get_parameter(name)[replica]
        one = inputs[replica : replica + 1]
        single, _ = recorded_adjoints(alone, lambda net=alone, x=one: net(x)[0][:, :, -1].sum(-1))  # type: ignore[misc]
        for name in ("l0/h", "l0/c"):
            torch.testing.assert_close(norms[name][replica], single[name][0], rtol=1e-10, atol=1e-14)
    curve = by_lag(norms["l0/h"], torch.full((3, 2), 5))
    assert decay_per_step(curve).isnan().tolist() == [False, True, False]


def test_sequences_of_different_length_are_lined_up_at_the_step_that_the_loss_reads() -> None:
    network = linear_network([[0.8]])
    inputs, lengths = random(1, 3, 6, 1), torch.tensor([[2, 6, 4]])
    norms, _ = recorded_adjoints(network, lambda: network(inputs, lengths=lengths)[1][0]["h"].sum(-1))
    curve = by_lag(norms["l0/h"], lengths - 1)
    torch.testing.assert_close(curve[0], 0.8 ** torch.arange(6, dtype=torch.float64), rtol=1e-12, atol=0)
    shorter = by_lag(norms["l0/h"][:, :1], lengths[:, :1] - 1)
    assert shorter.isnan().tolist() == [[False, False, True, True, True, True]]


def test_a_rate_needs_two_lags_that_have_not_underflowed() -> None:
    curves = torch.tensor([[1.0, 0.0, 0.0], [4.0, 2.0, 0.0], [1.0, torch.inf, 1.0], [torch.nan] * 3])
    decay = decay_per_step(curves)
    torch.testing.assert_close(decay, torch.tensor([torch.nan, 0.5, torch.nan, torch.nan]), equal_nan=True)
    torch.testing.assert_close(
        half_life_steps(decay), torch.tensor([torch.nan, 1.0, torch.nan, torch.nan]), equal_nan=True
    )


@pytest.mark.parametrize("make_cell", [ElmanCell, partial(ElmanCell, nonlinearity="relu"), LSTMCell, GRUCell])
@pytest.mark.parametrize(("number", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_the_fused_engines_own_backward_pass_tells_the_same_as_the_loop(
    make_cell: Any, number: torch.dtype, tolerance: float
) -> None:
    """Two layers, both directions, sequences of different lengths, every output in the loss."""
    lengths = torch.tensor([[7, 1, 4], [2, 7, 6]])
    inputs = random(2, 3, 7, 3).to(number)
    found = []
    for engine in ("reference", "fused"):
        network = random_network(make_cell, num_layers=2, bidirectional=True, engine=engine).to(number)
        read = lambda network=network: network(inputs, lengths=lengths)[0].square().sum((2, 3))  # noqa: E731
        found.append(recorded_adjoints(network, read))
    (expected, loop), (norms, swept) = found
    assert list(norms) == list(expected)
    for name in norms:
        assert (norms[name] - expected[name]).norm() <= tolerance * expected[name].norm(), name
    for name, cell in network.cells.items():
        for t in range(7):
            torch.testing.assert_close(swept[name].projected[t], loop[name].projected[t].detach())
            valid = lengths > t
            for key in cell.state_shapes:  # type: ignore[union-attr]
                for ours, theirs in (
                    (swept[name].before, loop[name].before),
                    (swept[name].after, loop[name].after),
                ):
                    torch.testing.assert_close(ours[t][key][valid], theirs[t][key][valid].detach())


def test_nothing_is_watched_once_the_look_is_over() -> None:
    network, inputs = random_network(LSTMCell, engine="fused"), random(2, 3, 7, 3)
    recorded_adjoints(network, lambda: network(inputs)[0][:, :, -1].sum(-1))
    with watched() as sweeps:
        pass
    network(inputs)[0].sum().backward()
    assert not sweeps
