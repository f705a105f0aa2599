import pytest
import torch

from cells.recurrent.cell import Cell
from cells.recurrent.engines import reference

from .torch_twin import (
    CASES,
    DTYPES,
    errors_beside_torch_nn,
)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_loop_agrees_with_torch_nn_in_outputs_states_and_all_gradients(case, dtype, tolerance):
    errors = errors_beside_torch_nn(case, 2, "reference", dtype)
    assert max(errors.values()) <= tolerance, errors


class Counter(Cell):
    """Counts steps in a matrix state; its output is the count."""

    @property
    def state_shapes(self):
        return {"h": (self.hidden_size,), "total": (2, 3)}

    def step(self, projected, state):
        total = state["total"] + 1.0
        return {"h": total[..., 0, :1].expand_as(state["h"]), "total": total}


def test_padded_steps_hold_the_state_whatever_its_shape():
    cell = Counter(1, 2, replicas=2)
    inputs = torch.zeros(2, 2, 4, 1)
    lengths = torch.tensor([[1, 4], [3, 2]])
    outputs, state = reference.unroll(cell, inputs, cell.initial_state(2, inputs), lengths)
    assert outputs[..., 0].tolist() == [[[1, 1, 1, 1], [1, 2, 3, 4]], [[1, 2, 3, 3], [1, 2, 2, 2]]]
    assert state["total"][:, :, 1, 2].tolist() == [[1, 4], [3, 2]]
