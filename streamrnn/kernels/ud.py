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
def ud_gain(f: Array, keep: float, cap: float, U: Array, d: Array, K: Array) -> float:
    """One step of the covariance and the gain that goes with it; returns the leverage fᵀ P f / keep.

        K = P f / (keep + fᵀ P f)        P ← (P - K fᵀ P) / keep

    f       (F,)    features
    keep    λ       forgetting factor in (0, 1]
    cap             no entry of d grows beyond it: without news, forgetting would inflate P without end
    U d     (F, F), (F,)    factors of P, updated
    K       (F,)    out: gain

    1.5 F² multiply-adds. Equal to ridge regression with penalty 1/d[0] where keep = 1.
    """
    n = f.shape[0]
    alpha = 1.0
    for j in range(n):
        g = f[j] + (dot(U[j], f, j) if j > 0 else 0.0)
        dj = min(d[j] / keep, cap)
        v = dj * g
        before = alpha
        alpha = before + v * g
        d[j] = dj * before / alpha
        slope = -g / before
        for i in range(j):
            u = U[j, i]
            U[j, i] = u + K[i] * slope
            K[i] += u * v
        K[j] = v
    for i in range(n):
        K[i] /= alpha
    return alpha - 1.0
