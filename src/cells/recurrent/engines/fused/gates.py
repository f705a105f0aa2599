"""What the three cells do to their pre-activations, and back: elementwise, over a whole block of rows at once.

A block's gates lie in planes of (rows, padded hidden size) without gaps: LSTM i f g o; GRU r z n and the recurrent
part of n. Going forward a plane's pre-activations are replaced by activations, going backward these by gradients of the
pre-activations, so that a gate needs one place in memory. An Elman cell's plane is its hidden state.
"""

# Loops are written one after the other, for each to have few enough arrays to be vectorised.

import math

import numpy as np
from numba import types
from numba.extending import overload

from cells.recurrent.engines.fused.compiling import compiled

ELMAN_TANH, ELMAN_RELU, LSTM, GRU = range(4)

# tanh x = x P(x²) / Q(x²) for |x| ≤ 9, where tanh is 1 in single precision. The coefficients minimise the largest
# relative error by iteratively reweighted least squares: 2e-8 before rounding, 3.4e-7 with it.
_P0, _P1, _P2, _P3, _P4 = map(
    np.float32, (0.999999979, 0.133810302, 0.00349559351, 2.06091663e-05, 1.33547674e-08)
)
_Q0, _Q1, _Q2, _Q3, _Q4 = map(np.float32, (1.0, 0.467143458, 0.0258770029, 0.000328564343, 7.77660393e-07))
_END, _HALF = np.float32(9.0), np.float32(0.5)


@compiled
def _tanh_single(x):
    x = _END if x > _END else x  # written so that NaN stays NaN
    x = -_END if x < -_END else x
    s = x * x
    return (
        x
        * ((((_P4 * s + _P3) * s + _P2) * s + _P1) * s + _P0)
        / ((((_Q4 * s + _Q3) * s + _Q2) * s + _Q1) * s + _Q0)
    )


def tanh(x):
    """Hyperbolic tangent: rational in single precision, so that it is vectorised; the C library's in double."""
    return math.tanh(x)


@overload(tanh)
def _compiled_tanh(x):
    if x == types.float32:
        return lambda x: _tanh_single(x)
    return lambda x: math.tanh(x)


def sigmoid(x):
    """Logistic function, (1 + tanh(x / 2)) / 2."""
    return 0.5 + 0.5 * math.tanh(0.5 * x)


@overload(sigmoid)
def _compiled_sigmoid(x):
    if x == types.float32:
        return lambda x: _HALF + _HALF * _tanh_single(_HALF * x)
    return lambda x: 0.5 + 0.5 * math.tanh(0.5 * x)


@compiled
def activate_elman(relu, h):
    """Pre-activation → h, in place."""
    if relu:
        for j in range(h.size):
            h[j] = 0 if h[j] < 0 else h[j]  # written so that NaN stays NaN
    else:
        for j in range(h.size):
            h[j] = tanh(h[j])


@compiled
def activate_lstm(i, f, g, o, c_before, c, h):
    """Gates in place; c = f c_before + i g, h = o tanh c."""
    for j in range(i.size):
        i[j] = sigmoid(i[j])
    for j in range(f.size):
        f[j] = sigmoid(f[j])
    for j in range(g.size):
        g[j] = tanh(g[j])
    for j in range(o.size):
        o[j] = sigmoid(o[j])
    for j in range(c.size):
        c[j] = f[j] * c_before[j] + i[j] * g[j]
    for j in range(h.size):
        h[j] = o[j] * tanh(c[j])


@compiled
def activate_gru(r, z, n, recurrent, h_before, h):
    """Gates in place; n = tanh(n + r · recurrent), h = n + z (h_before − n)."""
    for j in range(r.size):
        r[j] = sigmoid(r[j])
    for j in range(z.size):
        z[j] = sigmoid(z[j])
    for j in range(n.size):
        n[j] = tanh(n[j] + r[j] * recurrent[j])
    for j in range(h.size):
        h[j] = n[j] + z[j] * (h_before[j] - n[j])


@compiled
def differentiate_elman(relu, h, dh, d):
    """∂E/∂h → d = ∂E/∂(pre-activation); what reaches h_before apart from the recurrent product is nothing."""
    if relu:
        for j in range(h.size):
            d[j] = 0 if h[j] <= 0 else dh[j]
    else:
        for j in range(h.size):
            d[j] = dh[j] - dh[j] * h[j] * h[j]
    dh[:] = 0


@compiled
def differentiate_lstm(i, f, g, o, c_before, c, dh, dc):
    """Gates → ∂E/∂(pre-activations); dc from that of c to that of c_before; dh: as for Elman."""
    for j in range(o.size):
        t = tanh(c[j])
        gate = o[j]
        o[j] = dh[j] * t * (gate - gate * gate)
        dc[j] += dh[j] * (gate - gate * t * t)
    for j in range(i.size):
        gate, content = i[j], g[j]
        i[j] = dc[j] * content * (gate - gate * gate)
        g[j] = dc[j] * gate - dc[j] * gate * content * content
    for j in range(f.size):
        gate = f[j]
        f[j] = dc[j] * c_before[j] * (gate - gate * gate)
        dc[j] = dc[j] * gate
    dh[:] = 0


@compiled
def adjoint_of_c(o, c, dh, dc, total):
    """All of ∂E/∂c: what later steps give, dc, and what comes by h of the same step."""
    for j in range(c.size):
        t = tanh(c[j])
        total[j] = dc[j] + dh[j] * (o[j] - o[j] * t * t)


@compiled
def differentiate_gru(r, z, n, recurrent, h_before, dh):
    """Gates → ∂E/∂(pre-activations); dh from that of h to that of h_before, apart from the recurrent product."""
    for j in range(n.size):
        keep, content, d = z[j], n[j], dh[j]
        z[j] = d * (h_before[j] - content) * (keep - keep * keep)
        d_content = d - d * keep
        n[j] = d_content - d_content * content * content
        dh[j] = d * keep
    for j in range(r.size):
        reset, d = r[j], n[j]
        r[j] = d * recurrent[j] * (reset - reset * reset)
        recurrent[j] = d * reset
