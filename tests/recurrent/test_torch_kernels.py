import pytest
import torch

from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines import torch_kernels
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

from .torch_twin import (
    CASES,
    DTYPES,
    errors_beside_torch_nn,
    seeded,
)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernels_agree_with_torch_nn_in_outputs_states_and_all_gradients(case, dtype, tolerance):
    errors = errors_beside_torch_nn(case, 1, "torch", dtype)
    assert max(errors.values()) <= tolerance, errors


@pytest.mark.parametrize("make_cell", [ElmanCell, LSTMCell, GRUCell])
def test_kernels_and_the_readable_loop_train_to_the_same_weights(make_cell):
    trained = []
    for engine in ("torch", "reference"):
        network = RecurrentNetwork(make_cell, 2, 8, engine=engine).double()
        network.reset_parameters([seeded(0)])
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for step in range(10):
            inputs = torch.randn(1, 4, 9, 2, generator=seeded(step), dtype=torch.float64)
            optimizer.zero_grad()
            (network(inputs)[0][:, :, -1] - inputs.sum((2, 3)).unsqueeze(-1)).square().mean().backward()
            optimizer.step()
        trained.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert (trained[0] - trained[1]).norm() <= 1e-10 * trained[1].norm()


def test_gradients_are_available_in_evaluation_mode_too():
    network = RecurrentNetwork(LSTMCell, 2, 3, engine="torch").eval()
    network(torch.ones(1, 2, 4, 2))[0].sum().backward()
    assert all(parameter.grad.any() for parameter in network.cells["l0"].parameters() if parameter.any())


def test_retain_grad_on_kernel_outputs_shows_the_direct_gradient_alone():
    """Why gradients through time are to be looked at with the reference engine."""
    network = RecurrentNetwork(LSTMCell, 2, 3, engine="torch")
    network.reset_parameters([seeded(0)])
    outputs, _ = network(torch.ones(1, 2, 4, 2))
    outputs.retain_grad()
    outputs[:, :, -1].sum().backward()
    assert outputs.grad[:, :, :-1].abs().max() == 0


def test_kernels_refuse_more_than_one_replica_and_cells_that_torch_does_not_have():
    class MyLSTM(LSTMCell):
        pass

    assert torch_kernels.refuses(LSTMCell(2, 3)) is None
    assert "there are 4" in torch_kernels.refuses(LSTMCell(2, 3, 4))
    assert "MyLSTM" in torch_kernels.refuses(MyLSTM(2, 3))
