"""What the search for seasons remembers, and where: fields, their entries, and the tuples that open them.

Whole windows and short ones are analysed by a machine each. Both have a tuple of the same entries, whose first ones
are the same arrays; kernels take it as m.
"""

from __future__ import annotations

from typing import Literal

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import cube, matrix, vector

SHORT = 4  # short windows are no longer than this part of the ring
DECIMATION = 16  # values of a level that make one of the next
MOST = 3  # seasons in force, and found in one analysis
TRIED = 3  # peaks tested in one round
HARMONICS = 6  # h at the most
TESTED = 1 + MOST  # lengths tested at a time: a peak, and the seasons in force
CASES = 2 * TESTED  # each with many seasons and with few
PEAKS = 64  # noted in one round, at the most

# entries of a machine's tuple
(
    ROWS, TALLY, TIMES, SLOT, RING, BLOCK, FORCE, HITS, WHOLE_COUNT,
    COUNT, WORK, LAG, MEANS, SUMS, REMOVE, TRYING, TESTS, POWERS, LINES,
) = range(19)  # fmt: skip
# entries of the field "season.tally"
CHANGES, ANALYSES, TURN, ARMED, WEAK = range(5)
# rows of the field "season.due": values ever, values that belong to the present regime, the next analysis
EVER, YOUNG, DUE = range(3)
# rows of the field "season.found": what each level's last analysis found; and the last three, what the last one of a
# short window found, what this one of a whole window finds, and what this one of a short window finds
# rows of the field "season.slot": level, analyses running without it
OWNER, MISSES = range(2)
# columns of the field "season.force": length in rows, not rounded; its ln p (1: not tested), in whole windows and in
# short ones; a length near to it that was clearly more likely in this analysis, and in the one before (0: none)
LENGTH, LNP, LNP_SHORT, BETTER, BEFORE = range(5)
# entries of the fields "season.count" and "season.short.count"
(
    PHASE, AT, STAGE, LEVEL, KIND, ROUND, CHANNEL, BASE, WINDOW, WHOLE, SIZE, FILLED, PROVING, REMOVED, REMOVING,
    CASE, NEIGHBOUR, HARMONIC, FOUND, TRIES, TRY, PASS, PEAKED,
) = range(23)  # fmt: skip
# phases
(
    IDLE, TAKE, LINE, SCALE, CUT, CENTRE, PROFILE, SUBTRACT, PAD, FORWARD, POWER, INVERSE, GATHER, SEEK, CHOOSE, FOLD,
    SUM, JUDGE,
) = range(18)  # fmt: skip
# entries of the fields "season.sum" and "season.short.sum"; MEAN, SLOPE: the line, then the mean of what is clipped
(
    N_, MIDDLE, BOUND, T, Y, TT, TY, LARGEST, MEAN, SLOPE, ABS, ENERGY, ENERGY2, TOTAL, RE, IM, RE2, IM2, HIGHEST,
    DEEPEST,
) = range(20)  # fmt: skip


@kernel
def unit_of(level: int) -> int:
    """Rows in a value of a level."""
    unit = 1
    for _ in range(level):
        unit *= DECIMATION
    return unit


@kernel
def padded(window: int) -> int:
    """The size of the Fourier transforms: a power of two that keeps lags up to a third of the window from wrapping."""
    size = 2
    while size < window + window // 3 + 2:
        size *= 2
    return size


def fields(
    channels: int, ring: int = 4096, levels: int = 2
) -> tuple[tuple[str, Literal["ints", "wide"], tuple[int, ...]], ...]:
    """Name, section and shape of the arena's fields, in the order in which `views` reads them; all begin as zeros.

    ring    values kept at each level: level i finds seasons of up to ring / 3 * 16^i rows
    levels  1 or more
    """
    shared: list[tuple[str, Literal["ints", "wide"], tuple[int, ...]]] = [
        ("season.rows", "ints", (MOST,)),
        ("season.tally", "ints", (5,)),
        ("season.due", "ints", (3, levels + 1)),
        ("season.slot", "ints", (2, MOST)),
        ("season.ring", "wide", (levels, ring, channels)),
        ("season.block", "wide", (levels, 2, channels)),
        ("season.force", "wide", (MOST, 5)),
        ("season.found", "wide", (levels + 3, MOST)),
    ]
    for name, size in (("season.", ring), ("season.short.", ring // SHORT)):
        shared += [
            (name + "count", "ints", (23,)),
            (name + "work", "wide", (2, padded(size))),
            (name + "lag", "wide", (size // 3 + 1,)),
            (name + "profile", "wide", (2, size // 3 + PEAKS)),
            (name + "sum", "wide", (20,)),
            (name + "remove", "wide", (2 * MOST,)),
            (name + "try", "wide", (TRIED,)),
            (name + "case", "wide", (CASES, 2)),
            (name + "power", "wide", (CASES, HARMONICS, 3)),
            (name + "line", "wide", (HARMONICS, 2)),
        ]
    return tuple(shared)


@kernel
def own(ints: Array, wide: Array, table: Array, first: int) -> tuple[Array, ...]:
    """What a machine has for itself."""
    return (
        vector(ints, table, first),
        matrix(wide, table, first + 1),
        vector(wide, table, first + 2),
        matrix(wide, table, first + 3),
        vector(wide, table, first + 4),
        vector(wide, table, first + 5),
        vector(wide, table, first + 6),
        matrix(wide, table, first + 7),
        cube(wide, table, first + 8),
        matrix(wide, table, first + 9),
    )


@kernel
def views(ints: Array, wide: Array, table: Array, first: int) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The fields as `observe` takes them; `table` the arena's layout, `first` the row of "season.rows" in it.

    One tuple for the analyses of whole windows, one for those of short windows.
    """
    whole, short = own(ints, wide, table, first + 8), own(ints, wide, table, first + 18)
    shared = (
        vector(ints, table, first),
        vector(ints, table, first + 1),
        matrix(ints, table, first + 2),
        matrix(ints, table, first + 3),
        cube(wide, table, first + 4),
        cube(wide, table, first + 5),
        matrix(wide, table, first + 6),
        matrix(wide, table, first + 7),
        whole[0],
    )
    return (*shared, *whole), (*shared, *short)
