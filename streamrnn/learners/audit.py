"""The gradient audit: how well does an approximate learner point along the exact gradient, live?

A probe carries the exact derivative of the state in one random direction v of the parameters, at the price of about one
more forward pass (forward-mode differentiation):

    d ← J d + D v      so that      a = eᵀ d = gᵀ v,      b = ĝᵀ v

for the exact gradient g and the learner's ĝ. Over random v, E[a b] = gᵀĝ, E[a²] = ‖g‖², E[b²] = ‖ĝ‖²; the running

    cosine = Σ a b / √(Σ a² Σ b²)

estimates the cosine of the angle between them. Each step counts by 1/‖e‖², so that a wild error has no more say than
a small one.

A new v needs a new d, which knows nothing of the past yet. How long the past still matters is measured: the old d goes
on without new injections, r ← J r, and what is missing from the new d is of the size of r. The new probe is heard once
‖r‖² ≤ FADED ‖d‖², and then for as many steps as that took. A net with a memory of T steps gets about N / 4 T directions
in N steps: the estimate is good to a few hundredths after 10⁴ steps where T is some tens, and coarser beyond.

Source: forward-mode differentiation, Williams & Zipser (1989), §2, contracted with v; random directions as in Baydin et
al., Gradients without Backpropagation (2022, arXiv 2202.08587), §3. Cost: k² n² + k n q multiply-adds a step.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import cube, matrix, vector
from streamrnn.kernels.noise import philox, sign
from streamrnn.learners._blocks import times
from streamrnn.state import Field

FADED = 0.01
LARGEST = 1e30  # a derivative beyond it has run away: nothing is made of it
DOMAIN = 0x41554449  # the seed of the directions is another than that of a learner's signs
SHORTEST, LONGEST = 8, 2048  # steps that a probe is heard, and waited for, at the most
MEMORY = 1.0 / 10_000.0  # share of a step in the sums, once there have been so many
ENOUGH = 100  # steps heard, before anything is said
SEED, HEARD, AGE, SETTLED, NUMBER = range(5)  # entries of the field "audit.count"


def fields(n: int, k: int, q: int, layers: int) -> tuple[Field, ...]:
    """Fields of the arena, in the order in which `views` reads them."""
    return (
        Field("audit.count", "ints", (5,)),
        Field("audit.v", "real", (layers, n, q)),
        Field("audit.d", "real", (layers, k * n)),
        Field("audit.r", "real", (layers, k * n)),
        Field("audit.next", "real", (layers, k * n)),
        Field("audit.sums", "real", (3,)),
    )


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        matrix(real, table, first + 3),
        matrix(real, table, first + 4),
        vector(real, table, first + 5),
    )


@kernel
def parity(a: int) -> int:
    """Whether a, below 2^32, has an odd number of ones."""
    a ^= a >> 16
    a ^= a >> 8
    a ^= a >> 4
    return (0x6996 >> (a & 15)) & 1


@kernel
def renew(probe: tuple[Array, ...]) -> None:
    """The next direction, when the present one has been heard enough: a row of a Hadamard matrix, with random signs.

    The rows are orthogonal, so that one round of them, a power of two ≥ the number of parameters, hears every direction
    alike; each round has signs of its own, and goes through the rows in an order of its own.
    """
    count, v, d, r, _next, _sums = probe
    count[AGE] += 1
    if count[NUMBER] > 0 and count[AGE] < max(2 * count[SETTLED], count[SETTLED] + SHORTEST):
        return
    if count[NUMBER] > 0 and count[SETTLED] == 0 and count[AGE] < LONGEST:
        return
    layers, n, q = v.shape
    size = 1
    while size < v.size:
        size *= 2
    turn, number = count[NUMBER] // size, count[NUMBER] % size
    shuffle = philox(count[SEED], turn, 0)
    stride = shuffle[0] % size * 2 + 1
    row = (number * stride + shuffle[1]) % size
    flip = row ^ ((number - 1) * stride + shuffle[1]) % size
    for layer in range(layers):
        for i in range(n):
            for p in range(q):
                at = (layer * n + i) * q + p
                if number == 0:
                    v[layer, i, p] = sign(count[SEED], turn, at + 1) * (1.0 - 2.0 * parity(row & at))
                else:  # the signs of the round stay: what differs is the row
                    v[layer, i, p] *= 1.0 - 2.0 * parity(flip & at)
        for j in range(d.shape[1]):
            r[layer, j] = d[layer, j]
            d[layer, j] = 0.0
    count[NUMBER] += 1
    count[AGE], count[SETTLED] = 0, 0


@kernel
def settle(probe: tuple[Array, ...]) -> None:
    """Note when the past that the new probe does not know has faded."""
    count, _v, d, r, _next, _sums = probe
    if count[SETTLED] > 0:
        return
    known = missing = 0.0
    for layer in range(d.shape[0]):
        for j in range(d.shape[1]):
            known += d[layer, j] * d[layer, j]
            missing += r[layer, j] * r[layer, j]
    if missing <= FADED * known <= LARGEST:
        count[SETTLED] = count[AGE] + 1


@kernel
def forget(probe: tuple[Array, ...]) -> None:
    """The state and all influence were set to 0: so is the derivative in the present direction."""
    count, _v, d, r, _next, _sums = probe
    for layer in range(d.shape[0]):
        for j in range(d.shape[1]):
            d[layer, j] = 0.0
            r[layer, j] = 0.0
    count[AGE], count[SETTLED] = 0, 0


@kernel(reassociate=True)
def directly(D: Array, v: Array, d: Array) -> None:
    """d += D v."""
    k, n, q = D.shape
    for a in range(k):
        for i in range(n):
            total = 0.0
            for p in range(q):
                total += D[a, i, p] * v[i, p]
            d[a * n + i] += total


@kernel
def transport(structure: Array, J: Array, d: Array, after: Array) -> None:
    """d ← J d, by way of `after`."""
    times(structure, J, d, after)
    for j in range(d.shape[0]):
        d[j] = after[j]


@kernel
def follow_layer(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """d ← J d + D v, r ← J r."""
    J, D = places
    renew(probe)
    count, v, d, r, after, _sums = probe
    transport(structure, J, d[0], after[0])
    directly(D, v[0], d[0])
    if count[SETTLED] == 0:
        transport(structure, J, r[0], after[0])
    settle(probe)


@kernel
def climb(structure: Array, J: Array, B: Array, d: Array, after: Array) -> None:
    """d[l] ← J[l] d[l] + B[l] d[l - 1] for one layer l > 0, given the new d[l - 1]. d (2, k n): layers l - 1 and l."""
    transport(structure, J, d[1], after)
    for j in range(d.shape[1]):
        for c in range(B.shape[1]):
            d[1, j] += B[j, c] * d[0, c]


@kernel
def follow_stack(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """d[l] ← J[l] d[l] + B[l] d[l - 1] + D[l] v[l], with the new d[l - 1]; r alike without D v."""
    J, B, D = places
    renew(probe)
    count, v, d, r, after, _sums = probe
    layers, k, _n, _q = D.shape
    for layer in range(layers):
        own = structure[layer * k : (layer + 1) * k]
        if layer == 0:
            transport(own, J[0], d[0], after[0])
        else:
            climb(own, J[layer], B[layer], d[layer - 1 : layer + 1], after[0])
        directly(D[layer], v[layer], d[layer])
        if count[SETTLED] == 0:
            if layer == 0:
                transport(own, J[0], r[0], after[0])
            else:
                climb(own, J[layer], B[layer], r[layer - 1 : layer + 1], after[0])
    settle(probe)


@kernel(reassociate=True)
def compare(e: Array, grad: Array, probe: tuple[Array, ...]) -> None:
    """Take a step's gradient (L n, q), for the slope e of the top layer's output, into the sums."""
    count, v, d, _r, _next, sums = probe
    if count[SETTLED] == 0:
        return
    layers, n, q = v.shape
    size = a = b = 0.0
    for j in range(e.shape[0]):
        size += e[j] * e[j]
        a += e[j] * d[layers - 1, j]
    if not (size > 0.0 and a * a <= LARGEST * size):
        return
    for layer in range(layers):
        for i in range(n):
            for p in range(q):
                b += grad[layer * n + i, p] * v[layer, i, p]
    count[HEARD] += 1
    w = max(MEMORY, 1.0 / count[HEARD])
    sums[0] += w * (a * b / size - sums[0])
    sums[1] += w * (a * a / size - sums[1])
    sums[2] += w * (b * b / size - sums[2])


def cosine(count: Array, sums: Array) -> float:
    """Of the angle between the learner's gradient and the exact one; NaN before ENOUGH steps were heard."""
    ab, aa, bb = (float(v) for v in sums)
    return ab / math.sqrt(aa * bb) if int(count[HEARD]) >= ENOUGH and aa > 0.0 and bb > 0.0 else math.nan
