"""Network, stepped by hand: what it refuses, and a user's own loop."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Model, Network
from streamrnn.errors import InputError, ModelError


def made(update="sgd", **more):
    return Network(Model.named("elman", "rtrl", update, n=3, m=2, **more))


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf])
def test_a_step_needs_a_length(dt):
    with pytest.raises(InputError, match="a step has a length"):
        made().advance(np.zeros(2), dt)


def test_an_update_is_used_as_it_is_meant():
    with pytest.raises(ModelError, match=r"dekf follows the innovation.*Call correct\(\)"):
        made("dekf").apply(0.1)
    with pytest.raises(ModelError, match=r"sgd follows the gradient.*Call apply\(\)"):
        made("sgd").correct(0.5)


@pytest.mark.parametrize("output", [-1, 2])
def test_an_output_has_to_be_there(output):
    with pytest.raises(InputError, match=r"no such output .*expected 0 to 1"):
        made("dekf", outputs=2).correct(0.5, output=output)


@pytest.mark.parametrize("wrong", [{"outputs": 0}, {"layers": 0}, {"n": 0}, {"m": 0}])
def test_a_model_needs_sizes(wrong):
    with pytest.raises(ModelError, match="a net cannot have this many"):
        Model.named("elman", "rtrl", "sgd", **({"n": 3, "m": 2} | wrong))


def test_a_loop_of_ones_own_learns():
    """Half the squared error of a fixed readout, by exact gradients and Adam."""
    net, w, errors = made("adam"), np.array([0.5, -0.4, 0.3]), []
    for i in range(3000):
        net.advance(np.array([np.sin(i / 6), 1.0]))
        error = w @ net.output - 0.5 * np.sin((i + 3) / 6)
        net.credit(error * w)
        net.apply(3e-3)
        errors.append(error**2)
    assert np.mean(errors[-500:]) < 0.05 * np.mean(errors[:100])
