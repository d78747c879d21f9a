"""Which seasons are in force: they come, are corrected, and go, by what the analyses find."""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season import layout as at
from streamrnn.kernels.season.layout import MOST, unit_of
from streamrnn.kernels.season.proof import HOLDS, SURE

GONE = -2.5  # ln p: no trace of it
FINE, COARSE = 0.004, 0.75  # lengths that differ by a smaller share, or by fewer values, are not told apart
RIVALLED, ALONE = 2, 6  # short windows running without a trace that end a season: where another is found, where none is

ROWS, TALLY, TIMES, SLOT, FORCE, HITS, WHOLE_COUNT = (
    at.ROWS, at.TALLY, at.TIMES, at.SLOT, at.FORCE, at.HITS, at.WHOLE_COUNT,
)  # fmt: skip
CHANGES, ANALYSES, ARMED, WEAK, EVER, YOUNG, DUE = (
    at.CHANGES, at.ANALYSES, at.ARMED, at.WEAK, at.EVER, at.YOUNG, at.DUE,
)  # fmt: skip
OWNER, MISSES, LENGTH, LNP, LNP_SHORT, BETTER, BEFORE = (
    at.OWNER, at.MISSES, at.LENGTH, at.LNP, at.LNP_SHORT, at.BETTER, at.BEFORE,
)  # fmt: skip
COUNT, PHASE, IDLE, LEVEL, KIND, WHOLE, FOUND = at.COUNT, at.PHASE, at.IDLE, at.LEVEL, at.KIND, at.WHOLE, at.FOUND


@kernel
def alike(a: float, b: float, unit: float) -> bool:
    """Whether two lengths may be one, measured in values of so many rows."""
    return abs(a - b) <= max(unit, min(a, b) / 16.0)


@kernel
def shortest(m: tuple[Array, ...]) -> int:
    """The season that short windows watch: the shortest of level 0; -1 where there is none."""
    slot, force = m[SLOT], m[FORCE]
    pick = -1
    for i in range(MOST):
        if force[i, LENGTH] > 0.0 and slot[OWNER, i] == 0 and (pick < 0 or force[i, LENGTH] < force[pick, LENGTH]):
            pick = i
    return pick


@kernel
def adopt(length: float, m: tuple[Array, ...]) -> None:
    """Put a season in force, unless one like it is, or there is no room."""
    slot, force, level = m[SLOT], m[FORCE], m[COUNT][LEVEL]
    place = -1
    for i in range(MOST):
        if force[i, LENGTH] == 0.0:
            place = i if place < 0 else place
        elif alike(force[i, LENGTH], length, float(unit_of(level))):
            if slot[OWNER, i] <= level:  # the finer level knows its length better
                return
            place = i
            break
    if place >= 0:
        force[place, LENGTH], slot[OWNER, place], slot[MISSES, place] = length, level, 0
        force[place, LNP] = force[place, LNP_SHORT] = 1.0
        force[place, BETTER] = force[place, BEFORE] = 0.0


@kernel
def confirm(m: tuple[Array, ...]) -> None:
    """Adopt what was found now and in the analysis before, or a multiple of it then or now."""
    count, found = m[COUNT], m[HITS]
    unit, new, old = float(unit_of(count[LEVEL])), count[KIND] - 2, count[LEVEL] - 3 * count[KIND]
    for i in range(count[FOUND]):
        for j in range(MOST):
            a, b = found[new, i], found[old, j]
            for k in range(1, 4):
                if alike(k * a, b, unit):
                    adopt(a, m)
                elif alike(a, k * b, unit):
                    adopt(b, m)


@kernel
def review(m: tuple[Array, ...]) -> None:
    """What a whole window says of the seasons that its level has in force."""
    count, slot, force, found = m[COUNT], m[SLOT], m[FORCE], m[HITS]
    unit = float(unit_of(count[LEVEL]))
    for i in range(MOST):
        if force[i, LENGTH] == 0.0 or slot[OWNER, i] != count[LEVEL]:
            continue
        seen = force[i, LNP] < HOLDS
        for k in range(count[FOUND]):
            seen = seen or alike(force[i, LENGTH], found[-2, k], unit)
        # a length is corrected when two analyses running agree on another one
        better, before = force[i, BETTER], force[i, BEFORE]
        if better > 0.0 and abs(better - before) <= max(FINE * better, unit):
            force[i, LENGTH] = better
        force[i, BEFORE] = better
        if seen:
            slot[MISSES, i] = 0
        elif force[i, LNP] <= 0.0:
            slot[MISSES, i] += 1
        if slot[MISSES, i] >= 2:
            force[i, LENGTH] = 0.0


@kernel
def check(m: tuple[Array, ...]) -> None:
    """What a short window says of the season that it watches. Where that one is dropped, all windows begin anew."""
    count, due, force, found, tally = m[COUNT], m[TIMES], m[FORCE], m[HITS], m[TALLY]
    watched = shortest(m)
    if watched < 0:
        return
    lnp = force[watched, LNP_SHORT]
    if lnp < SURE:
        tally[ARMED], tally[WEAK] = 1, 0
    elif tally[ARMED] == 1 and GONE < lnp <= 0.0:
        tally[WEAK] += 1
    else:
        tally[WEAK] = 0
    needed = ALONE
    for i in range(count[FOUND]):
        for k in range(MOST):
            if alike(found[-1, i], found[-3, k], 1.0):
                needed = RIVALLED
    if tally[WEAK] < needed:
        return
    force[watched, LENGTH] = 0.0
    tally[ARMED] = tally[WEAK] = 0
    confirm(m)
    m[WHOLE_COUNT][PHASE] = IDLE  # what it was looking at is past
    for k in range(due.shape[1] - 1):
        due[YOUNG, k] = min(due[YOUNG, k], count[WHOLE] // unit_of(k))
        due[DUE, k] = due[EVER, k] + due[YOUNG, k] // 4
        for i in range(MOST):
            found[k, i] = 0.0


@kernel
def announce(m: tuple[Array, ...]) -> None:
    """Write the seasons in force in ascending order; count a change. Another shortest one disarms its watch."""
    rows, force, tally = m[ROWS], m[FORCE], m[TALLY]
    first, changed, least = rows[0], False, 0.0
    for k in range(MOST):
        next_ = math.inf
        for i in range(MOST):
            if force[i, LENGTH] > least:
                next_ = min(next_, force[i, LENGTH])
        value = int(next_ + 0.5) if next_ < math.inf else 0
        changed = changed or rows[k] != value
        rows[k], least = value, next_
    if changed:
        tally[CHANGES] += 1
    if rows[0] != first:
        tally[ARMED] = tally[WEAK] = 0


@kernel
def conclude(m: tuple[Array, ...]) -> None:
    """The end of an analysis: seasons come into force, are corrected, or go."""
    count, found = m[COUNT], m[HITS]
    if count[KIND] == 0:
        review(m)
        confirm(m)
    else:
        check(m)
    for i in range(MOST):
        found[count[LEVEL] - 3 * count[KIND], i] = found[count[KIND] - 2, i]
    m[TALLY][ANALYSES] += 1
    announce(m)
    count[PHASE] = IDLE
