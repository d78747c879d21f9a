"""Stacks of layers: exact RTRL over the joint state, and local traces with spatial backpropagation.

Layer l takes the new output of layer l - 1 as its input; J[l], D[l] are its own derivatives and B[l] = ∂s1[l]/∂x[l].

Exact (`joint`): the influence of every layer's parameters on every layer's state,

    P[l] ← J[l] P[l] + B[l] P1[l - 1] + D[l]        grad = P[L - 1]ᵀ e

`spatial`: each layer keeps its own exact traces (or, where its units hear each other, those of SnAp-1), and errors go
down from layer to layer within a step. The way of an error through the memory of the layers above is cut after K steps:

    delta[L - 1] = e, ρ_back ← Jᵀ ρ_back-1 for back < K, delta[l - 1] at step t - back = B[l]ᵀ ρ_back

With K = 1 this is the usual local-trace rule for stacked recurrent layers (biased: Zucchet et al. 2023); with more it
is causal recursive backpropagation, CRBP (Campolucci, Uncini, Piazza & Rao, On-line Learning Algorithms for Locally
Recurrent Neural Networks, IEEE TNN 10 (1999), §IV), which tends to the exact gradient as K grows where all layers are
locally recurrent.
Cost: `joint` L² times that of one layer's RTRL; `spatial` K times one layer's (k² n² + k n q) a layer.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells import ZERO, Cell
from streamrnn.kernels.memory import cube, matrix, tesseract, vector
from streamrnn.learners._blocks import back, columns, entries, spread
from streamrnn.learners._contract import Carry
from streamrnn.learners.traces import propagate as trace
from streamrnn.state import Field


def sizes(cell: Cell, n: int, m: int) -> tuple[int, int, int]:
    """State vectors and parameters of a unit in the layer that has most, and outputs of a layer."""
    outputs = cell.seen * n
    return (
        max(cell.states(m), cell.states(outputs)),
        max(cell.width(n, m), cell.width(n, outputs)),
        outputs,
    )


@kernel
def joint_views(ints: Array, real: Array, table: Array, first: int) -> tuple[Array, Array, Array, Array, Array]:
    return (
        cube(real, table, first),
        cube(real, table, first + 1),
        tesseract(real, table, first + 2),
        cube(real, table, first + 3),
        cube(real, table, first + 4),
    )


@kernel
def joint_local(carry: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    return carry[0], carry[1], carry[2]


@kernel
def joint_propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    J, B, D, P, P1 = carry
    layers, k, n, q = D.shape
    for layer in range(layers):
        spread(structure[layer * k : (layer + 1) * k], J[layer], P[layer], P1[layer])
        own = layer * n * q
        for a in range(k):
            for i in range(n):
                for p in range(q):
                    P1[layer, a * n + i, own + i * q + p] += D[layer, a, i, p]
        if layer > 0:
            for r in range(k * n):
                for j in range(B.shape[2]):
                    for c in range(own):  # the parameters of the layers below
                        P1[layer, r, c] += B[layer, r, j] * P1[layer - 1, j, c]
    for layer in range(layers):
        for r in range(k * n):
            for c in range(P.shape[2]):
                P[layer, r, c] = P1[layer, r, c]


@kernel
def joint_credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    P = carry[3]
    top, q = P.shape[0] - 1, grad.shape[1]
    for i in range(grad.shape[0]):
        for p in range(q):
            grad[i, p] = 0.0
            for r in range(e.shape[0]):
                grad[i, p] += e[r] * P[top, r, i * q + p]
    return True


def joint(cell: Cell, n: int, m: int, layers: int) -> Carry:
    """Exact RTRL of a stack."""
    k, q, outputs = sizes(cell, n, m)
    fields = (
        Field("learner.J", "real", (layers, k * n, k * (columns(cell, n, m) // cell.states(m)))),
        Field("learner.B", "real", (layers, k * n, outputs)),
        Field("learner.D", "real", (layers, k, n, q)),
        Field("learner.P", "real", (layers, k * n, layers * n * q)),
        Field("learner.P1", "real", (layers, k * n, layers * n * q)),
    )
    once = entries(cell, n, outputs)
    work = float((layers**2 * once + layers * (layers - 1) // 2 * k * n * outputs + layers * outputs) * n * q)
    return Carry(fields, joint_views, joint_local, joint_propagate, joint_credit, work)


@kernel
def spatial_views(
    ints: Array, real: Array, table: Array, first: int
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array]:
    return (
        vector(ints, table, first),
        cube(real, table, first + 1),
        cube(real, table, first + 2),
        tesseract(real, table, first + 3),
        tesseract(real, table, first + 4),
        matrix(real, table, first + 5),
        matrix(real, table, first + 6),
        matrix(real, table, first + 7),
    )


@kernel
def spatial_local(carry: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """The place of the coming step in the rings."""
    steps, J, B, D = carry[0], carry[1], carry[2], carry[3]
    layers = D.shape[0]
    slot = steps[0] % (J.shape[0] // layers) * layers
    return J[slot : slot + layers], B[slot : slot + layers], D


@kernel
def spatial_propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    steps, J, _B, D, E, E1, _delta, _rho = carry
    layers, k, n, q = D.shape
    window = J.shape[0] // layers
    now, last = steps[0] % window * layers, (steps[0] - 1) % window * layers
    for layer in range(layers):
        for a in range(k):
            for i in range(n):
                for p in range(q):
                    E[now + layer, a, i, p] = E[last + layer, a, i, p]
        trace(structure[layer * k : (layer + 1) * k], (J[now + layer], D[layer], E[now + layer], E1))
    steps[0] += 1


@kernel
def spatial_credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    """delta (K, k n) holds the errors that reach the present layer's outputs, one row a step back."""
    steps, J, B, D, E, _E1, delta, rho = carry
    layers, k, n, q = D.shape
    window, outputs = J.shape[0] // layers, B.shape[2]
    reach = min(steps[0], window)
    for i in range(grad.shape[0]):
        for p in range(q):
            grad[i, p] = 0.0
    for j in range(window):
        for r in range(k * n):
            delta[j, r] = 0.0
    for r in range(outputs):
        delta[0, r] = e[r]
    for layer in range(layers - 1, -1, -1):
        for r in range(k * n):
            rho[0, r] = 0.0
        for j in range(reach):
            slot = (steps[0] - 1 - j) % window * layers + layer
            for r in range(outputs):
                g = delta[j, r]
                for p in range(q):
                    grad[layer * n + r % n, p] += g * E[slot, r // n, r % n, p]
            if layer > 0:  # on to the layer below, and one step back through this one's memory
                for r in range(k * n):
                    rho[0, r] += delta[j, r]
                for c in range(outputs):
                    total = 0.0
                    for r in range(k * n):
                        total += B[slot, r, c] * rho[0, r]
                    delta[j, c] = total
                back(structure[layer * k : (layer + 1) * k], J[slot], rho[0], rho[1])
                for r in range(k * n):
                    rho[0, r] = rho[1, r]
    return True


def spatial(window: int, cell: Cell, n: int, m: int, layers: int) -> Carry:
    """Local traces with spatial backpropagation through `window` steps of the layers above."""
    k, q, outputs = sizes(cell, n, m)
    fields = (
        Field("learner.steps", "ints", (1,)),
        Field("learner.J", "real", (window * layers, k * n, k * (columns(cell, n, m) // cell.states(m)))),
        Field("learner.B", "real", (window * layers, k * n, outputs)),
        Field("learner.D", "real", (layers, k, n, q)),
        Field("learner.E", "real", (window * layers, k, n, q)),
        Field("learner.E1", "real", (k, q)),
        Field("learner.delta", "real", (window, k * n)),
        Field("learner.rho", "real", (2, k * n)),
    )
    once = entries(cell, n, outputs)
    blocks = sum(block != ZERO for row in cell.structure(outputs) for block in row)
    down = (layers - 1) * (once + k * n * outputs) + layers * outputs * q
    work = float(window * down + layers * blocks * n * q)
    return Carry(fields, spatial_views, spatial_local, spatial_propagate, spatial_credit, work)
