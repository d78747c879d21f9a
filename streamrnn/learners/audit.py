"""The gradient audit: how well does an approximate learner point along the exact gradient, live?

A probe carries the exact derivative of the state in one random direction v of the parameters, at the price of about one
more forward pass (forward-mode differentiation):

    d ← J d + D v      so that      a = eᵀ d = gᵀ v,      b = ĝᵀ v

for the exact gradient g and the learner's ĝ. Over random v, E[a b] = gᵀĝ, E[a²] = ‖g‖², E[b²] = ‖ĝ‖²; the running

    cosine = Σ a b / √(Σ a² Σ b²)

estimates the cosine of the angle between them. Each step counts by 1/‖e‖², so that a wild error has no more say than a
small one. A new v needs a new d, which knows nothing of the past yet: each probe is followed for PERIOD steps, and
heard only after the first SETTLE of them. Influence that is older than that is not audited.

Source: forward-mode differentiation, Williams & Zipser (1989), §2, contracted with v; random directions as in Baydin et
al., Gradients without Backpropagation (2022, arXiv 2202.08587), §3. Cost: k² n² + k n q multiply-adds a step.
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.memory import cube, matrix, vector
from streamrnn.kernels.noise import normal
from streamrnn.learners._blocks import times
from streamrnn.state import Field

PERIOD = 192
SETTLE = 64
MEMORY = 1.0 / 4096.0  # steps over which the sums are taken: those of the last few thousand
STEPS, SEED = 0, 1


def fields(n: int, k: int, q: int, layers: int) -> tuple[Field, ...]:
    """Fields of the arena, in the order in which `views` reads them."""
    return (
        Field("audit.steps", "ints", (2,)),
        Field("audit.v", "real", (layers, n, q)),
        Field("audit.d", "real", (layers, k * n)),
        Field("audit.d1", "real", (layers, k * n)),
        Field("audit.sums", "real", (3,)),
    )


@kernel
def views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        matrix(real, table, first + 2),
        matrix(real, table, first + 3),
        vector(real, table, first + 4),
    )


@kernel
def renew(probe: tuple[Array, ...]) -> None:
    """Every PERIOD steps: a new direction, from (seed, step, index) alone."""
    count, v, d, _d1, _sums = probe
    if count[STEPS] % PERIOD == 0:
        layers, n, q = v.shape
        for layer in range(layers):
            for i in range(n):
                for p in range(q):
                    v[layer, i, p] = normal(count[SEED], count[STEPS], (layer * n + i) * q + p)
            for r in range(d.shape[1]):
                d[layer, r] = 0.0
    count[STEPS] += 1


@kernel
def directly(D: Array, v: Array, d1: Array) -> None:
    """d1 += D v."""
    k, n, q = D.shape
    for a in range(k):
        for i in range(n):
            total = 0.0
            for p in range(q):
                total += D[a, i, p] * v[i, p]
            d1[a * n + i] += total


@kernel
def follow_layer(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """d ← J d + D v."""
    J, D = places
    renew(probe)
    _count, v, d, d1, _sums = probe
    times(structure, J, d[0], d1[0])
    directly(D, v[0], d1[0])
    for r in range(d.shape[1]):
        d[0, r] = d1[0, r]


@kernel
def follow_stack(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """d[l] ← J[l] d[l] + B[l] d[l - 1] + D[l] v[l], with the new d[l - 1]."""
    J, B, D = places
    renew(probe)
    _count, v, d, d1, _sums = probe
    layers, k, _n, _q = D.shape
    for layer in range(layers):
        times(structure[layer * k : (layer + 1) * k], J[layer], d[layer], d1[layer])
        directly(D[layer], v[layer], d1[layer])
        if layer > 0:
            for r in range(d.shape[1]):
                for c in range(B.shape[2]):
                    d1[layer, r] += B[layer, r, c] * d1[layer - 1, c]
    for layer in range(layers):
        for r in range(d.shape[1]):
            d[layer, r] = d1[layer, r]


@kernel
def compare(e: Array, grad: Array, probe: tuple[Array, ...]) -> None:
    """Take a step's gradient (L n, q), for the slope e of the top layer's output, into the sums."""
    count, v, d, _d1, sums = probe
    if (count[STEPS] - 1) % PERIOD < SETTLE:
        return
    layers, n, q = v.shape
    size = a = b = 0.0
    for r in range(e.shape[0]):
        size += e[r] * e[r]
        a += e[r] * d[layers - 1, r]
    if not size > 0.0:
        return
    for layer in range(layers):
        for i in range(n):
            for p in range(q):
                b += grad[layer * n + i, p] * v[layer, i, p]
    sums[0] += MEMORY * (a * b / size - sums[0])
    sums[1] += MEMORY * (a * a / size - sums[1])
    sums[2] += MEMORY * (b * b / size - sums[2])


def cosine(sums: Array) -> float:
    """Of the angle between the learner's gradient and the exact one; NaN before there is an estimate."""
    ab, aa, bb = (float(v) for v in sums)
    return ab / math.sqrt(aa * bb) if aa > 0.0 and bb > 0.0 else math.nan
