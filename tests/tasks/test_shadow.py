"""The governor's shadow: a copy learns what is refused, and takes over when it is accepted."""

from __future__ import annotations

import numpy as np

from streamrnn import Detector
from streamrnn.kernels import governor
from streamrnn.tasks import _layout

SECOND = 10**9
CHANGE, ACCEPT, END = 1200, 1600, 2000


def times():
    return (1 + np.arange(END)) * SECOND


def machine(seed=0):
    """A sine; from row 1200 on a rectangle, elsewhere and three times as large: another state of a machine."""
    t = np.arange(END)
    x = np.where(t < CHANGE, np.sin(t / 6), 40 + 3 * np.where(t % 9 < 4, 1.0, -1.0))
    return (x + 0.1 * np.random.default_rng(seed).normal(size=END))[:, None]


def refused(mode, seed=0):
    """A Detector that has refused the new state for 400 rows: it is out of the range that was given."""
    model = Detector(governor=mode, highest=20.0, seed=seed)
    rows = model.run(times()[:ACCEPT], machine(seed)[:ACCEPT])
    if mode != "learn":
        assert (rows.learning[CHANGE:] == governor.FROZEN).all()
    return model


def twin(model, name):
    """The field of the copy."""
    fields = model.arena.layout.fields
    at = next(i for i, field in enumerate(fields) if field.name == name)
    block = model.arena[f"twin.{fields[at].section}"]
    first = model.arena.layout.table[at, 0]
    return block[first : first + model.arena[name].size].reshape(model.arena[name].shape)


def test_what_is_accepted_is_forecast_well_at_once():
    """As well as by a model that refused nothing, where one that froze has to begin anew."""
    errors = {mode: [] for mode in ("learn", "freeze", "shadow")}
    for mode, found in errors.items():
        for seed in range(8):
            model = refused(mode, seed)
            model.accept()
            x = machine(seed)[ACCEPT:]
            rows = model.run(times()[ACCEPT:], x)
            found.append(np.abs(rows.expected - x)[:20].mean())
    print("mean absolute errors of the first 20 rows:", errors)
    assert np.mean(errors["shadow"]) < 1.2 * np.mean(errors["learn"])
    assert np.mean(errors["shadow"]) < 0.4 * np.mean(errors["freeze"])


def test_the_copy_learns_on_and_the_model_does_not():
    model = Detector(governor="shadow", highest=20.0)
    x, t = machine(), times()
    model.run(t[: CHANGE + 1], x[: CHANGE + 1])
    # not the wide expert's: the search for seasons sees what is refused, and another season resets what hangs on it
    names = ("net.theta", "weights", "ar.weights", "moments", "change", "regret", "readout.covariance")
    before = {name: model.arena[name].copy() for name in names}
    for name in names:
        np.testing.assert_array_equal(twin(model, name), before[name])
    model.run(t[CHANGE + 1 : ACCEPT], x[CHANGE + 1 : ACCEPT])
    for name in names:
        np.testing.assert_array_equal(model.arena[name], before[name])
        assert (twin(model, name) != before[name]).any(), name
    assert twin(model, "moments")[0, 0] > 10.0
    assert model.arena["clock"][_layout.SHADOWING] == 1


def test_the_copy_takes_over_with_all_that_it_knows_and_the_models_decisions_stay():
    model = refused("shadow")
    decisions = {name: model.arena[name].copy() for name in ("marks", "ladder")}
    usual = model.arena["usual"].copy()
    model.accept()
    t, x = times()[ACCEPT : ACCEPT + 1], machine()[ACCEPT : ACCEPT + 1]
    assert model.run(t, x).learning[0] == governor.ACCEPTED
    for name in ("net.theta", "net.s", "weights", "wide.covariance", "moments", "past", "mix", "learner.P", "seen"):
        np.testing.assert_array_equal(model.arena[name], twin(model, name))
    for name, value in decisions.items():
        assert (model.arena[name][: len(value)] == value).sum() > len(value) // 2, name
    assert model.arena["marks"][0] == decisions["marks"][0], "the event goes on: it is out of range"
    assert model.arena["held"][governor.TAKEN] == 1.0
    assert (model.arena["usual"] != usual).any()
    assert model.arena["hyper"][_layout.GOVERNOR] == governor.SHADOW
    assert model.arena["clock"][_layout.SHADOWING] == 0
    assert model.samples == ACCEPT + 1


def test_an_event_that_ends_without_acceptance_leaves_the_model_as_it_is():
    x, t = machine(), times()
    x[1300:] = machine()[100:800]  # the old state comes back
    shadow, frozen = (Detector(governor=mode, highest=20.0) for mode in ("shadow", "freeze"))
    a, b = shadow.run(t, x), frozen.run(t, x)
    assert (a.learning == governor.FROZEN).sum() > 100
    assert shadow.arena["clock"][_layout.SHADOWING] == 0
    np.testing.assert_array_equal(a.forecast, b.forecast)
    np.testing.assert_array_equal(a.score, b.score)


def test_state_and_copy_go_on_together_after_a_restart():
    x, t = machine(), times()
    for stop in (1000, 1400, ACCEPT + 50):
        whole, part = (Detector(governor="shadow", highest=20.0) for _ in range(2))
        said = []
        for model, stops in ((whole, ()), (part, (stop,))):
            out = []
            for i, j in ((0, stop), (stop, max(stop, ACCEPT)), (max(stop, ACCEPT), END)):
                if i == ACCEPT or (i < ACCEPT < j):
                    model.accept()
                out.append(model.run(t[i:j], x[i:j]).forecast)
                if j in stops:
                    model = Detector.from_bytes(model.to_bytes())
            said.append((np.concatenate(out), model.arena.block.copy()))
        np.testing.assert_array_equal(said[0][0], said[1][0])
        np.testing.assert_array_equal(said[0][1], said[1][1])


def test_blocks_of_any_size_give_the_same_bits():
    x, t = machine(), times()
    whole, model = (Detector(governor="shadow", highest=20.0) for _ in range(2))
    whole.run(t[1100:1500], x[1100:1500])
    for i in range(1100, 1500, 7):
        model.run(t[i : min(i + 7, 1500)], x[i : min(i + 7, 1500)])
    np.testing.assert_array_equal(whole.arena.block, model.arena.block)


def test_maintenance_ends_the_copy_and_nothing_of_it_is_kept():
    """What it learned is dropped; if the event still lasts afterwards, it begins anew."""
    model = refused("shadow")
    before = {name: model.arena[name].copy() for name in ("net.theta", "weights", "moments")}
    t, x = times()[ACCEPT:], machine()[ACCEPT:]
    model.mute(learning=True)
    assert (model.run(t[:50], x[:50]).learning == governor.BARRED).all()
    assert model.arena["clock"][_layout.SHADOWING] == 0
    model.mute()
    assert model.run(t[50:51], x[50:51]).learning[0] == governor.FROZEN
    assert model.arena["clock"][_layout.SHADOWING] == 1
    for name, value in before.items():
        np.testing.assert_array_equal(model.arena[name], value)
        np.testing.assert_array_equal(twin(model, name), value)
