"""Noise that is a function of (seed, step, index): the same on every device, after every restart, in any order.

Philox-4x32-10 of Salmon, Moraes, Dror & Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011), §3.3 and table 2.
Integers are int64 throughout and stay in their low 32 bits, so that compiled code, plain Python and CUDA agree.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel

LOW = 0xFFFFFFFF
M0, M1 = 0xD2511F53, 0xCD9E8D57
W0, W1 = 0x9E3779B9, 0xBB67AE85


@kernel
def high(a: int, b: int) -> int:
    """Upper 32 bits of the product of two 32-bit numbers, without a 64-bit overflow."""
    a1, a0, b1, b0 = a >> 16, a & 0xFFFF, b >> 16, b & 0xFFFF
    middle = a1 * b0 + (a0 * b0 >> 16)
    other = a0 * b1 + (middle & 0xFFFF)
    return a1 * b1 + (middle >> 16) + (other >> 16)


@kernel
def low(a: int, b: int) -> int:
    """Lower 32 bits of the product of two 32-bit numbers, without a 64-bit overflow."""
    return ((a & 0xFFFF) * b + ((((a >> 16) * b) & 0xFFFF) << 16)) & LOW


@kernel
def philox(seed: int, step: int, index: int) -> tuple[int, int, int, int]:
    """Four 32-bit numbers for the key `seed` and the counter (index, step), each 0 … 2^62."""
    k0, k1 = seed & LOW, (seed >> 32) & LOW
    c0, c1, c2, c3 = index & LOW, (index >> 32) & LOW, step & LOW, (step >> 32) & LOW
    for _ in range(10):
        h0, l0, h1, l1 = high(M0, c0), low(M0, c0), high(M1, c2), low(M1, c2)
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


@kernel
def uniform(seed: int, step: int, index: int) -> float:
    """A number in (0, 1)."""
    a, b, _c, _d = philox(seed, step, index)
    return ((a >> 5) * 67108864.0 + (b >> 6) + 0.5) / 9007199254740992.0


@kernel
def normal(seed: int, step: int, index: int) -> float:
    """A standard normal number (Box & Muller 1958)."""
    a, b, c, d = philox(seed, step, index)
    u = ((a >> 5) * 67108864.0 + (b >> 6) + 0.5) / 9007199254740992.0
    v = ((c >> 5) * 67108864.0 + (d >> 6) + 0.5) / 9007199254740992.0
    return math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


@kernel
def sign(seed: int, step: int, index: int) -> float:
    """+1 or -1, each half of the time."""
    a, _b, _c, _d = philox(seed, step, index)
    return 1.0 if a & 1 else -1.0
