import math

import pytest
import torch
from torch import nn

from cells.errors import UserError
from cells.recurrent.adapter import ModuleCell
from cells.recurrent.elman import ElmanCell
from cells.recurrent.feedforward import FeedforwardCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.initialization import initialize, spectral_radii
from cells.recurrent.lstm import LSTMCell

from .torch_twin import seeded


def initialized(cell, **settings):
    initialize(cell, [seeded(seed) for seed in range(cell.replicas)], **settings)
    return cell


def bias(cell, gate):
    """The bias that a gate sees."""
    start = cell.gates.index(gate) * cell.hidden_size
    return (cell.bias_ih + cell.bias_hh)[..., start : start + cell.hidden_size].detach()


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
def test_torch_draws_uniform_numbers_up_to_one_over_root_hidden_size(make_cell):
    cell = initialized(make_cell(100, 256))
    layer = {ElmanCell: nn.RNN, LSTMCell: nn.LSTM, GRUCell: nn.GRU}[make_cell](100, 256)
    for name, parameter in cell.named_parameters():
        of_torch = getattr(layer, f"{name}_l0")
        assert parameter.numel() == of_torch.numel()
        assert parameter.abs().max() <= 1 / 16
        assert parameter.mean().abs() < 4 * (1 / 16 / math.sqrt(3)) / math.sqrt(parameter.numel())
        tolerance = 4 / math.sqrt(parameter.numel())
        assert abs(parameter.std() / of_torch.std() - 1) < tolerance
        assert abs(parameter.std() * 16 * math.sqrt(3) - 1) < tolerance


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
def test_orthogonal_makes_every_gate_s_block_orthogonal_and_no_two_alike(make_cell):
    cell = initialized(make_cell(3, 20, 2), scheme="orthogonal")
    blocks = [block for weight in cell.weight_hh.detach() for block in weight.split(20, dim=-1)]
    for block in blocks:
        torch.testing.assert_close(block.t() @ block, torch.eye(20), rtol=0, atol=1e-5)
    assert len({round(block[0, 0].item(), 6) for block in blocks}) == 2 * len(cell.gates)
    assert cell.weight_ih.abs().max() <= 1 / math.sqrt(20)


def test_identity_is_the_irnn():
    cell = initialized(ElmanCell(50, 40, 2, nonlinearity="relu"), scheme="identity")
    assert torch.equal(cell.weight_hh, torch.eye(40).expand(2, 40, 40))
    assert not cell.bias_ih.any()
    assert not cell.bias_hh.any()
    assert abs(cell.weight_ih.std() / 0.001 - 1) < 0.05
    assert not torch.equal(cell.weight_ih[0], cell.weight_ih[1])
    # so that with no input the state stays as it is
    state = {"h": torch.rand(2, 3, 40)}
    assert torch.equal(cell.step(cell.project(torch.zeros(2, 3, 1, 50))[:, :, 0], state)["h"], state["h"])


@pytest.mark.parametrize(("make_cell", "gate"), [(LSTMCell, "f"), (GRUCell, "z")])
@pytest.mark.parametrize("scheme", ["torch", "orthogonal"])
def test_the_forget_bias_is_the_sum_of_both_biases_of_the_keep_gate_and_of_no_other(make_cell, gate, scheme):
    cell = initialized(make_cell(3, 50, 2), scheme=scheme, forget_bias=1.5)
    assert torch.equal(bias(cell, gate), torch.full((2, 1, 50), 1.5))
    without = initialized(make_cell(3, 50, 2), scheme=scheme)
    for other in set(cell.gates) - {gate}:
        assert torch.equal(bias(cell, other), bias(without, other))


def test_chrono_spreads_the_memory_of_an_lstm_over_t_max_steps():
    cell = initialized(LSTMCell(3, 5000), scheme="chrono", chrono_t_max=101)
    steps = bias(cell, "f").exp()  # uniform on [1, 100]
    assert 1 <= steps.min() < 1.1
    assert 99.8 < steps.max() <= 100.001
    assert abs(steps.mean() - 50.5) < 2
    assert abs(steps.std() - 99 / math.sqrt(12)) < 1
    assert torch.equal(bias(cell, "i"), -bias(cell, "f"))


def test_chrono_sets_the_update_gate_of_a_gru():
    cell = initialized(GRUCell(3, 5000), scheme="chrono", chrono_t_max=11)
    steps = bias(cell, "z").exp()
    assert abs(steps.mean() - 5.5) < 0.2
    assert 1 <= steps.min() < 1.1
    assert 9.9 < steps.max() <= 10.001
    assert bias(cell, "n").abs().max() <= 2 / math.sqrt(5000)


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
@pytest.mark.parametrize("scheme", ["torch", "orthogonal"])
def test_every_gate_s_block_gets_the_spectral_radius_asked_for(make_cell, scheme):
    cell = initialized(make_cell(3, 20, 2), scheme=scheme, spectral_radius=1.3)
    for block in cell.weight_hh.detach().split(20, dim=-1):
        torch.testing.assert_close(spectral_radii(block), torch.full((2,), 1.3), rtol=1e-5, atol=0)
        if scheme == "orthogonal":
            torch.testing.assert_close(
                block.mT @ block, 1.69 * torch.eye(20).expand(2, -1, -1), rtol=0, atol=1e-5
            )


def test_the_spectral_radius_is_known_of_a_rotation_and_of_one_matrix_beside_a_broken_one():
    angle = torch.tensor(0.4)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    broken = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    radii = spectral_radii(torch.stack([0.7 * rotation, broken, torch.tensor([[0.0, 5.0], [0.0, 0.0]])]))
    torch.testing.assert_close(radii, torch.tensor([0.7, torch.nan, 0.0]), equal_nan=True)


@pytest.mark.parametrize(
    ("make_cell", "settings"),
    [
        (LSTMCell, {"scheme": "orthogonal", "forget_bias": 1.0, "spectral_radius": 0.5}),
        (GRUCell, {"scheme": "chrono", "chrono_t_max": 50}),
        (lambda *sizes: ElmanCell(*sizes, nonlinearity="relu"), {"scheme": "identity"}),
        (lambda *sizes: ModuleCell(*sizes, module=nn.GRUCell), {"scheme": "torch"}),
    ],
)
def test_replica_r_starts_as_the_single_run_with_its_seed(make_cell, settings):
    seeds = (4, 0, 9)
    stack = make_cell(3, 17, 3)
    initialize(stack, [seeded(seed) for seed in seeds], **settings)
    for r, seed in enumerate(seeds):
        single = make_cell(3, 17, 1)
        initialize(single, [seeded(seed)], **settings)
        for name, parameter in single.named_parameters():
            assert torch.equal(parameter[0], stack.get_parameter(name)[r])


@pytest.mark.parametrize(
    ("cell", "settings", "reason"),
    [
        (LSTMCell(2, 3), {"scheme": "identity"}, "LSTMCell has gates"),
        (ElmanCell(2, 3), {"scheme": "identity"}, "nonlinearity=relu"),
        (ElmanCell(2, 3), {"scheme": "chrono", "chrono_t_max": 9}, "ElmanCell has none"),
        (LSTMCell(2, 3), {"scheme": "chrono"}, "needs chrono_t_max"),
        (LSTMCell(2, 3), {"scheme": "chrono", "chrono_t_max": 2.0}, "above 2; it is 2.0"),
        (LSTMCell(2, 3), {"scheme": "chrono", "chrono_t_max": math.nan}, "above 2"),
        (LSTMCell(2, 3), {"scheme": "chrono", "chrono_t_max": 9, "forget_bias": 1.0}, "choose one"),
        (LSTMCell(2, 3, bias=False), {"forget_bias": 1.0}, "set bias=true"),
        (ElmanCell(2, 3), {"forget_bias": 1.0}, "ElmanCell has none"),
        (FeedforwardCell(2, 3), {"scheme": "orthogonal"}, "weight_hh"),
        (FeedforwardCell(2, 3), {"spectral_radius": 0.5}, "spectral_radius needs a weight_hh"),
        (ModuleCell(2, 3, module=nn.GRUCell), {"scheme": "orthogonal"}, "weight_hh"),
        (LSTMCell(2, 3), {"scheme": "ortogonal"}, "did you mean 'orthogonal'"),
    ],
)
def test_unsuitable_settings_are_refused(cell, settings, reason):
    with pytest.raises(UserError, match=reason):
        initialized(cell, **settings)
