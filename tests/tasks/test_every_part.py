"""Every cell, learner, update and readout inside the whole loop: on a wave, on hostile values, and after a restart."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector, cells, learners, readouts, updates

CELLS, LEARNERS, UPDATES, READOUTS = (list(kind.OWN) for kind in (cells, learners, updates, readouts))


def combinations():
    """As many models as there are cells, in which every part of every kind is used once at least."""
    for i, cell in enumerate(CELLS):
        learner = LEARNERS[i % len(LEARNERS)]
        if learners.get(learner).refuses(cells.get(cell), 2) is not None:
            learner = "rtrl"
        update = UPDATES[i % len(UPDATES)]
        if learner == "frozen":
            update = "dekf"  # it has no use for any but the default's name
        if learner == "rflo" and updates.get(update).follows == "innovation":
            update = "rmsprop"
        readout, tier = READOUTS[i % len(READOUTS)], ("full", "lean")[i % 2]
        yield {"cell": cell, "learner": learner, "update": update, "readout": readout, "tier": tier}


MODELS = [*combinations(), {"cell": "elman", "learner": "kf_rtrl"}]


def test_every_part_has_its_turn():
    for key, names in (("cell", CELLS), ("learner", LEARNERS), ("update", UPDATES), ("readout", READOUTS)):
        assert {model.get(key, names[0]) for model in MODELS} == set(names)


@pytest.mark.parametrize("choice", MODELS, ids=lambda choice: "-".join(choice.values()))
def test_a_model_of_these_parts(choice):
    rng = np.random.default_rng(0)
    n = 1200
    t = np.cumsum(rng.exponential(1.0, 3 * n) * 1e9 + 1e6).astype(np.int64)
    wave = np.sin(t[:n] / 8e9) + 0.02 * rng.normal(size=n)
    model = Detector(units=8, governor="learn", **choice)  # whatever comes
    expected = model.run(t[:n], wave[:, None]).expected[:, 0]
    error, change = abs(expected - wave)[n // 2 :], abs(np.diff(wave))[n // 2 - 1 :]
    assert error.mean() < change.mean(), "worse than repeating the last value"

    kept = model.to_bytes()
    hostile = np.exp(rng.normal(size=(n, 1)) * 40) * rng.choice([-1, 1], (n, 1))
    hostile[rng.random(n) < 0.2] = np.nan
    rows = model.run(t[n : 2 * n], hostile)
    assert np.isfinite(rows.forecast).all()
    assert np.isfinite(model.arena.real).all()
    model.run(t[2 * n :], np.full((n, 1), 3.0))
    assert np.isfinite(model.arena.real).all()

    again = Detector.from_bytes(kept)
    np.testing.assert_array_equal(again.run(t[n : 2 * n], hostile).forecast, rows.forecast)
