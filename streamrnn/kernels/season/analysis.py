"""An analysis from its window to its conclusion: rounds of a search for peaks and of proofs, a slice a row."""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.season import layout as at
from streamrnn.kernels.season.adoption import COARSE, FINE, alike, conclude
from streamrnn.kernels.season.fourier import beginning
from streamrnn.kernels.season.layout import HARMONICS, MOST, TESTED, padded, unit_of
from streamrnn.kernels.season.passes import compare, correlate, explain, prepare, turn
from streamrnn.kernels.season.peaks import choose, seek, sharpen
from streamrnn.kernels.season.proof import HOLDS, SURE, corrected, evidence

STEPS = 512
"""Elementary steps of the analysis a row."""
OVERHEAD = 48  # steps that entering a phase counts for
FEW, MANY = 8, 24  # seasons that the proof looks back: both are tried

SLOT, FORCE, HITS, COUNT, LAG, MEANS, REMOVE = at.SLOT, at.FORCE, at.HITS, at.COUNT, at.LAG, at.MEANS, at.REMOVE
TRYING, TESTS, POWERS, OWNER, LENGTH, LNP, BETTER = (
    at.TRYING, at.TESTS, at.POWERS, at.OWNER, at.LENGTH, at.LNP, at.BETTER,
)  # fmt: skip
PHASE, AT, LEVEL, KIND, ROUND, CHANNEL, WINDOW = at.PHASE, at.AT, at.LEVEL, at.KIND, at.ROUND, at.CHANNEL, at.WINDOW
WHOLE, SIZE, FILLED, PROVING, REMOVED, CASE = at.WHOLE, at.SIZE, at.FILLED, at.PROVING, at.REMOVED, at.CASE
FOUND, TRIES, TRY = at.FOUND, at.TRIES, at.TRY
TAKE, CENTRE, PROFILE, SUBTRACT, FORWARD, POWER = at.TAKE, at.CENTRE, at.PROFILE, at.SUBTRACT, at.FORWARD, at.POWER
INVERSE, GATHER, SEEK, CHOOSE, FOLD, JUDGE = at.INVERSE, at.GATHER, at.SEEK, at.CHOOSE, at.FOLD, at.JUDGE


@kernel
def search(m: tuple[Array, ...]) -> None:
    """Start a round: first all channels for r, then all channels for the proof."""
    count, lag = m[COUNT], m[LAG]
    count[PROVING] = count[CHANNEL] = count[FILLED] = 0
    count[WINDOW] = count[WHOLE]
    for i in range(count[WINDOW] // 3 + 1):
        lag[i] = 0.0
    turn(m)


@kernel
def begin(level: int, kind: int, window: int, m: tuple[Array, ...]) -> None:
    """Start an analysis of the last `window` values of a level; kind 1 is a short one."""
    count, slot, force, found, remove = m[COUNT], m[SLOT], m[FORCE], m[HITS], m[REMOVE]
    count[LEVEL], count[KIND], count[WHOLE], count[SIZE] = level, kind, window, padded(window)
    count[AT] = count[ROUND] = count[FOUND] = count[REMOVED] = 0
    for i in range(MOST):
        found[kind - 2, i] = 0.0
        if kind == 0:
            force[i, BETTER] = 0.0
        # what shorter windows explain is none of this level's business
        if force[i, LENGTH] > 0.0 and slot[OWNER, i] < level:
            remove[count[REMOVED]] = force[i, LENGTH]
            count[REMOVED] += 1
    search(m)


@kernel
def attempt(m: tuple[Array, ...]) -> None:
    """Test the next of the lengths to be tried; the seasons in force together with the first one of all."""
    count, slot, lag, force, tries, cases, power = m[COUNT], m[SLOT], m[LAG], m[FORCE], m[TRYING], m[TESTS], m[POWERS]
    n, unit = count[WHOLE], unit_of(count[LEVEL])
    needed = 0  # the proof takes no more rows than it needs
    for i in range(TESTED):
        s = 0.0
        if i == 0 and count[TRY] < count[TRIES]:
            s = sharpen(lag, n // 3 + 1, int(tries[count[TRY]]))
        elif i > 0 and slot[OWNER, i - 1] == count[LEVEL]:
            s = force[i - 1, LENGTH] / unit
            if not (count[ROUND] == count[TRY] == 0 or alike(s, cases[0, 0], 1.0)):
                s = 0.0
        whole = int(n / s) if 0.0 < 3.0 * s <= n else 0
        for k, most in ((2 * i, min(whole, MANY)), (2 * i + 1, FEW if whole >= 2 * FEW else 0)):
            cases[k, 0], cases[k, 1] = s, most
            needed = max(needed, beginning(most, s))
            for j in range(HARMONICS):
                power[k, j, 0] = power[k, j, 1] = power[k, j, 2] = 0.0
    count[PROVING], count[CHANNEL], count[FILLED], count[WINDOW] = 1, 0, 0, needed
    if needed > 0:
        turn(m)
    else:
        count[PHASE] = JUDGE


@kernel
def judge(m: tuple[Array, ...]) -> None:
    """After a proof: what was found, and whether to look on."""
    count, slot, force, remove, cases, power = m[COUNT], m[SLOT], m[FORCE], m[REMOVE], m[TESTS], m[POWERS]
    kind, unit = count[KIND], unit_of(count[LEVEL])
    ours = m[MEANS][0]  # `profile` is free: seasons whose harmonics are no evidence
    known = 0
    for i in range(MOST):
        if force[i, LENGTH] > 0.0:
            ours[known] = force[i, LENGTH] / unit
            known += 1
    in_force = known > 0
    for i in range(count[REMOVED]):
        ours[known] = remove[i] / unit
        known += 1
    sure, lnp, length = False, 1.0, 0.0
    for i in range(TESTED):
        here = 1.0
        for k in range(2 * i, 2 * i + 2):
            if cases[k, 1] > 0.0:
                here = min(here, evidence(cases[k, 0], int(cases[k, 1]), power[k], ours, known))
        if i == 0:
            sure, lnp = here < SURE, here
            if sure:
                length = corrected(cases[0, 0], int(cases[0, 1]), power[0]) * unit
            continue
        one = force[i - 1]
        if count[ROUND] == count[TRY] == 0:
            one[LNP + kind] = here
        other = abs(one[LENGTH] - length) > max(FINE * length, COARSE * unit)
        if sure and kind == 0 and lnp < here <= 0.0 and other and alike(one[LENGTH], length, float(unit)):
            one[BETTER] = length
    held = False
    if sure:
        m[HITS][kind - 2, count[FOUND]] = remove[count[REMOVED]] = length
        count[FOUND] += 1
        count[REMOVED] += 1
    elif count[TRY] + 1 < count[TRIES]:
        count[TRY] += 1
        attempt(m)
        return
    elif count[ROUND] == 0:
        for i in range(MOST):
            if slot[OWNER, i] == count[LEVEL] and force[i, LNP + kind] < HOLDS:
                remove[count[REMOVED]] = force[i, LENGTH]
                count[REMOVED] += 1
                held = True
    count[ROUND] += 1
    # a second season is looked for beside one that is in force
    if (sure or held) and in_force and kind == 0 and count[ROUND] < MOST:
        search(m)
    else:
        conclude(m)


@kernel
def elements(m: tuple[Array, ...]) -> int:
    """How many there are in the present pass."""
    count, phase = m[COUNT], m[COUNT][PHASE]
    if phase <= SUBTRACT:
        return count[WINDOW]
    if phase in (FORWARD, INVERSE):
        return count[SIZE] // 2
    if phase < GATHER:
        return count[SIZE]
    if phase == GATHER:
        return count[WINDOW] // 3 + 1
    s = m[TESTS][count[CASE], 0]
    return beginning(int(m[TESTS][count[CASE], 1]), s) if phase == FOLD else int(s) + 2


@kernel
def step(m: tuple[Array, ...], budget: int) -> int:
    """A slice of at most about `budget` steps of the present phase. Returns the steps it took."""
    count = m[COUNT]
    phase, first = count[PHASE], count[AT]
    if phase == SEEK:
        return seek(m, budget)
    if phase == CHOOSE:
        choose(m)
        attempt(m)
        return STEPS
    if phase == JUDGE:
        judge(m)
        return STEPS
    end = elements(m)
    each = 2 if PROFILE <= phase <= SUBTRACT else 1
    last = min(first + (budget + each - 1) // each, end)
    over = last == end
    count[AT] = 0 if over else last
    if phase <= CENTRE:
        prepare(m, first, last, over)
    elif phase <= SUBTRACT:
        explain(m, first, last, over)
    elif phase <= GATHER:
        correlate(m, first, last, over)
    else:
        compare(m, first, last, over)
    return each * (last - first) + (STEPS if phase == TAKE and first == 0 else 0)
