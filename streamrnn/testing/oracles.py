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


def _complex_exp(a: Any) -> Any:
    return np.exp(a) if a.real <= 600.0 else type(a)(np.exp(600.0))


def _complex_expm1(a: Any) -> Any:
    return np.expm1(a)


def _complex_held(a: Any, dt: float) -> Any:
    f = 1.0 / (1.0 + np.exp(-a))
    return (1.0 - f**dt) / (1.0 - f)


TWINS: dict[str, Callable[..., Any]] = {
    "tanh": _complex_tanh,
    "sigmoid": lambda a: 0.5 * (1.0 + np.tanh(0.5 * a)),
    "relu": lambda a: a if a.real > 0.0 else 0.0 * a,
    "tanh_slope": lambda y: 1.0 - y * y,
    "relu_slope": lambda y: 1.0 if y.real > 0.0 else 0.0,
    "power": lambda z, dt: z**dt,
    "exp": _complex_exp,
    "expm1": _complex_expm1,
    "held": _complex_held,
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


def step(cell: Cell, theta: Array, x: Array, s: Array, dt: float = 1.0) -> Array:
    """The next state by the cell's twin: complex in, complex out."""
    s1 = np.zeros_like(s, dtype=complex)
    complex_twin(cell.advance)(theta.astype(complex), x.astype(complex), dt, s.astype(complex), s1)
    return s1


def trajectory_gradient(cell: Cell, theta: Floats, xs: Floats, es: Floats, dts: Floats, layers: int = 1) -> Floats:
    """∂(Σ_t e_t · output_t)/∂theta through all of time, by the complex step.

    xs (T, m) inputs, es (T, seen n) weights of the output in the loss, dts (T,) lengths of the steps; the state starts
    from 0. With several layers theta (layers n, q) holds those of the lowest first, rows padded at the end.
    """
    twin = complex_twin(cell.advance)
    n, m, outputs = theta.shape[0] // layers, xs.shape[1], cell.seen * (theta.shape[0] // layers)

    def loss(parameters: Array) -> Array:
        states = [np.zeros((cell.states(m if at == 0 else outputs), n), complex) for at in range(layers)]
        total = 0.0j
        for x, e, dt in zip(xs, es, dts, strict=True):
            z = x.astype(complex)
            for at in range(layers):
                s1 = np.zeros_like(states[at])
                twin(parameters[at * n : (at + 1) * n], z, dt, states[at], s1)
                states[at] = s1
                z = s1[: cell.seen].reshape(-1)
            total += e @ z
        return np.array(total)

    return derivative(loss, theta)


def backpropagation(cell: Cell, theta: Floats, xs: Floats, es: Floats, dts: Floats) -> Floats:
    """The same gradient by full backpropagation through time: Jacobians of each step, then the adjoint backwards."""
    k, n = cell.states(xs.shape[1]), theta.shape[0]
    s = np.zeros((k, n))
    jacobians, directs = [], []
    for x, dt in zip(xs, dts, strict=True):
        before = s
        s = step(cell, theta, x, before, dt).real
        jacobians.append(derivative(partial(step, cell, theta, x, dt=dt), before).reshape(k * n, k * n))
        of_theta = partial(_step_of_theta, cell, x, before, dt)
        directs.append(derivative(of_theta, theta).reshape(k * n, *theta.shape))
    delta, grad = np.zeros(k * n), np.zeros_like(theta)
    for J, D, e in zip(reversed(jacobians), reversed(directs), es[::-1], strict=True):
        delta[: len(e)] += e
        grad += np.tensordot(delta, D, 1)
        delta = J.T @ delta
    return grad


def _step_of_theta(cell: Cell, x: Array, s: Array, dt: float, theta: Array) -> Array:
    return step(cell, theta, x, s, dt)


def ridge(features: Floats, targets: Floats, penalty: float) -> Floats:
    """argmin_w ‖F w - y‖² + penalty ‖w‖²."""
    n = features.shape[1]
    return np.asarray(np.linalg.solve(features.T @ features + penalty * np.eye(n), features.T @ targets), np.float64)
