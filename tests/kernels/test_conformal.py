"""The coverage bound of quantile tracking: a statement about every sequence, so it is tested on hostile ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.kernels.conformal import quantile_track
from streamrnn.kernels.mixture import mixture_learn, mixture_weight

B = 8.0


def misses(scores, step, rate, q=2.0):
    count = 0
    for s in scores:
        missed = bool(s > q)
        count += missed
        q = quantile_track(q, missed, rate, step)
    return count / len(scores)


def hostile(step, rate, n=5000, q=2.0):
    """Always on the wrong side: misses while q is low, then hits while it is high."""
    out = []
    for i in range(n):
        s = B if (i // 500) % 2 == 0 else 0.0
        out.append(s)
    return out


SEQUENCES = {
    "always the largest": [B] * 3000,
    "always zero": [0.0] * 3000,
    "alternating blocks": hostile(0.05, 0.1),
    "noise": np.abs(np.random.default_rng(0).normal(size=5000)).clip(0, B).tolist(),
    "growing": np.linspace(0, B, 4000).tolist(),
    "shift of scale": [0.1] * 2000 + [B] * 2000,
}


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.5])
@pytest.mark.parametrize("step", [0.05, 0.5])
@pytest.mark.parametrize("name", SEQUENCES)
def test_misses_are_within_the_bound(name, step, rate):
    scores = SEQUENCES[name]
    assert abs(misses(scores, step, rate) - rate) <= (B + step) / (step * len(scores))


@given(st.lists(st.floats(0, B), min_size=1, max_size=200), st.floats(0.01, 1.0), st.floats(0.01, 0.5))
def test_the_bound_holds_for_any_sequence(scores, step, rate):
    assert abs(misses(scores, step, rate) - rate) <= (B + step) / (step * len(scores)) + 1e-12


def test_a_useless_expert_is_left_and_a_good_one_is_found():
    """Persistence errs by ±1, the model not at all: the mixture goes over to the model; and back when it turns bad."""
    rng = np.random.default_rng(0)
    records = np.zeros((2, 2))
    records[0] = 1.0
    share = 0.0
    for t in range(2000):
        change = rng.choice([-1.0, 1.0])
        says = change if t < 1000 else -change
        mixed = share * says
        for expert, forecast in enumerate((0.0, says)):
            mixture_learn(mixed - change, mixed - forecast, 0.9995, records[expert])
        a, b = (mixture_weight(r) for r in records)
        share = b / (a + b) if a + b else 0.0
        if t == 999:
            assert share > 0.99
    assert share < 0.35
