"""Every pair of cell and learner, and the loop of a stream: compiled and plain Python agree; a stored net goes on to
the same bits elsewhere."""

from __future__ import annotations

import os
import pathlib
import runpy
import subprocess
import sys

import numpy as np
import pytest

from streamrnn import readouts, updates
from streamrnn.model import Model, Network
from streamrnn.state import read_bytes
from streamrnn.testing.recurrence import DTS, M, N, T, problem

SCRIPT = pathlib.Path(__file__).with_name("pairs.py")
pairs = runpy.run_path(str(SCRIPT))
SHARDS = 2
EXACT = 1e-12


def both(out, *shard):
    """What the script finds, compiled and as plain Python, where an overflow is an error: two processes at a time."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", SCRIPT, out / f"{flag}.npz", *map(str, shard)],
            env=os.environ | {"NUMBA_DISABLE_JIT": flag},
            stderr=subprocess.PIPE,
            text=True,
        )
        for flag in "01"
    ]
    for process in running:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    found = []
    for flag in "01":
        with np.load(out / f"{flag}.npz", allow_pickle=False) as stored:
            found.append(dict(stored))
    return found


def apart(a, b):
    """Largest difference as a share of the largest value."""
    off, size = np.abs(a - b).max(), np.abs(a).max()
    return off / size if size > 0.0 else off


@pytest.mark.parametrize("shard", range(SHARDS))
def test_compiled_and_plain_python_agree(shard, tmp_path):
    """Gradients, states, weights and the audit's sums of every pair, stacks, updates, readouts; rows of a Detector."""
    compiled, plain = both(tmp_path, shard, SHARDS)
    assert compiled.keys() == plain.keys()
    assert {name.split(": ")[0] for name in plain} == set(list(pairs["JOBS"])[shard::SHARDS])
    wrong = {name: apart(compiled[name], plain[name]) for name in plain}
    print("largest difference:", *max((off, name) for name, off in wrong.items()))
    assert not {name: off for name, off in wrong.items() if not off <= EXACT}
    assert sum(np.abs(value).max() > 0.0 for value in plain.values()) > 0.9 * len(plain), "hardly anything is compared"


def test_nothing_is_left_out():
    jobs = set(pairs["JOBS"])
    assert {f"{c} x {le}" for c, le in pairs["PAIRS"]} <= jobs
    assert {f"update {name}" for name in updates.OWN} | {f"readout {name}" for name in readouts.OWN} <= jobs
    assert {"two layers of lstm x rtrl", "two layers of iir x crbp", "loop full", "loop shadow"} <= jobs


def steps(net, xs, es, first, last):
    for t in range(first, last):
        net.advance(xs[t], DTS[t])
        net.credit(es[t])
        net.apply(0.01)


@pytest.mark.parametrize(("cell", "learner"), pairs["PAIRS"], ids=[" x ".join(pair) for pair in pairs["PAIRS"]])
def test_a_net_resumes_from_bytes_to_the_same_bits(cell, learner):
    """Stored in the middle, loaded into a net of another seed; RMSprop moves the weights at every step."""
    c, le = pairs["cell_of"](cell), pairs["learner_of"](learner)
    model = Model(c, le, updates.get("rmsprop"), N, M, audited=le.learns)
    _theta, xs, es = problem(c)
    net, other = Network(model, seed=2), Network(model, seed=3)
    start = net.theta.copy()
    steps(net, xs, es, 0, T // 2)
    stored = net.arena.to_bytes({})
    assert (net.theta != start).any() == le.learns
    steps(net, xs, es, T // 2, T)
    steps(other, xs, es, 0, 3)  # a past of its own, of which nothing may stay
    other.arena.load(read_bytes(stored))
    steps(other, xs, es, T // 2, T)
    np.testing.assert_array_equal(net.arena.snapshot(), other.arena.snapshot())
    np.testing.assert_array_equal(net.output, other.output)
