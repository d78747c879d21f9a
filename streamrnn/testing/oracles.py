"""References that kernels are held against: written for clarity, in NumPy, with no regard for speed.

Derivatives come from the complex step: for analytic f, Im f(x + i h) / h is f'(x) with no cancellation, so that h can
be 1e-30 and the result is exact to rounding (Squire & Trapp, SIAM Review 40, 1998).
"""

from __future__ import annotations

import cmath
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from streamrnn._bind import python_function
from streamrnn._types import Array, Floats
from streamrnn.cells import Cell

H = 1e-30
SCALAR_KERNELS = "streamrnn.kernels.scalar"


def _complex_tanh(a: Any) -> Any:
    return np.tanh(a)


def _complex_clip(a: Any, bound: float) -> Any:
    return a if abs(a.real) <= bound else type(a)(np.copysign(bound, a.real))


TWINS: dict[str, Callable[..., Any]] = {
    "tanh": _complex_tanh,
    "sigmoid": lambda a: 0.5 * (1.0 + np.tanh(0.5 * a)),
    "relu": lambda a: a if a.real > 0.0 else 0.0 * a,
    "tanh_slope": lambda y: 1.0 - y * y,
    "relu_slope": lambda y: 1.0 if y.real > 0.0 else 0.0,
    "clip": _complex_clip,
}
"""For each scalar kernel the same function of a complex number, analytic where the kernel is."""


def complex_twin(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel as a plain Python function that computes with complex numbers, and so do all kernels it calls.

    A kernel that compares numbers by itself instead of calling streamrnn.kernels.scalar cannot be twinned.
    """
    function = python_function(kernel)
    if function.__module__ == SCALAR_KERNELS:
        return TWINS[function.__name__]
    scope = dict(function.__globals__)
    for name in set(function.__code__.co_names) & set(scope):
        value = scope[name]
        inner = getattr(value, "py_func", value)
        if isinstance(inner, types.FunctionType) and "__digest__" in inner.__dict__:
            scope[name] = complex_twin(value)
        elif isinstance(value, types.ModuleType) and value.__name__ == "math":
            scope[name] = cmath
    return types.FunctionType(function.__code__, scope, function.__name__)


def derivative(function: Callable[[Array], Array], at: Floats) -> Floats:
    """Jacobian of a function of an array: shape (*f(at).shape, *at.shape)."""
    columns = []
    for index in np.ndindex(*at.shape):
        z = at.astype(complex)
        z[index] += 1j * H
        columns.append(np.asarray(function(z)).imag / H)
    return np.moveaxis(np.array(columns), 0, -1).reshape(columns[0].shape + at.shape)


def step(cell: Cell, theta: Array, x: Array, s: Array) -> Array:
    """The next state by the cell's twin: complex in, complex out."""
    s1 = np.zeros_like(s, dtype=complex)
    complex_twin(cell.advance)(theta.astype(complex), x.astype(complex), s.astype(complex), s1)
    return s1


def _step_of_theta(cell: Cell, x: Array, s: Array, theta: Array) -> Array:
    return step(cell, theta, x, s)


def trajectory_gradient(cell: Cell, theta: Floats, xs: Floats, es: Floats) -> Floats:
    """∂(Σ_t e_t · s_t[0])/∂theta through all of time, by the complex step.

    xs (T, m) inputs, es (T, n) weights of the output in the loss; the state starts from 0.
    """
    twin = complex_twin(cell.advance)
    k, n = cell.states, theta.shape[0]

    def loss(parameters: Array) -> Array:
        s, s1, total = np.zeros((k, n), complex), np.zeros((k, n), complex), 0.0j
        for x, e in zip(xs, es, strict=True):
            twin(parameters, x.astype(complex), s, s1)
            s, s1 = s1, s
            total += e @ s[0]
        return np.array(total)

    return derivative(loss, theta)


def backpropagation(cell: Cell, theta: Floats, xs: Floats, es: Floats) -> Floats:
    """The same gradient by full backpropagation through time: Jacobians of each step, then the adjoint backwards."""
    k, n = cell.states, theta.shape[0]
    s = np.zeros((k, n))
    jacobians, directs = [], []
    for x in xs:
        before = s
        s = step(cell, theta, x, before).real
        jacobians.append(derivative(partial(step, cell, theta, x), before).reshape(k * n, k * n))
        directs.append(derivative(partial(_step_of_theta, cell, x, before), theta).reshape(k * n, *theta.shape))
    delta, grad = np.zeros(k * n), np.zeros_like(theta)
    for J, D, e in zip(reversed(jacobians), reversed(directs), es[::-1], strict=True):
        delta[:n] += e
        grad += np.tensordot(delta, D, 1)
        delta = J.T @ delta
    return grad


def sigmoid(a: Array) -> Array:
    """1 / (1 + e^-a)."""
    return 1.0 / (1.0 + np.exp(-a))


def elman(theta: Array, x: Array, s: Array) -> Array:
    n, m = s.shape[1], len(x)
    return np.tanh(theta[:, :n] @ s[0] + theta[:, n : n + m] @ x + theta[:, -1])[None]


def elman_relu(theta: Array, x: Array, s: Array) -> Array:
    n, m = s.shape[1], len(x)
    return np.maximum(theta[:, :n] @ s[0] + theta[:, n : n + m] @ x + theta[:, -1], 0.0)[None]


def indrnn(theta: Array, x: Array, s: Array) -> Array:
    return np.tanh(theta[:, 0] * s[0] + theta[:, 1:-1] @ x + theta[:, -1])[None]


def gru(theta: Array, x: Array, s: Array) -> Array:
    n, w = s.shape[1], s.shape[1] + len(x) + 1
    hx1, x1 = np.concatenate([s[0], x, [1.0]]), np.concatenate([x, [1.0]])
    r, z = sigmoid(theta[:, :w] @ hx1), sigmoid(theta[:, w : 2 * w] @ hx1)
    candidate = theta[:, 2 * w : 2 * w + n] @ s[0] + theta[:, 3 * w]
    c = np.tanh(r * candidate + theta[:, 2 * w + n : 3 * w] @ x1)
    return ((1.0 - z) * c + z * s[0])[None]


def lstm(theta: Array, x: Array, s: Array) -> Array:
    n, w = s.shape[1], s.shape[1] + len(x) + 1
    i, f, g, o = (theta.reshape(n, 4, w) @ np.concatenate([s[0], x, [1.0]])).T
    c = sigmoid(f) * s[1] + sigmoid(i) * np.tanh(g)
    return np.array([sigmoid(o) * np.tanh(c), c])


STEPS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "elman": elman, "elman_relu": elman_relu, "indrnn": indrnn, "gru": gru, "lstm": lstm,
}  # fmt: skip
"""Each of our cells written a second time, in matrix form: (theta, x, s) → s1."""


def ridge(features: Floats, targets: Floats, penalty: float) -> Floats:
    """argmin_w ‖F w - y‖² + penalty ‖w‖²."""
    n = features.shape[1]
    return np.asarray(np.linalg.solve(features.T @ features + penalty * np.eye(n), features.T @ targets), np.float64)
