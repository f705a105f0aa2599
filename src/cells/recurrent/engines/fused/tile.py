"""Matrix products that stay in registers: the one file written in LLVM's own language, through Numba.

A tile is ROWS × (2 vectors) of a product C += A B. Its sums live in vector registers while the loop runs over the
inner dimension, which Numba's own code for arrays does not achieve.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cells.recurrent.engines.fused.compiling import compiled

_WIDE = "avx512f" in {name for name, there in llvmlite.binding.get_host_cpu_features().items() if there}
VECTOR_BYTES = 64 if _WIDE else 32
MOST_ROWS = 8 if _WIDE else 4
"""Rows of the largest tile: 2 × 8 sums fill half of 32 registers, 2 × 4 half of 16."""


def panel_width(dtype: Any) -> int:
    """Columns of a tile, and of the panels in which the right-hand matrix is stored."""
    return 2 * VECTOR_BYTES // np.dtype(dtype).itemsize


def _tile(rows: int) -> Callable[..., None]:
    """c[i, :] = start[i, :] + Σ_k a[i, k] b[k, :] for `rows` rows i; all are flat arrays with offsets and strides.

    Strides are in elements; b's rows follow one another without a gap; columns of start and c are contiguous.
    """

    @intrinsic
    def tile(
        typing: Any, a: Any, a_at: Any, a_row: Any, a_k: Any, b: Any, b_at: Any,
        start: Any, start_at: Any, start_row: Any, c: Any, c_at: Any, c_row: Any, many: Any,
    ) -> Any:  # fmt: skip
        number = types.intp
        signature = types.void(
            a, number, number, number, b, number, start, number, number, c, number, number, number
        )
        width = VECTOR_BYTES // (a.dtype.bitwidth // 8)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a_value, a_at, a_row, a_k, b_value, b_at, *rest = arguments
            start_value, start_at, start_row, c_value, c_at, c_row, many = rest
            number = context.get_value_type(a.dtype)
            vector, size = ir.VectorType(number, width), a.dtype.bitwidth // 8
            constant = context.get_constant

            def element(kind: Any, value: Any, at: Any) -> Any:
                return builder.gep(context.make_array(kind)(context, builder, value).data, [at])

            def as_vector(pointer: Any, part: int) -> Any:
                there = builder.gep(pointer, [constant(types.intp, part * width)])
                return builder.bitcast(there, vector.as_pointer())

            a_first, b_first = element(a, a_value, a_at), element(b, b_value, b_at)

            def each_row(first: Any, stride: Any) -> list[Any]:
                return [
                    builder.gep(first, [builder.mul(stride, constant(types.intp, row))])
                    for row in range(rows)
                ]

            sums = []
            for pointer in each_row(element(start, start_value, start_at), start_row):
                for part in (0, 1):
                    value = builder.load(as_vector(pointer, part), align=size)
                    sums.append(cgutils.alloca_once_value(builder, value))
            with cgutils.for_range(builder, many, intp=many.type) as loop:
                b_row = builder.gep(b_first, [builder.mul(loop.index, constant(types.intp, 2 * width))])
                right = [builder.load(as_vector(b_row, part), align=size) for part in (0, 1)]
                a_column = builder.gep(a_first, [builder.mul(loop.index, a_k)])
                for row in range(rows):
                    at = builder.mul(a_row, constant(types.intp, row))
                    scalar = builder.load(builder.gep(a_column, [at]))
                    first = builder.insert_element(
                        ir.Constant(vector, ir.Undefined), scalar, ir.IntType(32)(0)
                    )
                    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), None)
                    left = builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)
                    for part in (0, 1):
                        place = sums[2 * row + part]
                        product = builder.fmul(left, right[part], flags=("contract",))
                        total = builder.fadd(builder.load(place), product, flags=("contract",))
                        builder.store(total, place)
            for row, pointer in enumerate(each_row(element(c, c_value, c_at), c_row)):
                for part in (0, 1):
                    builder.store(builder.load(sums[2 * row + part]), as_vector(pointer, part), align=size)
            return context.get_dummy_value()

        return signature, generate

    return tile


_tile8, _tile4, _tile2, _tile1 = (_tile(rows) for rows in (8, 4, 2, 1))


@intrinsic
def _move(typing: Any, source: Any, at: Any, to: Any, to_at: Any) -> Any:
    """to[to_at : to_at + MOST_ROWS] = source[at : at + MOST_ROWS], as one vector; Numba moves one number at a time."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_value, at, to_value, to_at = arguments
        vector = ir.VectorType(context.get_value_type(source.dtype), MOST_ROWS)

        def place(kind: Any, value: Any, at: Any) -> Any:
            first = builder.gep(context.make_array(kind)(context, builder, value).data, [at])
            return builder.bitcast(first, vector.as_pointer())

        size = source.dtype.bitwidth // 8
        builder.store(
            builder.load(place(source, source_value, at), align=size), place(to, to_value, to_at), align=size
        )
        return context.get_dummy_value()

    return types.void(source, types.intp, to, types.intp), generate


@compiled
def product(a, a_at, a_row, rows, inner, b, b_at, panels, width, start, start_at, start_row, c, c_at, c_row):
    """C = start + A B: A is rows × inner, its rows `a_row` apart; B lies in panels, (panels, inner, width).

    `start` may be C itself, or one row for all with `start_row` 0.
    """
    for panel in range(panels):
        right, column, row = b_at + panel * inner * width, panel * width, 0
        while row < rows:
            many = _tile_rows(rows - row)
            left = a_at + row * a_row
            begin, at = start_at + column + row * start_row, c_at + column + row * c_row
            if many == 8:
                _tile8(a, left, a_row, 1, b, right, start, begin, start_row, c, at, c_row, inner)
            elif many == 4:
                _tile4(a, left, a_row, 1, b, right, start, begin, start_row, c, at, c_row, inner)
            elif many == 2:
                _tile2(a, left, a_row, 1, b, right, start, begin, start_row, c, at, c_row, inner)
            else:
                _tile1(a, left, a_row, 1, b, right, start, begin, start_row, c, at, c_row, inner)
            row += many


@compiled
def outer_product(a, columns, inner, b, c, c_at, c_row):
    """C += AᵀB for one panel b of B, (inner, width); A lies as `pack_columns` leaves it; C is columns × width."""
    column = 0
    while column < columns:
        many = _tile_rows(columns - column)
        left, at = column * inner, c_at + column * c_row
        if many == 8:
            _tile8(a, left, 1, 8, b, 0, c, at, c_row, c, at, c_row, inner)
        elif many == 4:
            _tile4(a, left, 1, 4, b, 0, c, at, c_row, c, at, c_row, inner)
        elif many == 2:
            _tile2(a, left, 1, 2, b, 0, c, at, c_row, c, at, c_row, inner)
        else:
            _tile1(a, left, 1, 1, b, 0, c, at, c_row, c, at, c_row, inner)
        column += many


@compiled
def pack_columns(source, at, step, steps, row, rows, columns, packed):
    """Lay rows `at + t·step + i·row` out for `outer_product`: as many columns together as a tile takes."""
    column, inner = 0, steps * rows
    while column < columns:
        many, to = _tile_rows(columns - column), column * inner
        for t in range(steps):
            for i in range(rows):
                begin = at + t * step + i * row + column
                if many == MOST_ROWS:
                    _move(source, begin, packed, to)
                else:
                    for j in range(many):
                        packed[to + j] = source[begin + j]
                to += many
        column += many


@compiled
def pack_panel(source, at, step, steps, row, rows, width, packed):
    """Lay `width` columns of rows `at + t·step + i·row` out one behind the other."""
    to = 0
    for t in range(steps):
        for i in range(rows):
            begin = at + t * step + i * row
            for part in range(0, width, MOST_ROWS):
                _move(source, begin + part, packed, to + part)
            to += width


@compiled
def _tile_rows(left):
    if left >= 8 and MOST_ROWS == 8:
        return 8
    if left >= 4:
        return 4
    return 2 if left >= 2 else 1
