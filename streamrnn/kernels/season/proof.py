"""Is there a season of this length, and what is it exactly? Its lines in the spectrum beside their neighbours."""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season.layout import HARMONICS, IM, IM2, RE, RE2

NEIGHBOURS = 4  # w at the most
SURE, HOLDS = -7.0, -3.0  # ln p: found; still there
PLAIN = 8.0  # lines that are so much higher than their neighbours correct the length


@kernel
def off_line(line: Array, sums: Array) -> float:
    """How many bins beside its line a frequency lies, from the line's and its neighbours' coefficients.

    Source: Jacobsen & Kootsookos, Fast, Accurate Frequency Estimators (IEEE Signal Processing Magazine, 2007), eq. 3.
    """
    a, b = sums[RE2] - sums[RE], sums[IM2] - sums[IM]
    c, d = 2.0 * line[0] - sums[RE2] - sums[RE], 2.0 * line[1] - sums[IM2] - sums[IM]
    size = c * c + d * d
    return min(max((a * c + b * d) / size, -1.0), 1.0) if size > 0.0 else 0.0


@kernel
def gamma_tail(y: float, h: int) -> float:
    """ln of the chance that h exponential variables add up to more than y: e^-y Σ_{i<h} yⁱ / i!."""
    term = total = 1.0
    for i in range(1, h):
        term *= y / i
        total += term
    return math.log(total) - y


@kernel
def neighbours(m: int) -> int:
    """w: how many frequencies on each side of a harmonic are its own, of m seasons."""
    return min((m - 1) // 2, NEIGHBOURS)


@kernel
def harmonics(s: float) -> int:
    return min(int(0.5 * s - 0.5), HARMONICS)


@kernel
def shared(j: int, s: float, m: int, other: float) -> bool:
    """Whether harmonic j of the season s falls together with one of `other`, as seen in m seasons."""
    b, spacing = float(j * m), m * s / other
    k = int(b / spacing + 0.5)
    return k >= 1 and abs(b - k * spacing) < 1.5


@kernel
def evidence(s: float, m: int, power: Array, others: Array, count: int) -> float:
    """ln p of the season s: power (HARMONICS, 2) of the lines and the sums over their neighbours.

    Harmonics that the first `count` of `others`, where shorter, have too are no evidence. Of the first 1, 2, …
    harmonics the most telling number of them is taken; ln 3 pays for the choice.
    """
    w = neighbours(m)
    y = best = everything = 0.0
    h = 0
    for j in range(1, harmonics(s) + 1):
        everything += power[j - 1, 0] + power[j - 1, 1]
        taken = False
        for k in range(count):
            if 0.0 < others[k] < 0.75 * s and shared(j, s, m, others[k]):
                taken = True
        if not taken and everything > 0.0:
            floor = power[j - 1, 1] / (2 * w) + 1e-12 * everything
            y += 2 * w * math.log(1.0 + power[j - 1, 0] / floor / (2 * w))
            h += 1
            best = min(best, gamma_tail(y, h) + 1.0986)
    return best


@kernel
def corrected(s: float, m: int, power: Array) -> float:
    """The season's length by its plain lines: each says how far off its frequency is, the higher the more exactly.

    A length that is whole as far as can be told is taken as whole.
    """
    w = neighbours(m)
    plain = weight = total = 0.0
    for j in range(1, harmonics(s) + 1):
        ratio = 2 * w * power[j - 1, 0] / power[j - 1, 1] if power[j - 1, 1] > 0.0 else 1e12
        if ratio > PLAIN and power[j - 1, 0] > 0.0:
            plain += min(ratio, 1e12) * j * j
            weight += power[j - 1, 0] * j * j
            total += power[j - 1, 2] * j
    if not weight > 0.0:
        return s
    length = s * m / (m + total / weight)
    whole = int(length + 0.5)
    return float(whole) if abs(length - whole) <= s / (m * math.sqrt(plain)) else length
