"""Intervals that keep their promise by online conformal quantile tracking.

Source: Angelopoulos, Candès & Tibshirani, Conformal PID Control for Time Series Prediction (NeurIPS 2023), §2.1.
"""

from __future__ import annotations

from streamrnn._bind import kernel


@kernel
def quantile_track(q: float, missed: bool, miss_rate: float, step: float) -> float:
    """The next quantile estimate, q + step (missed - miss_rate).

    For scores in [0, b] and q started in [0, b], after T outcomes, whatever they are,
    |misses / T - miss_rate| ≤ (b + step) / (step T): a bound, not an average.
    """
    return q + step * ((1.0 if missed else 0.0) - miss_rate)
