"""The kernels run in Triton's interpreter (see `tests/conftest.py`), where float32 products are exact."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from cells.errors import UserError
from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines import choose, triton_kernels
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

from .torch_twin import (
    MAKERS,
    Case,
    errors_beside_torch_nn,
    network_numbers,
    network_of,
    relative_errors,
    seeded,
    series_and_states,
    twin_numbers,
)

pytest.importorskip("triton", minversion="3.7", reason="Triton, which is for Linux, runs its kernels")

AWKWARD = [(33, 2, 5, True), (1, 1, 1, False), (7, 3, 1, True), (2, 1, 64, False)]
CASES = [
    *(Case(cell, layers=1, padded=padded) for cell in MAKERS for padded in (False, True)),
    *(
        Case(cell, layers=1, stateful=False, batch=batch, steps=steps, hidden=hidden, padded=padded)
        for cell in ("elman", "lstm", "gru")
        for batch, steps, hidden, padded in AWKWARD
    ),
    Case("lstm", bidirectional=True, batch=2, steps=3, hidden=3, padded=True),
]
every_cell = pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])


def network_with(make_cell, replicas=2, engine="triton"):
    network = RecurrentNetwork(make_cell, 2, 5, replicas=replicas, engine=engine)
    network.reset_parameters([seeded(seed) for seed in range(replicas)])
    return network


@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernels_agree_with_torch_nn_in_outputs_states_and_all_gradients(case):
    errors = errors_beside_torch_nn(case, 2, "triton", torch.float32)
    assert max(errors.values()) <= 1e-6, errors


def high(numbers):
    """What TF32 keeps of float32, cut off, which is worse than rounded."""
    return (np.ascontiguousarray(numbers).view(np.uint32) & 0xFFFFE000).view(np.float32)


@pytest.mark.parametrize(("halves", "least", "most"), [(2, 0, 1e-6), (1, 1e-5, 1)])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_three_products_of_halves_keep_to_the_bound_and_one_does_not(monkeypatch, cell, halves, least, most):
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    def product(self, a, b, total, *settings):
        (a, a_low), (b, b_low) = ((high(x.data), high(x.data - high(x.data))) for x in (a, b))
        whole = a @ b + (a_low @ b + a @ b_low if halves == 2 else 0)
        return TensorHandle(whole + total.data, total.dtype.scalar)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", product)
    case = Case(cell, layers=1, steps=20, batch=2)
    network = network_of(case, replicas=2, engine="triton", dtype=torch.float32)
    arguments = series_and_states(case, network, torch.float32)
    errors = relative_errors(network_numbers(network, *arguments), twin_numbers(network, *arguments))
    assert least <= max(errors.values()) <= most, errors


@pytest.mark.parametrize("cell", ["elman", "elman_relu", "lstm", "gru"])
def test_bfloat16_is_about_as_exact_as_the_loop_in_bfloat16(cell):
    case, errors = Case(cell, layers=1, padded=True), []
    for engine in ("triton", "reference"):
        network = network_of(case, replicas=2, engine=engine, dtype=torch.bfloat16)
        arguments = series_and_states(case, network, torch.bfloat16)
        numbers = network_numbers(network, *arguments)
        assert {tensor.dtype for tensor in numbers.values()} == {torch.bfloat16}
        errors.append(relative_errors(numbers, twin_numbers(network, *arguments)))
    ours, loop = errors
    # The interpreter truncates to bfloat16, which is twice as far off as rounding.
    assert all(ours[name] <= 3 * loop[name] for name in loop), errors


@every_cell
def test_under_autocast_products_are_in_bfloat16_and_states_in_float32(make_cell):
    inputs = torch.randn(2, 3, 6, 2, generator=seeded(7))
    expected = network_numbers(network_with(make_cell).double(), inputs.double())
    with torch.autocast("cpu", torch.bfloat16):
        numbers = network_numbers(network_with(make_cell), inputs)
    assert {tensor.dtype for tensor in numbers.values()} == {torch.float32}
    errors = relative_errors(numbers, expected)
    assert all(1e-4 <= error <= 2e-2 for error in errors.values()), errors


@every_cell
def test_a_loss_on_the_last_state_alone_has_the_gradients_of_the_loop(make_cell):
    inputs, gradients = torch.randn(2, 3, 4, 2, generator=seeded(7)), []
    for engine in ("triton", "reference"):
        network = network_with(make_cell, engine=engine)
        _, (state,) = network(inputs)
        gradients.append(torch.autograd.grad(state["h"].square().sum(), list(network.parameters())))
    for ours, loop in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, loop, rtol=1e-5, atol=1e-6)


@every_cell
def test_small_states_are_as_exact_as_large_ones(make_cell):
    inputs = 1e-4 * torch.randn(2, 3, 4, 2, generator=seeded(7))
    outputs = []
    for engine in ("triton", "reference"):
        network = network_with(lambda *sizes: make_cell(*sizes, bias=False), engine=engine).double()
        dtype = torch.float32 if engine == "triton" else torch.float64
        outputs.append(network.to(dtype)(inputs.to(dtype))[0].double())
    assert (outputs[0] - outputs[1]).norm() <= 1e-6 * outputs[1].norm()


def test_large_pre_activations_saturate():
    for scale in (1e2, 1e30):
        outputs, _ = network_with(LSTMCell)(torch.full((2, 2, 3, 2), scale))
        assert outputs.isfinite().all()
        assert outputs.abs().max() <= 1.0


@every_cell
def test_a_replica_in_a_stack_has_the_bits_it_has_alone(make_cell):
    inputs = torch.randn(2, 3, 4, 2, generator=seeded(7))
    stack, alone = network_with(make_cell, 2), network_with(make_cell, 1)
    with torch.no_grad():
        for parameter, stacked in zip(alone.parameters(), stack.parameters(), strict=True):
            parameter.copy_(stacked[1:])
    numbers, single = network_numbers(stack, inputs), network_numbers(alone, inputs[1:])
    assert all(torch.equal(tensor[1], single[name][0]) for name, tensor in numbers.items())


@pytest.mark.parametrize("make_cell", [*MAKERS.values()], ids=list(MAKERS))
def test_one_replicas_nan_stays_its_own_and_is_not_lost(make_cell):
    network, inputs = network_with(make_cell), torch.ones(2, 2, 3, 2)
    inputs[0, 0, 0] = torch.nan
    outputs, _ = network(inputs)
    outputs.square().sum().backward()
    assert outputs[0, 0].isnan().all()
    assert outputs[0, 1].isfinite().all()
    assert outputs[1].isfinite().all()
    for parameter in network.parameters():
        assert parameter.grad[0].isnan().any()
        assert parameter.grad[1].isfinite().all()


def test_a_gradient_of_a_gradient_is_refused():
    network = network_with(GRUCell)
    outputs, _ = network(torch.ones(2, 1, 2, 2))
    weight = network.cells["l0"].weight_hh
    (gradient,) = torch.autograd.grad(outputs.square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_the_kernels_compile_for_a_gpu():
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    program = [sys.executable, "-m", "recurrent.compile_sweep"]
    subprocess.run(program, cwd=Path(__file__).parents[1], env=environment, check=True)


@pytest.mark.parametrize(("replicas", "engine"), [(1, "torch"), (2, "reference")])
def test_on_a_gpu_auto_takes_pytorchs_kernels_or_the_loop(replicas, engine):
    with FakeTensorMode():
        inputs = torch.empty(replicas, 2, 3, 1, device="cuda")
        assert choose("auto", GRUCell(1, 2, replicas), inputs) == engine
        assert choose("triton", GRUCell(1, 2, replicas), inputs) == "triton"


def test_who_asks_is_told_once_that_it_is_experimental(caplog):
    triton_kernels._warn.cache_clear()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            network_with(GRUCell)(torch.ones(2, 1, 2, 2))
    (line,) = caplog.messages
    assert line.startswith("engine=triton is experimental, not yet run on a GPU")


def test_a_cell_without_a_kernel_is_refused():
    with pytest.raises(UserError, match="this is OwnGRU"):
        choose("triton", type("OwnGRU", (GRUCell,), {})(1, 2))


def test_where_there_are_too_many_units_another_engine_takes_over_and_a_line_says_so(caplog):
    network = RecurrentNetwork(GRUCell, 1, 130, replicas=2, engine="triton")
    network.reset_parameters([seeded(seed) for seed in range(2)])
    with caplog.at_level(logging.INFO):
        network(torch.ones(2, 1, 2, 1))
    assert network.engine_name == "fused"
    assert caplog.messages == [
        "engine=triton does not run here (its kernels take a hidden size of at most 128, and this is 130); "
        "engine=fused does."
    ]


def test_where_a_machine_lacks_triton_or_a_gpu_another_engine_takes_over(monkeypatch, caplog):
    monkeypatch.delenv("TRITON_INTERPRET")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose("triton", GRUCell(1, 2, 2)) == "fused"
    monkeypatch.setattr(triton_kernels, "find_spec", lambda name: None)
    assert choose("triton", GRUCell(1, 2, 2)) == "fused"
    assert caplog.messages == [
        f"engine=triton does not run here: {why}; engine=fused does."
        for why in (
            "its kernels are for a CUDA card, and PyTorch finds none",
            "Triton, which compiles its kernels, is not installed",
        )
    ]


@pytest.mark.parametrize(("interpreted", "dtype"), [("1", torch.float16), ("0", torch.bfloat16)])
def test_on_other_inputs_another_engine_runs_and_says_so(monkeypatch, caplog, interpreted, dtype):
    network = network_with(GRUCell).to(dtype)
    monkeypatch.setenv("TRITON_INTERPRET", interpreted)
    with caplog.at_level(logging.INFO):
        network(torch.ones(2, 1, 2, 2, dtype=dtype))
    (line,) = caplog.messages
    assert line == (
        f"engine=triton does not run here (its kernels take float32 and bfloat16 on a GPU, and these are {dtype} "
        "on cpu); engine=reference does."
    )
