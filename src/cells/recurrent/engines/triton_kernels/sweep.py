"""A block of batch rows of one replica through all time steps, and back: each way is one Triton program.

Sequences lie time first, (R, T, B, …), so that a step's rows are neighbours in memory. Tiles are filled up with zeros
to ROWS rows and SIZE columns, and what a cell makes of zeros is zeros. Everything is computed in float32, but for the
operands of products, which are what the weights are. No sum crosses programs: the same input gives the same bits.

HELD weights are read once and stay on the chip. Those too large for that are read anew at every step, gate by gate,
from the caches: an LSTM's with 128 units take 256 KB in float32, and a multiprocessor has no place for them.

Gates lie side by side: LSTM i f g o; GRU r z n and the recurrent part of n. An Elman cell keeps none.
"""

import triton
import triton.language as tl

from cells.recurrent.engines.triton_kernels import interpreted

INTERPRETED = tl.constexpr(interpreted())


@triton.jit
def forward(
    projected, weight, bias, h, c, kept, lengths, batch, steps, hidden,
    CELL: tl.constexpr, GATES: tl.constexpr, HELD: tl.constexpr, ROWS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """From the state before the first step to all others, and to the gates that the way back needs.

    Shapes: projected (R, T, B, G·H), weight (R, H, G·H), bias (R, G·H) or None, h and c (R, T + 1, B, H), kept
    (R, T, B, 4·H) or None, lengths (R, B) or None. The LSTM alone has c, the GRU alone bias.
    """
    replica, rows, columns, inside, square = _places(batch, hidden, ROWS, SIZE)
    step = replica * steps * batch  # rows of all replicas and steps before this one
    projected += _at(step, rows, columns, GATES * hidden)
    weight += replica * hidden * GATES * hidden + columns[:, None] * (GATES * hidden) + columns[None, :]
    held = _gate_tiles(weight, hidden, square, GATES)
    if bias is not None:
        bias += replica * GATES * hidden + columns[None, :]
    if kept is not None:
        kept += _at(step, rows, columns, 4 * hidden)
    h += _at(step + replica * batch, rows, columns, hidden)
    h_now = _load(h, inside)
    c_now = h_now
    if CELL == "lstm":
        c += _at(step + replica * batch, rows, columns, hidden)
        c_now = _load(c, inside)
    if lengths is not None:
        length = tl.load(lengths + replica * batch + rows, mask=rows < batch, other=0)[:, None]

    for t in range(steps):
        c_new = c_now
        if CELL == "lstm":
            h_new, c_new, g0, g1, g2, g3 = _lstm(
                projected, h_now, c_now, weight, held, hidden, inside, square, HELD
            )
        elif CELL == "gru":
            h_new, g0, g1, g2, g3 = _gru(
                projected, h_now, weight, held, bias, columns, hidden, inside, square, HELD
            )
        else:
            h_new = _load(projected, inside) + _product(h_now, weight, held[0], square, HELD)
            # Written so that NaN stays NaN.
            h_new = _tanh(h_new) if CELL == "tanh" else tl.where(h_new < 0, 0.0, h_new)
        projected += batch * GATES * hidden
        if kept is not None:
            _store(kept, g0, inside)
            _store(kept + hidden, g1, inside)
            _store(kept + 2 * hidden, g2, inside)
            _store(kept + 3 * hidden, g3, inside)
            kept += batch * 4 * hidden
        if lengths is not None:
            h_new = tl.where(t < length, h_new, h_now)
            c_new = tl.where(t < length, c_new, c_now)
        h_now, c_now = h_new, c_new
        h += batch * hidden
        _store(h, h_now, inside)
        if CELL == "lstm":
            c += batch * hidden
            _store(c, c_now, inside)


@triton.jit
def _lstm(projected, h, c, weight, held, hidden, inside, square, HELD: tl.constexpr):
    i = _sigmoid(_load(projected, inside) + _product(h, weight, held[0], square, HELD))
    f = _load(projected + hidden, inside) + _product(h, weight + hidden, held[1], square, HELD)
    f = _sigmoid(f)
    g = _load(projected + 2 * hidden, inside) + _product(h, weight + 2 * hidden, held[2], square, HELD)
    g = _tanh(g)
    o = _load(projected + 3 * hidden, inside) + _product(h, weight + 3 * hidden, held[3], square, HELD)
    o = _sigmoid(o)
    c = f * c + i * g
    return o * _tanh(c), c, i, f, g, o


@triton.jit
def _gru(projected, h, weight, held, bias, columns, hidden, inside, square, HELD: tl.constexpr):
    r = _load(projected, inside) + _product(h, weight, held[0], square, HELD)
    z = _load(projected + hidden, inside) + _product(h, weight + hidden, held[1], square, HELD)
    recurrent = _product(h, weight + 2 * hidden, held[2], square, HELD)
    if bias is not None:
        known = columns[None, :] < hidden
        r += _load(bias, known)
        z += _load(bias + hidden, known)
        recurrent += _load(bias + 2 * hidden, known)
    r = _sigmoid(r)
    z = _sigmoid(z)
    n = _tanh(_load(projected + 2 * hidden, inside) + r * recurrent)
    return n + z * (h - n), r, z, n, recurrent


@triton.jit
def backward(
    weight, h, c, kept, lengths, d_outputs, d_h, d_c, d_gates, batch, steps, hidden,
    CELL: tl.constexpr, GATES: tl.constexpr, HELD: tl.constexpr, ROWS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """From the gradients of the last state to those of the first and of all pre-activations.

    Shapes: as in `forward`; d_outputs (R, T, B, H) or None; d_h and d_c (R, B, H), overwritten; d_gates (R, T, B, P·H)
    has kept's four planes, or an Elman cell's one.
    """
    PLANES: tl.constexpr = 1 if GATES == 1 else 4
    replica, rows, columns, inside, square = _places(batch, hidden, ROWS, SIZE)
    step = replica * steps * batch + (steps - 1) * batch  # as in `forward`, at the last step
    # Transposed: from a gate's columns to those of the state.
    weight += replica * hidden * GATES * hidden + columns[None, :] * (GATES * hidden) + columns[:, None]
    held = _gate_tiles(weight, hidden, square, GATES)
    d_gates += _at(step, rows, columns, PLANES * hidden)
    if kept is not None:
        kept += _at(step, rows, columns, 4 * hidden)
    if d_outputs is not None:
        d_outputs += _at(step, rows, columns, hidden)
    h += _at(step + replica * batch, rows, columns, hidden)
    d_h += _at(replica * batch, rows, columns, hidden)
    dh = _load(d_h, inside)
    dc = dh
    if CELL == "lstm":
        c += _at(step + replica * batch, rows, columns, hidden)
        d_c += _at(replica * batch, rows, columns, hidden)
        dc = _load(d_c, inside)
    if lengths is not None:
        length = tl.load(lengths + replica * batch + rows, mask=rows < batch, other=0)[:, None]

    for back in range(steps):
        valid = inside
        if lengths is not None:
            valid = inside & (steps - 1 - back < length)
        if d_outputs is not None:
            dh += _load(d_outputs, inside)
            d_outputs -= batch * hidden
        dc_before = dc
        if CELL == "lstm":
            d0, d1, d2, d3, dc_before = _lstm_back(dh, dc, c, kept, batch, hidden, inside)
            dh_before = tl.zeros_like(dh)
            c -= batch * hidden
        elif CELL == "gru":
            d0, d1, d2, d3, dh_before = _gru_back(dh, h, kept, hidden, inside)
        else:
            h_after = _load(h + batch * hidden, inside)
            d0 = dh * (1.0 - h_after * h_after) if CELL == "tanh" else tl.where(h_after <= 0, 0.0, dh)
            dh_before = tl.zeros_like(dh)
        h -= batch * hidden
        if kept is not None:
            kept -= batch * 4 * hidden

        d0 = tl.where(valid, d0, 0.0)
        _store(d_gates, d0, inside)
        dh_before += _product(d0, weight, held[0], square, HELD)
        if PLANES == 4:
            d1 = tl.where(valid, d1, 0.0)
            d2 = tl.where(valid, d2, 0.0)
            d3 = tl.where(valid, d3, 0.0)
            _store(d_gates + hidden, d1, inside)
            _store(d_gates + 2 * hidden, d2, inside)
            _store(d_gates + 3 * hidden, d3, inside)
            # The recurrent product of a GRU's content has a plane of its own, the last.
            d_third = d2 if CELL == "lstm" else d3
            dh_before += _product(d1, weight + hidden, held[1], square, HELD)
            dh_before += _product(d_third, weight + 2 * hidden, held[2], square, HELD)
        if CELL == "lstm":
            dh_before += _product(d3, weight + 3 * hidden, held[3], square, HELD)
        d_gates -= batch * PLANES * hidden
        dh = tl.where(valid, dh_before, dh)
        dc = tl.where(valid, dc_before, dc)

    _store(d_h, dh, inside)
    if CELL == "lstm":
        _store(d_c, dc, inside)


@triton.jit
def _lstm_back(dh, dc, c, kept, batch, hidden, inside):
    i, f, g, o = _planes(kept, hidden, inside)
    squashed = _tanh(_load(c + batch * hidden, inside))
    dc += dh * o * (1.0 - squashed * squashed)
    d_f = dc * _load(c, inside) * f * (1.0 - f)
    return dc * g * i * (1.0 - i), d_f, dc * i * (1.0 - g * g), dh * squashed * o * (1.0 - o), dc * f


@triton.jit
def _gru_back(dh, h, kept, hidden, inside):
    r, z, n, recurrent = _planes(kept, hidden, inside)
    d_z = dh * (_load(h, inside) - n) * z * (1.0 - z)
    d_n = dh * (1.0 - z) * (1.0 - n * n)
    return d_n * recurrent * r * (1.0 - r), d_z, d_n, d_n * r, dh * z


@triton.jit
def _places(batch, hidden, ROWS: tl.constexpr, SIZE: tl.constexpr):
    """This program's replica, rows and columns, and which of a state's and of a weight's elements exist."""
    # Offsets into many replicas do not fit into 32 bits.
    replica = tl.program_id(0).to(tl.int64)
    rows, columns = tl.program_id(1) * ROWS + tl.arange(0, ROWS), tl.arange(0, SIZE)
    known = columns < hidden
    return replica, rows, columns, (rows < batch)[:, None] & known[None, :], known[:, None] & known[None, :]


@triton.jit
def _at(step, rows, columns, width):
    return step * width + rows[:, None] * width + columns[None, :]


@triton.jit
def _load(pointers, mask):
    return tl.load(pointers, mask=mask, other=0.0).to(tl.float32)


@triton.jit
def _store(pointers, values, mask):
    tl.store(pointers, values.to(pointers.dtype.element_ty), mask=mask)


@triton.jit
def _planes(kept, hidden, inside):
    return (
        _load(kept, inside),
        _load(kept + hidden, inside),
        _load(kept + 2 * hidden, inside),
        _load(kept + 3 * hidden, inside),
    )


@triton.jit
def _gate_tiles(weight, hidden, square, GATES: tl.constexpr):
    """Four tiles, some of them twice where there are fewer gates; the compiler leaves out what nobody uses."""
    return (
        tl.load(weight, mask=square, other=0.0),
        tl.load(weight + 1 % GATES * hidden, mask=square, other=0.0),
        tl.load(weight + 2 % GATES * hidden, mask=square, other=0.0),
        tl.load(weight + 3 % GATES * hidden, mask=square, other=0.0),
    )


@triton.jit
def _product(rows, weight, held, square, HELD: tl.constexpr):
    tile = held if HELD else tl.load(weight, mask=square, other=0.0)
    rows = rows.to(tile.dtype)
    if INTERPRETED:  # the interpreter would multiply the bits of bfloat16 as integers
        rows, tile = rows.to(tl.float32), tile.to(tl.float32)
    # Three products of halves on the tensor cores are as exact as one in float32; the exact one ("ieee") is unrolled
    # into so many instructions that compilers fail on it. In bfloat16 this setting means nothing.
    return tl.dot(rows, tile, input_precision="tf32x3")


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _tanh(x):
    # The quotient cancels near 0, where the series takes over: its first term left out is 3e-7 of x at x = 1/4.
    s = x * x
    near = x + x * s * (-0.33333333 + s * (0.13333333 - s * 0.053968254))
    e = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - e) / (1.0 + e)
    return tl.where(s < 0.0625, near, tl.where(x < 0, -far, far))
