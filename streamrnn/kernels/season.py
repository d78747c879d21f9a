"""Seasons of a stream, found while it runs: after how many rows does it repeat itself?

Looked for in the last `ring` rows, and, for longer seasons, in the last `ring` means of 16 rows (level 1), of 256 rows
(level 2) and so on. One analysis of a window of n values a channel:

1. Each channel is freed of its line and clipped at 5 mean absolute deviations; missing values count as nothing.
2. r[l] = Σ_c Σ_t d[c, t] d[c, t + l] n / (n - l), l ≤ n / 3, each channel with unit energy, by Fourier transforms. Its
   peaks are candidates; where a candidate's multiples stand out most tells its length.
3. A peak is no proof: a random walk has peaks too. The proof is a line spectrum. With the window cut to m whole
   seasons, X[b] the Fourier coefficients, the harmonic j of the season is compared with its neighbours in frequency,

       F[j] = |X[j m]|² / mean of |X[j m + q]|²,  1 ≤ |q| ≤ w,      ln p[j] = -2 w ln(1 + F[j] / (2 w)),

   which is the tail of the F distribution with 2 and 4 w degrees of freedom: the spectrum of anything without a season
   is smooth, however red it is. -Σ ln p[j] over h harmonics has a gamma distribution: its tail is the season's p.
   How far beside its bin a plain line lies corrects the length, to hundredths of a row where the season is strong.
4. A season whose ln p is below SURE is subtracted (the mean of each phase), and the rest is searched once more: a week
   is one only beside what the day explains.

A season is in force when it was found twice running (or a multiple of it), and no more when two analyses running find
nothing of it. While one of up to ring / 32 rows is in force, short windows of 8 seasons are analysed by a machine of
their own: where the season was plain in them and no longer is, RIVALLED times running beside another season or ALONE
times without one, it is dropped, and all windows begin anew with those 8 seasons.

Source: harmonic test, Fisher, Tests of Significance in Harmonic Analysis (1929), with a local noise floor as in
Thomson, Spectrum Estimation and Harmonic Analysis (1982), §XIII; Wiener–Khinchin for r. Cost: STEPS elementary steps a
row while an analysis runs, at most twice that, whatever the number of channels. Analyses wait for one another: with
many channels there are fewer of them, and no row is slower.
"""

from __future__ import annotations

import math
from typing import Literal

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import cube, matrix, vector

SHORT = 4  # short windows are no longer than this part of the ring
STEPS = 512
"""Elementary steps of the analysis a row."""
OVERHEAD = 48  # steps that entering a phase counts for
DECIMATION = 16  # values of a level that make one of the next
MOST = 3  # seasons in force, and found in one analysis
TRIED = 3  # peaks tested in one round
SMALLEST = 6  # shortest season, in values of its level
FIRST = 48  # values in the first analysis
HARMONICS, NEIGHBOURS = 6, 4  # h and w at the most
FEW, MANY = 8, 24  # seasons that the proof looks back: both are tried
SURE, HOLDS, GONE = -7.0, -3.0, -2.5  # ln p: found; still there; no trace of it
PLAIN = 8.0  # lines that are so much higher than their neighbours correct the length
FINE, COARSE = 0.004, 0.75  # lengths that differ by a smaller share, or by fewer values, are not told apart
RIVALLED, ALONE = 2, 6  # short windows running without a trace that end a season: where another is found, where none is
NEAR = 0.7  # a second season is no longer and no shorter than another by this factor
NEARLY = 0.7  # the shortest peak is taken that is so high, as a share of the highest
LOWEST, CONTRAST = 0.05, 0.1  # of a peak
CLIP, CLIPPINGS = 5.0, 2  # mean absolute deviations; passes that estimate them
DRAWN, WILD = 31, 30.0  # values whose median and median distance say what is too wild to be looked at
REST = 0.02  # what seasons leave is searched for more where it is more than this share of a channel's energy
CONSTANT = 1e-14  # a deviation that is so small a share of the values is rounding

TESTED = 1 + MOST  # lengths tested at a time: a peak, and the seasons in force
CASES = 2 * TESTED
PEAKS = 64

# entries of the field "season.tally": what the two machines share
CHANGES, ANALYSES, TURN, ARMED, WEAK = range(5)
# entries of the fields "season.count" and "season.short.count": one machine's
(
    PHASE, AT, STAGE, LEVEL, KIND, ROUND, CHANNEL, BASE, WINDOW, WHOLE, SIZE, FILLED, USED, PROVING, REMOVED, REMOVING,
    CASE, NEIGHBOUR, HARMONIC, FOUND, TRIES, TRY, PASS, PEAKED,
) = range(24)  # fmt: skip
# rows of the field "season.due": values ever, values that belong to the present regime, the next analysis
EVER, YOUNG, DUE = range(3)
# entries of a machine's tuple
(
    ROWS, COUNT, TIMES, SLOT, RING, BLOCK, WORK, LAG, MEANS, SUMS, FORCE, HITS, REMOVE, TRYING, TESTS, POWERS, LINES,
    TALLY, WHOLE_COUNT,
) = range(19)  # fmt: skip
# phases
(
    IDLE, COPY, TAME, SLOPE, LINE, SCALE, CUT, CENTRE, PROFILE, SUBTRACT, READY, PAD, FORWARD, POWER, INVERSE, GATHER,
    SEEK, CHOOSE, FOLD, SUM, JUDGE,
) = range(21)  # fmt: skip
# entries of the field "season.sum"
(
    N_, MEANT, ORIGIN, MEAN, TT, TY, ABS, BOUND, ENERGY, ENERGY2, LARGEST, RE, IM, RE2, IM2, HIGHEST, DEEPEST,
    TOTAL,
) = range(18)  # fmt: skip
# columns of the field "season.force": length in rows, not rounded; its ln p (1: not tested); a length near to it that
# was clearly more likely in this analysis, and in the one before (0: none)
LENGTH, LNP, LNP_SHORT, BETTER, BEFORE = range(5)
# rows of the field "season.slot": level, analyses running without it
OWNER, MISSES = range(2)


def padded(ring: int) -> int:
    """The size of the Fourier transforms: a power of two that keeps lags up to a third of the window from wrapping."""
    size = 1
    while size < ring + ring // 3 + 2:
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
            (name + "count", "ints", (24,)),
            (name + "work", "wide", (2, padded(size))),
            (name + "lag", "wide", (size // 3 + 1,)),
            (name + "profile", "wide", (2, size // 3 + PEAKS)),
            (name + "sum", "wide", (18,)),
            (name + "remove", "wide", (2 * MOST,)),
            (name + "try", "wide", (TRIED,)),
            (name + "case", "wide", (CASES, 2)),
            (name + "power", "wide", (CASES, HARMONICS, 3)),
            (name + "line", "wide", (HARMONICS, 2)),
        ]
    return tuple(shared)


@kernel
def machine(ints: Array, wide: Array, table: Array, first: int) -> tuple[Array, ...]:
    """What one analysis at a time works with."""
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

    One tuple for the analyses of whole windows, one for those of short windows; what they share is in both.
    """
    rows, tally = vector(ints, table, first), vector(ints, table, first + 1)
    due, slot = matrix(ints, table, first + 2), matrix(ints, table, first + 3)
    ring, block = cube(wide, table, first + 4), cube(wide, table, first + 5)
    force, found = matrix(wide, table, first + 6), matrix(wide, table, first + 7)
    a, b = machine(ints, wide, table, first + 8), machine(ints, wide, table, first + 18)
    shared = (due, slot, ring, block)
    return (
        (rows, a[0], *shared, a[1], a[2], a[3], a[4], force, found, a[5], a[6], a[7], a[8], a[9], tally, a[0]),
        (rows, b[0], *shared, b[1], b[2], b[3], b[4], force, found, b[5], b[6], b[7], b[8], b[9], tally, a[0]),
    )


# ---------------------------------------------------------------- Fourier transform, in slices


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


# ---------------------------------------------------------------- peaks and proof


@kernel
def between(lag: Array, l: float) -> float:
    """r at a lag that is not whole."""
    i = int(l)
    return lag[i] + (l - i) * (lag[i + 1] - lag[i])


@kernel
def contrast(lag: Array, s: float, most: int) -> float:
    """How far the first multiples of s stand out in r against the lags half a season around them."""
    total = 0.0
    for k in range(1, most + 1):
        total += between(lag, k * s) - 0.5 * (between(lag, (k - 0.5) * s) + between(lag, (k + 0.5) * s))
    return total


@kernel
def middle(lag: Array, s: int, reach: int) -> float:
    """The middle of a broad peak of r, weighted by its height above its edges."""
    floor = max(lag[s - reach], lag[s + reach])
    weight = total = 0.0
    for l in range(s - reach, s + reach + 1):
        height = max(lag[l] - floor, 0.0)
        weight += height
        total += height * l
    return total / weight if weight > 0.0 else float(s)


@kernel
def sharpen(lag: Array, lags: int, s: int) -> float:
    """The length near s, in values: that whose first multiples stand out most; then by ever farther peaks.

    A length that is whole as far as can be told is taken as whole.
    """
    reach = max(s // 16, 1)
    most = 8
    while most > 1 and (most + 0.5) * (s + reach + 1) > lags - 2:
        most -= 1
    if (most + 0.5) * (s + reach + 1) > lags - 2:
        return float(int(middle(lag, s, min(s // 8, lags - 1 - s)) + 0.5))
    steps = min(max(most, 2), 4)
    best, length = -math.inf, float(s)
    for i in range(-reach * steps, reach * steps + 1):
        here = contrast(lag, s + i / steps, most)
        if here > best:
            best, length = here, s + i / steps
    before, after = contrast(lag, length - 1.0 / steps, most), contrast(lag, length + 1.0 / steps, most)
    bend = before - 2.0 * best + after
    if bend < 0.0:
        length += min(max(0.5 * (before - after) / bend, -0.5), 0.5) / steps
    far = 2 * most
    while most == 8 and far * length + s < lags - 2:
        at = int(far * length + 0.5)
        peak = at
        for l in range(at - s // 4, at + s // 4 + 1):
            if lag[l] > lag[peak]:
                peak = l
        if lag[peak] < 0.5 * lag[s] or abs(peak - at) == s // 4:
            break
        bend = lag[peak - 1] - 2.0 * lag[peak] + lag[peak + 1]
        length = (peak + (0.5 * (lag[peak - 1] - lag[peak + 1]) / bend if bend < 0.0 else 0.0)) / far
        far *= 2
    whole = int(length + 0.5)
    return float(whole) if abs(length - whole) * (far // 2) <= 1.0 else length


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
    while beginning(c, s) > first:
        c -= 1
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
    if m < 3 or w < 1:
        return 0.0
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


@kernel
def alike(a: float, b: float, unit: float) -> bool:
    return abs(a - b) <= max(unit, min(a, b) / 16.0)


# ---------------------------------------------------------------- the analysis, in slices


@kernel
def unit_of(level: int) -> int:
    """Rows in a value of a level."""
    unit = 1
    for _ in range(level):
        unit *= DECIMATION
    return unit


@kernel
def enter(phase: int, count: Array) -> None:
    count[PHASE], count[AT] = phase, 0


@kernel
def fetch(m: tuple[Array, ...]) -> None:
    """Start on the next channel."""
    count, due, sums = m[COUNT], m[TIMES], m[SUMS]
    count[BASE] = due[EVER, count[LEVEL]]
    sums[N_] = sums[MEANT] = sums[MEAN] = sums[LARGEST] = 0.0
    enter(COPY, count)


@kernel
def search(m: tuple[Array, ...]) -> None:
    """Start a round: first all channels for r, then all channels for the proof."""
    count, lag = m[COUNT], m[LAG]
    count[PROVING] = count[CHANNEL] = count[FILLED] = count[USED] = 0
    count[WINDOW] = count[WHOLE]
    for i in range(count[WINDOW] // 3 + 1):
        lag[i] = 0.0
    fetch(m)


@kernel
def begin(level: int, kind: int, window: int, m: tuple[Array, ...]) -> None:
    """Start an analysis of the last `window` values of a level; kind 1 is a short one."""
    count, slot, force, found, remove = m[COUNT], m[SLOT], m[FORCE], m[HITS], m[REMOVE]
    count[LEVEL], count[KIND], count[WHOLE] = level, kind, window
    size = 2
    while size < window + window // 3 + 2:
        size *= 2
    count[SIZE] = size
    count[ROUND] = count[FOUND] = count[REMOVED] = 0
    for i in range(MOST):
        found[found.shape[0] - 2 + kind, i] = 0.0
        # what shorter windows explain is none of this level's business
        if kind == 0:
            force[i, BETTER] = 0.0
        if force[i, LENGTH] > 0.0 and slot[OWNER, i] < level:
            remove[count[REMOVED]] = force[i, LENGTH]
            count[REMOVED] += 1
    search(m)


@kernel
def turn(m: tuple[Array, ...]) -> None:
    """What comes after a channel."""
    count, ring = m[COUNT], m[RING]
    if count[CHANNEL] < ring.shape[2]:
        fetch(m)
    elif count[PROVING] == 0 and count[FILLED] > 0:
        enter(PAD, count)
    elif count[PROVING] == 0:
        m[SUMS][HIGHEST], m[SUMS][DEEPEST] = 0.0, 2.0
        count[PEAKED] = 0
        enter(SEEK, count)
    else:
        enter(JUDGE, count)


@kernel
def skip(m: tuple[Array, ...]) -> None:
    """There is nothing to this channel."""
    count = m[COUNT]
    count[CHANNEL] += 1
    turn(m)


@kernel
def parts_of(s: float) -> int:
    """Points of a season's profile: its values where these are whole; never fewer than 32 where they are not."""
    whole = int(s + 0.5)
    return whole if s >= 32.0 or (whole > 0 and abs(s - whole) < 1e-6) else 32


@kernel
def turns_of(t: int, s: float, parts: int) -> float:
    """Where in its season value t lies, 0 ≤ … < parts."""
    turns = t / s
    return (turns - math.floor(turns)) * parts


@kernel
def unseason(m: tuple[Array, ...]) -> None:
    """Go on to the next season that is to be subtracted, or to the channel's use."""
    count, profile = m[COUNT], m[MEANS]
    count[REMOVING] += 1
    if count[REMOVING] == count[REMOVED]:
        enter(READY, count)
        return
    for p in range(profile.shape[1]):
        profile[0, p] = profile[1, p] = 0.0
    enter(PROFILE, count)


@kernel
def copy(ring: Array, level: int, c: int, start: int, first: int, d: Array, sums: Array) -> None:
    """d[t] = value start + t of a channel, t = 0 … ; the window's first one is t = -first. Counts what is there."""
    size, rows = ring.shape[1], d.shape[0]
    at = start % size
    seen, times, largest, origin = sums[N_], sums[MEANT], sums[LARGEST], sums[ORIGIN]
    for t in range(rows):
        v = ring[level, at, c]
        d[t] = v
        if v == v:
            if seen == 0.0:
                origin = v
            seen += 1.0
            times += first + t
            largest = max(largest, abs(v))
        at += 1
        if at == size:
            at = 0
    sums[N_], sums[MEANT], sums[LARGEST], sums[ORIGIN] = seen, times, largest, origin


@kernel
def place(drawn: Array, count: int, v: float) -> None:
    """Insert v into the first `count` entries, which are in ascending order."""
    i = count
    while i > 0 and drawn[i - 1] > v:
        drawn[i] = drawn[i - 1]
        i -= 1
    drawn[i] = v


@kernel
def bounds(d: Array, profile: Array, sums: Array) -> None:
    """sums[ABS], sums[BOUND]: a median, and how far from it a value may be; drawn from all over the window."""
    drawn, away = profile[0], profile[1]
    count = 0
    for k in range(DRAWN):
        v = d[((k + 1) * 2654435761 % 4294967296 * d.shape[0]) >> 32]
        if v == v:
            place(drawn, count, v)
            count += 1
    sums[BOUND] = math.inf
    if count > 0:
        sums[ABS] = drawn[count // 2]
        for k in range(count):
            place(away, k, abs(drawn[k] - sums[ABS]))
        if away[count // 2] > 0.0:
            sums[BOUND] = WILD * away[count // 2]


@kernel
def tame(d: Array, sums: Array) -> None:
    """Keep values within the bound around the median; their sum, less the origin's."""
    low, high, origin = sums[ABS] - sums[BOUND], sums[ABS] + sums[BOUND], sums[ORIGIN]
    total = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        if v == v:
            v = min(max(v, low), high)
            d[t] = v
            total += v - origin
    sums[MEAN] += total


@kernel
def tilt(first: int, d: Array, sums: Array) -> None:
    """Values become distances from their mean; the sums of the regression on t."""
    mean, centre = sums[ORIGIN] + sums[MEAN], sums[MEANT] - first
    tt = ty = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        if v == v:
            v -= mean
            d[t] = v
            tt += (t - centre) * (t - centre)
            ty += (t - centre) * v
    sums[TT] += tt
    sums[TY] += ty


@kernel
def level_out(first: int, d: Array, sums: Array) -> None:
    """Distances from the line, and the sum of their sizes."""
    slope, centre = sums[TY] / sums[TT], sums[MEANT] - first
    total = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        if v == v:
            v -= slope * (t - centre)
            d[t] = v
            total += abs(v)
    sums[ABS] += total


@kernel(reassociate=True)
def spread(d: Array, bound: float) -> float:
    """Σ min(|d|, bound) over what is there."""
    total = 0.0
    for t in range(d.shape[0]):
        v = abs(d[t])
        total += (bound if v > bound else v) if v == v else 0.0
    return total


@kernel
def cut(d: Array, bound: float) -> float:
    """Clip at ± bound; returns the sum."""
    total = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        if v == v:
            v = min(max(v, -bound), bound)
            d[t] = v
            total += v
    return total


@kernel
def centre(d: Array, mean: float) -> float:
    """Subtract the mean; what is missing becomes 0. Returns the energy."""
    total = 0.0
    for t in range(d.shape[0]):
        v = d[t]
        v = v - mean if v == v else 0.0
        d[t] = v
        total += v * v
    return total


@kernel
def prepare(m: tuple[Array, ...], last: int) -> None:
    """Values AT … last - 1 of the window in a phase that makes a channel ready; at the window's end, the next phase."""
    count, ring, work, sums = m[COUNT], m[RING], m[WORK], m[SUMS]
    n, phase, first = count[WINDOW], count[PHASE], count[AT]
    d = work[count[FILLED], first:last]
    over = last == n
    count[AT] = last
    if phase == COPY:
        copy(ring, count[LEVEL], count[CHANNEL], count[BASE] - n + first, first, d, sums)
        if over and 2.0 * sums[N_] < n:
            skip(m)
        elif over:
            sums[MEANT] /= sums[N_]
            sums[MEAN] = 0.0
            bounds(work[count[FILLED], :n], m[MEANS], sums)
            enter(TAME, count)
    elif phase == TAME:
        tame(d, sums)
        if over:
            sums[MEAN] /= sums[N_]
            sums[TT] = sums[TY] = 0.0
            enter(SLOPE, count)
    elif phase == SLOPE:
        tilt(first, d, sums)
        if over:
            sums[ABS] = 0.0
            enter(LINE, count)
    elif phase == LINE:
        level_out(first, d, sums)
        if over:
            sums[BOUND] = CLIP * sums[ABS] / sums[N_]
            if sums[BOUND] > CLIP * CONSTANT * sums[LARGEST]:
                count[PASS], sums[ABS] = 0, 0.0
                enter(SCALE, count)
            else:
                skip(m)
    elif phase == SCALE:
        sums[ABS] += spread(d, sums[BOUND])
        if over:
            sums[BOUND] = CLIP * sums[ABS] / sums[N_]
            count[PASS] += 1
            sums[ABS] = sums[MEAN] = 0.0
            enter(SCALE if count[PASS] < CLIPPINGS else CUT, count)
    elif phase == CUT:
        sums[MEAN] += cut(d, sums[BOUND])
        if over:
            sums[MEAN] /= sums[N_]
            sums[ENERGY + count[FILLED]] = 0.0
            enter(CENTRE, count)
    else:  # CENTRE
        sums[ENERGY + count[FILLED]] += centre(d, sums[MEAN])
        if over:
            sums[TOTAL] = sums[ENERGY + count[FILLED]]
            count[REMOVING] = -1
            unseason(m)


@kernel
def gather(d: Array, first: int, last: int, s: float, profile: Array) -> None:
    """profile[0, p] += values first … last - 1 that are nearest to point p of their season, profile[1, p] += 1."""
    parts = parts_of(s)
    for t in range(first, last):
        p = int(turns_of(t, s, parts) + 0.5)
        if p >= parts:
            p = 0
        profile[0, p] += d[t]
        profile[1, p] += 1.0


@kernel
def average(s: float, profile: Array) -> None:
    """From sums to means, where there are values."""
    for p in range(parts_of(s)):
        if profile[1, p] > 0.0:
            profile[0, p] /= profile[1, p]


@kernel
def subtract(d: Array, first: int, last: int, s: float, profile: Array) -> float:
    """Values first … last - 1 less their season's profile, linear between its points. Returns their energy."""
    parts = parts_of(s)
    energy = 0.0
    for t in range(first, last):
        u = turns_of(t, s, parts)
        p = min(int(u), parts - 1)
        q = p + 1 if p + 1 < parts else 0
        a, b, share = profile[0, p], profile[0, q], u - p
        if profile[1, p] == 0.0 or profile[1, q] == 0.0:  # few phases occur: the nearest point is this one's own
            share = 0.0 if share < 0.5 else 1.0
        v = d[t] - (a + share * (b - a))
        d[t] = v
        energy += v * v
    return energy


@kernel
def explain(m: tuple[Array, ...], last: int) -> None:
    """Values AT … last - 1: gather or subtract the mean of each phase of a season."""
    count, work, profile, sums, remove = m[COUNT], m[WORK], m[MEANS], m[SUMS], m[REMOVE]
    s = remove[count[REMOVING]] / unit_of(count[LEVEL])
    d = work[count[FILLED]]
    if count[PHASE] == PROFILE:
        gather(d, count[AT], last, s, profile)
    else:
        sums[ENERGY + count[FILLED]] += subtract(d, count[AT], last, s, profile)
    count[AT] = last
    if last == count[WINDOW]:
        if count[PHASE] == PROFILE:
            average(s, profile)
            sums[ENERGY + count[FILLED]] = 0.0
            enter(SUBTRACT, count)
        else:
            unseason(m)


@kernel
def refold(m: tuple[Array, ...]) -> None:
    count, profile, cases = m[COUNT], m[MEANS], m[TESTS]
    for p in range(min(int(cases[count[CASE], 0]) + 3, profile.shape[1])):
        profile[0, p] = profile[1, p] = 0.0
    enter(FOLD, count)


@kernel
def case(m: tuple[Array, ...]) -> None:
    """Go on to the next length and number of seasons to test in this channel, or to the next channel."""
    count, cases = m[COUNT], m[TESTS]
    count[CASE] += 1
    while count[CASE] < CASES and not cases[count[CASE], 1] >= 3.0:
        count[CASE] += 1
    if count[CASE] == CASES:
        count[CHANNEL] += 1
        turn(m)
        return
    count[NEIGHBOUR] = 0
    refold(m)


@kernel
def ready(m: tuple[Array, ...]) -> None:
    """A channel is ready: two at a time are transformed, as real and imaginary part; the proof takes them singly."""
    count, ring, sums = m[COUNT], m[RING], m[SUMS]
    if not sums[ENERGY + count[FILLED]] > REST * sums[TOTAL]:
        skip(m)
    elif count[PROVING] == 1:
        count[CASE] = -1
        case(m)
    else:
        count[FILLED] += 1
        count[USED] += 1
        count[CHANNEL] += 1
        if count[FILLED] == 2 or count[CHANNEL] == ring.shape[2]:
            enter(PAD, count)
        else:
            fetch(m)


@kernel
def correlate(m: tuple[Array, ...], first: int, last: int) -> None:
    """Entries first … last - 1 of what makes r of the one or two channels in `work`: Σ_t z[t + l] z*[t], real part."""
    count, work, lag, sums = m[COUNT], m[WORK], m[LAG], m[SUMS]
    n, size, phase = count[WINDOW], count[SIZE], count[PHASE]
    re, im = work[0], work[1]
    count[AT] = last
    if phase == PAD:
        a = 1.0 / math.sqrt(sums[ENERGY])
        b = 1.0 / math.sqrt(sums[ENERGY2]) if count[FILLED] == 2 else 0.0
        for t in range(first, last):
            re[t] = re[t] * a if t < n else 0.0
            im[t] = im[t] * b if t < n and count[FILLED] == 2 else 0.0
        if last == size:
            count[STAGE] = 0
            enter(FORWARD, count)
    elif phase == POWER:
        for t in range(first, last):
            re[t], im[t] = re[t] * re[t] + im[t] * im[t], 0.0
        if last == size:
            count[STAGE] = 0
            enter(INVERSE, count)
    elif phase == GATHER:
        for i in range(first, last):
            lag[i] += re[i] / size * n / (n - i)
        if last == n // 3 + 1:
            count[FILLED] = 0
            turn(m)
    else:
        butterflies(size, count[STAGE], first, last, phase == INVERSE, re, im)
        if last == size // 2:
            count[STAGE] += 1
            count[AT] = 0
            if 1 << count[STAGE] == size:
                enter(POWER if phase == FORWARD else GATHER, count)


@kernel
def seek(m: tuple[Array, ...], budget: int) -> int:
    """Peaks of r, the highest within a quarter of their lag, are noted in `profile`. Returns the steps it took."""
    count, lag, profile, sums = m[COUNT], m[LAG], m[MEANS], m[SUMS]
    n, lags = count[WINDOW], count[WINDOW] // 3 + 1
    i, steps = count[AT], 0
    if count[USED] == 0:
        i = lags
    least = max(LOWEST, 3.0 / math.sqrt(n)) * lag[0]
    while i < lags - 1 and steps < budget:
        steps += 1
        sums[DEEPEST] = min(sums[DEEPEST], lag[i] / lag[0])
        if i >= SMALLEST and lag[i] > least and lag[i] / lag[0] - sums[DEEPEST] > CONTRAST:
            reach = max(i // 4, 2)
            peak = True
            for k in range(1, reach + 1):
                steps += 1
                if lag[i - k] > lag[i] or (i + k < lags and lag[i + k] > lag[i]):
                    peak = False
                    break
            if peak and count[PEAKED] < min(PEAKS, profile.shape[1]):
                profile[0, count[PEAKED]] = i
                count[PEAKED] += 1
                sums[HIGHEST] = max(sums[HIGHEST], lag[i])
        i += 1
    count[AT] = i
    if i >= lags - 1:
        enter(CHOOSE, count)
    return steps


@kernel
def known_already(s: float, level: int, m: tuple[Array, ...]) -> bool:
    """Whether a length is a part of a season that has been subtracted, or so near to one that it is its sideband."""
    remove = m[REMOVE]
    for i in range(m[COUNT][REMOVED]):
        ratio = remove[i] / unit_of(level) / s
        if NEAR < ratio < 1.0 / NEAR or (ratio > 1.0 and abs(ratio - int(ratio + 0.5)) < min(ratio / 16.0, 0.2)):
            return True
    return False


@kernel
def attempt_proof(m: tuple[Array, ...]) -> None:
    """Test the next of the lengths to be tried; the seasons in force together with the first one of all."""
    count, slot, lag, force, tries, cases, power = m[COUNT], m[SLOT], m[LAG], m[FORCE], m[TRYING], m[TESTS], m[POWERS]
    n, unit = count[WHOLE], unit_of(count[LEVEL])
    needed = 0  # the proof takes no more rows than it needs
    for i in range(TESTED):
        s = 0.0
        if i == 0 and count[TRY] < count[TRIES]:
            s = sharpen(lag, count[WHOLE] // 3 + 1, int(tries[count[TRY]]))
        elif i > 0 and force[i - 1, LENGTH] > 0.0 and slot[OWNER, i - 1] == count[LEVEL]:
            s = force[i - 1, LENGTH] / unit
            if not (count[ROUND] == count[TRY] == 0 or alike(s, cases[0, 0], 1.0)):
                s = 0.0
        cases[2 * i, 0] = cases[2 * i + 1, 0] = s
        cases[2 * i, 1] = cases[2 * i + 1, 1] = 0.0
        if s * 3.0 <= n and s > 0.0:
            whole = int((n + 0.5) / s)
            if beginning(whole, s) > n:
                whole -= 1
            cases[2 * i, 1] = min(whole, MANY)
            needed = max(needed, beginning(min(whole, MANY), s))
            if whole >= 2 * FEW:
                cases[2 * i + 1, 1] = FEW
    for k in range(CASES):
        for j in range(HARMONICS):
            power[k, j, 0] = power[k, j, 1] = power[k, j, 2] = 0.0
    if needed == 0 or count[USED] == 0:
        enter(JUDGE, count)
        return
    count[PROVING], count[CHANNEL], count[FILLED], count[WINDOW] = 1, 0, 0, needed
    fetch(m)


@kernel
def choose(m: tuple[Array, ...]) -> None:
    """Which lengths are to be tested: the shortest peak that is nearly the highest, the highest, and one more."""
    count, lag, profile, sums, tries = m[COUNT], m[LAG], m[MEANS], m[SUMS], m[TRYING]
    count[TRIES] = count[TRY] = 0
    for attempt in range(TRIED):
        pick = -1
        for k in range(count[PEAKED]):
            value = lag[int(profile[0, k])] if profile[0, k] > 0.0 else -1.0
            if value < 0.0 or (attempt == 0 and value < NEARLY * sums[HIGHEST]):
                continue
            if pick < 0 or (attempt > 0 and value > lag[int(profile[0, pick])]):
                pick = k
        if pick >= 0:
            s = profile[0, pick]
            profile[0, pick] = 0.0
            if not known_already(s, count[LEVEL], m):
                tries[count[TRIES]] = s
                count[TRIES] += 1
    attempt_proof(m)


@kernel
def prove(m: tuple[Array, ...], first: int, budget: int) -> int:
    """A slice of the Fourier coefficients at and beside a season's harmonics. Returns the steps it took."""
    count, work, profile, sums, cases, power = m[COUNT], m[WORK], m[MEANS], m[SUMS], m[TESTS], m[POWERS]
    s, whole = cases[count[CASE], 0], int(cases[count[CASE], 1])
    q = count[NEIGHBOUR]
    if count[PHASE] == FOLD:
        rows = beginning(whole, s)
        last = min(first + budget, rows)
        fold(work[0], count[WINDOW] - rows, s, whole, q, first, last, profile)
        count[AT] = last
        if last == rows:
            count[HARMONIC] = 1
            sums[RE] = sums[IM] = sums[RE2] = sums[IM2] = 0.0
            enter(SUM, count)
        return last - first
    j, phases = count[HARMONIC], int(s) + 2
    last = min(first + budget, phases)
    transform(profile, s, whole, q, j, first, last, sums)
    count[AT] = last
    if last == phases:
        here, line = power[count[CASE], j - 1], m[LINES][j - 1]
        size = (sums[RE] * sums[RE] + sums[IM] * sums[IM]) / sums[ENERGY]
        if q == 0:
            here[0] += size
            line[0], line[1] = sums[RE], sums[IM]
        else:
            here[1] += size + (sums[RE2] * sums[RE2] + sums[IM2] * sums[IM2]) / sums[ENERGY]
        if q == 1:
            here[2] += (line[0] * line[0] + line[1] * line[1]) / sums[ENERGY] * off_line(line, sums)
        sums[RE] = sums[IM] = sums[RE2] = sums[IM2] = 0.0
        count[AT] = 0
        count[HARMONIC] += 1
        if count[HARMONIC] > harmonics(s):
            count[NEIGHBOUR] += 1
            if count[NEIGHBOUR] > neighbours(whole):
                case(m)
            else:
                refold(m)
    return last - first


@kernel
def adopt(length: float, level: int, m: tuple[Array, ...]) -> None:
    """Put a season in force, unless one like it is, or there is no room."""
    slot, force = m[SLOT], m[FORCE]
    free = -1
    for i in range(MOST):
        if force[i, LENGTH] > 0.0 and alike(force[i, LENGTH], length, float(unit_of(level))):
            if slot[OWNER, i] > level:  # the finer level knows its length better
                force[i, LENGTH], slot[OWNER, i], slot[MISSES, i] = length, level, 0
            return
        if force[i, LENGTH] == 0.0 and free < 0:
            free = i
    if free >= 0:
        force[free, LENGTH], slot[OWNER, free], slot[MISSES, free] = length, level, 0
        force[free, LNP] = force[free, LNP_SHORT] = 1.0
        force[free, BETTER] = force[free, BEFORE] = 0.0


@kernel
def drop(i: int, m: tuple[Array, ...]) -> None:
    slot, force = m[SLOT], m[FORCE]
    for k in range(force.shape[1]):
        force[i, k] = 0.0
    slot[OWNER, i] = slot[MISSES, i] = 0


@kernel
def confirm(level: int, before: int, m: tuple[Array, ...]) -> None:
    """Adopt what was found now and in the analysis before, or a multiple of it then or now."""
    count, found = m[COUNT], m[HITS]
    new, unit = found.shape[0] - 2 + count[KIND], float(unit_of(level))
    for i in range(count[FOUND]):
        for j in range(MOST):
            a, b = found[new, i], found[before, j]
            if b > 0.0:
                if alike(a, b, unit):
                    adopt(a, level, m)
                else:
                    for k in range(2, 4):
                        if alike(k * a, b, unit):
                            adopt(a, level, m)
                        elif alike(a, k * b, unit):
                            adopt(b, level, m)


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
def announce(m: tuple[Array, ...]) -> None:
    """Write `rows`, in ascending order, and count a change of them; a season no longer watched disarms the watch."""
    rows, force, tally = m[ROWS], m[FORCE], m[TALLY]
    least = 0.0
    changed = False
    first = rows[0]
    for k in range(MOST):
        next_ = 0.0
        for i in range(MOST):
            if force[i, LENGTH] > least and (next_ == 0.0 or force[i, LENGTH] < next_):
                next_ = force[i, LENGTH]
        value = int(next_ + 0.5)
        if rows[k] != value:
            rows[k] = value
            changed = True
        least = next_ if next_ > 0.0 else math.inf
    if changed:
        tally[CHANGES] += 1
    if rows[0] != first:
        tally[ARMED] = tally[WEAK] = 0


@kernel
def conclude(m: tuple[Array, ...]) -> None:
    """The end of an analysis: seasons come into force, are corrected, or go."""
    count, due, slot, force, found, tally = m[COUNT], m[TIMES], m[SLOT], m[FORCE], m[HITS], m[TALLY]
    level, new = count[LEVEL], found.shape[0] - 2 + count[KIND]
    if count[KIND] == 0:
        for i in range(MOST):
            if force[i, LENGTH] > 0.0 and slot[OWNER, i] == level:
                seen = False
                for k in range(count[FOUND]):
                    seen = seen or alike(force[i, LENGTH], found[new, k], float(unit_of(level)))
                # a length is corrected when two analyses running agree on another one
                if force[i, BETTER] > 0.0 and abs(force[i, BETTER] - force[i, BEFORE]) <= max(
                    FINE * force[i, BETTER], float(unit_of(level))
                ):
                    force[i, LENGTH] = force[i, BETTER]
                force[i, BEFORE] = force[i, BETTER]
                if seen or force[i, LNP] < HOLDS:
                    slot[MISSES, i] = 0
                elif force[i, LNP] <= 0.0:
                    slot[MISSES, i] += 1
                if slot[MISSES, i] >= 2:
                    drop(i, m)
        confirm(level, level, m)
        before = level
    else:
        before = found.shape[0] - 3
        watched = shortest(m)
        if watched >= 0:
            if force[watched, LNP_SHORT] < SURE:
                tally[ARMED], tally[WEAK] = 1, 0
            elif tally[ARMED] == 1 and GONE < force[watched, LNP_SHORT] <= 0.0:
                tally[WEAK] += 1
            else:
                tally[WEAK] = 0
            rivals = 0
            for i in range(count[FOUND]):
                for k in range(MOST):
                    if alike(found[new, i], found[before, k], 1.0):
                        rivals += 1
            if tally[WEAK] >= (RIVALLED if rivals > 0 else ALONE):
                drop(watched, m)
                tally[ARMED] = tally[WEAK] = 0
                confirm(level, before, m)
                whole = m[WHOLE_COUNT]
                enter(IDLE, whole)  # what it was looking at is past
                for k in range(due.shape[1] - 1):
                    due[YOUNG, k] = min(due[YOUNG, k], count[WHOLE] // unit_of(k))
                    due[DUE, k] = due[EVER, k] + due[YOUNG, k] // 4
                    for i in range(MOST):
                        found[k, i] = 0.0
    for i in range(MOST):
        found[before, i] = found[new, i]
    tally[ANALYSES] += 1
    announce(m)
    enter(IDLE, count)


@kernel
def judge(m: tuple[Array, ...]) -> None:
    """After a proof: what was found, and whether to look on."""
    count, slot, force, found, remove = m[COUNT], m[SLOT], m[FORCE], m[HITS], m[REMOVE]
    cases, power = m[TESTS], m[POWERS]
    unit = unit_of(count[LEVEL])
    new = found.shape[0] - 2 + count[KIND]
    length = cases[0, 0] * unit
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
    first = count[ROUND] == count[TRY] == 0
    sure, held, lnp = False, False, 0.0
    for i in range(TESTED):
        best, tested = 0.0, False
        for k in range(2 * i, 2 * i + 2):
            if cases[k, 1] >= 3.0:
                best = min(best, evidence(cases[k, 0], int(cases[k, 1]), power[k], ours, known))
                tested = True
        if i == 0:
            sure, lnp = best < SURE, best
            if sure and cases[0, 1] >= 3.0:
                length = corrected(cases[0, 0], int(cases[0, 1]), power[0]) * unit
        elif first:
            force[i - 1, LNP + count[KIND]] = best if tested else 1.0
        if i > 0 and sure and tested:
            least = max(FINE * length, COARSE * unit)
            other = abs(force[i - 1, LENGTH] - length) > least and count[KIND] == 0
            if other and alike(force[i - 1, LENGTH], length, float(unit)) and lnp < best:
                force[i - 1, BETTER] = length
    if sure:
        found[new, count[FOUND]] = length
        count[FOUND] += 1
        remove[count[REMOVED]] = length
        count[REMOVED] += 1
    elif count[TRY] + 1 < count[TRIES]:
        count[TRY] += 1
        attempt_proof(m)
        return
    elif count[ROUND] == 0:
        for i in range(MOST):
            here = slot[OWNER, i] == count[LEVEL] and force[i, LNP + count[KIND]] < HOLDS
            if here and count[REMOVED] < remove.shape[0]:
                remove[count[REMOVED]] = force[i, LENGTH]
                count[REMOVED] += 1
                held = True
    count[ROUND] += 1
    # a second season is looked for beside one that is in force
    if (
        (sure or held)
        and in_force
        and count[KIND] == 0
        and count[FOUND] < MOST
        and count[ROUND] < MOST
        and count[REMOVED] < remove.shape[0]
    ):
        search(m)
    else:
        conclude(m)


@kernel
def step(m: tuple[Array, ...], budget: int) -> int:
    """A slice of at most about `budget` steps of the present phase. Returns the steps it took."""
    count = m[COUNT]
    phase, at = count[PHASE], count[AT]
    if phase <= CENTRE:
        last = min(at + budget, count[WINDOW])
        prepare(m, last)
        return last - at + (STEPS if phase == COPY and last == count[WINDOW] else 0)
    if phase <= SUBTRACT:
        last = min(at + budget // 2 + 1, count[WINDOW])
        explain(m, last)
        return 2 * (last - at)
    if phase == READY:
        ready(m)
        return 0
    if phase <= GATHER:
        length = count[SIZE]
        if phase in (FORWARD, INVERSE):
            length //= 2
        elif phase == GATHER:
            length = count[WINDOW] // 3 + 1
        last = min(at + budget, length)
        correlate(m, at, last)
        return last - at
    if phase == SEEK:
        return seek(m, budget)
    if phase == CHOOSE:
        choose(m)
        return STEPS
    if phase == JUDGE:
        judge(m)
        return STEPS
    return prove(m, at, budget)


# ---------------------------------------------------------------- once a row


@kernel
def push(x: Array, m: tuple[Array, ...]) -> None:
    """Take a row into the rings: level i + 1 gets the means over 16 values of level i, of those that are there."""
    due, ring, block = m[TIMES], m[RING], m[BLOCK]
    levels, size, channels = ring.shape
    for level in range(levels):
        for c in range(channels):
            if level == 0:
                v = x[c] if math.isfinite(x[c]) else math.nan
            else:
                lower = block[level - 1]
                v = lower[0, c] / lower[1, c] if lower[1, c] > 0.0 else math.nan
                lower[0, c] = lower[1, c] = 0.0
            ring[level, due[EVER, level] % size, c] = v
            if math.isfinite(v):
                block[level, 0, c] += v
                block[level, 1, c] += 1.0
        due[EVER, level] += 1
        due[YOUNG, level] = min(due[YOUNG, level] + 1, size)
        if due[EVER, level] % DECIMATION:
            break


@kernel
def start(m: tuple[Array, ...]) -> None:
    """Begin the next analysis of a whole window that is due, if there is one; the levels take turns."""
    due, ring, tally = m[TIMES], m[RING], m[TALLY]
    for _ in range(ring.shape[0]):
        level = tally[TURN]
        tally[TURN] = (level + 1) % ring.shape[0]
        window = due[YOUNG, level]
        if window >= FIRST and due[EVER, level] >= due[DUE, level]:
            due[DUE, level] = due[EVER, level] + window // 4
            begin(level, 0, window, m)
            return


@kernel
def start_short(m: tuple[Array, ...]) -> None:
    """Begin the next analysis of a short window, if there is a season to watch."""
    due, ring, force = m[TIMES], m[RING], m[FORCE]
    watched, last = shortest(m), due.shape[1] - 1
    if watched >= 0 and due[EVER, 0] >= due[DUE, last]:
        window = max(int(FEW * force[watched, LENGTH]) + 2, FIRST)
        if 2 * window <= due[YOUNG, 0] and window <= ring.shape[1] // SHORT:
            due[DUE, last] = due[EVER, 0] + window // 4
            begin(0, 1, window, m)


@kernel
def observe(x: Array, memory: tuple[tuple[Array, ...], tuple[Array, ...]]) -> int:
    """Take a row x (channels,), NaN where a value is missing, and do a slice of the analyses that are under way.

    `memory` is what `views` returns. The field "season.rows" (3,) has the seasons in force in rows, ascending, 0 where
    there is none; entry CHANGES of "season.tally" counts how often that has changed. Returns the steps taken, without
    those of taking the row in.
    """
    whole, short = memory
    push(x, whole)
    if whole[COUNT][PHASE] == IDLE:
        start(whole)
    if short[COUNT][PHASE] == IDLE:
        start_short(short)
    steps = 0
    allowed = STEPS if whole[COUNT][PHASE] == IDLE else STEPS // 2
    while short[COUNT][PHASE] != IDLE and steps < allowed:
        steps += OVERHEAD + step(short, allowed - steps)
    while whole[COUNT][PHASE] != IDLE and steps < STEPS:
        steps += OVERHEAD + step(whole, STEPS - steps)
    return steps
