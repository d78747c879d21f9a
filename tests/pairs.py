"""Every pair of cell and learner, every update, readout and stack, and the loop of a stream, as numbers to compare
between two runs.

    python tests/pairs.py OUT.npz 0 4        # every 4th of the jobs, from the first on

Run it with and without NUMBA_DISABLE_JIT=1: see test_without_jit.py.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

from streamrnn import Detector, cells, learners, readouts, updates
from streamrnn.model import Model, Network
from streamrnn.state import Arena, Layout
from streamrnn.testing.recurrence import DTS, M, N, T, problem, serves

CELL_OPTIONS = {"elman_bank": {"block": 3}}
LEARNER_OPTIONS = {"tbptt": {"window": 3}, "crbp": {"window": 3}, "hybrid": {"block": 4}}
OUTPUTS = 2


def cell_of(name):
    return cells.get(name, CELL_OPTIONS.get(name))


def learner_of(name):
    return learners.get(name, LEARNER_OPTIONS.get(name))


PAIRS = [(c, le) for c, le in itertools.product(cells.OWN, learners.OWN) if serves(learner_of(le), cell_of(c))]
STACKS = list(itertools.product(cells.OWN, [le for le in learners.OWN if learner_of(le).stack is not None]))


def run(net, xs, es, rate):
    """Steps with learning; the sum of the gradients."""
    total = np.zeros_like(net.theta)
    for x, e, dt in zip(xs, es, DTS, strict=False):
        net.advance(x, dt)
        total += net.credit(e)
        if rate:
            net.apply(rate)
    return total


def of_pair(cell, learner):
    """Gradients at frozen weights, then steps whose weights move by them; audited where there is a gradient."""
    c, le = cell_of(cell), learner_of(learner)
    theta, xs, es = problem(c)
    net = Network(Model(c, le, updates.get("sgd"), N, M, audited=le.learns), seed=2)
    net.theta[:] = theta
    grad, state = run(net, xs, es, 0.0), net.state.copy()
    run(net, xs[:5], es[:5], 0.05)
    found = {"grad": grad, "state": state, "theta": net.theta.copy(), "end": net.state.copy()}
    return found | ({"audit": net.arena["audit.sums"].copy()} if le.learns else {})


def of_stack(cell, learner):
    """Two layers of four units."""
    model = Model(cells.get(cell), learner_of(learner), updates.get("sgd"), 4, 2, layers=2, audited=True)
    net, generator = Network(model, seed=2), np.random.default_rng(5)
    net.theta[:] += 0.2 * generator.normal(size=net.theta.shape) * (net.theta != 0.0)
    xs, es = generator.normal(size=(T, 2)), generator.normal(size=(T, model.seen))
    grad = run(net, xs, es, 0.01)
    return {"grad": grad, "state": net.state.copy(), "theta": net.theta.copy(), "audit": net.arena["audit.sums"].copy()}


def of_update(name):
    """Steps of two outputs' errors, on the slopes of an Elman net."""
    update = updates.get(name)
    net = Network(Model(cells.get("elman"), learners.get("rtrl"), update, N, M, outputs=OUTPUTS), seed=2)
    _theta, xs, es = problem(cells.get("elman"))
    for t in range(2):
        net.advance(xs[t], DTS[t])
        for output in range(OUTPUTS):
            net.credit(es[OUTPUTS * t + output])
            if update.follows == "gradient":
                net.apply(0.05)
            else:
                net.correct(0.7 - output, 0.05, output, first=output == 0)
    kept = [net.arena[field.name].ravel() for field in net.model.fields["update"]]
    return {"theta": net.theta.copy(), "memory": np.concatenate(kept)}


def of_readout(name):
    """Ten rows of five features, two horizons, two channels."""
    F, H, C, slots = 5, 2, 2, 3
    readout, generator = readouts.get(name), np.random.default_rng(3)
    arena = Arena(Layout(readout.fields(F, H, C, slots), "float64"))
    readout.start(arena, np.full(F, 0.1))
    memory = readout.open(arena.ints, arena.real, arena.layout.table, 0)
    features, targets, W = generator.normal(size=(10, F)), generator.normal(size=(10, C)), np.zeros((H, C, F))
    for t in range(10):
        for h, c in itertools.product(range(min(H, t)), range(C)):
            at = t - 1 - h
            error = targets[t, c] - W[h, c] @ features[at]
            readout.correct(at % slots, h, c, error, features[at], memory, W[h, c])
        readout.prepare(t % slots, features[t], 0.999, memory)
    return {"weights": W, "memory": arena.real.copy()}


LOOPS = {
    "full": {},
    "lean": {"tier": "lean", "update": "rmsprop"},
    "shadow": {"governor": "shadow", "highest": 20.0},
    "no net": {"units": 0},
}


def of_loop(name):
    """A Detector's rows: missing values, an event, two channels, two horizons."""
    rows, generator = 160, np.random.default_rng(0)
    x = np.stack([np.sin(np.arange(rows) / 2), generator.normal(size=rows)], 1)
    x += 0.1 * generator.normal(size=x.shape)
    x[generator.random(x.shape) < 0.1] = np.nan
    x[130:150, 0] += 50.0
    model = Detector(2, **({"horizon": 2, "lags": 3, "units": 4} | LOOPS[name]))
    said = model.run((1 + np.arange(rows)) * 60 * 10**9, x)
    found = {"surprise": said.surprise, "event": said.event, "learning": said.learning, "real": model.arena.real}
    return found | {"forecast": said.forecast[10:], "upper": said.forecast_upper[10:]}


JOBS = {
    **{f"{c} x {le}": (of_pair, c, le) for c, le in PAIRS},
    **{f"two layers of {c} x {le}": (of_stack, c, le) for c, le in STACKS},
    **{f"update {u}": (of_update, u) for u in updates.OWN},
    **{f"readout {r}": (of_readout, r) for r in readouts.OWN},
    **{f"loop {name}": (of_loop, name) for name in LOOPS},
}


def main(out, first, step):
    found = {}
    for name in list(JOBS)[int(first) :: int(step)]:
        job, *args = JOBS[name]
        found |= {f"{name}: {key}": value for key, value in job(*args).items()}
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
