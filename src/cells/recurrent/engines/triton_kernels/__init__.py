"""Our own kernels for Elman, LSTM and GRU on a GPU, float32 and bfloat16, up to 128 units: compiled by Triton.

Experimental: they have been run by Triton's interpreter, on a CPU, and not yet on a GPU. Triton is imported when
something is to run.
"""

import logging
import os
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

log = logging.getLogger(__name__)

LARGEST = 128
"""Hidden units: a program goes through a sequence with whole rows of the state."""


def lacks() -> str | None:
    """Triton, if it is not installed, or else a graphics card."""
    if find_spec("triton") is None:
        return "Triton, which compiles its kernels, is not installed"
    if not (torch.cuda.is_available() or interpreted()):
        return "its kernels are for a CUDA card, and PyTorch finds none"
    return None


def refuses(cell: Cell, inputs: Tensor | None = None) -> str | None:
    """All but the three cells (a subclass may compute anything), and of inputs all but some sizes, on a GPU, and two
    precisions. In a sweep over sizes another engine so takes over for the large ones."""
    if type(cell) not in (ElmanCell, LSTMCell, GRUCell):
        return f"there are kernels for ElmanCell, LSTMCell and GRUCell, and this is {type(cell).__name__}"
    if inputs is None:
        return None
    if cell.hidden_size > LARGEST:
        return f"its kernels take a hidden size of at most {LARGEST}, and this is {cell.hidden_size}"
    device, dtype = inputs.device.type, precision(inputs)
    if not (device == "cuda" or interpreted()) or dtype not in (torch.float32, torch.bfloat16):
        return f"its kernels take float32 and bfloat16 on a GPU, and these are {dtype} on {device}"
    return None


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`."""
    from cells.recurrent.engines.triton_kernels.operation import unroll

    _warn()
    return unroll(cell, inputs, state, lengths)


def precision(inputs: Tensor) -> torch.dtype:
    """What products are computed in: the inputs' own precision, or the one that autocast lowers them to."""
    device = inputs.device.type
    if inputs.dtype == torch.float32 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return inputs.dtype


def interpreted() -> bool:
    """Whether Triton's interpreter, a debugging aid, runs the kernels: slowly, and on a CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def _warn() -> None:
    log.warning("engine=triton is experimental, not yet run on a GPU: compare it with engine=reference first")
