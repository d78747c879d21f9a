"""The example: a pole is balanced from reward alone, and not without memory."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def cartpole():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield importlib.import_module("cartpole")


def held_out(capsys):
    """k of "balanced 500 steps in k of 100", and the mean steps."""
    last = capsys.readouterr().out.splitlines()[-1]
    found = re.fullmatch(r"held out: balanced 500 steps in (\d+) of 100; mean ([\d.]+), worst \d+", last)
    return int(found[1]), float(found[2])


@pytest.mark.parametrize("persistent", [[], ["--persistent"]])
def test_the_pole_is_balanced_with_memory_and_not_without(cartpole, capsys, persistent):
    assert cartpole.main(["--seed", "0", *persistent]) == 0
    balanced, _mean = held_out(capsys)
    assert balanced >= 95
    assert cartpole.main(["--seed", "0", "--memoryless", "--generations", "100", *persistent]) == 1
    balanced, mean = held_out(capsys)
    assert balanced == 0
    assert mean < 100


def test_equal_seeds_give_equal_runs(cartpole):
    first, second = (cartpole.by_segments(cartpole.World("elman", True, 3)) for _ in range(2))
    for _ in range(5):
        np.testing.assert_array_equal(next(first).snapshot(), next(second).snapshot())


def test_the_pole_moves_as_lagrange_says(cartpole):
    """(M + m) ẍ + m l φ̈ cos φ = F + m l φ̇² sin φ and m l ẍ cos φ + 4/3 m l² φ̈ = m g l sin φ."""
    m, half = cartpole.POLE, cartpole.HALF
    for angle, spin, force in np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 2.0, 10.0]:
        mass = [[cartpole.CART + m, m * half * np.cos(angle)], [m * half * np.cos(angle), 4 / 3 * m * half**2]]
        pull = [force + m * half * spin**2 * np.sin(angle), m * cartpole.GRAVITY * half * np.sin(angle)]
        found = cartpole.accelerations(angle, spin, force)
        np.testing.assert_allclose(found, np.linalg.solve(mass, pull), rtol=1e-12, atol=1e-12)


def test_an_episode_may_be_lived_in_segments(cartpole):
    world = cartpole.World("gru", True, 0)
    theta = np.random.default_rng(1).normal(size=world.parameters().shape)
    for start in world.starts(cartpole.FRESH, 0, 20):
        whole = world.live(theta, start.copy(), world.states(1)[0], 500)
        body, s = start.copy(), world.states(1)[0]
        assert sum(world.live(theta, body, s, 7) for _ in range(72)) == whole
        assert cartpole.fallen(body) == (whole < 500)
