"""Stacks of layers: exact RTRL over the joint state, and causal recursive backpropagation between layers."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector, cells, learners, updates
from streamrnn.errors import ModelError
from streamrnn.learners.audit import DIRECTION, TANGENT
from streamrnn.learners.crbp import crbp
from streamrnn.model import Model, Network
from streamrnn.testing import oracles
from streamrnn.testing.recurrence import DTS, EXACT, cosine, relative

N, M = 4, 2
DIAGONAL = ["indrnn", "elstm", "mingru", "lru", "rtu", "iir"]


def stack(cell, learner, layers, audited=False):
    """A stack, its random weights, inputs and loss weights."""
    model = Model(cells.get(cell), learner, updates.get("sgd"), N, M, layers, audited=audited)
    net = Network(model)
    generator = np.random.default_rng(5)
    net.theta[:] += 0.2 * generator.normal(size=net.theta.shape) * (net.theta != 0.0)
    return net, generator.normal(size=(len(DTS), M)), generator.normal(size=(len(DTS), model.seen))


def total_gradient(net, xs, es):
    total = np.zeros_like(net.theta)
    for x, e, dt in zip(xs, es, DTS, strict=True):
        net.advance(x, dt)
        total += net.credit(e)
    return total


def exact_gradient(net, xs, es):
    m = net.model
    return oracles.trajectory_gradient(m.cell, net.theta.copy(), xs, es, DTS, m.layers)


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("cell", list(cells.OWN))
def test_rtrl_of_a_stack_is_exact(cell, layers):
    net, xs, es = stack(cell, learners.get("rtrl"), layers)
    assert relative(total_gradient(net, xs, es), exact_gradient(net, xs, es)) <= EXACT


@pytest.mark.parametrize("cell", DIAGONAL)
def test_crbp_becomes_exact_as_its_window_grows(cell):
    """Locally recurrent layers: two of them, so that one way between layers is cut (Campolucci et al. 1999)."""
    errors = []
    for window in (1, 2, 4, 8, len(DTS)):
        net, xs, es = stack(cell, crbp(window), 2)
        errors.append(relative(total_gradient(net, xs, es), exact_gradient(net, xs, es)))
    assert errors[0] > 1e-3, "nothing was cut: the test could not fail"
    assert errors[-1] <= EXACT
    assert errors[3] < errors[0]


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", *DIAGONAL])
def test_local_traces_with_spatial_backpropagation_point_the_right_way(cell):
    net, xs, es = stack(cell, crbp(1), 3)
    assert cosine(total_gradient(net, xs, es), exact_gradient(net, xs, es)) > 0.3


def test_crbp_of_one_layer_is_snap1():
    nets = [stack("elstm", learner, 1) for learner in (crbp(3), learners.get("snap1"))]
    np.testing.assert_array_equal(*(total_gradient(*parts) for parts in nets))


def test_the_probe_of_a_stack_is_the_exact_directional_derivative():
    """With the exact learner, g v from the gradient and e d from the probe are one number."""
    net, xs, es = stack("gru", learners.get("rtrl"), 3, audited=True)
    compared = 0
    for x, e, dt in zip(xs, es, DTS, strict=True):
        net.advance(x, dt)
        top = net.arena["audit.u"][TANGENT].reshape(net.model.layers, -1)[-1, : len(e)]
        direction = net.arena["audit.grads"][DIRECTION].reshape(net.theta.shape)
        assert e @ top == pytest.approx((net.credit(e) * direction).sum(), rel=1e-10)
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("learner", ["rtrl", "crbp"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "lru", "iir"])
def test_a_detector_of_a_stack_learns_and_continues_from_a_snapshot(cell, learner):
    x = np.sin(np.arange(900) / 5.0)[:, None]
    t = np.arange(1, 901) * 10**9
    model = Detector(cell=cell, learner=learner, layers=2, units=4)
    model.run(t[:600], x[:600])
    kept = model.snapshot()
    first = model.run(t[600:], x[600:]).forecast
    model.restore(kept)
    np.testing.assert_array_equal(model.run(t[600:], x[600:]).forecast, first)
    assert np.abs(first[:-1, 0] - x[601:]).mean() < 0.02
    assert model.guarded == 0


def test_a_learner_without_a_form_for_stacks_is_refused_and_what_fits_is_named():
    with pytest.raises(ModelError, match=r"snap1 cannot serve the cell gru: .*stack.*2 layers.*rtrl.*crbp"):
        Detector(cell="gru", learner="snap1", layers=2)
