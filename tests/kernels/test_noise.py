"""The noise: published answers of Philox, and the moments of what is made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamrnn._bind import python_function
from streamrnn.kernels.noise import high, low, normal, philox, sign, uniform

KNOWN = [
    (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (-1, -1, -1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),  # all bits of key and counter set
    (
        0x299F31D0A4093822,  # key: digits of pi, as in the authors' list of known answers
        0x0370734413198A2E,
        0x85A308D3243F6A88 - (1 << 64),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("seed", "step", "index", "expected"), KNOWN)
def test_philox_gives_the_known_answers(seed, step, index, expected):
    assert philox(seed, step, index) == expected
    assert python_function(philox)(seed, step, index) == expected


def test_products_of_32_bit_numbers_have_64():
    generator = np.random.default_rng(0)
    for a, b in [(0xFFFFFFFF, 0xFFFFFFFF), (0, 5), *generator.integers(0, 1 << 32, (200, 2)).tolist()]:
        assert high(a, b) == a * b >> 32
        assert low(a, b) == a * b & 0xFFFFFFFF


COUNT = 100_000


def test_uniform_numbers_have_the_moments_and_no_ends():
    u = np.array([uniform(5, step, index) for step in range(COUNT // 100) for index in range(100)])
    assert 0.0 < u.min() < 1e-3
    assert 1.0 - 1e-3 < u.max() < 1.0
    error = 1.0 / math.sqrt(COUNT)
    for power in range(1, 5):
        assert abs((u**power).mean() - 1.0 / (power + 1)) < 4.0 * error * u.std()
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4.0 * error
    counts = np.bincount((u * 20).astype(int), minlength=20)
    assert ((counts - COUNT / 20) ** 2 / (COUNT / 20)).sum() < 43.8  # chi², 19 degrees of freedom: 99.9 %


def test_normal_numbers_have_the_moments():
    z = np.array([normal(5, step, index) for step in range(COUNT // 100) for index in range(100)])
    assert abs(z.mean()) < 4.0 / math.sqrt(COUNT)
    assert abs((z**2).mean() - 1.0) < 4.0 * math.sqrt(2.0 / COUNT)
    assert abs((z**3).mean()) < 4.0 * math.sqrt(15.0 / COUNT)
    assert abs((z**4).mean() - 3.0) < 4.0 * math.sqrt(96.0 / COUNT)
    below = np.array([(z < bound).mean() for bound in (-2.0, -1.0, 0.0, 1.0, 2.0)])
    expected = [0.5 * math.erfc(-bound / math.sqrt(2.0)) for bound in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    np.testing.assert_allclose(below, expected, atol=2.0 / math.sqrt(COUNT))


def test_signs_are_fair_and_differ_by_seed_step_and_index():
    v = np.array([[sign(7, step, index) for index in range(64)] for step in range(500)])
    assert set(np.unique(v)) == {-1.0, 1.0}
    assert abs(v.mean()) < 4.0 / math.sqrt(v.size)
    assert np.abs(v.T @ v / len(v) - np.eye(64)).max() < 5.5 / math.sqrt(len(v))
    assert np.abs(v @ v.T / 64 - np.eye(500)).max() < 6.0 / 8.0
    other = np.array([[sign(8, step, index) for index in range(64)] for step in range(500)])
    assert abs((v * other).mean()) < 4.0 / math.sqrt(v.size)
