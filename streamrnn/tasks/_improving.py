"""How the cell's weights move when a row has come: templates over the learner's `credit` and the update's `apply`.

by_gradient     along the slope of the squared error
by_innovation   by the error, and the slope of the forecast
"""

from __future__ import annotations

import math

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.learners.audit import compare
from streamrnn.tasks._layout import CLIP_GRADIENT, GATES, GUARDED, HEARD, RAN_AWAY, RATE, TAPS

LARGEST_GRADIENT = 1e15
SOON = 1000  # rows
GATHERS = 0  # stand-in for whether the learner is to be asked at every step


def credit(structure: Array, e: Array, carry: tuple[Array, ...], grad: Array) -> bool:
    """Stand-in for the learner's gradient."""
    raise TypeError("unbound")


def apply_gradient(rate: float, grad: Array, memory: tuple[Array, ...], theta: Array) -> None:
    """Stand-in for the step of an update that follows the gradient."""
    raise TypeError("unbound")


def apply_innovation(
    rate: float, output: int, first: bool, error: float, H: Array, memory: tuple[Array, ...], theta: Array
) -> None:
    """Stand-in for the step of an update that follows the innovation."""
    raise TypeError("unbound")


@kernel
def all_within(a: Array, bound: float) -> bool:
    """Every entry of a (2-D) is finite and within ±bound."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if not abs(a[i, j]) <= bound:
                return False
    return True


@kernel
def ran_away(rows: int, clock: Array, theta: Array) -> None:
    """Count that state or gradient ran away. Soon again: it is the weights, and they would do it for ever, so bring
    them halfway to 0; those that are not finite all the way."""
    clock[GUARDED] += 1
    again = rows - clock[RAN_AWAY] <= SOON
    clock[RAN_AWAY] = rows
    if not again:
        return
    for i in range(theta.shape[0]):
        for p in range(theta.shape[1]):
            theta[i, p] = 0.5 * theta[i, p] if abs(theta[i, p]) < math.inf else 0.0


@kernel
def shorten(grad: Array, bound: float) -> None:
    """grad ← grad min(1, bound / ‖grad‖)."""
    total = 0.0
    for i in range(grad.shape[0]):
        for p in range(grad.shape[1]):
            total += grad[i, p] * grad[i, p]
    size = math.sqrt(total)
    if size > bound:
        for i in range(grad.shape[0]):
            for p in range(grad.shape[1]):
                grad[i, p] *= bound / size


@kernel
def towards(
    size: float, taps: int, heard: int, gates: int, f: Array, weights: Array, feedback: Array, e: Array
) -> None:
    """e = size times the way back from the error to the state: by the one-step head's weights, or by fixed ones.

    A head says Σ_i s_i (w_i + Σ_g w_ig f_g) of the state s, with the levels f_g of the row that it was asked from.
    """
    n = e.shape[0]
    if feedback.shape[0] > 0:
        for i in range(n):
            e[i] = size * feedback[0, i]
        return
    level, other = n + taps, n + taps + 4
    products = other + 2 * heard
    for i in range(n):
        slope = weights[0, i] + weights[0, products + i] * f[level]
        for g in range(1, gates):
            slope += weights[0, products + g * n + i] * f[other + 2 * (g - 1)]
        e[i] = size * slope


def by_gradient(
    miss: float, some: bool, places: Array, hyper: Array, f: Array, weights: Array, feedback: Array,
    structure: Array, e: Array, carry: tuple[Array, ...], memory: tuple[Array, ...], probe: tuple[Array, ...],
    grad: Array, theta: Array,
) -> bool:  # fmt: skip
    """Follow ∂(half the squared one-step error)/∂theta; False where it has run away."""
    if not some and GATHERS == 0:
        return True
    towards(-miss if some else 0.0, places[TAPS], places[HEARD], places[GATES], f, weights, feedback, e)
    if not credit(structure, e, carry, grad):
        return True
    if not all_within(grad, LARGEST_GRADIENT):
        return False
    if probe[1].shape[1] > 0:
        if feedback.shape[0] > 0:  # judged by the slope that the errors should have come back with
            towards(-miss, places[TAPS], places[HEARD], places[GATES], f, weights, feedback[:0], e)
        compare(e, grad, probe)
    if hyper[CLIP_GRADIENT] > 0.0:
        shorten(grad, hyper[CLIP_GRADIENT])
    apply_gradient(hyper[RATE], grad, memory, theta)
    return True


def by_innovation(
    miss: float, some: bool, places: Array, hyper: Array, f: Array, weights: Array, feedback: Array,
    structure: Array, e: Array, carry: tuple[Array, ...], memory: tuple[Array, ...], probe: tuple[Array, ...],
    grad: Array, theta: Array,
) -> bool:  # fmt: skip
    """The error, and the slope of the one-step forecast; False where that has run away."""
    if not some:
        return True
    towards(1.0, places[TAPS], places[HEARD], places[GATES], f, weights, feedback, e)
    if not credit(structure, e, carry, grad):
        return True
    if not all_within(grad, LARGEST_GRADIENT):
        return False
    if probe[1].shape[1] > 0:
        compare(e, grad, probe)
    apply_innovation(hyper[RATE], 0, True, miss, grad, memory, theta)
    return True
