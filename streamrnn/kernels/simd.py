"""The microkernel of thin matrix products: a tile of rows x columns stays in registers while the sum runs.

`tile`, `tile_onto`, `tile_each` and `added` do what their plain twins of `kernels/tiles.py` do. They write LLVM vectors
and nothing that only one processor has: `fmuladd` is fused where the target fuses, masks are branches where it has
none. How many numbers one register holds is asked of the target at compile time, to choose which part of a tile is
summed at once.

Source: register blocking as in Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (ACM TOMS 34,
2008), §4; here B has few columns at a time and needs no packing, as it is kept that way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from streamrnn._bind import intrinsic
from streamrnn.kernels.tiles import DIAGONAL, EACH, SUM, ZERO, plain, plain_added, plain_each, plain_onto


def lanes_of(context: Any, real: Any, columns: int) -> tuple[int, int]:
    """How many numbers go into one register of the target, `columns` at the most, and how many registers to sum in."""
    features = context.codegen().magic_tuple()[2]
    register = 64 if "+avx512f" in features else 32 if "+avx" in features else 16  # bytes
    sums = 16 if register == 64 or "+neon" in features else 8  # half of the registers; the others hold factors
    return min(register * 8 // real.bitwidth, columns), sums


def emit(
    context: Any, builder: Any, real: Any, rows: int, columns: int, start: int, a: tuple[Any, ...], b: tuple[Any, ...],
    c: tuple[Any, ...], onto: tuple[Any, ...],
) -> None:  # fmt: skip
    """Write the instructions. a: pointer, lda, valid; b: pointer, K; c: pointer; onto: pointer to d, apart, that to X;
    with EACH onto is apart alone."""
    (at_a, lda, valid), (at_b, K), (at_c,) = a, b, c
    size = real.bitwidth // 8
    lanes, many = lanes_of(context, real, columns)
    at_once = max(1, min(columns // lanes, many // rows))
    vector = ir.VectorType(context.get_data_type(real), lanes)
    fmuladd = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, (vector, vector, vector)), f"llvm.fmuladd.v{lanes}f{real.bitwidth}"
    )
    no_lanes = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def number(value: int) -> Any:
        return ir.Constant(lda.type, value)

    def splat(scalar: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        return builder.shuffle_vector(
            builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0)), undefined, no_lanes
        )

    def place(pointer: Any, offset: int) -> Any:
        return builder.bitcast(builder.gep(pointer, [number(offset)]), vector.as_pointer())

    def write(index: list[Any]) -> None:
        row_a = [builder.gep(at_a, [builder.mul(i, lda)]) for i in index]
        row_c = [builder.gep(at_c, [builder.mul(i, number(columns))]) for i in index]
        for first in range(0, columns, at_once * lanes):
            parts = range(first, min(first + at_once * lanes, columns), lanes)
            sums = {}
            for r in range(rows):
                if start == DIAGONAL:
                    at_d, apart, at_x = onto
                    scale = splat(builder.load(builder.gep(at_d, [builder.mul(index[r], apart)])))
                    row_x = builder.gep(at_x, [builder.mul(index[r], number(columns))])
                for o in parts:
                    if start == DIAGONAL:
                        begun = builder.fmul(scale, builder.load(place(row_x, o), align=size))
                    elif start == SUM:
                        begun = builder.load(place(row_c[r], o), align=size)
                    else:
                        begun = ir.Constant(vector, None)
                    sums[r, o] = cgutils.alloca_once_value(builder, begun)
            group = max(1, many // len(parts))  # rows that are summed at once, where registers are few
            for top in range(0, rows, group):
                with cgutils.for_range(builder, K) as loop:
                    along = builder.mul(loop.index, number(columns))
                    for r in range(top, min(top + group, rows)):
                        if start == EACH or r == top:
                            begin = builder.gep(at_b, [builder.mul(index[r], onto[0])]) if start == EACH else at_b
                            row_b = builder.gep(begin, [along])
                            row = {o: builder.load(place(row_b, o), align=size) for o in parts}
                        factor = splat(builder.load(builder.gep(row_a[r], [loop.index])))
                        for o in parts:
                            builder.store(builder.call(fmuladd, [factor, row[o], builder.load(sums[r, o])]), sums[r, o])
            for (r, o), value in sums.items():
                builder.store(builder.load(value), place(row_c[r], o), align=size)

    if rows == 1:
        write([number(0)])
        return
    with builder.if_else(builder.icmp_signed(">=", valid, number(rows))) as (whole, part):
        with whole:
            write([number(r) for r in range(rows)])
        with part:  # rows that are not there are the last one again: computed, and written, to the same numbers
            last = builder.sub(valid, number(1))
            write([builder.select(builder.icmp_signed("<", number(r), last), number(r), last) for r in range(rows)])


def checked(*arrays: Any) -> Any:
    """The one element type of these arrays, which must be contiguous float32 or float64."""
    real = arrays[0].dtype
    for array in arrays:
        fits = isinstance(array, types.Array) and array.layout == "C" and array.dtype == real
        if not fits or real not in (types.float32, types.float64):
            raise TypeError(f"a tile is made of contiguous arrays of one real type (got {arrays})")
    return real


def pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


@cache
def tile(rows: int, columns: int, start: int = ZERO) -> Callable[..., None]:
    """Like `plain`, in vectors. columns: a power of two, for whole registers."""

    def definition(
        typing: Any, A: Any, ai: Any, lda: Any, valid: Any, B: Any, bi: Any, K: Any, C: Any, ci: Any
    ) -> Any:  # fmt: skip
        real, i = checked(A, B, C), types.intp

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds = signature.args
            a = (pointer(context, builder, kinds[0], args[0], args[1]), args[2], args[3])
            b = (pointer(context, builder, kinds[4], args[4], args[5]), args[6])
            c = (pointer(context, builder, kinds[7], args[7], args[8]),)
            emit(context, builder, real, rows, columns, start, a, b, c, ())
            return context.get_dummy_value()

        return types.void(A, i, i, i, B, i, i, C, i), codegen

    return intrinsic(definition, plain(rows, columns, start))


@cache
def tile_onto(rows: int, columns: int) -> Callable[..., None]:
    """Like `plain_onto`, in vectors."""

    def definition(
        typing: Any, d: Any, di: Any, apart: Any, X: Any, xi: Any, A: Any, ai: Any, lda: Any, valid: Any, B: Any,
        bi: Any, K: Any, C: Any, ci: Any,
    ) -> Any:  # fmt: skip
        real, i = checked(d, X, A, B, C), types.intp

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds = signature.args
            onto = (
                pointer(context, builder, kinds[0], args[0], args[1]), args[2],
                pointer(context, builder, kinds[3], args[3], args[4]),
            )  # fmt: skip
            a = (pointer(context, builder, kinds[5], args[5], args[6]), args[7], args[8])
            b = (pointer(context, builder, kinds[9], args[9], args[10]), args[11])
            c = (pointer(context, builder, kinds[12], args[12], args[13]),)
            emit(context, builder, real, rows, columns, DIAGONAL, a, b, c, onto)
            return context.get_dummy_value()

        return types.void(d, i, i, X, i, A, i, i, i, B, i, i, C, i), codegen

    return intrinsic(definition, plain_onto(rows, columns))


@cache
def tile_each(rows: int, columns: int) -> Callable[..., None]:
    """Like `plain_each`, in vectors."""

    def definition(
        typing: Any, row: Any, ai: Any, B: Any, bi: Any, apart: Any, valid: Any, K: Any, C: Any, ci: Any
    ) -> Any:  # fmt: skip
        real, i = checked(row, B, C), types.intp

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds = signature.args
            a = (pointer(context, builder, kinds[0], args[0], args[1]), ir.Constant(args[1].type, 0), args[5])
            b = (pointer(context, builder, kinds[2], args[2], args[3]), args[6])
            c = (pointer(context, builder, kinds[7], args[7], args[8]),)
            emit(context, builder, real, rows, columns, EACH, a, b, c, (args[4],))
            return context.get_dummy_value()

        return types.void(row, i, B, i, i, i, i, C, i), codegen

    return intrinsic(definition, plain_each(rows, columns))


@cache
def added(columns: int) -> Callable[..., None]:
    """Like `plain_added`, in vectors."""

    def definition(typing: Any, X: Any, xi: Any, run: Any, C: Any, ci: Any) -> Any:
        real, i = checked(X, C), types.intp

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at_x = pointer(context, builder, signature.args[0], args[0], args[1])
            at_c = pointer(context, builder, signature.args[3], args[3], args[4])
            lanes, _sums = lanes_of(context, real, columns)
            vector, index = ir.VectorType(context.get_data_type(real), lanes), ir.IntType(32)
            of_index, of_bits = ir.VectorType(index, lanes), ir.VectorType(ir.IntType(1), lanes)
            load, store = (
                cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.{what}.v{lanes}f{real.bitwidth}.p0")
                for what, kind in (
                    ("load", ir.FunctionType(vector, (vector.as_pointer(), index, of_bits, vector))),
                    ("store", ir.FunctionType(ir.VoidType(), (vector, vector.as_pointer(), index, of_bits))),
                )
            )
            align, zeros = ir.Constant(index, real.bitwidth // 8), ir.Constant(vector, None)
            ends = builder.insert_element(
                ir.Constant(of_index, ir.Undefined), builder.trunc(args[2], index), ir.Constant(index, 0)
            )
            ends = builder.shuffle_vector(ends, ir.Constant(of_index, ir.Undefined), ir.Constant(of_index, [0] * lanes))
            for o in range(0, columns, lanes):
                there = builder.icmp_signed("<", ir.Constant(of_index, list(range(o, o + lanes))), ends)
                x, c = (
                    builder.bitcast(builder.gep(at, [ir.Constant(args[1].type, o)]), vector.as_pointer())
                    for at in (at_x, at_c)
                )
                total = builder.fadd(*(builder.call(load, [at, align, there, zeros]) for at in (c, x)))
                builder.call(store, [total, c, align, there])
            return context.get_dummy_value()

        return types.void(X, i, i, C, i), codegen

    return intrinsic(definition, plain_added(columns))
