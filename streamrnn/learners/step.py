"""Templates of one step of a net: advance the cell, write its derivatives where the learner wants them, propagate.

A net of one layer and a stack of layers differ in `derive` and `follow` alone. The engine binds `step` whole; Network,
which is stepped by hand, calls the parts one after the other: then nothing is compiled for a pair of cell and learner.
"""

from __future__ import annotations

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.cells._contract import advance, linearize, respond


def local(carry: tuple[Array, ...]) -> tuple[Array, ...]:
    """Stand-in for the learner's `local`."""
    raise TypeError("unbound")


def propagate(structure: Array, carry: tuple[Array, ...]) -> None:
    """Stand-in for the learner's `propagate`."""
    raise TypeError("unbound")


def derive(theta: Array, x: Array, dt: float, s: Array, s1: Array, places: tuple[Array, ...]) -> None:
    """Stand-in for `one_layer` or `stacked_layers`, bound to a cell."""
    raise TypeError("unbound")


def follow(structure: Array, places: tuple[Array, ...], probe: tuple[Array, ...]) -> None:
    """Stand-in for the audit's `follow_layer` or `follow_stack`."""
    raise TypeError("unbound")


def one_layer(theta: Array, x: Array, dt: float, s: Array, s1: Array, places: tuple[Array, ...]) -> None:
    """The next state, and J and D of the step. theta (n, q), s (k, n)."""
    J, D = places
    advance(theta, x, dt, s, s1)
    linearize(theta, x, dt, s, s1, J, D)


def stacked_layers(theta: Array, x: Array, dt: float, s: Array, s1: Array, places: tuple[Array, ...]) -> None:
    """The same for a stack in which layer l takes the new output of layer l - 1: J, B and D of each layer.

    theta (L n, q), s (L k, n), J (L, k n, k n), B (L, k n, seen n), D (L, k, n, q); B[0] is left alone.
    """
    J, B, D = places
    layers, k, n, _q = D.shape
    outputs = B.shape[2] // n
    for layer in range(layers):
        weights = theta[layer * n : (layer + 1) * n]
        before, after = s[layer * k : (layer + 1) * k], s1[layer * k : (layer + 1) * k]
        if layer == 0:
            advance(weights, x, dt, before, after)
            linearize(weights, x, dt, before, after, J[layer], D[layer])
        else:
            z = s1[(layer - 1) * k : (layer - 1) * k + outputs].reshape(outputs * n)
            advance(weights, z, dt, before, after)
            linearize(weights, z, dt, before, after, J[layer], D[layer])
            respond(weights, z, dt, before, after, B[layer])


@kernel
def settle(s: Array, s1: Array) -> None:
    """s ← s1."""
    for a in range(s.shape[0]):
        for i in range(s.shape[1]):
            s[a, i] = s1[a, i]


def step(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """One step, with learning."""
    places = local(carry)
    derive(theta, x, dt, s, s1, places)
    propagate(structure, carry)
    settle(s, s1)


def audited_step(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """One step, with learning and the gradient audit's probe."""
    places = local(carry)
    derive(theta, x, dt, s, s1, places)
    follow(structure, places, probe)
    propagate(structure, carry)
    settle(s, s1)


def still_step(
    theta: Array, x: Array, dt: float, s: Array, s1: Array, structure: Array, carry: tuple[Array, ...],
    probe: tuple[Array, ...],
) -> None:  # fmt: skip
    """One step of a net whose recurrent weights stay as they are."""
    advance(theta, x, dt, s, s1)
    settle(s, s1)
