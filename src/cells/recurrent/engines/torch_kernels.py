"""The kernels behind `torch.nn.RNN`, `LSTM` and `GRU` (oneDNN or native on CPU, cuDNN on CUDA): one replica.

The gradient that `retain_grad` leaves on their outputs is the direct one, from the loss at that step alone:
hidden states of later steps are computed from internal copies. To see gradients through time, use the
reference engine.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from cells.recurrent.cell import Cell, State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell


def refuses(cell: Cell, inputs: Tensor | None = None) -> str | None:
    """More than one replica, and all but the three cells PyTorch has: a subclass may compute anything."""
    if type(cell) not in (ElmanCell, LSTMCell, GRUCell):
        return f"PyTorch has kernels for ElmanCell, LSTMCell and GRUCell, and this is {type(cell).__name__}"
    if cell.replicas != 1:
        return f"PyTorch's kernels run one replica, and there are {cell.replicas}"
    return None


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`, for R = 1."""
    names = list(cell.state_shapes)
    # A state of shape (R = 1, B, H) is what the kernels expect of one layer: (num_layers, B, H).
    hidden = [state[name] for name in names]
    if lengths is None:
        outputs, *final = _kernel(cell)(inputs[0], *_arguments(cell, hidden), True)
        return outputs.unsqueeze(0), dict(zip(names, final, strict=True))

    packed = pack_padded_sequence(inputs[0], lengths[0].cpu(), batch_first=True, enforce_sorted=False)
    hidden = [tensor[:, packed.sorted_indices] for tensor in hidden]
    data, *final = _kernel(cell)(packed.data, packed.batch_sizes, *_arguments(cell, hidden))
    final = [tensor[:, packed.unsorted_indices] for tensor in final]
    steps = inputs.shape[2]
    outputs, _ = pad_packed_sequence(
        PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices),
        batch_first=True,
        total_length=steps,
    )
    valid = torch.arange(steps, device=inputs.device) < lengths.unsqueeze(-1)
    outputs = torch.where(valid.unsqueeze(-1), outputs, final[0].unsqueeze(2))
    return outputs, dict(zip(names, final, strict=True))


def _kernel(cell: Cell) -> Callable[..., tuple[Tensor, ...]]:
    if isinstance(cell, ElmanCell):
        return {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}[cell.nonlinearity]
    return torch.lstm if isinstance(cell, LSTMCell) else torch.gru


def _arguments(cell: Any, hidden: list[Tensor]) -> tuple[Any, ...]:
    """What a kernel wants after the input: state, parameters, and the settings of `torch.nn.RNNBase`."""
    given = [cell.weight_ih[0].t(), cell.weight_hh[0].t()]
    if cell.bias_ih is not None:
        given += [cell.bias_ih[0, 0], cell.bias_hh[0, 0]]
    # cuDNN wants its parameters in one piece of memory, and copies them with a warning where they are not.
    memory = torch.cat([parameter.reshape(-1) for parameter in given])
    pieces = memory.split([parameter.numel() for parameter in given])
    parameters = [piece.view(parameter.shape) for piece, parameter in zip(pieces, given, strict=True)]
    state = hidden if isinstance(cell, LSTMCell) else hidden[0]
    # To cuDNN, training means to keep what a backward pass needs, which eval mode may want as well.
    num_layers, dropout, train, bidirectional = 1, 0.0, torch.is_grad_enabled(), False
    return state, parameters, cell.bias_ih is not None, num_layers, dropout, train, bidirectional
