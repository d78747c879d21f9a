"""Dense RTRL in blocks of columns: P against P ← J P + D in NumPy, for sizes around those of tiles and blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamrnn import cells, updates
from streamrnn.cells import DENSE, DIAGONAL, UNIFORM, ZERO
from streamrnn.learners._blocks import at
from streamrnn.learners.dense import dense, influence
from streamrnn.learners.rtrl import RTRL
from streamrnn.model import Model, Network
from streamrnn.state import Arena, Layout, read_bytes

M = 3
SIZES = [("elman", n) for n in (1, 2, 4, 5, 8, 9, 12, 13, 16, 17, 24, 33)]
SIZES += [(cell, n) for cell in ("gru", "lstm") for n in (1, 3, 8, 17)] + [("jordan", 5), ("lru", 5), ("indrnn", 6)]


def network(cell, n, dtype="float64", seed=1):
    parts = cells.get(cell), replace(RTRL, carry=dense), updates.get("sgd")
    return Network(Model(*parts, n, M), seed=seed, dtype=dtype)


def whole(structure, J, D):
    """J as a matrix (k n, k n) of all blocks, and D as one (k n, n q)."""
    k, n, q = D.shape
    every = np.zeros((k * n, n, q))
    for a in range(k):
        every[a * n + np.arange(n), np.arange(n)] = D[a]
    flat = range(k * n)
    return np.array([[at(structure, J, n, r, c) for c in flat] for r in flat]), every.reshape(k * n, n * q)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("cell", "n"), SIZES)
def test_influence_and_gradient_are_what_they_should_be(cell, n, dtype):
    net = network(cell, n, dtype)
    generator, eps = np.random.default_rng(0), np.finfo(dtype).eps
    P = 0.0
    for _ in range(9):
        net.advance(generator.normal(size=M))
        J, D = whole(net.arena["net.structure"], net.arena["learner.J"], net.arena["learner.D"])
        P = D if isinstance(P, float) else J @ P + D
        found = influence(net.arena)
        assert found.shape == P.shape
        assert np.abs(found - P).max() <= 50 * eps * np.abs(P).max()
        e = generator.normal(size=net.model.seen)
        expected = e @ P[: len(e)]
        assert np.abs(net.credit(e).ravel() - expected).max() <= 50 * eps * np.abs(e).sum() * np.abs(P).max()
        net.apply(0.01)
    used = net.arena["learner.D"][0].size
    padding = np.roll(net.arena["learner.P"], -int(net.arena["learner.turn"][0]), axis=0).transpose(1, 0, 2)
    padding = padding.reshape(len(P), -1)[:, used : -(-used // padding.shape[2]) * padding.shape[2]]
    assert not padding.any(), "beyond the last parameter there is nothing"


@pytest.mark.parametrize(
    "structure",
    [
        ((DENSE, DENSE), (DENSE, DENSE)),
        ((DIAGONAL, DENSE), (ZERO, DENSE)),
        ((DENSE, UNIFORM, DIAGONAL), (ZERO, ZERO, ZERO), (DIAGONAL, DIAGONAL, DENSE)),
        ((UNIFORM, DENSE), (UNIFORM, DIAGONAL)),
    ],
)
@pytest.mark.parametrize("n", [3, 8, 11])
def test_any_structure(structure, n):
    """Random J and D of cells that we do not have."""
    k, q = len(structure), 7
    cell = replace(cells.get("lstm"), structure=lambda m: structure, width=lambda n, m: q)
    carry = dense(cell, n, M)
    layout = Layout(carry.fields, "float64")
    arena, generator = Arena(layout), np.random.default_rng(0)
    kinds, opened = np.array(structure), carry.open(arena.ints, arena.real, layout.table, 0)
    P, e, grad = np.zeros((k * n, n * q)), generator.normal(size=n), np.zeros((n, q))
    for _ in range(8):
        J, D = carry.local(opened)
        J[:], D[:] = generator.normal(size=J.shape) / n, generator.normal(size=D.shape)
        every, own = whole(kinds, J, D)
        P = every @ P + own
        carry.propagate(kinds, opened)
        assert np.abs(influence(arena) - P).max() <= 1e-13 * np.abs(P).max()
        assert carry.credit(kinds, e, opened, grad)
        assert np.abs(grad.ravel() - e @ P[:n]).max() <= 1e-13 * np.abs(e).sum() * np.abs(P).max()


@pytest.mark.parametrize(("cell", "n"), [("elman", 8), ("elman", 20), ("lstm", 5)])
def test_a_net_resumes_to_the_same_bits_wherever_its_blocks_lie(cell, n):
    net = network(cell, n)
    generator = np.random.default_rng(0)
    slots = net.arena["learner.P"].shape[0]
    xs, es = generator.normal(size=(slots + 3, M)), generator.normal(size=(slots + 3, net.model.seen))
    for t in range(slots + 2):
        net.advance(xs[t])
        net.credit(es[t])
        net.apply(0.01)
        other = network(cell, n, seed=2)
        other.advance(xs[0])
        other.arena.load(read_bytes(net.arena.to_bytes({})))
        following = network(cell, n)
        following.arena.restore(net.arena.snapshot())
        for one in (other, following):
            one.advance(xs[t + 1])
        np.testing.assert_array_equal(other.credit(es[t]), following.credit(es[t]))
        np.testing.assert_array_equal(other.arena.snapshot(), following.arena.snapshot())


def test_one_slot_more_than_blocks_is_all_that_is_kept():
    """n = 32: no second P."""
    net = network("elman", 32)
    assert net.arena["learner.P"].size < 1.05 * 32 * net.theta.size
    assert network("elman", 16).arena["learner.P"].size < 1.05 * 16 * 16 * 20
