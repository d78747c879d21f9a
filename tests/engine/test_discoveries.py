"""What is told of all streams together: events are held back, told later, or told at once, and none is lost."""

from __future__ import annotations

import logging
import math
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streamrnn.daemon.status import status_lines
from streamrnn.engine.discoveries import EVERYTHING, Discoveries, Discovery
from streamrnn.engine.fleet import Admission
from streamrnn.engine.metrics import EngineCollector, Exposure
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

WEEK = 604800 * 10**9
PURE = Discovery(false_share=0.1, per_week=1e-9)
"""Nothing is borne but a share: the first event needs an excess of some ln(10 streams)."""


def judge(found, rows, streams=100, index=0, gap=0):
    """rows: (event, excess, cause) each."""
    event, excess, cause = (np.array(column) for column in zip(*rows, strict=True))
    gaps = np.full(len(rows), gap, np.int64)
    return found.judge(index, gaps, event, excess.astype(float), cause, streams)


def test_an_event_is_held_back_until_its_excess_is_enough():
    found = Discoveries(PURE, 1.0, 10)
    enough = -math.log(0.1 * 3.0 / 100.0)
    rows = [(0, 0, 0), (1, 1.0, 1), (0, enough - 0.01, 1), (0, enough + 0.01, 1), (2, 9.0, 1), (-1, 9.0, 1), (0, 0, 0)]
    assert judge(found, rows) == [(1, "held_back"), (3, "started"), (4, "ongoing"), (5, "resolved")]
    assert found.wealth.tolist() == pytest.approx([0.003, 1.0])
    assert judge(found, [(1, 30.0, 1)], index=1) == [(0, "started")]


def test_one_that_never_is_odd_enough_has_no_end_either_and_the_next_one_is_told():
    found = Discoveries(PURE, 1.0, 10)
    assert judge(found, [(1, 1.0, 1), (2, 1.0, 1), (-1, 1.0, 1)]) == [(0, "held_back")]
    assert not found.holding(0)
    assert judge(found, [(1, 20.0, 1), (-1, 20.0, 1)]) == [(0, "started"), (1, "resolved")]


def test_what_is_said_does_not_depend_on_how_rows_were_cut():
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(60):
        rows += [(0, 0.0, 0)] * int(rng.integers(1, 30))
        peaks = np.maximum.accumulate(rng.exponential(4.0, int(rng.integers(2, 8))))
        rows += [(1, peaks[0], 1), *((0, peak, 1) for peak in peaks[1:-1]), (-1, peaks[-1], 1)]
    whole, cut = Discoveries(PURE, 1.0, 10), Discoveries(PURE, 1.0, 10)
    said = judge(whole, rows, gap=WEEK)
    parts, at = [], 0
    while at < len(rows):
        size = int(rng.integers(1, 9))
        parts += [(at + row, phase) for row, phase in judge(cut, rows[at : at + size], gap=WEEK)]
        at += size
    assert parts == said
    np.testing.assert_array_equal(whole.wealth, cut.wealth)
    assert {phase for _, phase in said} == {"held_back", "started", "resolved"}


def test_the_memory_is_a_week_of_the_mean_stream():
    found = Discoveries(PURE, 1.0, 100)
    judge(found, [(1, 30.0, 1), (-1, 30.0, 1)], streams=50)
    for index in range(50):
        judge(found, [(0, 0.0, 0)], streams=50, index=index, gap=2 * WEEK)
    judge(found, [(1, 0.0, 1)], streams=50, index=7)
    assert found.wealth[1] == pytest.approx(math.exp(-2.0))


def test_what_the_user_ruled_out_is_always_told_and_proves_nothing():
    found = Discoveries(PURE, 1.0, 10)
    assert judge(found, [(1, 0.0, 2), (2, 0.0, 2), (-1, 0.0, 2)]) == [(0, "started"), (1, "ongoing"), (2, "resolved")]
    assert not found.wealth.any()


def test_with_a_share_of_1_everything_is_told():
    found = Discoveries(EVERYTHING, 1.0, 10)
    for _ in range(100):
        assert judge(found, [(1, 0.0, 1), (-1, 0.0, 1)]) == [(0, "started"), (1, "resolved")]


def test_one_stream_has_all_of_its_budget_by_default():
    found = Discoveries(Discovery(), 5.0, 10)
    rng = np.random.default_rng(0)
    for _ in range(200):
        wait = int(WEEK * rng.exponential() / 10.0)  # twice, as rows of an event are two
        said = judge(found, [(1, rng.exponential(), 1), (-1, 9.0, 1)], streams=1, gap=wait)
        assert said == [(0, "started"), (1, "resolved")]


# ---------------------------------------------------------------- in the engine


class Scripted:
    """A detector whose events are those of its values: 100 + q starts one of excess q, 200 ends it."""

    def __init__(self, channels, recipe):
        self.inner, self.on, self.peak = Detector(channels=channels, recipe=recipe), False, 0.0

    @property
    def alarm(self):
        return self.on

    def run(self, time, values):
        rows = self.inner.run(time, np.zeros_like(values))
        event, excess, cause = np.zeros(len(time), int), np.zeros(len(time)), np.zeros(len(time), int)
        for i, x in enumerate(values[:, 0]):
            if 100 <= x < 200:
                event[i], self.peak = 0 if self.on else 1, x - 100.0
                self.on = True
            excess[i], cause[i] = self.peak * self.on, int(self.on)
            if x == 200:
                event[i], self.on = -1, False
        names = {name: getattr(rows, name) for name in rows.__slots__}
        names |= {"event": event, "event_excess": excess, "event_cause": cause}
        names["event_since"] = np.where(cause > 0, time, 0)
        return SimpleNamespace(**names)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_the_engine_counts_records_and_shows_what_it_holds_back(engine, batch, kept, caplog):
    quiet = [0.0] * 5
    made = engine(
        [batch(f"s{i}", np.arange(5), quiet) for i in range(50)],
        [batch("s3", [5, 6], [101.0, 101.0])],
        [batch("s4", [5, 6], [101.0, 120.0])],
        [batch("s3", [7], [200.0]), batch("s4", [7], [200.0])],
        build=Scripted, alarms=PURE,
    )  # fmt: skip
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        made.turn(0.0)
        made.turn(0.0)
        counters = made.fleet.counters
        i, j = made.fleet["s3"].index, made.fleet["s4"].index
        assert (counters.holding[i], counters.active[i], counters.held_back[i], counters.alarms[i]) == (1, 0, 1, 0)
        lines = [fields for _, fields in status_lines(made) if fields.get("stream") == "s3"]
        assert [line["state"] for line in lines] == ["held back"], "shown even where not all streams fit"
        made.turn(0.0)
        assert (counters.holding[j], counters.active[j], counters.held_back[j], counters.alarms[j]) == (0, 1, 1, 1)
        made.turn(0.0)
    alarms = [alarm for result in kept.results for alarm in result.alarms]
    assert [(a.stream, a.phase) for a in alarms] == [
        ("s3", "held_back"), ("s4", "held_back"), ("s4", "started"), ("s4", "resolved"),
    ]  # fmt: skip
    logged = [(r.event, r.levelname) for r in caplog.records if r.event in ("held_back", "alarm", "cleared")]
    assert logged == [("held_back", "INFO"), ("held_back", "INFO"), ("alarm", "WARNING"), ("cleared", "INFO")]
    assert not counters.holding.any()
    registry = CollectorRegistry()
    registry.register(EngineCollector(made, Exposure(streams=("s3",))))
    page = generate_latest(registry).decode()
    assert "streamrnn_alarms_held_back_total 2.0" in page
    assert "streamrnn_alarms_held_back_active 0.0" in page
    assert 'streamrnn_stream_alarms_held_back_total{stream="s3"} 1.0' in page
    assert "streamrnn_alarms_total 1.0" in page


def test_a_fleet_of_noise_tells_a_few_and_a_fault_is_told_at_once(engine, batch, kept):
    """40 streams of noise at ten events a week each: 400 are due a week, of which four are borne. Two weeks of hourly
    rows after three, by Poisson's law with a standard error of 3; a fault of 50 deviations in each of two more."""
    rng = np.random.default_rng(0)
    rows, streams = 5 * 168, 42
    t = 3600 * np.arange(1, rows + 1)
    x = rng.normal(size=(streams, rows))
    x[40:, 600:] += 50.0
    made = engine(
        *([batch(f"s{i}", t[a : a + 24], x[i, a : a + 24]) for i in range(streams)] for a in range(0, rows, 24)),
        recipe=Recipe(tier="lean", alarms_per_week=10.0, undo=False), alarms=Discovery(per_week=4.0),
        admission=Admission(most_ahead=0.0),
    )  # fmt: skip
    while made.turn(0.0) is not None:
        pass
    alarms = [alarm for result in kept.results for alarm in result.alarms if alarm.cause == "odd"]
    late = [a for a in alarms if a.time > 3 * 168 * 3600 * 10**9]
    false = [a.stream for a in late if a.phase == "started" and a.stream not in ("s40", "s41")]
    held = sum(a.phase == "held_back" for a in late)
    assert len(false) <= 2 * 4 + 3 * math.sqrt(8)
    assert held > 200
    assert {a.stream for a in late if a.phase == "started"} >= {"s40", "s41"}
    first = {a.stream: a.time for a in reversed(late) if a.phase == "started"}
    assert all(first[s] <= (601 + 12) * 3600 * 10**9 for s in ("s40", "s41"))
