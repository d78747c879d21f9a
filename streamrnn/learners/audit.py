"""The gradient audit: how well does an approximate learner point along the exact gradient, live?

The J and D of the last L steps are kept in a ring. Time and again one step's slope e is followed back through them,

    u ← e / ‖e‖        at each step back:   G ← G + uᵀ D,   u ← Jᵀ u

until what is still missing is small: G is the exact gradient of that step. With the learner's own of the same step, Ĝ,
and w, the number of gradients that this one stands for, the running

    cosine = Σ w G Ĝ / √(Σ w ‖G‖² Σ w ‖Ĝ‖²)

estimates the cosine of the angle between them. Each step counts by 1/‖e‖², so that a wild error has no more say than
a small one. The way back is gone BACK steps at each step forward, so that no step is much dearer than another. Then a
random number of gradients is passed by, so that the costs are borne, and nothing keeps time with what the net is fed.

Which step? One of all since the last choice, by chance, in proportion to

    p = 1 + a² / mean a² + b² / mean b²        a = e d / ‖e‖,   b = ‖two diagonals of Ĝ‖

and it stands for Σ p / p gradients. A burst of the gradient, which may outweigh a thousand other steps, would else be
missed for the most part. a sees those of the exact gradient: a tangent d ← J d + D v, for one direction v of random
signs, is the exact derivative of the state in this direction (forward mode), and a = G v. b sees the learner's own.

How long the past matters is measured: the way ends where its second half has changed G by CHANGE ‖G‖² at the most. Of
contributions that decay geometrically as much is then missing as the square of this. The ring, which is written on
meanwhile, ends it as well, after some L BACK / (BACK + 1) steps: what lies further back is not seen.

Source: backpropagation through time, Williams & Peng, Neural Computation 2 (1990), §3; forward mode, Williams & Zipser
(1989), §2, contracted with v; choice by weight from a stream, Efraimidis & Spirakis, Information Processing Letters 97
(2006), §4 (exponential jumps), for one item. Cost: about 2 (k² n² + k n q) multiply-adds a step; L (k² n² + k n q)
numbers of room.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import DENSE, DIAGONAL, UNIFORM
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.kernels.noise import philox, sign, uniform
from streamrnn.state import Field

BACK = 4  # steps back at each step forward; `gather` is written for this many
CHANGE = 0.003  # share of ‖G‖²
SHORTEST = 8  # steps back before G is looked at first, then after 2, 4, 8 … times as many; a multiple of BACK
LEAST, LONGEST = 48, 128  # bounds of the longest wait between two ways, which is as long as the last was far
LARGEST = 1e30  # a derivative beyond it has run away: nothing is made of it
DOMAIN = 0x41554449  # the seed of what is drawn here is another than that of a learner's noise
MEMORY = 1.0 / 10_000.0  # share of a gradient in the sums, once there have been so many
ENOUGH = 100  # gradients that the sums stand for, before anything is said
FEWEST, MOST, NUMBERS = 64, 1024, 1 << 18  # steps in the ring, a power of two: as many as so many numbers hold
# entries of "audit.count": steps kept; of the way back: the next step, steps gone, how far at the most, how far G is
# looked at; the step from which on a way may begin, gradients since the last one began, the step chosen for the next;
# numbers drawn, gradients that the sums stand for, ways, states of a layer
SEED, STEPS, AT, GONE, REACH, LOOK, READY, SEEN, CHOSEN, DRAWN, HEARD, NUMBER, SIZE = range(13)
EXACT, BEFORE, DIRECTION, OWN = range(4)  # entries of "audit.grads": G, G when looked at last, v, Ĝ of two steps
CHOICE, TANGENT, AFTER = BACK + 1, BACK + 2, BACK + 3  # rows of "audit.u" after the way's: e / ‖e‖ chosen, d, next d
# entries of "audit.sums": the three of the cosine; means of a² and b², inverses of these; since the last way began: the
# sums of a², b² and p, the sum of p that brings a new choice, p of the choice; of a way: its share in the three sums,
# and how many average gradients it stands for, by their number
BOTH, FULL, APPROXIMATE, MEAN_A, MEAN_B, BY_A, BY_B, SUM_A, SUM_B, ALL, NEXT, P, SHARE, STANDS = range(14)


def fields(n: int, k: int, q: int, layers: int, columns: int, outputs: int) -> tuple[Field, ...]:
    """Fields of the arena, in the order in which `views` reads them; empty ones for n = 0.

    columns: of J; outputs: of one layer of a stack.
    """
    rows, above = layers * k * n, outputs if layers > 1 else 0
    steps = MOST if rows else 0
    while steps > FEWEST and steps * rows * (columns + q + above) > NUMBERS:
        steps //= 2
    return (
        Field("audit.count", "ints", (13,)),
        Field("audit.grads", "real", (5, layers * n, q)),
        Field("audit.u", "real", (BACK + 4, rows)),
        Field("audit.sums", "real", (14,)),
        Field("audit.J", "real", (steps, rows, columns)),
        Field("audit.D", "real", (steps, layers * k, n, q)),
        Field("audit.B", "real", (steps, rows, above)),
    )


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        vector(real, table, first + 3),
        cube(real, table, first + 4),
        tesseract(real, table, first + 5),
        cube(real, table, first + 6),
    )


# ---------------------------------------------------------------- a step forward


@kernel
def start(size: int, count: Array, grads: Array) -> None:
    """Draw the direction v, the same at each start; size: states of a layer."""
    count[SIZE] = size
    for i in range(grads.shape[1]):
        for p in range(grads.shape[2]):
            grads[DIRECTION, i, p] = sign(count[SEED], 0, i * grads.shape[2] + p)


@kernel
def keep(a: Array, rows: int, first: int, at: int, ring: Array) -> None:
    """ring[at] ← a, from row `first` on; a has so many rows, and maybe the learner's own below them."""
    for r in range(rows):
        for c in range(a.shape[1]):
            ring[at, first + r, c] = a[r, c]


@kernel(reassociate=True)
def forth(structure: Array, layer: int, n: int, J: Array, u: Array) -> None:
    """The next d of one layer = J d; `_blocks.times`, but without views, and four rows of a dense block at once."""
    k = structure.shape[1]
    wide = J.shape[1] > k or n == 1
    w, along, four = (n, 1, n & ~3) if wide else (1, 0, 0)
    for r in range(layer * k * n, (layer + 1) * k * n):
        u[AFTER, r] = 0.0
    for a in range(k):
        for b in range(k):
            block, r, to, c, o = structure[layer * k + a, b], a * n, (layer * k + a) * n, (layer * k + b) * n, b * w
            if block == DENSE:
                for i in range(0, four, 4):
                    t0 = t1 = t2 = t3 = 0.0
                    for j in range(n):
                        d = u[TANGENT, c + j]
                        t0 += J[r + i, o + j] * d
                        t1 += J[r + i + 1, o + j] * d
                        t2 += J[r + i + 2, o + j] * d
                        t3 += J[r + i + 3, o + j] * d
                    u[AFTER, to + i] += t0
                    u[AFTER, to + i + 1] += t1
                    u[AFTER, to + i + 2] += t2
                    u[AFTER, to + i + 3] += t3
                for i in range(four, n):
                    for j in range(n):
                        u[AFTER, to + i] += J[r + i, o + j] * u[TANGENT, c + j]
            elif block == DIAGONAL:
                for i in range(n):
                    u[AFTER, to + i] += J[r + i, o + along * i] * u[TANGENT, c + i]
            elif block == UNIFORM:
                total = 0.0
                for j in range(n):
                    total += u[TANGENT, c + j]
                for i in range(n):
                    u[AFTER, to + i] += J[r + i, o] * total


@kernel(reassociate=True)
def hear(B: Array, layer: int, u: Array) -> None:
    """The next d of one layer += B times that of the layer below."""
    size = B.shape[0]
    for r in range(size):
        total = 0.0
        for o in range(B.shape[1]):
            total += B[r, o] * u[AFTER, (layer - 1) * size + o]
        u[AFTER, layer * size + r] += total


@kernel(reassociate=True)
def inject(D: Array, layer: int, at: int, ring: Array, grads: Array, u: Array) -> None:
    """The next d of one layer += D v, and ring[at] ← D; D (k, n, q)."""
    k, n, q = D.shape
    for a in range(k):
        for i in range(n):
            total = 0.0
            for p in range(q):
                g = D[a, i, p]
                ring[at, layer * k + a, i, p] = g
                total += g * grads[DIRECTION, layer * n + i, p]
            u[AFTER, (layer * k + a) * n + i] += total


# ---------------------------------------------------------------- the way back


@kernel
def back(structure: Array, layer: int, n: int, at: int, Js: Array, now: int, u: Array) -> None:
    """u[now + 1] = Jᵀ u[now] for one layer; `_blocks.back` in the manner of `forth`."""
    k, after = structure.shape[1], now + 1
    wide = Js.shape[2] > k or n == 1
    w, along, four = (n, 1, n & ~3) if wide else (1, 0, 0)
    for c in range(layer * k * n, (layer + 1) * k * n):
        u[after, c] = 0.0
    for a in range(k):
        for b in range(k):
            block, r, c, o = structure[layer * k + a, b], (layer * k + a) * n, (layer * k + b) * n, b * w
            if block == DENSE:
                for i in range(r, r + four, 4):
                    u0, u1, u2, u3 = u[now, i], u[now, i + 1], u[now, i + 2], u[now, i + 3]
                    for j in range(n):
                        u[after, c + j] += (u0 * Js[at, i, o + j] + u1 * Js[at, i + 1, o + j]) + (
                            u2 * Js[at, i + 2, o + j] + u3 * Js[at, i + 3, o + j]
                        )
                for i in range(r + four, r + n):
                    for j in range(n):
                        u[after, c + j] += u[now, i] * Js[at, i, o + j]
            elif block == DIAGONAL:
                for i in range(n):
                    u[after, c + i] += u[now, r + i] * Js[at, r + i, o + along * i]
            elif block == UNIFORM:
                total = 0.0
                for i in range(n):
                    total += u[now, r + i] * Js[at, r + i, o]
                for j in range(n):
                    u[after, c + j] += total


@kernel
def down(layer: int, size: int, at: int, Bs: Array, j: int, u: Array) -> None:
    """u[j] of the layer below += Bᵀ u[j] of this one: within a step, by the outputs that this layer hears."""
    for r in range(layer * size, (layer + 1) * size):
        g = u[j, r]
        for o in range(Bs.shape[2]):
            u[j, (layer - 1) * size + o] += g * Bs[at, r, o]


@kernel
def gather(k: int, last: int, Ds: Array, u: Array, grads: Array) -> None:
    """G += Σ_j u[j]ᵀ D of the step last - j, over BACK steps at once: G is read and written once."""
    mask, rows, n, q = Ds.shape[0] - 1, Ds.shape[1], Ds.shape[2], Ds.shape[3]
    at0, at1, at2, at3 = last & mask, max(0, last - 1) & mask, max(0, last - 2) & mask, max(0, last - 3) & mask
    first = 0
    for row in range(0, rows, k):  # of a layer
        for a in range(row, row + k):
            for i in range(n):
                r = a * n + i
                u0, u1, u2, u3 = u[0, r], u[1, r], u[2, r], u[3, r]
                for p in range(q):
                    grads[EXACT, first + i, p] += (u0 * Ds[at0, a, i, p] + u1 * Ds[at1, a, i, p]) + (
                        u2 * Ds[at2, a, i, p] + u3 * Ds[at3, a, i, p]
                    )
        first += n


@kernel(reassociate=True)
def settled(grads: Array) -> bool:
    """Whether G has changed by CHANGE ‖G‖² at the most since this was asked last."""
    changed = size = 0.0
    for i in range(grads.shape[1]):
        for p in range(grads.shape[2]):
            g = grads[EXACT, i, p]
            changed += (g - grads[BEFORE, i, p]) ** 2
            size += g * g
            grads[BEFORE, i, p] = g
    return changed <= CHANGE * size


@kernel(reassociate=True)
def conclude(count: Array, grads: Array, sums: Array, ring: int) -> None:
    """Take both gradients into the sums, and draw how many are passed by next."""
    own = OWN + count[NUMBER] % 2
    both = full = approximate = 0.0
    for i in range(grads.shape[1]):
        for p in range(grads.shape[2]):
            g, h = grads[EXACT, i, p], grads[own, i, p]
            both += g * h
            full += g * g
            approximate += h * h
    if full + approximate <= LARGEST:
        w, stands = sums[SHARE], sums[STANDS]
        sums[BOTH] += w * (stands * both - sums[BOTH])
        sums[FULL] += w * (stands * full - sums[FULL])
        sums[APPROXIMATE] += w * (stands * approximate - sums[APPROXIMATE])
    count[REACH] = 0
    count[NUMBER] += 1
    most = min(max(LEAST, count[GONE]), LONGEST, ring // 4)
    count[READY] = count[STEPS] + philox(count[SEED], 1, count[DRAWN])[0] % most
    count[DRAWN] += 1


@kernel
def proceed(k: int, count: Array, grads: Array, u: Array, sums: Array, Ds: Array) -> None:
    """With BACK more slopes in u: what they add to G, and on from there, or was this the end?"""
    gather(k, count[AT], Ds, u, grads)
    count[AT] -= BACK
    count[GONE] += BACK
    end = count[GONE] >= count[REACH]
    if count[GONE] == count[LOOK]:
        count[LOOK] *= 2
        end = settled(grads) or end
    if end:
        conclude(count, grads, sums, Ds.shape[0])
        return
    for r in range(u.shape[1]):
        u[0, r] = u[BACK, r]


@kernel
def clear(u: Array, row: int) -> None:
    """u[row] ← 0."""
    for r in range(u.shape[1]):
        u[row, r] = 0.0


# ---------------------------------------------------------------- what is called


@kernel
def follow_layer(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """Keep the step's J and D, carry d on, and go on with the way back."""
    J, D = places
    count, grads, u, sums, Js, Ds, _Bs = probe
    k, n, _q = D.shape
    mask = Js.shape[0] - 1
    at = count[STEPS] & mask
    if count[STEPS] == 0:
        start(k * n, count, grads)
    keep(J, k * n, 0, at, Js)
    forth(structure, 0, n, J, u)
    inject(D, 0, at, Ds, grads, u)
    for r in range(u.shape[1]):
        u[TANGENT, r] = u[AFTER, r]
    count[STEPS] += 1
    if count[REACH] == 0:
        return
    for j in range(BACK):
        if count[GONE] + j < count[REACH]:
            back(structure, 0, n, (count[AT] - j) & mask, Js, j, u)
        else:
            clear(u, j)
    proceed(k, count, grads, u, sums, Ds)


@kernel
def follow_stack(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """The same for a stack: forth from the lowest layer up, and at each step back from the top layer down."""
    J, B, D = places
    count, grads, u, sums, Js, Ds, Bs = probe
    layers, k, n, _q = D.shape
    mask = Js.shape[0] - 1
    at = count[STEPS] & mask
    if count[STEPS] == 0:
        start(k * n, count, grads)
    for layer in range(layers):
        keep(J[layer], k * n, layer * k * n, at, Js)
        forth(structure, layer, n, J[layer], u)
        if layer > 0:
            keep(B[layer], k * n, layer * k * n, at, Bs)
            hear(B[layer], layer, u)
        inject(D[layer], layer, at, Ds, grads, u)
    for r in range(u.shape[1]):
        u[TANGENT, r] = u[AFTER, r]
    count[STEPS] += 1
    if count[REACH] == 0:
        return
    for j in range(BACK):
        if count[GONE] + j >= count[REACH]:
            clear(u, j)
            continue
        at = (count[AT] - j) & mask
        for layer in range(layers - 1, -1, -1):
            if layer > 0:
                down(layer, k * n, at, Bs, j, u)
            back(structure, layer, n, at, Js, j, u)
    proceed(k, count, grads, u, sums, Ds)


@kernel
def forget(probe: tuple[Array, ...]) -> None:
    """The state and all influence were set to 0: a past is over, and who was on the way back to it has lost it."""
    count, _grads, u, sums, _Js, _Ds, _Bs = probe
    count[STEPS], count[REACH], count[READY], count[SEEN] = 0, 0, 0, 0
    sums[SUM_A], sums[SUM_B] = 0.0, 0.0
    clear(u, TANGENT)


@kernel
def choose(e: Array, grad: Array, count: Array, grads: Array, u: Array) -> None:
    """The present step is the one to be followed back next."""
    size = 0.0
    for r in range(e.shape[0]):
        size += e[r] * e[r]
    scale = 1.0 / math.sqrt(size)
    own = OWN + (count[NUMBER] + (1 if count[REACH] > 0 else 0)) % 2
    for i in range(grad.shape[0]):
        for p in range(grad.shape[1]):
            grads[own, i, p] = scale * grad[i, p]
    top = u.shape[1] - count[SIZE]
    for r in range(e.shape[0]):
        u[CHOICE, top + r] = scale * e[r]
    count[CHOSEN] = count[STEPS] - 1


@kernel
def begin(ring: int, count: Array, grads: Array, u: Array, sums: Array) -> None:
    """Set out from the step chosen, with `ring` steps in the ring."""
    first, seen = count[CHOSEN], count[SEEN]
    strides = (ring + 1 - (count[STEPS] - first)) // (BACK + 1)  # then the ring's writer has overtaken
    if strides > 0:
        for r in range(u.shape[1]):
            u[0, r] = u[CHOICE, r]
        for i in range(grads.shape[1]):
            for p in range(grads.shape[2]):
                grads[EXACT, i, p] = 0.0
                grads[BEFORE, i, p] = 0.0
        count[AT], count[GONE], count[LOOK] = first, 0, SHORTEST
        count[REACH] = min(first + 1, strides * BACK)
        count[HEARD] += seen
        w = min(1.0, seen * max(MEMORY, 1.0 / count[HEARD]))
        sums[SHARE], sums[STANDS] = w, sums[ALL] / (seen * sums[P])
        sums[MEAN_A] += w * (sums[SUM_A] / seen - sums[MEAN_A])
        sums[MEAN_B] += w * (sums[SUM_B] / seen - sums[MEAN_B])
        sums[BY_A] = 1.0 / sums[MEAN_A] if sums[MEAN_A] > 0.0 else 0.0
        sums[BY_B] = 1.0 / sums[MEAN_B] if sums[MEAN_B] > 0.0 else 0.0
    count[SEEN] = 0
    sums[SUM_A], sums[SUM_B] = 0.0, 0.0


@kernel(reassociate=True)
def weigh(e: Array, grad: Array, count: Array, u: Array, sums: Array) -> bool:
    """Count the present step in, with its p: whether it is chosen."""
    top = u.shape[1] - count[SIZE]
    size = a = b = 0.0
    for r in range(e.shape[0]):
        size += e[r] * e[r]
        a += e[r] * u[TANGENT, top + r]
    q, p = grad.shape[1], 0
    other = q >> 1
    for i in range(grad.shape[0]):  # along two diagonals: each kind of parameter has its turn
        b += grad[i, p] * grad[i, p] + grad[i, other] * grad[i, other]
        p = p + 1 if p + 1 < q else 0
        other = other + 1 if other + 1 < q else 0
    if not (0.0 < size <= LARGEST and b <= LARGEST * size):
        return False
    if not a * a <= LARGEST * size:
        clear(u, TANGENT)
        a = 0.0
    inverse = 1.0 / size
    a, b = a * a * inverse, b * inverse
    count[SEEN] += 1
    sums[SUM_A] += a
    sums[SUM_B] += b
    total = count[SEEN] + sums[BY_A] * sums[SUM_A] + sums[BY_B] * sums[SUM_B]
    sums[ALL] = total
    if count[SEEN] == 1 or total >= sums[NEXT]:
        sums[P] = 1.0 + sums[BY_A] * a + sums[BY_B] * b
        sums[NEXT] = total / uniform(count[SEED], 1, count[DRAWN])
        count[DRAWN] += 1
        return True
    return False


@kernel
def compare(e: Array, grad: Array, probe: tuple[Array, ...]) -> None:
    """Take note of a step's gradient (L n, q), for the slope e of the top layer's output."""
    count, grads, u, sums, Js, _Ds, _Bs = probe
    if weigh(e, grad, count, u, sums):
        choose(e, grad, count, grads, u)
    if count[REACH] == 0 and count[SEEN] > 0 and count[STEPS] >= count[READY]:
        begin(Js.shape[0], count, grads, u, sums)


def cosine(count: Array, sums: Array) -> float:
    """Of the angle between the learner's gradient and the exact one; NaN before the sums stand for ENOUGH gradients."""
    both, full, approximate = float(sums[BOTH]), float(sums[FULL]), float(sums[APPROXIMATE])
    if int(count[HEARD]) < ENOUGH or not full * approximate > 0.0:
        return math.nan
    return both / math.sqrt(full * approximate)
