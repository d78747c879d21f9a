"""Views into a section of the arena, and indices.

`table[k]` is a field's row in the layout: offset, then its four dimensions.
"""

from __future__ import annotations

import numpy as np

from streamrnn._bind import kernel
from streamrnn._types import Array


@kernel
def place(c: int) -> np.uint64:
    """c as an index that is not negative: a loop over indices that could count from the end is not vectorised."""
    return np.uint64(c)


@kernel
def vector(section: Array, table: Array, k: int) -> Array:
    """Field k as (d0,)."""
    o = table[k, 0]
    return section[o : o + table[k, 1]]


@kernel
def matrix(section: Array, table: Array, k: int) -> Array:
    """Field k as (d0, d1)."""
    o, a, b = table[k, 0], table[k, 1], table[k, 2]
    return section[o : o + a * b].reshape((a, b))


@kernel
def cube(section: Array, table: Array, k: int) -> Array:
    """Field k as (d0, d1, d2)."""
    o, a, b, c = table[k, 0], table[k, 1], table[k, 2], table[k, 3]
    return section[o : o + a * b * c].reshape((a, b, c))


@kernel
def tesseract(section: Array, table: Array, k: int) -> Array:
    """Field k as (d0, d1, d2, d3)."""
    o, a, b, c, d = table[k, 0], table[k, 1], table[k, 2], table[k, 3], table[k, 4]
    return section[o : o + a * b * c * d].reshape((a, b, c, d))
