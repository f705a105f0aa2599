"""Our own kernels for Elman, LSTM and GRU on the CPU, any number of replicas: compiled by Numba, kept on disk.

Numba is imported when something is to run.
"""

from importlib.util import find_spec

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

threads: int = torch.get_num_threads()
"""How many threads share the work; as many as PyTorch had to begin with."""


def lacks() -> str | None:
    """Numba, if it is not installed."""
    return None if find_spec("numba") else "Numba, which compiles its kernels, is not installed"


def refuses(cell: Cell, inputs: Tensor | None = None) -> str | None:
    """All but the three cells (a subclass may compute anything), and all but single and double precision on a CPU."""
    if type(cell) not in (ElmanCell, LSTMCell, GRUCell):
        return f"there are kernels for ElmanCell, LSTMCell and GRUCell, and this is {type(cell).__name__}"
    if inputs is not None and (
        inputs.device.type != "cpu" or inputs.dtype not in (torch.float32, torch.float64)
    ):
        return f"its kernels take float32 and float64 on a CPU, and these are {inputs.dtype} on {inputs.device.type}"
    return None


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`."""
    from cells.recurrent.engines.fused.operation import unroll

    return unroll(cell, inputs, state, lengths)
