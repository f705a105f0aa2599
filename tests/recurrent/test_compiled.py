import pytest
import torch

from cells.recurrent.engines import compiled

from .torch_twin import Case, network_numbers, network_of, relative_errors, series_and_states


@pytest.mark.skipif(compiled.lacks() is not None, reason="this machine cannot compile")
@pytest.mark.parametrize("steps", [2 * compiled.STEPS + 3, 4])
def test_pieces_and_what_is_left_over_agree_with_the_loop(steps):
    case = Case("gru", layers=1, steps=steps, padded=True)
    ours, loop = (network_of(case, 2, engine, torch.float64) for engine in ("compiled", "reference"))
    arguments = series_and_states(case, ours, torch.float64)
    errors = relative_errors(network_numbers(ours, *arguments), network_numbers(loop, *arguments))
    assert max(errors.values()) <= 1e-10, errors
