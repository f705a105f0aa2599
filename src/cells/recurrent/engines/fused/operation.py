"""A layer of Elman, LSTM or GRU cells as one operation of autograd, run by the kernels in `sweep.py`."""

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from cells.recurrent.cell import Cell, State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.engines import fused
from cells.recurrent.engines.fused import gates, sweep
from cells.recurrent.engines.fused.tile import panel_width
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell

Array = NDArray[Any]
WORTH_WAKING = 10_000_000
"""Multiplications in a pass from which on waking another thread takes less time than it saves."""


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`. Outputs are a view of all states, so they are not contiguous."""
    assert isinstance(cell, (ElmanCell, LSTMCell, GRUCell))
    parameters = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    _require_one_dtype(inputs, *state.values(), *(given for given in parameters if given is not None))
    going_back = torch.is_grad_enabled()  # inside the operation it never is
    outputs, h, c = _Sweep.apply(
        _kind(cell), going_back, inputs, state["h"], state.get("c"), *parameters, lengths
    )
    return outputs, {"h": h} if c is None else {"h": h, "c": c}


@dataclass
class Sweep:
    """What a pass went through, and what came back through it.

    Attributes:
        inputs: (R, B, T, F).
        states: name → (R, T + 1, B, H), the initial state first; held in padding.
        adjoints: name → (R, T, B, H), the total derivative of what `backward` was called on with respect to the state
            after each step, zero in padding; empty before the backward pass.
    """

    inputs: Tensor
    states: State
    adjoints: State = field(default_factory=dict)


_watching: list[Sweep] | None = None


@contextmanager
def watched() -> Iterator[list[Sweep]]:
    """While open, every pass of a layer is added to the list, and its adjoints are when its backward pass has run."""
    global _watching
    sweeps: list[Sweep] = []
    _watching = sweeps
    try:
        yield sweeps
    finally:
        _watching = None


def _require_one_dtype(*tensors: Tensor) -> None:
    dtypes = dict.fromkeys(str(tensor.dtype) for tensor in tensors)
    if len(dtypes) > 1:
        raise ValueError(f"inputs, states and parameters need one dtype, and these have {', '.join(dtypes)}")


def _kind(cell: ElmanCell | LSTMCell | GRUCell) -> int:
    if isinstance(cell, ElmanCell):
        return gates.ELMAN_TANH if cell.nonlinearity == "tanh" else gates.ELMAN_RELU
    return gates.LSTM if isinstance(cell, LSTMCell) else gates.GRU


class _Sweep(torch.autograd.Function):
    """All blocks of all replicas through time, and back.

    Shapes: inputs (R, B, T, F), h and c (R, B, H), parameters as in the cells, lengths (R, B); outputs (R, B, T, H).
    """

    @staticmethod
    def forward(
        ctx: Any,
        kind: int,
        going_back: bool,
        inputs: Tensor,
        h: Tensor,
        c: Tensor | None,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        lengths: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        replicas, batch, steps, features = inputs.shape
        hidden = h.shape[-1]
        planes = weight_hh.shape[-1] // hidden + (kind == gates.GRU)
        shared = replicas > 1 and inputs.stride(0) == 0
        x_tensor = (inputs[:1] if shared else inputs).contiguous()
        x = _numpy(x_tensor)
        width = panel_width(x.dtype)
        padded = -(-hidden // width) * width
        period = steps if going_back and any(ctx.needs_input_grad) else 1

        states = [_with_room(initial, steps, padded) for initial in ([h] if c is None else [h, c])]
        room = 0 if kind <= gates.ELMAN_RELU else replicas * period * planes * batch * padded
        kept = np.empty(room, x.dtype)
        size = (batch, steps, features, hidden, padded, planes)
        shared_arguments = (
            x.reshape(-1),
            0 if shared else batch * steps * features,
            _panels(weight_ih, hidden, width),
            _panels(weight_hh, hidden, width),
            _plane_biases(kind, bias_ih, bias_hh, (replicas, planes, hidden, padded), x.dtype),
            width,
            states[0].reshape(-1),
            states[-1].reshape(-1),
            kept,
            period,
            np.empty(0, np.int64)
            if lengths is None
            else lengths.to(torch.int64, copy=True).numpy().reshape(-1),
        )

        def block(replica: int, number: int, first: int, rows: int) -> None:
            sweep.forward(kind, size, replica, first, rows, *shared_arguments)

        _each_block(replicas, size, block)
        ctx.kind, ctx.size, ctx.has_bias = kind, size, bias_ih is not None
        ctx.kept = (*shared_arguments[:2], *shared_arguments[6:9], shared_arguments[10])
        ctx.watched = None
        if _watching is not None:
            seen = [torch.from_numpy(state)[..., :hidden] for state in states]
            ctx.watched = Sweep(inputs.detach(), dict(zip("hc", seen, strict=False)))
            _watching.append(ctx.watched)
        ctx.stale, ctx.refill = False, lambda: _each_block(replicas, size, block)
        ctx.set_materialize_grads(False)
        outputs = torch.from_numpy(states[0])[:, 1:, :, :hidden].transpose(1, 2)
        # The kernels read inputs and states again by way of NumPy. Saved, they are known to be what they were.
        ctx.save_for_backward(weight_ih, weight_hh, x_tensor, outputs)
        final = [torch.from_numpy(state[:, steps, :, :hidden].copy()) for state in states]
        return outputs, final[0], None if c is None else final[1]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_outputs: Tensor | None, d_h: Tensor | None, d_c: Tensor | None
    ) -> tuple[Any, ...]:
        weight_ih, weight_hh, *_ = ctx.saved_tensors
        x, x_replica, h, c, kept, lengths = ctx.kept
        if ctx.stale:  # gradients stand in the place of gates since the last time
            ctx.refill()
        ctx.stale = True
        batch, steps, features, hidden, padded, planes = size = ctx.size
        replicas, count = weight_hh.shape[0], weight_hh.shape[-1] // hidden
        blocks, width, number = len(_blocks(batch)), panel_width(x.dtype), x.dtype

        carried = [
            np.zeros((replicas, batch, padded), number) for _ in ("h", "c")[: 1 + (ctx.kind == gates.LSTM)]
        ]
        for into, given in zip(carried, (d_h, d_c), strict=False):
            if given is not None:
                into[..., :hidden] = given.numpy()
        empty = np.empty(0, number)
        d_x = np.empty((replicas, batch, steps, features), number) if ctx.needs_input_grad[2] else None
        d_ih = np.zeros((replicas, blocks, features, count, padded), number)
        d_hh = np.zeros((replicas, blocks, hidden, count, padded), number)
        d_bias = np.zeros((replicas, blocks, planes, padded), number)
        adjoints = [np.empty((replicas, steps, batch, padded) if ctx.watched else 0, number) for _ in carried]
        before = (
            x,
            x_replica,
            empty if d_x is None else _transposed_panels(weight_ih, hidden, width),
            _transposed_panels(weight_hh, hidden, width),
        )
        after = (width, h, c, kept, lengths, empty if d_outputs is None else _numpy(d_outputs).reshape(-1))
        wanted = (
            empty if d_x is None else d_x.reshape(-1),
            d_ih.reshape(-1),
            d_hh.reshape(-1),
            d_bias.reshape(-1),
            adjoints[0].reshape(-1),
            adjoints[-1].reshape(-1),
        )

        def block(replica: int, number: int, first: int, rows: int) -> None:
            dh, dc = (array[replica, first : first + rows].reshape(-1) for array in (carried[0], carried[-1]))
            sweep.backward(
                ctx.kind, size, replica, first, rows, number, blocks, *before, *after, dh, dc, *wanted
            )

        _each_block(replicas, size, block)
        if ctx.watched:
            whole = [torch.from_numpy(array)[..., :hidden] for array in adjoints]
            ctx.watched.adjoints = dict(zip("hc", whole, strict=False))
        d_weights = [torch.from_numpy(d.sum(1)[..., :hidden]).flatten(2) for d in (d_ih, d_hh)]
        d_initial = [torch.from_numpy(d[..., :hidden]) for d in carried]
        return (
            None,
            None,
            None if d_x is None else torch.from_numpy(d_x),
            d_initial[0],
            d_initial[1] if ctx.kind == gates.LSTM else None,
            *d_weights,
            *(_bias_gradients(d_bias.sum(1)[..., :hidden], ctx.kind) if ctx.has_bias else (None, None)),
            None,
        )


def _blocks(batch: int) -> list[tuple[int, int]]:
    """(first row, rows) of each block, as even as they can be."""
    many = -(-batch // sweep.ROWS)
    ends = [batch * block // many for block in range(many + 1)]
    return [(first, end - first) for first, end in itertools.pairwise(ends)]


def _each_block(replicas: int, size: tuple[int, ...], run: Any) -> None:
    """Call run(replica, block, first row, rows) for each block; threads meet once, at the end."""
    batch, steps, features, hidden, _, planes = size
    tasks = [(r, number, *block) for r in range(replicas) for number, block in enumerate(_blocks(batch))]
    products = replicas * batch * steps * planes * hidden * (features + hidden)
    helpers = min(fused.threads, len(tasks)) - 1 if products >= WORTH_WAKING else 0
    futures = []
    if helpers:
        # Taken from both ends, so that this thread works as well instead of waiting.
        waiting = iter(tasks)
        pool = _pool(helpers, os.getpid())

        def work() -> None:
            for task in waiting:
                run(*task)

        futures = [pool.submit(work) for _ in range(helpers)]
        work()
    else:
        for task in tasks:
            run(*task)
    for future in futures:
        if not future.cancel():  # a helper that has not begun by now finds nothing left to do
            future.result()


@lru_cache(maxsize=1)
def _pool(helpers: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process: a forked child has none of its parent's."""
    return ThreadPoolExecutor(helpers, thread_name_prefix="cells-fused")


def _with_room(initial: Tensor, steps: int, padded: int) -> Array:
    """(R, T + 1, B, S) that begins with a state (R, B, H)."""
    first = _numpy(initial)
    replicas, batch, hidden = first.shape
    states = np.empty((replicas, steps + 1, batch, padded), first.dtype)
    states[:, 0, :, :hidden] = first
    states[:, 0, :, hidden:] = 0
    return states


def _plane_biases(
    kind: int, ih: Tensor | None, hh: Tensor | None, shape: tuple[int, ...], number: Any
) -> Array:
    """What each plane of gates starts from, (R, P, S), flat."""
    replicas, planes, hidden, padded = shape
    biases = np.zeros((replicas, planes, padded), number)
    if ih is not None and hh is not None:
        mine, recurrent = (_numpy(bias).reshape(replicas, -1, hidden) for bias in (ih, hh))
        if kind == gates.GRU:  # the reset gate stands between the two biases of the content
            biases[:, :2, :hidden] = mine[:, :2] + recurrent[:, :2]
            biases[:, 2, :hidden], biases[:, 3, :hidden] = mine[:, 2], recurrent[:, 2]
        else:
            biases[..., :hidden] = mine + recurrent
    return biases.reshape(-1)


def _bias_gradients(planes: Array, kind: int) -> tuple[Tensor, Tensor]:
    """Gradients (R, 1, gates · H) of bias_ih and bias_hh from those of the planes (R, P, H)."""
    if kind == gates.GRU:
        both = planes[:, :3], planes[:, [0, 1, 3]]
        return torch.from_numpy(both[0]).flatten(1).unsqueeze(1), torch.from_numpy(both[1]).flatten(
            1
        ).unsqueeze(1)
    gradient = torch.from_numpy(planes).flatten(1).unsqueeze(1)
    return gradient, gradient.clone()


def _panels(weight: Tensor, block: int, width: int) -> Array:
    """(R, K, gates · block) → (R, gates, panels, K, width), flat; zeros fill every gate up to whole panels."""
    matrix = _numpy(weight)
    return _in_panels(matrix.reshape(*matrix.shape[:2], -1, block).transpose(0, 2, 1, 3), width)


def _transposed_panels(weight: Tensor, hidden: int, width: int) -> Array:
    """(R, K, gates · H) → (R, gates, panels of K, H, width), flat: each gate's matrix transposed, then as above."""
    matrix = _numpy(weight)
    return _in_panels(matrix.reshape(*matrix.shape[:2], -1, hidden).transpose(0, 2, 3, 1), width)


def _in_panels(matrices: Array, width: int) -> Array:
    replicas, count, rows, columns = matrices.shape
    panels = -(-columns // width)
    if columns < panels * width:
        filled = np.zeros((replicas, count, rows, panels * width), matrices.dtype)
        filled[..., :columns] = matrices
        matrices = filled
    split = matrices.reshape(replicas, count, rows, panels, width)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 2, 4)).reshape(-1)


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array
