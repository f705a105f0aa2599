import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines import fused
from cells.recurrent.engines.fused import operation
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

from .torch_twin import (
    CASES,
    DTYPES,
    MAKERS,
    Case,
    errors_beside_torch_nn,
    network_numbers,
    network_of,
    relative_errors,
    seeded,
    series_and_states,
)

AWKWARD = [
    Case(cell, layers=1, batch=batch, steps=steps, hidden=hidden, padded=padded)
    for cell in ("elman", "elman_relu", "lstm", "gru")
    for batch, steps, hidden, padded in [(33, 17, 130, False), (7, 1, 17, False), (33, 9, 40, True)]
]


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("case", [*CASES, *AWKWARD], ids=str)
def test_kernels_agree_with_torch_nn_in_outputs_states_and_all_gradients(case, dtype, tolerance):
    errors = errors_beside_torch_nn(case, 2, "fused", dtype)
    assert max(errors.values()) <= tolerance, errors


@given(
    cell=st.sampled_from(sorted(MAKERS)),
    replicas=st.integers(1, 3),
    batch=st.integers(1, 40),
    steps=st.integers(1, 20),
    hidden=st.integers(1, 70),
    padded=st.booleans(),
    stateful=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_kernels_and_the_readable_loop_agree_on_any_shape(
    cell, replicas, batch, steps, hidden, padded, stateful
):
    case = Case(cell, 1, False, stateful, max(batch, 2 if padded else 1), steps, hidden, padded)
    ours = network_of(case, replicas, "fused", torch.float64)
    loop = network_of(case, replicas, "reference", torch.float64)
    arguments = series_and_states(case, ours, torch.float64)
    errors = relative_errors(network_numbers(ours, *arguments), network_numbers(loop, *arguments))
    assert max(errors.values()) <= 1e-10, errors


def network_with(make_cell, replicas=1, features=2, hidden=17, dtype=torch.float32):
    network = RecurrentNetwork(make_cell, features, hidden, replicas=replicas, engine="fused")
    network.reset_parameters([seeded(seed) for seed in range(replicas)])
    return network.to(dtype)


every_cell = pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])


@every_cell
def test_a_replica_in_a_stack_has_the_bits_it_has_alone(make_cell):
    inputs = torch.randn(3, 20, 9, 2, generator=seeded(7))
    stack, alone = network_with(make_cell, 3), network_with(make_cell, 3)
    numbers = network_numbers(stack, inputs)
    one = RecurrentNetwork(make_cell, 2, 17, engine="fused")
    with torch.no_grad():
        for parameter, stacked in zip(one.parameters(), alone.parameters(), strict=True):
            parameter.copy_(stacked[1:2])
    single = network_numbers(one, inputs[1:2])
    assert all(torch.equal(tensor[1], single[name][0]) for name, tensor in numbers.items())


@every_cell
def test_the_number_of_threads_changes_no_bit(make_cell, monkeypatch):
    monkeypatch.setattr("cells.recurrent.engines.fused.operation.WORTH_WAKING", 0)
    inputs, results = torch.randn(2, 50, 12, 2, generator=seeded(7)), []
    for threads in (1, 2, 5):
        monkeypatch.setattr(fused, "threads", threads)
        results.append(network_numbers(network_with(make_cell, 2), inputs))
    for result in results[1:]:
        assert all(torch.equal(tensor, results[0][name]) for name, tensor in result.items())


@every_cell
def test_replicas_may_share_their_inputs_without_a_copy(make_cell):
    network, inputs = (
        network_with(make_cell, 3),
        torch.randn(1, 20, 9, 2, generator=seeded(1)).expand(3, -1, -1, -1),
    )
    assert torch.equal(network(inputs)[0], network(inputs.clone())[0])


@pytest.mark.parametrize("make_cell", [*MAKERS.values()], ids=list(MAKERS))
def test_one_replicas_nan_stays_its_own_and_is_not_lost(make_cell):
    network, inputs = network_with(make_cell, 2), torch.ones(2, 3, 4, 2)
    inputs[0, 0, 0] = torch.nan
    outputs, _ = network(inputs)
    outputs.square().sum().backward()
    assert outputs[0, 0].isnan().all()
    assert outputs[0, 1:].isfinite().all()
    assert outputs[1].isfinite().all()
    for parameter in network.parameters():
        assert parameter.grad[0].isnan().any()
        assert parameter.grad[1].isfinite().all()


def test_large_pre_activations_saturate():
    network = network_with(LSTMCell)
    for scale in (1e2, 1e30):
        outputs, _ = network(torch.full((1, 2, 3, 2), scale))
        assert outputs.isfinite().all()
        assert outputs.abs().max() <= 1.0


def test_where_numba_is_missing_another_engine_runs(monkeypatch):
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    assert RecurrentNetwork(GRUCell, 2, 3).engine_name == "torch"
    assert RecurrentNetwork(GRUCell, 2, 3, replicas=2).engine_name == "reference"


def test_another_precision_runs_on_another_engine_and_says_so(caplog):
    network = network_with(GRUCell, dtype=torch.bfloat16)
    with caplog.at_level(logging.INFO):
        outputs, _ = network(torch.ones(1, 2, 3, 2, dtype=torch.bfloat16))
        network(torch.ones(1, 2, 3, 2, dtype=torch.bfloat16))
    assert outputs.dtype == torch.bfloat16
    (line,) = caplog.messages
    assert line.startswith("engine=fused does not run here (its kernels take float32 and float64")


@every_cell
@pytest.mark.parametrize("what", ["inputs", "state", "parameters"])
def test_two_precisions_at_once_are_refused(make_cell, what):
    network, inputs = network_with(make_cell), torch.ones(1, 2, 3, 2)
    states = network.initial_state(2, like=inputs.double() if what == "state" else inputs)
    if what == "parameters":
        network.double()
    with pytest.raises(ValueError, match="need one dtype, and these have"):
        network(inputs.double() if what == "inputs" else inputs, states)


@pytest.mark.parametrize("make_cell", [LSTMCell, GRUCell])
def test_without_gradients_no_gates_are_kept(make_cell, monkeypatch):
    network, inputs, rooms = network_with(make_cell), torch.ones(1, 2, 30, 2), []
    forward = operation.sweep.forward
    monkeypatch.setattr(
        operation.sweep, "forward", lambda *given: (rooms.append(given[13].size), forward(*given))
    )
    network(inputs)
    with torch.no_grad():
        network(inputs)
    assert rooms[0] == 30 * rooms[1]
