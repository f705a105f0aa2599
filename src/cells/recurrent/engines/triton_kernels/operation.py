"""A layer of Elman, LSTM or GRU cells as one operation of autograd, run by the kernels in `sweep.py`."""

from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from cells.recurrent.cell import Cell, State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines.triton_kernels import precision, sweep
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

ROWS = 16
"""Batch rows of a program: the smallest tile of `tl.dot`, for the most programs."""

HELD_BYTES = 65_536
"""Weights up to this size stay on the chip; a program on any card since 2020 has about 100 KB of shared memory."""


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`. Outputs are a view of all states, so they are not contiguous."""
    assert isinstance(cell, (ElmanCell, LSTMCell, GRUCell))
    dtype = precision(inputs)
    outputs, h, c = _Sweep.apply(
        cell.nonlinearity if isinstance(cell, ElmanCell) else "lstm" if isinstance(cell, LSTMCell) else "gru",
        torch.is_grad_enabled(),  # inside the operation it never is
        # Sequences lie time first from here on.
        cell.project(inputs.transpose(1, 2)).to(dtype).contiguous(),
        cell.weight_hh.to(dtype),
        # The others' has gone into the projection.
        cell.bias_hh if isinstance(cell, GRUCell) else None,
        state["h"],
        state.get("c"),
        lengths,
    )
    return outputs.transpose(1, 2), {"h": h} if c is None else {"h": h, "c": c}


class _Sweep(torch.autograd.Function):
    """All replicas through time, and back.

    Shapes: projected (R, T, B, G·H), weight (R, H, G·H), bias (R, 1, G·H), h and c (R, B, H), lengths (R, B); outputs
    (R, T, B, H). Projections, weight and gates have one precision, states what the initial ones have.
    """

    @staticmethod
    def forward(
        ctx: Any,
        name: str,
        going_back: bool,
        projected: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        h: Tensor,
        c: Tensor | None,
        lengths: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        replicas, steps, batch, _ = projected.shape
        hidden = h.shape[-1]
        weight, lengths = weight.contiguous(), None if lengths is None else lengths.contiguous()
        states = [_with_room(initial, steps) for initial in ([h] if c is None else [h, c])]
        all_h, all_c = states[0], None if c is None else states[1]
        keeps = going_back and any(ctx.needs_input_grad) and name in ("lstm", "gru")
        kept = projected.new_empty(replicas, steps, batch, 4 * hidden) if keeps else None
        settings = _settings(name, weight)
        grid = replicas, triton.cdiv(batch, ROWS)
        with torch.cuda.device_of(projected):
            sweep.forward[grid](
                projected, weight, bias, all_h, all_c, kept, lengths, batch, steps, hidden, **settings
            )
        ctx.save_for_backward(weight, all_h, all_c, kept, lengths)
        ctx.name, ctx.grid, ctx.settings = name, grid, settings
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.set_materialize_grads(False)
        final = [state[:, -1].clone() for state in states]
        return all_h[:, 1:], final[0], None if c is None else final[1]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_outputs: Tensor | None, d_h: Tensor | None, d_c: Tensor | None
    ) -> tuple[Any, ...]:
        weight, all_h, all_c, kept, lengths = ctx.saved_tensors
        replicas, steps, batch, hidden = all_h[:, 1:].shape
        columns = weight.shape[-1]
        planes = 4 if kept is not None else 1
        d_gates = weight.new_empty(replicas, steps, batch, planes * hidden)
        carried_h = _carried(d_h, all_h)
        carried_c = None if all_c is None else _carried(d_c, all_c)
        if d_outputs is not None:
            d_outputs = d_outputs.contiguous()
        with torch.cuda.device_of(weight):
            sweep.backward[ctx.grid](
                weight, all_h, all_c, kept, lengths, d_outputs, carried_h, carried_c, d_gates,
                batch, steps, hidden, **ctx.settings,
            )  # fmt: skip
        before, recurrent = all_h[:, :-1].to(weight.dtype), d_gates
        if ctx.name == "gru":  # what reaches the recurrent part of the content is its last plane
            recurrent = torch.cat([d_gates[..., : 2 * hidden], d_gates[..., 3 * hidden :]], dim=-1)
        d_weight = before.flatten(1, 2).transpose(1, 2) @ recurrent.flatten(1, 2)
        d_bias = None
        if ctx.bias_dtype is not None:
            d_bias = recurrent.flatten(1, 2).sum(1, keepdim=True, dtype=torch.float32).to(ctx.bias_dtype)
        d_first = [None if d is None else d.to(all_h.dtype) for d in (carried_h, carried_c)]
        return None, None, d_gates[..., :columns], d_weight, d_bias, *d_first, None


def _with_room(initial: Tensor, steps: int) -> Tensor:
    """(R, T + 1, B, H) that begins with a state (R, B, H)."""
    replicas, batch, hidden = initial.shape
    states = initial.new_empty(replicas, steps + 1, batch, hidden)
    states[:, 0] = initial
    return states


def _carried(given: Tensor | None, states: Tensor) -> Tensor:
    """A state's gradient after the last step, (R, B, H), in memory of its own for the kernel to overwrite."""
    carried = torch.zeros_like(states[:, 0], dtype=torch.float32, memory_format=torch.contiguous_format)
    return carried if given is None else carried.copy_(given)


def _settings(name: str, weight: Tensor) -> dict[str, Any]:
    """How the kernels are compiled."""
    hidden, columns = weight.shape[1:]
    gates, size = columns // hidden, max(16, triton.next_power_of_2(hidden))
    # A product of float32 holds its tile twice, as high and as low halves.
    tile_bytes = size * size * (2 if weight.dtype == torch.bfloat16 else 8)
    held = gates * tile_bytes <= HELD_BYTES
    # One stage: Triton would otherwise fetch the tiles of several steps ahead, and these are the same ones.
    return {
        "CELL": name, "GATES": gates, "HELD": held, "ROWS": ROWS, "SIZE": size,
        "num_warps": 4 if held else 8, "num_stages": 1,
    }  # fmt: skip
