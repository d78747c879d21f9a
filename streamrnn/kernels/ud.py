"""Recursive least squares with the covariance as P = U diag(d) Uᵀ.

U is unit upper triangular. U[j, i] (i < j) holds the entry of column j and row i, so that the inner loops run along
memory. In this form P cannot lose its definiteness: d stays positive in floating point, whatever the input.

Source: Bierman, Factorization Methods for Discrete Sequential Estimation (1977), §V.3; Thornton & Bierman 1980.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array


@kernel(reassociate=True)
def dot(a: Array, b: Array, n: int) -> float:
    """Σ a[i] b[i] over the first n entries."""
    total = a[0] * 0.0
    for i in range(n):
        total += a[i] * b[i]
    return total


@kernel
def ud_gain(first: int, f: Array, keep: float, cap: float, U: Array, d: Array, K: Array) -> float:
    """One step of the covariance and the gain that goes with it; returns the leverage fᵀ P f / keep.

        K = P f / (keep + fᵀ P f)        P ← (P - K fᵀ P) / keep

    first   features before it are 0, and cost nothing
    f       (F,)    features
    keep    λ       forgetting factor in (0, 1]
    cap             no entry of d grows beyond it: without news, forgetting would inflate P without end
    U d     (F, F), (F,)    factors of P, updated; where d is 0 a weight is known to be 0, and costs nothing
    K       (F,)    out: gain

    1.5 F² multiply-adds. Equal to ridge regression with penalty 1/d[0] where keep = 1.
    """
    n = f.shape[0]
    # parts of rows, each from 0 on: loops that begin at a number that is not known at compile time, and parts of U, are
    # not vectorised, and take four times as long
    part, gain = f[first:], K[first:]
    alpha = 1.0
    for j in range(first):
        K[j] = 0.0
    for j in range(n - first):
        k = first + j
        if d[k] == 0.0:
            gain[j] = 0.0
            continue
        row = U[k][first:]
        g = part[j] + (dot(row, part, j) if j > 0 else 0.0)
        dk = min(d[k] / keep, cap)
        v = dk * g
        before = alpha
        alpha = before + v * g
        d[k] = dk * before / alpha
        slope = -g / before
        for i in range(j):
            u = row[i]
            row[i] = u + gain[i] * slope
            gain[i] += u * v
        gain[j] = v
    for i in range(n - first):
        gain[i] /= alpha
    return alpha - 1.0


@kernel
def ud_drop(j: int, U: Array, d: Array, K: Array) -> None:
    """Take the weight of feature j as known to be 0: what the others would be had it never been there.

        K = P e_j / (e_jᵀ P e_j)        P ← P - K e_jᵀ P

    The step of `ud_gain` for an observation of the weight alone, without noise. Weights w become w - K w_j.

    U d  factors of P, updated: d[j] and all that goes with it is 0    K  (F,) out; 0 where d[j] was 0 already
    """
    n = U.shape[0]
    for i in range(n):
        K[i] = 0.0
    alpha = 0.0
    for k in range(j, n):
        g = U[k, j] if k > j else 1.0
        v = d[k] * g
        if v == 0.0:
            continue
        before = alpha
        alpha = before + v * g
        d[k] *= before / alpha
        slope = -g / before if before > 0.0 else 0.0
        for i in range(k):
            u = U[k, i]
            U[k, i] = u + K[i] * slope
            K[i] += u * v
        K[k] = v
    for i in range(n):
        K[i] = K[i] / alpha if alpha > 0.0 else 0.0
        U[i, j] = 0.0
    for i in range(j):
        U[j, i] = 0.0
    d[j] = 0.0
