import pytest
import torch

from cells.errors import UserError
from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines import choose, compiled, fused
from cells.recurrent.feedforward import FeedforwardCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

from .torch_twin import seeded


class OwnGRU(GRUCell):
    """A subclass may compute anything, so PyTorch's kernels are not for it."""


@pytest.mark.parametrize(
    ("cell", "engine"),
    [
        (ElmanCell(1, 2), "fused"),
        (LSTMCell(1, 2), "fused"),
        (GRUCell(1, 2, 3), "fused"),
        (OwnGRU(1, 2), "reference"),
        (FeedforwardCell(1, 2, 3), "own"),
    ],
)
def test_auto_takes_the_fastest_engine_that_runs_a_cell(cell, engine):
    assert choose("auto", cell) == engine


def test_the_engine_asked_for_is_taken():
    assert choose("reference", LSTMCell(1, 2)) == "reference"


@pytest.mark.parametrize(
    ("engine", "cell", "reason"),
    [
        ("torch", GRUCell(1, 2, 3), "run one replica, and there are 3; use engine=auto"),
        ("torch", OwnGRU(1, 2), "this is OwnGRU; use engine=auto"),
        ("own", GRUCell(1, 2), "GRUCell has no method unroll of its own; use engine=auto"),
        ("refrence", GRUCell(1, 2), "did you mean 'reference'"),
    ],
)
def test_an_engine_that_cannot_run_a_cell_is_refused(engine, cell, reason):
    with pytest.raises(UserError, match=reason):
        choose(engine, cell)


@pytest.mark.parametrize(
    ("engine", "cell", "why", "instead"),
    [
        ("compiled", OwnGRU(1, 2), "torch.compile needs a C++ compiler, and there is none", "reference"),
        ("fused", LSTMCell(1, 2), "Numba, which compiles its kernels, is not installed", "torch"),
        ("fused", LSTMCell(1, 2, 3), "Numba, which compiles its kernels, is not installed", "reference"),
    ],
)
def test_where_a_machine_lacks_what_an_engine_needs_another_takes_over_and_a_line_says_so(
    engine, cell, why, instead, monkeypatch, caplog
):
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    monkeypatch.setattr(compiled.torch.cuda, "is_available", lambda: False)
    assert choose(engine, cell) == instead
    assert caplog.messages == [f"engine={engine} does not run here: {why}; engine={instead} does."]
    assert choose("auto", cell) == instead


@pytest.fixture(params=["fused", "triton"])
def ours(request):
    """An engine of our own, which goes through time both ways in kernels of its own."""
    if request.param == "triton":
        pytest.importorskip("triton", minversion="3.7", reason="Triton, which is for Linux, runs its kernels")
    return request.param


def network_with(make_cell, engine):
    network = RecurrentNetwork(make_cell, 2, 5, replicas=2, engine=engine)
    network.reset_parameters([seeded(seed) for seed in range(2)])
    return network, torch.randn(2, 20, 9, 2, generator=seeded(1))


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
def test_going_back_twice_gives_the_same_gradients(make_cell, ours):
    network, inputs = network_with(make_cell, ours)
    outputs, _ = network(inputs)
    first, second = (
        torch.autograd.grad(outputs.square().sum(), list(network.parameters()), retain_graph=True)
        for _ in range(2)
    )
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
def test_without_gradients_the_outputs_are_the_same(make_cell, ours):
    network, inputs = network_with(make_cell, ours)
    with torch.no_grad():
        alone = network(inputs)[0]
    assert torch.equal(alone, network(inputs)[0])


@pytest.mark.parametrize("change", ["inputs", "outputs", "weight_hh", "lengths"])
@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
def test_a_change_before_the_backward_pass_is_refused_or_makes_no_difference(make_cell, change, ours):
    def gradients(changing):
        network, inputs = network_with(make_cell, ours)
        lengths = torch.full((2, 20), 3)
        outputs, _ = network(inputs, lengths=lengths if change == "lengths" else None)
        loss, weight = outputs.sum(), network.cells["l0"].weight_hh
        tensors = {"inputs": inputs, "outputs": outputs, "weight_hh": weight, "lengths": lengths}
        if changing:
            tensors[change].detach().mul_(2)
        return torch.autograd.grad(loss, list(network.parameters()))

    unchanged = gradients(changing=False)
    try:
        changed = gradients(changing=True)
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
    else:
        assert all(torch.equal(one, other) for one, other in zip(changed, unchanged, strict=True))
