import math

import torch

from cells.recurrent.lstm import LSTMCell


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_one_step_is_what_paper_and_pencil_give():
    cell = LSTMCell(1, 1)
    with torch.no_grad():
        cell.weight_ih[0] = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        cell.weight_hh[0] = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
        cell.bias_ih[0] = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
        cell.bias_hh[0] = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    x, h, c = -0.5, 2.0, 0.75
    after = cell.step(
        cell.project(torch.tensor([[[[x]]]]))[:, :, 0],
        {"h": torch.tensor([[[h]]]), "c": torch.tensor([[[c]]])},
    )
    i, f = sigmoid(-0.5 + 0.2 + 0.5), sigmoid(-1.0 + 0.4 + 1.5)
    g, o = math.tanh(-1.5 + 0.6 + 0.5), sigmoid(-2.0 + 0.8 + 0.5)
    expected = f * c + i * g
    assert math.isclose(after["c"].item(), expected, rel_tol=1e-6)
    assert math.isclose(after["h"].item(), o * math.tanh(expected), rel_tol=1e-6)


def test_an_open_forget_gate_and_a_closed_input_gate_keep_the_cell_state():
    cell = LSTMCell(1, 1).double()
    with torch.no_grad():
        cell.weight_ih.zero_()
        cell.weight_hh.zero_()
        cell.bias_ih[0, 0] = torch.tensor([-100.0, 100.0, 1.0, 0.0])
        cell.bias_hh.zero_()
    state = {"h": torch.zeros(1, 1, 1).double(), "c": torch.full((1, 1, 1), 0.7).double()}
    for _ in range(1000):
        state = cell.step(cell.project(torch.zeros(1, 1, 1, 1).double())[:, :, 0], state)
    assert abs(state["c"].item() - 0.7) < 1e-7
