"""Our own kernels for Elman, LSTM and GRU on the CPU, any number of replicas: compiled by Numba, kept on disk.

Numba is imported when something is to run.
"""

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell


def refuses(cell: Cell, inputs: Tensor | None = None) -> str | None:
    """All but the three cells (a subclass may compute anything), and all but single and double precision on a CPU."""
    if type(cell) not in (ElmanCell, LSTMCell, GRUCell):
        return f"there are kernels for ElmanCell, LSTMCell and GRUCell, and this is {type(cell).__name__}"
    if find_spec("numba") is None:
        return "Numba, which compiles its kernels, is not installed"
    if inputs is not None and (
        inputs.device.type != "cpu" or inputs.dtype not in (torch.float32, torch.float64)
    ):
        return f"its kernels take float32 and float64 on a CPU, and these are {inputs.dtype} on {inputs.device.type}"
    return None


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`."""
    from cells.recurrent.engines.fused.operation import unroll

    return unroll(cell, inputs, state, lengths)


@contextlib.contextmanager
def alone_on_the_cores() -> Iterator[None]:
    """While entered, PyTorch's own operations keep to one thread, and the cores are left to this engine's.

    What remains of a training step is small, and PyTorch's threads wait for each other actively: on a busy machine
    their barriers cost more than they gain.
    """
    import cells.recurrent.engines.fused.operation  # noqa: F401 (counts its threads before they are reduced)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
