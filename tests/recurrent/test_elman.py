import math

import pytest
import torch

from cells.recurrent.elman import ElmanCell


def constant_cell(**settings):
    cell = ElmanCell(2, 2, **settings)
    with torch.no_grad():
        cell.weight_ih[0] = torch.tensor([[0.5, -1.0], [0.25, 2.0]])
        cell.weight_hh[0] = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
        if cell.bias_ih is not None:
            cell.bias_ih[0] = torch.tensor([[0.01, 0.02]])
            cell.bias_hh[0] = torch.tensor([[0.03, 0.04]])
    return cell


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # x W_ih = (1·0.5 + 2·0.25, −1 + 4) = (1, 3);  h W_hh = (1·0.1 − 1·0.3, 1·0.2 − 1·0.4) = (−0.2, −0.2)
        ({}, [math.tanh(0.84), math.tanh(2.86)]),
        ({"bias": False}, [math.tanh(0.8), math.tanh(2.8)]),
        ({"nonlinearity": "relu"}, [0.84, 2.86]),
    ],
)
def test_one_step_is_what_paper_and_pencil_give(settings, expected):
    cell = constant_cell(**settings)
    projected = cell.project(torch.tensor([[[[1.0, 2.0]]]]))[:, :, 0]
    h = cell.step(projected, {"h": torch.tensor([[[1.0, -1.0]]])})["h"]
    torch.testing.assert_close(h, torch.tensor([[expected]]))


def test_relu_cuts_off_what_is_negative():
    cell = constant_cell(nonlinearity="relu", bias=False)
    projected = cell.project(torch.tensor([[[[-1.0, 0.0]]]]))[:, :, 0]
    assert cell.step(projected, {"h": torch.zeros(1, 1, 2)})["h"].tolist() == [[[0.0, 1.0]]]
