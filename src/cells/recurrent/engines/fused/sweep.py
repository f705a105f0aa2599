"""A block of batch rows of one replica, swept through all time steps, forward and backward.

Nothing waits for another block, so that threads meet once a sweep and not once a step, and what a step needs of a block
stays in the processor's caches. Backward it is backpropagation through time as textbooks write it: the adjoint of the
state is carried back, and the gradients of the weights are gathered over all (time × batch) rows, some steps at a time.

Arrays are flat; letters as in `cells.recurrent.cell`, with P planes of gates and S the hidden size H padded to panels:
inputs (R, B, T, F); states (R, T + 1, B, S), the initial one first; gates block after block, each (period, P, rows, S).
"""

import numpy as np

from cells.recurrent.engines.fused import gates as g
from cells.recurrent.engines.fused.compiling import compiled
from cells.recurrent.engines.fused.tile import outer_product, pack_columns, pack_panel, product

ROWS = 16
"""Batch rows of a block. The sums over rows are formed block by block, so this decides about the last bits."""
STEPS = 8
"""Time steps whose rows go into a weight gradient together; they make the inner dimension of a product."""


@compiled
def forward(
    kind, size, replica, first, rows, x, x_replica, weight_ih, weight_hh, bias, width, h, c, gates, period, lengths
):  # fmt: skip
    """Fill h (and c) from step 1 on, and the gates of the last `period` steps.

    Args:
        kind: which cell, a constant of `gates`.
        size: (B, T, F, H, S, P).
        replica, first, rows: which block.
        x, x_replica: inputs, and how far apart two replicas' inputs are (0: they share them).
        weight_ih, weight_hh: panels (R, gates, S / width, F or H, width).
        bias: (R, P, S).
        lengths: (R, B), or empty if all steps are valid.
    """
    batch, steps, features, hidden, padded, planes = size
    count = 3 if kind == g.GRU else planes
    flat = rows * padded
    for t in range(steps):
        before = ((replica * (steps + 1) + t) * batch + first) * padded
        now = before + batch * padded
        if kind <= g.ELMAN_RELU:
            into, at = h, now
        else:
            into, at = gates, ((replica * batch + first) * period + rows * (t % period)) * planes * padded
        inputs_at = replica * x_replica + (first * steps + t) * features
        for gate in range(count):
            panels, plane = replica * count + gate, at + gate * flat
            start = (replica * planes + gate) * padded
            product(
                x, inputs_at, steps * features, rows, features,
                weight_ih, panels * features * padded, padded // width, width,
                bias, start, 0, into, plane, padded,
            )  # fmt: skip
            if kind == g.GRU and gate == 2:  # the reset gate comes between its two parts
                product(
                    h, before, padded, rows, hidden,
                    weight_hh, panels * hidden * padded, padded // width, width,
                    bias, start + padded, 0, into, plane + flat, padded,
                )  # fmt: skip
            else:
                product(
                    h, before, padded, rows, hidden,
                    weight_hh, panels * hidden * padded, padded // width, width,
                    into, plane, padded, into, plane, padded,
                )  # fmt: skip
        _activate(kind, gates, at, flat, h, c, before, now)
        if lengths.size:
            for row in range(rows):
                if t >= lengths[replica * batch + first + row]:  # padding holds the state
                    source, target = before + row * padded, now + row * padded
                    h[target : target + padded] = h[source : source + padded]
                    if kind == g.LSTM:
                        c[target : target + padded] = c[source : source + padded]


@compiled
def backward(
    kind, size, replica, first, rows, block, blocks, x, x_replica, weight_ih, weight_hh, width, h, c, gates, lengths,
    d_outputs, dh, dc, dx, d_ih, d_hh, d_bias, all_dh, all_dc,
):  # fmt: skip
    """Carry dh and dc (rows, S), the adjoints of the final state, back to those of the initial one.

    Args:
        kind, size, replica, first, rows, x, x_replica, h, c, gates, lengths: as for `forward`; gates of all steps.
        block, blocks: which block of a replica, of how many.
        weight_ih, weight_hh: transposed panels, (R, gates, inputs padded to panels / width, H, width) and
            (R, gates, S / width, H, width).
        d_outputs: (R, B, T, H), or empty if no loss reads the outputs.
        dx: (R, B, T, F) to fill, or empty if nobody wants it.
        d_ih, d_hh, d_bias: zeros (R, blocks, F, gates, S), (R, blocks, H, gates, S), (R, blocks, P, S), filled.
        all_dh, all_dc: (R, T, B, S) to fill with the adjoints after every step, or empty if nobody watches.
    """
    batch, steps, features, hidden, padded, planes = size
    count = 3 if kind == g.GRU else planes
    flat = rows * padded
    elman = kind <= g.ELMAN_RELU
    # An Elman cell has kept no gates: the gradients of a few steps at a time need a place of their own.
    d_gates = np.empty(STEPS * flat, dtype=h.dtype) if elman else gates
    packed_h = np.empty(STEPS * rows * hidden, dtype=h.dtype)
    packed_x = np.empty(STEPS * rows * features, dtype=h.dtype)
    ones = np.ones(STEPS * rows, dtype=h.dtype)
    panel = np.empty(STEPS * rows * width, dtype=h.dtype)
    held = np.empty((2, flat if lengths.size else 0), dtype=h.dtype)
    padded_features = (features + width - 1) // width * width
    d_inputs = np.empty(rows * padded_features if dx.size else 0, dtype=h.dtype)
    for t in range(steps - 1, -1, -1):
        before = ((replica * (steps + 1) + t) * batch + first) * padded
        now = before + batch * padded
        at = (t % STEPS) * flat if elman else ((replica * batch + first) * steps + rows * t) * planes * padded
        if d_outputs.size:
            for row in range(rows):
                source = ((replica * batch + first + row) * steps + t) * hidden
                into, given = dh[row * padded : row * padded + hidden], d_outputs[source : source + hidden]
                for j in range(hidden):
                    into[j] += given[j]
        if lengths.size:  # padding has held the state: adjoints pass it by
            held[0], held[1] = 0, 0
            for row in range(rows):
                if t >= lengths[replica * batch + first + row]:
                    mine, end = row * padded, (row + 1) * padded
                    held[0, mine:end] = dh[mine:end]
                    dh[mine:end] = 0
                    if kind == g.LSTM:
                        held[1, mine:end] = dc[mine:end]
                        dc[mine:end] = 0
        if all_dh.size:
            _keep_adjoints(
                kind, gates, at, flat, c, now, dh, dc, ((replica * steps + t) * batch + first) * padded, all_dh, all_dc
            )  # fmt: skip
        _differentiate(kind, d_gates, at, flat, h, c, before, now, dh, dc)
        for gate in range(count):
            plane = at + (3 if kind == g.GRU and gate == 2 else gate) * flat
            panels = (replica * count + gate) * hidden * padded
            product(
                d_gates, plane, padded, rows, hidden,
                weight_hh, panels, padded // width, width, dh, 0, padded, dh, 0, padded,
            )  # fmt: skip
        if dx.size:
            d_inputs[:] = 0
            for gate in range(count):
                panels = (replica * count + gate) * hidden * padded_features
                product(
                    d_gates, at + gate * flat, padded, rows, hidden, weight_ih, panels, padded_features // width, width,
                    d_inputs, 0, padded_features, d_inputs, 0, padded_features,
                )  # fmt: skip
            for row in range(rows):
                source = row * padded_features
                target = ((replica * batch + first + row) * steps + t) * features
                dx[target : target + features] = d_inputs[source : source + features]
        if lengths.size:
            for j in range(flat):
                dh[j] += held[0, j]
                if kind == g.LSTM:
                    dc[j] += held[1, j]
        if t % STEPS == 0:
            many = min(STEPS, steps - t)
            pack_columns(h, before, batch * padded, many, padded, rows, hidden, packed_h)
            inputs_at = replica * x_replica + (first * steps + t) * features
            pack_columns(x, inputs_at, features, many, steps * features, rows, features, packed_x)
            _gather(
                kind, size, replica * blocks + block, rows, many, d_gates, at, packed_x, packed_h, ones, panel, width,
                d_ih, d_hh, d_bias,
            )  # fmt: skip


@compiled
def _keep_adjoints(kind, gates, at, flat, c, now, dh, dc, to, all_dh, all_dc):
    all_dh[to : to + flat] = dh
    if kind == g.LSTM:
        o = at + 3 * flat
        g.adjoint_of_c(gates[o : o + flat], c[now : now + flat], dh, dc, all_dc[to : to + flat])


@compiled
def _gather(
    kind, size, block, rows, many, d_gates, at, packed_x, packed_h, ones, panel, width, d_ih, d_hh, d_bias
):  # fmt: skip
    """Add what `many` steps from `at` on give to the gradients of the weights and biases."""
    _, _, features, hidden, padded, planes = size
    count = 3 if kind == g.GRU else planes
    flat, inner = rows * padded, many * rows
    for p in range(planes):
        gate = 2 if kind == g.GRU and p == 3 else p
        for column in range(0, padded, width):
            pack_panel(d_gates, at + p * flat + column, planes * flat, many, padded, rows, width, panel)
            outer_product(ones, 1, inner, panel, d_bias, (block * planes + p) * padded + column, padded)
            if p == gate:
                target = (block * features * count + gate) * padded + column
                outer_product(packed_x, features, inner, panel, d_ih, target, count * padded)
            if kind != g.GRU or p != 2:
                target = (block * hidden * count + gate) * padded + column
                outer_product(packed_h, hidden, inner, panel, d_hh, target, count * padded)


@compiled
def _activate(kind, gates, at, flat, h, c, before, now):
    one, two, three, four = at, at + flat, at + 2 * flat, at + 3 * flat
    if kind <= g.ELMAN_RELU:
        g.activate_elman(kind == g.ELMAN_RELU, h[now : now + flat])
    elif kind == g.LSTM:
        g.activate_lstm(
            gates[one : one + flat], gates[two : two + flat], gates[three : three + flat],
            gates[four : four + flat], c[before : before + flat], c[now : now + flat], h[now : now + flat],
        )  # fmt: skip
    else:
        g.activate_gru(
            gates[one : one + flat], gates[two : two + flat], gates[three : three + flat],
            gates[four : four + flat], h[before : before + flat], h[now : now + flat],
        )  # fmt: skip


@compiled
def _differentiate(kind, gates, at, flat, h, c, before, now, dh, dc):
    one, two, three, four = at, at + flat, at + 2 * flat, at + 3 * flat
    if kind <= g.ELMAN_RELU:
        g.differentiate_elman(kind == g.ELMAN_RELU, h[now : now + flat], dh, gates[at : at + flat])
    elif kind == g.LSTM:
        g.differentiate_lstm(
            gates[one : one + flat], gates[two : two + flat], gates[three : three + flat],
            gates[four : four + flat], c[before : before + flat], c[now : now + flat], dh, dc,
        )  # fmt: skip
    else:
        g.differentiate_gru(
            gates[one : one + flat], gates[two : two + flat], gates[three : three + flat],
            gates[four : four + flat], h[before : before + flat], dh,
        )  # fmt: skip
