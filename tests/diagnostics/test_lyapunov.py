"""Lyapunov exponents, against eigenvalues and against the singular values of the product of Jacobians."""

import math

import pytest
import torch

from cells.diagnostics.lyapunov import lyapunov_exponents
from cells.diagnostics.trajectory import recorded
from cells.recurrent.cell import Cell
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

from .conftest import linear_network, random_network


def test_a_linear_cell_has_the_logarithms_of_its_eigenvalues() -> None:
    network = linear_network([[1.2, 0.0], [5.0, 0.5]], [[0.3, 0.0], [0.1, 0.9]])
    with recorded(network) as trajectories:
        network(torch.zeros(2, 3, 400, 2, dtype=torch.float64))
    exponents = lyapunov_exponents(_cell(network), trajectories["l0"], 2)
    expected = torch.tensor([[1.2, 0.5], [0.9, 0.3]], dtype=torch.float64).log()
    torch.testing.assert_close(exponents, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("make_cell", "size"), [(ElmanCell, 5), (GRUCell, 5), (LSTMCell, 10)])
def test_their_sum_is_the_mean_logarithm_of_the_joint_jacobian_s_determinant(
    make_cell: type, size: int
) -> None:
    """Volumes do not care about the frame, so this holds step by step, for (h, c) of an LSTM together."""
    network = random_network(make_cell, replicas=1)
    inputs = torch.randn(1, 1, 16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with recorded(network) as trajectories:
        network(inputs)
    cell, trajectory = _cell(network), trajectories["l0"]
    logs = []
    for projected, state in zip(trajectory.projected, trajectory.before, strict=True):
        names = list(state)

        def flat(
            *tensors: torch.Tensor, x: torch.Tensor = projected, keys: list[str] = names
        ) -> torch.Tensor:
            new = cell.step(x, dict(zip(keys, tensors, strict=True)))
            return torch.cat([new[name][0, 0] for name in keys])

        blocks = torch.autograd.functional.jacobian(flat, tuple(state[name].detach() for name in names))
        jacobian = torch.cat([block[:, 0, 0] for block in blocks], dim=-1)
        assert jacobian.shape == (size, size)
        logs.append(torch.linalg.slogdet(jacobian).logabsdet)
    exponents = lyapunov_exponents(cell, trajectory, 100)
    assert exponents.shape == (1, size)
    torch.testing.assert_close(exponents.sum(), torch.stack(logs[4:]).mean(), rtol=1e-9, atol=0)
    assert (exponents[0].diff() < 0.2).all()


def test_the_largest_exponent_of_a_random_tanh_network_turns_positive_above_spectral_radius_one() -> None:
    largest = []
    for gain in (0.7, 2.5):
        network = random_network(ElmanCell, replicas=1)
        with torch.no_grad():
            weight = torch.empty(64, 64, dtype=torch.float64)
            torch.nn.init.orthogonal_(weight, generator=torch.Generator().manual_seed(0))
            cell = ElmanCell(1, 64, bias=False).double()
            cell.weight_hh[0] = gain * weight
            cell.weight_ih.fill_(1e-3)
        network.cells["l0"] = cell
        network.input_size = 1
        inputs = torch.randn(1, 2, 300, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        with recorded(network) as trajectories:
            network(inputs)
        largest.append(lyapunov_exponents(cell, trajectories["l0"], 1).item())
    assert math.isclose(largest[0], math.log(0.7), rel_tol=0.02)  # still linear: the state stays small
    assert largest[1] > 0.05


def test_a_replica_that_is_not_a_number_stays_alone() -> None:
    network = random_network(GRUCell, replicas=2)
    with torch.no_grad():
        _cell(network).weight_hh[0] = torch.nan  # type: ignore[index, operator]
    with recorded(network) as trajectories:
        network(torch.ones(2, 2, 8, 3, dtype=torch.float64))
    exponents = lyapunov_exponents(_cell(network), trajectories["l0"], 2)
    assert exponents[0].isnan().all()
    assert exponents[1].isfinite().all()


def _cell(network: torch.nn.Module) -> Cell:
    cell = network.cells["l0"]  # type: ignore[index]
    assert isinstance(cell, Cell)
    return cell
