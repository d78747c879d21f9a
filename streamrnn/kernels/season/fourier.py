"""Fourier transforms that can be left off and gone on with."""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season.layout import IM, IM2, RE, RE2


@kernel
def butterflies(size: int, stage: int, first: int, last: int, inverse: bool, re: Array, im: Array) -> None:
    """Butterflies first … last - 1 of the size / 2 in one stage of a transform in place, without reordering.

    Forward (decimation in frequency, stages 0, 1, …): natural order in, bit-reversed out, e^(-2πi). Inverse (decimation
    in time, stages 0, 1, …): bit-reversed in, natural out, e^(+2πi), times size. Each takes log2 size stages.
    """
    half = (1 << stage) if inverse else (size >> (stage + 1))
    blocks = size // (2 * half)
    angle = (math.pi if inverse else -math.pi) / half
    c, s = math.cos(angle), math.sin(angle)
    u, v = 1.0, 0.0
    fresh = True
    by_block = half >= blocks  # the longer loop is the inner one, so that sines are seldom asked for
    inner = half if by_block else blocks
    outer, at = first // inner, first % inner
    for _ in range(first, last):
        k, block = (at, outer) if by_block else (outer, at)
        if fresh:
            u, v = math.cos(angle * k), math.sin(angle * k)
            fresh = False
        i = 2 * half * block + k
        j = i + half
        if inverse:
            a, b = re[j] * u - im[j] * v, re[j] * v + im[j] * u
            re[j], im[j] = re[i] - a, im[i] - b
            re[i] += a
            im[i] += b
        else:
            a, b = re[i] - re[j], im[i] - im[j]
            re[i] += re[j]
            im[i] += im[j]
            re[j], im[j] = a * u - b * v, a * v + b * u
        if by_block:
            u, v = u * c - v * s, u * s + v * c
        at += 1
        if at == inner:
            at, outer = 0, outer + 1
            fresh = True


@kernel
def beginning(cycle: int, s: float) -> int:
    """The row at which a cycle of s rows begins, s not always whole."""
    return int(cycle * s + 0.5)


@kernel
def fold(d: Array, offset: int, s: float, m: int, q: int, first: int, last: int, profile: Array) -> None:
    """profile[p] += Σ d[offset + t] e^(-2πi q c / m) over the rows t = first … last - 1, the p-th of their cycle c."""
    c = int(first / s)
    while beginning(c + 1, s) <= first:
        c += 1
    t = first
    while t < last:
        start, end = beginning(c, s), min(beginning(c + 1, s), last)
        a, b = math.cos(2.0 * math.pi * q * c / m), -math.sin(2.0 * math.pi * q * c / m)
        for i in range(t, end):
            profile[0, i - start] += d[offset + i] * a
            profile[1, i - start] += d[offset + i] * b
        t, c = end, c + 1


@kernel
def transform(profile: Array, s: float, m: int, q: int, j: int, first: int, last: int, sums: Array) -> None:
    """sums[RE … IM2] += parts of X[j m + q] and of X[j m - q] that come from the phases first … last - 1."""
    up, down = -2.0 * math.pi * (j + q / m) / s, -2.0 * math.pi * (j - q / m) / s
    a, b, c, d = math.cos(up * first), math.sin(up * first), math.cos(down * first), math.sin(down * first)
    ua, ub, da, db = math.cos(up), math.sin(up), math.cos(down), math.sin(down)
    re = im = re2 = im2 = 0.0
    for p in range(first, last):
        x, y = profile[0, p], profile[1, p]
        re += x * a - y * b
        im += x * b + y * a
        re2 += x * c + y * d
        im2 += x * d - y * c
        a, b = a * ua - b * ub, a * ub + b * ua
        c, d = c * da - d * db, c * db + d * da
    sums[RE] += re
    sums[IM] += im
    sums[RE2] += re2
    sums[IM2] += im2
