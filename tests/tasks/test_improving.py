"""How the cell's weights move inside the whole loop: clipping, random feedback, guards."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector, Forecaster

ROWS = 400


def wave(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    return (np.sin(np.arange(rows) / 7) + 0.1 * rng.normal(size=rows))[:, None]


def seconds(rows=ROWS, start=1):
    return (start + np.arange(rows)) * 10**9


def moved(rows=ROWS, **choices):
    """The largest step of the weights in one row, and how far they went in all."""
    model, x, t = Forecaster(update="sgd", **choices), wave(rows), seconds(rows)
    first, steps = model.arena["net.theta"].copy(), []
    for i in range(rows):
        before = model.arena["net.theta"].copy()
        model.run(t[i : i + 1], x[i : i + 1])
        steps.append(np.linalg.norm(model.arena["net.theta"] - before))
    return max(steps), np.linalg.norm(model.arena["net.theta"] - first)


def test_no_step_is_longer_than_the_clipped_gradient():
    free, _ = moved(learning_rate=0.5)
    clipped, far = moved(learning_rate=0.5, clip_gradient=1e-3)
    assert clipped == pytest.approx(0.5e-3, rel=1e-9), "the bound is reached, and kept"
    assert free > 10 * clipped
    assert far > clipped


def test_a_gradient_within_the_bound_is_left_alone():
    assert moved(learning_rate=0.5) == moved(learning_rate=0.5, clip_gradient=1e6)


@pytest.mark.parametrize("readout", ["rls", "idbd"])
def test_an_outlier_moves_the_weights_by_no_more_than_the_error_clip_allows(readout):
    x, t = wave(), seconds()
    x[300] += 5.0
    steps = []
    for clip in (3.0, 0.0):
        model = Forecaster(update="sgd", learning_rate=0.1, clip_error=clip, readout=readout)
        model.run(t[:300], x[:300])
        before = [model.arena[name].copy() for name in ("net.theta", "weights")]
        model.run(t[300:301], x[300:301])
        after = [model.arena[name] for name in ("net.theta", "weights")]
        steps.append([np.linalg.norm(a - b) for a, b in zip(after, before, strict=True)])
    clipped, free = np.array(steps)
    assert (clipped > 0.0).all()
    assert (free > 2.0 * clipped).all()


def test_errors_of_rflo_come_back_through_its_random_weights():
    x, t = wave(), seconds()
    steps = {}
    for scale in (0.0, 1.0, 2.0):
        model = Forecaster(cell="gru", learner="rflo", update="sgd", learning_rate=1e-3)
        model.arena["net.feedback"][:] *= scale
        model.run(t[:30], x[:30])
        if scale == 1.0:
            assert (model.arena["net.feedback"] != 0.0).all()
        steps[scale] = (
            model.arena["net.theta"] - Forecaster(cell="gru", learner="rflo", update="sgd").arena["net.theta"]
        )
    assert not steps[0.0].any(), "with no way back nothing is learned, whatever the readout's weights are"
    assert np.linalg.norm(steps[2.0] - 2.0 * steps[1.0]) < 0.05 * np.linalg.norm(steps[2.0])


def test_the_audit_of_rflo_judges_what_rflo_does():
    """The traces of an elstm are exact; the way back is not, and the audit says so."""
    x, t = wave(6000), seconds(6000)
    found = {}
    for learner in ("eprop", "rflo"):
        model = Forecaster(cell="elstm", learner=learner, update="rmsprop", audit=True, learning_rate=1e-9)
        model.run(t, x)
        found[learner] = model.gradient_cosine
    assert found["eprop"] > 0.99
    assert abs(found["rflo"]) < 0.9


def test_the_audit_outlives_a_net_that_ran_away():
    x, t = wave(3000), seconds(3000)
    model = Forecaster(cell="elman_relu", audit=True)
    model.run(t[:1000], x[:1000])
    kept = model.arena["net.theta"].copy()
    model.arena["net.theta"][:, :8] = 2.0  # over the border of stability
    model.run(t[1000:1040], x[1000:1040])
    assert model.guarded > 0
    model.arena["net.theta"][:] = kept
    model.run(t[1040:], x[1040:])
    assert model.gradient_cosine > 0.95


@pytest.mark.parametrize("cell", ["lru", "elman_relu"])
def test_weights_that_keep_running_away_are_brought_back(cell):
    x, t = wave(4000), seconds(4000)
    model = Detector(cell=cell)
    model.run(t[:1000], x[:1000])
    model.arena["net.theta"][:] *= 1e4
    model.run(t[1000:2000], x[1000:2000])
    settled = model.guarded
    assert settled > 3, "nothing ran away: the test could not fail"
    rows = model.run(t[2000:], x[2000:])
    assert model.guarded == settled
    assert np.isfinite(rows.forecast).all()
