"""Causal recursive backpropagation: exact traces inside each layer, backpropagation from layer to layer.

For a stack of layers, where exact RTRL costs L² times that of one: each layer keeps traces of its own, and an error
goes down through the layers above and the last K steps of their memory (learners.stacked, `spatial`). K = 1 is the
local rule for stacked recurrent layers; with growing K the gradient of a stack of locally recurrent layers becomes
exact. For one layer nothing is left to backpropagate: then it is SnAp-1, exact for a locally recurrent layer.
Source: Campolucci, Uncini, Piazza & Rao, IEEE Transactions on Neural Networks 10 (1999), section IV.
"""

from __future__ import annotations

from functools import cache, partial

from streamrnn._options import Option
from streamrnn.learners._contract import Learner, on_diagonal
from streamrnn.learners.stacked import spatial
from streamrnn.learners.traces import traces


@cache
def crbp(window: int = 4) -> Learner:
    """CRBP whose errors go back through `window` steps of each layer above."""
    return Learner(
        "crbp", "traces within a layer; delta[l-1] = B[l]' rho, rho <- J[l]' rho over the last K steps between layers",
        "K (n^2 + n q) a layer and step; K (n^2 + n q) numbers kept",
        "Campolucci, Uncini, Piazza & Rao, IEEE Transactions on Neural Networks 10 (1999), section IV",
        traces, on_diagonal, stack=partial(spatial, window),
        options=(Option("window", 4, 1, 1024, "steps of the layers above that an error goes back through"),),
        make=crbp, chosen=(("window", window),),
    )  # fmt: skip


CRBP = crbp()
