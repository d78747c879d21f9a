"""What the microkernel of thin matrix products does, in plain loops. `kernels/simd.py` does it in vectors.

    zero        C = A B
    sum         C += A B
    diagonal    C = diag(d) X + A B
    each        C[r] = a B[r]: one row a, and a B for each row of C

A tile is (rows, columns) and lies in memory row after row, without gaps; B (K, columns), X (rows, columns) and C
likewise. What a row of A, or the next of d, is apart from the last is given. All of C is written after all of B and X
was read, so that C may be B or X itself. Of the rows from `valid` on nothing is read or written.

Here products are rounded before they are added, which vectors need not do: the two agree to the rounding of their sums.
These run where Numba does not compile, and allocate: for C may be B.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from streamrnn._bind import bind
from streamrnn._types import Array

ZERO, SUM, DIAGONAL, EACH = 0, 1, 2, 3
ROWS, COLUMNS, START = 1, 1, ZERO  # stand-ins


def product(A: Array, ai: int, lda: int, valid: int, B: Array, bi: int, K: int, C: Array, ci: int) -> None:
    """C = A B or C += A B; A[ai + r lda + k], B[bi + k COLUMNS + c], C[ci + r COLUMNS + c] of the flat arrays."""
    a, b, out = A.reshape(A.size), B.reshape(B.size), C.reshape(C.size)
    rows = min(ROWS, valid)
    sums = np.zeros((rows, COLUMNS), C.dtype)
    for r in range(rows):
        for c in range(COLUMNS):
            if START == SUM:
                sums[r, c] = out[ci + r * COLUMNS + c]
            for k in range(K):
                sums[r, c] += a[ai + r * lda + k] * b[bi + k * COLUMNS + c]
    for r in range(rows):
        for c in range(COLUMNS):
            out[ci + r * COLUMNS + c] = sums[r, c]


def product_onto(
    d: Array, di: int, apart: int, X: Array, xi: int, A: Array, ai: int, lda: int, valid: int, B: Array, bi: int,
    K: int, C: Array, ci: int,
) -> None:  # fmt: skip
    """C = diag(d) X + A B; d[di + r apart], X[xi + r COLUMNS + c], the rest as in `product`."""
    a, b, out = A.reshape(A.size), B.reshape(B.size), C.reshape(C.size)
    scale, x = d.reshape(d.size), X.reshape(X.size)
    rows = min(ROWS, valid)
    sums = np.zeros((rows, COLUMNS), C.dtype)
    for r in range(rows):
        for c in range(COLUMNS):
            sums[r, c] = scale[di + r * apart] * x[xi + r * COLUMNS + c]
            for k in range(K):
                sums[r, c] += a[ai + r * lda + k] * b[bi + k * COLUMNS + c]
    for r in range(rows):
        for c in range(COLUMNS):
            out[ci + r * COLUMNS + c] = sums[r, c]


def product_each(
    a: Array, ai: int, B: Array, bi: int, apart: int, valid: int, K: int, C: Array, ci: int
) -> None:  # fmt: skip
    """C[r] = a B[r]; a[ai + k], B[bi + r apart + k COLUMNS + c], C as in `product` and none of it part of B."""
    row, b, out = a.reshape(a.size), B.reshape(B.size), C.reshape(C.size)
    for r in range(min(ROWS, valid)):
        for c in range(COLUMNS):
            total = 0.0
            for k in range(K):
                total += row[ai + k] * b[bi + r * apart + k * COLUMNS + c]
            out[ci + r * COLUMNS + c] = total


def add(X: Array, xi: int, run: int, C: Array, ci: int) -> None:
    """C[ci + c] += X[xi + c] for c < run ≤ COLUMNS."""
    x, out = X.reshape(X.size), C.reshape(C.size)
    for c in range(min(run, COLUMNS)):
        out[ci + c] += x[xi + c]


@cache
def plain(rows: int, columns: int, start: int = ZERO) -> Callable[..., None]:
    """`product` for tiles of this size."""
    return bind(product, f"{rows}x{columns}", ROWS=rows, COLUMNS=columns, START=start)


@cache
def plain_onto(rows: int, columns: int) -> Callable[..., None]:
    """`product_onto` for tiles of this size."""
    return bind(product_onto, f"{rows}x{columns}", ROWS=rows, COLUMNS=columns)


@cache
def plain_each(rows: int, columns: int) -> Callable[..., None]:
    """`product_each` for tiles of this size."""
    return bind(product_each, f"{rows}x{columns}", ROWS=rows, COLUMNS=columns)


@cache
def plain_added(columns: int) -> Callable[..., None]:
    """`add` for rows of at most so many columns."""
    return bind(add, f"{columns}", COLUMNS=columns)
