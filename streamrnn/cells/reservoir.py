"""Echo-state reservoir: a leaky cell that starts sparse, with a recurrent matrix of chosen spectral radius.

    s1 = λ ∘ s + (1 - λ) ∘ tanh(W s + V x + b)      λ_i = exp(-dt / τ_i)      max |eigenvalue of W| = radius

Kernels and theta are those of `leaky`; only the start differs. A radius below 1 lets old states fade, in practice: with
one λ for all, the eigenvalues of λ + (1 - λ) W then lie within the unit circle. Meant for a learner that leaves the
recurrent weights as they are; one that learns them fills in the zeros.

Source: Jaeger, The "Echo State" Approach to Analysing and Training Recurrent Neural Networks (GMD report 148, 2001);
Lukoševičius, A Practical Guide to Applying Echo State Networks (2012), §3.2.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from streamrnn._options import Option
from streamrnn._types import Array
from streamrnn.cells._contract import DENSE, Cell, blocks
from streamrnn.cells._times import log_uniform, spread
from streamrnn.cells.leaky import advance, leak, linearize, respond, width

OPTIONS = (
    Option("radius", 0.9, 0.0, 10.0, "largest modulus of an eigenvalue of the recurrent matrix"),
    Option("density", 0.2, 0.0, 1.0, "share of the units that one unit hears; at least one"),
    Option("shortest", 0.0, 0.0, 1e9, "time constant in seconds; 0 with longest 0: one typical interval for all units"),
    Option("longest", 0.0, 0.0, 1e9, "time constant in seconds; 0 with shortest 0: one typical interval for all units"),
)


@cache
def reservoir(radius: float = 0.9, density: float = 0.2, shortest: float = 0.0, longest: float = 0.0) -> Cell:
    """A reservoir of these proportions. Raises ModelError where the time constants are no range."""
    least, most, seconds = spread("cell reservoir", shortest, longest)
    if not seconds:
        most = least

    def start(n: int, m: int, generator: np.random.Generator) -> Array:
        theta = generator.normal(size=(n, width(n, m))) / np.sqrt(m + 1)
        hears = max(1, round(density * n))
        for row in theta:  # as many in each row: every unit hears one, so that there is a loop, and a radius to scale
            row[generator.permutation(n)[hears:]] = 0.0
        theta[:, :n] *= radius / np.abs(np.linalg.eigvals(theta[:, :n])).max()
        theta[:, -1] = np.log(log_uniform(least, most, n))
        return theta

    chosen = (("radius", radius), ("density", density), ("shortest", shortest), ("longest", longest))
    return Cell(
        "reservoir", "s1 = k * s + (1 - k) * tanh(W s + V x + b), k = exp(-dt / tau), W sparse, of given radius",
        "Jaeger, GMD report 148 (2001); Lukoševičius, A Practical Guide to Applying Echo State Networks (2012), 3.2",
        blocks((DENSE,)), width, advance, linearize, respond, start, timed=True, seconds=seconds, leak=leak,
        options=OPTIONS, make=reservoir, chosen=chosen,
    )  # fmt: skip


RESERVOIR = reservoir()
