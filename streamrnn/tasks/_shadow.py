"""The governor's mode "shadow": while an event is refused, a copy of the model learns on; accepted, it takes over.

The copy lies in the same arena, behind the model: state and copy are saved, and continue, together. What decides
(alarm budget, event, refusal) stays the model's own.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.governor import ACCEPTED, FROZEN, LEARN, SHADOW
from streamrnn.kernels.memory import vector
from streamrnn.tasks._layout import CLOCK, GOVERNOR, HELD, HYPER, LIMITS, MARKS, SHADOWING, TWIN, VERDICT

LEARNED = 7  # column of a row with the learning code


def watch(
    ints: Array, wide: Array, real: Array, table: Array, places: Array, time: Array, values: Array, out: Array
) -> None:
    """Stand-in for `_watch.watch`, bound to a model."""
    raise TypeError("unbound")


@kernel
def copy(source: Array, first: int, last: int, target: Array) -> None:
    """target[first:last] = source[first:last]."""
    for i in range(first, last):
        target[i] = source[i]


def shadowed(
    ints: Array, wide: Array, real: Array, table: Array, places: Array, time: Array, values: Array, out: Array
) -> None:
    """`watch`, row by row, of a model with a copy; arguments are those of `watch`."""
    ints1, wide1, real1 = (
        vector(ints, table, places[TWIN]),
        vector(wide, table, places[TWIN] + 1),
        vector(real, table, places[TWIN] + 2),
    )
    clock, held1 = vector(ints, table, CLOCK), vector(wide1, table, HELD)
    hyper, hyper1 = vector(wide, table, HYPER), vector(wide1, table, HYPER)
    marks, limits, decided = table[MARKS, 0], table[LIMITS, 0], table[VERDICT, 0] + table[VERDICT, 1]
    spare = out[:1].copy()
    for i in range(time.shape[0]):
        watch(ints, wide, real, table, places, time[i : i + 1], values[i : i + 1], out[i : i + 1])
        said = out[i, LEARNED]
        if clock[SHADOWING] == 0:
            if said == FROZEN:
                copy(ints, 0, ints1.shape[0], ints1)
                copy(wide, 0, wide1.shape[0], wide1)
                copy(real, 0, real1.shape[0], real1)
                hyper1[GOVERNOR] = LEARN
                held1[:] = 0.0  # the refusal is not the copy's
                clock[SHADOWING] = 1
            continue
        watch(ints1, wide1, real1, table, places, time[i : i + 1], values[i : i + 1], spare)
        if said == FROZEN:
            continue
        clock[SHADOWING] = 0
        if said == ACCEPTED:
            copy(ints1, clock.shape[0], marks, ints)
            copy(ints1, marks + table[MARKS, 1], ints1.shape[0], ints)
            copy(wide1, 0, limits, wide)
            copy(wide1, decided, wide1.shape[0], wide)
            copy(real1, 0, real1.shape[0], real)
            hyper[GOVERNOR] = SHADOW
