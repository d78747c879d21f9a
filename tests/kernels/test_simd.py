"""The microkernel against NumPy in float64 and against its plain loops: to the rounding of its sums."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba.core.errors import TypingError

from streamrnn._bind import bind
from streamrnn.kernels import simd, tiles

TYPES = ["float32", "float64"]
SIZES = [(4, 16), (8, 16), (12, 16), (16, 16), (8, 32)]
PAD, APART = 3, 7  # numbers before and after an array's part; between rows of A


def run(*args):
    raise TypeError("unbound")


def call(A, ai, lda, valid, B, bi, K, C, ci):
    run(A, ai, lda, valid, B, bi, K, C, ci)


def call_onto(d, di, apart, X, xi, A, ai, lda, valid, B, bi, K, C, ci):
    run(d, di, apart, X, xi, A, ai, lda, valid, B, bi, K, C, ci)


def call_each(a, ai, B, bi, apart, valid, K, C, ci):
    run(a, ai, B, bi, apart, valid, K, C, ci)


def call_added(X, xi, count, C, ci):
    run(X, xi, count, C, ci)


def drawn(generator, size, dtype):
    """`size` numbers within a longer array."""
    return generator.normal(size=size + 2 * PAD).astype(dtype)


def check(found, before, expected, size, K):
    """From PAD on `expected`, to the rounding of K products whose absolute values sum up to `size`; else `before`."""
    whole = before.astype(float)
    whole[PAD : PAD + expected.size] = expected.reshape(-1)
    bound = np.zeros_like(whole)
    bound[PAD : PAD + expected.size] = (K + 2) * np.finfo(found.dtype).eps * size.reshape(-1)
    assert (np.abs(found - whole) <= bound).all()
    np.testing.assert_array_equal(found[:PAD], before[:PAD])
    np.testing.assert_array_equal(found[PAD + expected.size :], before[PAD + expected.size :])


@pytest.mark.parametrize("made", [simd.tile, tiles.plain])
@pytest.mark.parametrize("start", [tiles.ZERO, tiles.SUM])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_product(rows, columns, dtype, start, made):
    do = bind(call, "tested", run=made(rows, columns, start))
    generator = np.random.default_rng(0)
    for valid, K in ((rows, 5), (rows + 3, 16), (rows - 1, 9), (1, 1), (2, 64)):
        there = min(rows, valid)
        A, B = drawn(generator, rows * (K + APART), dtype), drawn(generator, K * columns, dtype)
        C = drawn(generator, rows * columns, dtype)
        before = C.copy()
        do(A, PAD, K + APART, valid, B, PAD, K, C, PAD)
        a = A[PAD : PAD + rows * (K + APART)].reshape(rows, K + APART)[:there, :K].astype(float)
        b = B[PAD : PAD + K * columns].reshape(K, columns).astype(float)
        begun = before[PAD : PAD + there * columns].reshape(there, columns) * float(start == tiles.SUM)
        check(C, before, begun + a @ b, np.abs(begun) + np.abs(a) @ np.abs(b), K)


@pytest.mark.parametrize("made", [simd.tile, tiles.plain])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_product_in_place(rows, columns, dtype, made):
    do = bind(call, "tested", run=made(rows, columns))
    generator = np.random.default_rng(0)
    for n in range(1, rows + 1):
        A, B = generator.normal(size=(n, n)).astype(dtype), drawn(generator, n * columns, dtype)
        before = B.copy()
        do(A, 0, n, n, B, PAD, n, B, PAD)
        a, b = A.astype(float), before[PAD : PAD + n * columns].reshape(n, columns).astype(float)
        check(B, before, a @ b, np.abs(a) @ np.abs(b), n)


@pytest.mark.parametrize("made", [simd.tile_onto, tiles.plain_onto])
@pytest.mark.parametrize("dtype", TYPES)
def test_product_onto_a_diagonal(dtype, made):
    rows, columns, K = 8, 32, 11
    do = bind(call_onto, "tested", run=made(rows, columns))
    generator = np.random.default_rng(0)
    for valid in (1, 5, 8, 20):
        there = min(rows, valid)
        A, B, X = (drawn(generator, size, dtype) for size in (rows * K, K * columns, rows * columns))
        d, C = drawn(generator, rows * APART, dtype), drawn(generator, rows * columns, dtype)
        before = C.copy()
        do(d, PAD, APART, X, PAD, A, PAD, K, valid, B, PAD, K, C, PAD)
        a = A[PAD : PAD + there * K].reshape(there, K).astype(float)
        b = B[PAD : PAD + K * columns].reshape(K, columns).astype(float)
        x = X[PAD : PAD + there * columns].reshape(there, columns).astype(float)
        scale = d[PAD : PAD + there * APART : APART, None].astype(float)
        check(C, before, scale * x + a @ b, np.abs(scale * x) + np.abs(a) @ np.abs(b), K + 1)


@pytest.mark.parametrize("made", [simd.tile_each, tiles.plain_each])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "columns"), [(4, 16), (1, 32)])
def test_a_row_times_each_of_several(rows, columns, dtype, made):
    do = bind(call_each, "tested", run=made(rows, columns))
    generator = np.random.default_rng(0)
    for valid, K in ((rows, 8), (1, 1), (rows + 1, 33), (max(1, rows - 1), 5)):
        there, apart = min(rows, valid), K * columns + APART
        a, B, C = (drawn(generator, size, dtype) for size in (K, rows * apart, rows * columns))
        before = C.copy()
        do(a, PAD, B, PAD, apart, valid, K, C, PAD)
        row = a[PAD : PAD + K].astype(float)
        b = B[PAD : PAD + rows * apart].reshape(rows, apart)[:there, : K * columns].astype(float)
        b = b.reshape(there, K, columns)
        check(C, before, np.einsum("k,rkc->rc", row, b), np.einsum("k,rkc->rc", np.abs(row), np.abs(b)), K)


@pytest.mark.parametrize("made", [simd.added, tiles.plain_added])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("columns", [16, 32])
def test_a_short_row_is_added(columns, dtype, made):
    """To the bit, and where the arrays end with the row."""
    do = bind(call_added, "tested", run=made(columns))
    generator = np.random.default_rng(0)
    for run_of in range(columns + 1):
        X, C = generator.normal(size=run_of + PAD).astype(dtype), generator.normal(size=run_of + PAD).astype(dtype)
        expected = C.copy()
        expected[PAD:] += X[PAD:]
        do(X, PAD, run_of, C, PAD)
        np.testing.assert_array_equal(C, expected)


def test_what_is_not_contiguous_or_of_one_type_is_refused():
    do, A = bind(call, "tested", run=simd.tile(8, 16)), np.zeros((8, 16))
    for B in (np.zeros((16, 32))[:, ::2], np.zeros((8, 16), np.float32), np.zeros((8, 16), np.int64)):
        with pytest.raises((TypingError, TypeError), match="contiguous arrays of one real type"):
            do(A, 0, 8, 8, B, 0, 8, A, 0)


@pytest.mark.parametrize("features", ["+sse2", "+avx,+avx2,+fma"])
@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="asks for other x86 processors")
def test_other_widths_of_registers(features, tmp_path):
    """The same on processors with shorter vectors, which this one can stand in for where it has them."""
    with open("/proc/cpuinfo", encoding="ascii") as cpu:
        if "avx2" in features and " avx2 " not in cpu.read():
            pytest.skip("no AVX2 here")
    environment = os.environ | {
        "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features, "STREAMRNN_CACHE_DIR": str(tmp_path),
    }  # fmt: skip
    again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not plain and not other", __file__]
    done = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
