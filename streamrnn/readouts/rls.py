"""Recursive least squares: direct heads for every horizon and channel that share one covariance.

The gain K of a row depends on its features alone, so it is computed once when the row is seen and kept until the last
of its targets has come; head (h, c) then takes W ← W + K (target - W f), h rows later, with the very gain that it would
have had without the delay. With keep = 1 and no target missing, each head is the ridge regression on the rows whose
targets are known.
Cost: 1.5 F² for the covariance, 2 H C F for the heads. Source: Haykin, Adaptive Filter Theory, ch. 10; kernels.ud.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamrnn._bind import kernel
from streamrnn._types import Array
from streamrnn.kernels.scalar import clip
from streamrnn.kernels.ud import dot


@kernel
def head_error(target: float, f: Array, w: Array) -> float:
    """target - wᵀ f."""
    return target - dot(w, f, f.shape[0])


@kernel
def head_learn(error: float, bound: float, K: Array, w: Array) -> None:
    """w ← w + K error, the error clipped to ±bound. bound = inf is plain least squares."""
    e = clip(error, bound)
    for i in range(w.shape[0]):
        w[i] += K[i] * e


@dataclass(frozen=True)
class Readout:
    """What is said of the state, for `explain`."""

    name: str
    equation: str
    source: str


RLS = Readout("rls", "W <- W + K (target - W f), K = P f / (keep + f' P f), P = U diag(d) U'",
              "Haykin, Adaptive Filter Theory, chapter 10; Bierman 1977, section V.3")  # fmt: skip
