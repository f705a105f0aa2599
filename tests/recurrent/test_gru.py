import math

import torch

from cells.recurrent.gru import GRUCell


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def constant_cell() -> GRUCell:
    cell = GRUCell(1, 1)
    with torch.no_grad():
        cell.weight_ih[0] = torch.tensor([[1.0, 2.0, 3.0]])
        cell.weight_hh[0] = torch.tensor([[0.1, 0.2, 0.3]])
        cell.bias_ih[0] = torch.tensor([[0.5, 0.5, 0.5]])
        cell.bias_hh[0] = torch.tensor([[0.0, 0.0, 1.0]])
    return cell


def test_one_step_is_what_paper_and_pencil_give():
    cell, x, h = constant_cell(), -0.5, 2.0
    after = cell.step(cell.project(torch.tensor([[[[x]]]]))[:, :, 0], {"h": torch.tensor([[[h]]])})
    r, z = sigmoid(-0.5 + 0.5 + 0.2), sigmoid(-1.0 + 0.5 + 0.4)
    n = math.tanh(-1.5 + 0.5 + r * (0.6 + 1.0))  # the reset gate multiplies the product and its bias
    assert math.isclose(after["h"].item(), (1 - z) * n + z * h, rel_tol=1e-6)


def test_an_open_update_gate_keeps_the_hidden_state():
    cell = constant_cell()
    with torch.no_grad():
        cell.bias_ih[0, 0, 1] = 100.0
    after = cell.step(cell.project(torch.ones(1, 1, 1, 1))[:, :, 0], {"h": torch.full((1, 1, 1), 0.3)})
    assert after["h"].item() == torch.tensor(0.3).item()
