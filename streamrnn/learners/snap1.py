"""SnAp-1: RTRL that keeps only the influence of a unit's parameters on that unit. Biased, no variance.

Source: Menick et al., A Practical Sparse Approximation for Real Time Recurrent Learning (ICLR 2021), §3.
"""

from __future__ import annotations

from streamrnn.learners._contract import Learner, on_diagonal
from streamrnn.learners.traces import traces

SNAP1 = Learner(
    "snap1", "E[i] <- J[i, i] E[i] + D[i], grad[i] = e[i] E[i]",
    "about that of the forward pass; n q numbers kept",
    "Menick et al., A Practical Sparse Approximation for Real Time Recurrent Learning, ICLR 2021, section 3",
    traces, on_diagonal,
)  # fmt: skip
