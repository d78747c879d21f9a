import datetime
import json
import logging
import math
import queue
import threading
from concurrent.futures import Future

import msgspec
import numpy as np
import pytest

from streamrnn.engine import loop
from streamrnn.engine.bounded_log import PERIOD
from streamrnn.engine.fleet import Admission, Known, stream_seed
from streamrnn.engine.loop import Engine
from streamrnn.engine.maintenance import Maintenance
from streamrnn.engine.ports import CONDITIONS, Batch, Part, Reject
from streamrnn.errors import ConnectorError, InputError, Reason
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe
from streamrnn.testing.scripted import EOF, Pause, ScriptedSource


def wave(n, start=0):
    t = np.arange(start, start + n)
    return t, 10 + np.sin(t / 7) + 0.1 * np.random.default_rng(start).standard_normal(n)


def run(engine):
    engine.run(threading.Event())
    return engine


def test_results_are_those_of_the_model(engine, batch, kept):
    t, x = wave(300)
    run(engine([batch("a", t[:200], x[:200])], [batch("a", t[200:], x[200:])]))
    model = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "a")))
    rows = model.run(t * 1_000_000_000, x[:, None])
    for name in ("expected", "lower", "upper", "score", "share", "forecast", "forecast_lower", "forecast_upper"):
        np.testing.assert_array_equal(np.concatenate([getattr(r, name) for r in kept.results]), getattr(rows, name))
    assert [len(r.time) for r in kept.results] == [200, 100]
    assert kept.results[1].level == Recipe().level
    assert kept.results[1].interval == 1.0
    assert kept.results[0].warming.tolist() == [True] * 100 + [False] * 100
    assert not kept.results[1].warming.any()


def test_sample_counts_and_latest_row(engine, batch):
    t, x = wave(50)
    e = run(engine([batch("a", t, x), batch("b", t[:7], x[:7])]))
    assert e.fleet.counters.samples[:2].tolist() == [50, 7]
    assert e.fleet["a"].latest[0, 0] == x[-1]
    assert e.tally.newest == 49_000_000_000
    assert e.tally.steps.sum() == 57


def alarms_in(kept):
    return [alarm for result in kept.results for alarm in result.alarms]


def told(kept):
    return [(alarm.phase, alarm.cause) for alarm in alarms_in(kept)]


def logged(caplog, *events):
    return [r for r in caplog.records if getattr(r, "event", "") in events]


def test_an_event_is_told_when_it_starts_and_when_it_is_resolved(engine, batch, kept, caplog):
    t, x = wave(800)
    x[500:520] += 50.0
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        e = run(engine([batch("a", t, x)]))
    assert told(kept) == [("started", "odd"), ("resolved", "odd")]
    started, resolved = alarms_in(kept)
    assert started.time == 500_000_000_000
    assert started.since == resolved.since == started.time < resolved.time
    assert (started.channel, started.value) == ("c0", x[500])
    assert started.lower < started.expected < started.upper < started.value
    assert resolved.score >= started.score >= 0.5
    assert started.why == resolved.why == (Part("c0", 1.0, started.expected),)
    assert started.ways[0].name == "residual"
    assert sum(way.share for way in started.ways) == pytest.approx(1.0)
    assert resolved.ways == ()
    assert e.fleet.counters.alarms[0] == 1
    assert e.fleet.counters.active[0] == 0
    lines = [r.getMessage() for r in logged(caplog, "alarm", "cleared")]
    assert [line.split()[0] for line in lines] == ["ALARM", "cleared"]
    assert "expected" in lines[0]
    assert "far from what was expected" in lines[0]
    assert [r.levelname for r in logged(caplog, "alarm")] == ["WARNING"]


def test_an_event_that_lasts_is_told_once_more_after_an_hour(engine, batch, kept, caplog):
    t, x = wave(1100)
    x[900:] += 50.0 + 5.0 * np.random.default_rng(1).standard_normal(200)
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        e = run(engine([batch("a", 60 * t, x)]))
    assert told(kept) == [("started", "odd"), ("ongoing", "odd"), ("resolved", "odd")]
    started, ongoing, _ = alarms_in(kept)
    assert (ongoing.since, ongoing.why) == (started.time, started.why)
    assert ongoing.time - ongoing.since == 3600 * 10**9
    assert e.fleet.counters.alarms[0] == 1
    assert "for 3600.0 s" in logged(caplog, "ongoing")[0].getMessage()


def test_a_value_out_of_range_is_an_event_of_that_cause(engine, batch, kept, caplog):
    t, x = wave(600)
    x[500] = 45.0
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        run(engine([batch("a", t, x)], recipe=Recipe(highest=40.0)))
    assert told(kept) == [("started", "range"), ("resolved", "range")]
    assert "out of the range" in logged(caplog, "alarm")[0].getMessage()


def test_an_event_keeps_the_name_and_the_reasons_of_its_start(engine, batch, kept, caplog):
    t = np.arange(700)
    x = np.stack([np.sin(t / 7), np.cos(t / 5)], axis=1) + 0.1 * np.random.default_rng(2).standard_normal((700, 2))
    x[500:520, 1] += 50.0
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        e = run(engine([batch("a", t[:510], x[:510])], [batch("a", t[510:], x[510:])]))
    alarms = alarms_in(kept)
    assert [(alarm.phase, alarm.channel) for alarm in alarms] == [("started", "c1"), ("resolved", "c1")]
    assert alarms[1].value == x[int(alarms[1].time // 1e9), 1]
    assert e.fleet.counters.culprit[0] == 1
    assert [part.channel for part in alarms[0].why] == ["c0", "c1"]
    assert alarms[0].why == alarms[1].why
    assert alarms[0].why[1].share > 0.9
    assert alarms[0].why[1].expected == alarms[0].expected
    assert f"{alarms[0].why[1].share:.0%} c1" in logged(caplog, "alarm")[0].getMessage()
    fields = logged(caplog, "alarm")[0].fields
    assert fields["share"]["c1"] > 0.9
    json.dumps(fields, allow_nan=False)


# ---------------------------------------------------------------- conditions of the data


def test_each_condition_is_told_once_when_it_starts_and_once_when_it_ends(engine, batch, kept, caplog):
    x = wave(900)[1]
    x = np.stack([x, x[::-1]], axis=1)
    x[300:340, 0] = np.nan
    x[500:540, 1] = x[500, 1]
    seconds = np.cumsum(np.r_[np.ones(700), np.full(200, 4.0)])
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        e = run(engine([batch("a", seconds[:502], x[:502])], [batch("a", seconds[502:], x[502:])]))
    found = [alarm for alarm in alarms_in(kept) if alarm.cause in CONDITIONS]
    assert [(alarm.phase, alarm.cause, alarm.channel) for alarm in found] == [
        ("started", "missing", "c0"), ("resolved", "missing", "c0"),
        ("started", "flat", "c1"), ("resolved", "flat", "c1"),
        ("started", "rate", ""), ("resolved", "rate", ""),
    ]  # fmt: skip
    missing, flat, rate = found[::2]
    # each within three expected intervals, but for a row that is not there to tell by
    assert (missing.time - missing.since, flat.time - flat.since) == (2 * 10**9, 3 * 10**9)
    assert rate.time - rate.since == 8 * 10**9
    assert (flat.value, rate.value, rate.expected) == (x[500, 1], 4.0, pytest.approx(1.0))
    assert math.isnan(missing.value)
    assert missing.lower < missing.expected < missing.upper
    assert [r.levelname for r in logged(caplog, "condition")] == ["WARNING", "INFO"] * 3
    for record in logged(caplog, "condition"):
        assert record.fields["phase"] in record.fields.values()
    assert e.fleet.counters.condition_starts.tolist() == [1, 0, 1, 1]
    assert e.fleet.counters.conditions[0].tolist() == [0, 0, 0, 0]
    assert e.fleet.counters.alarms[0] == sum(phase == "started" and cause == "odd" for phase, cause in told(kept))


def test_a_long_batch_and_single_rows_give_the_same_conditions(engine, batch, kept):
    t, x = wave(400)
    x[300:350] = x[300]
    run(engine([batch("a", t, x)]))
    whole = [alarm for alarm in alarms_in(kept) if alarm.cause == "flat"]
    kept.results.clear()
    run(engine([batch("a", t[i : i + 1], x[i : i + 1]) for i in range(400)]))
    single = [alarm for alarm in alarms_in(kept) if alarm.cause == "flat"]
    assert [a.time for a in whole] == [303 * 10**9, 350 * 10**9]
    assert single == whole


def live(engine, clock, made, seconds, step=0.1):
    """Turn for so many seconds of the clock."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        made.turn(0.0)


def beat(batch, name, count, every, first=1):
    """Answers of a source that is asked each 0.1 s: one sample each `every` seconds."""
    between = round(every / 0.1)
    rows = np.random.default_rng(0).standard_normal(count)
    return [
        [batch(name, [first + every * (i // between)], [rows[i // between]])] if i % between == 0 else []
        for i in range(count * between)
    ]


@pytest.mark.parametrize("every", [0.5, 2.0])
def test_silence_is_told_within_three_expected_intervals(engine, batch, clock, kept, caplog, every):
    made = engine(*beat(batch, "a", 30, every), *[[]] * 100, *beat(batch, "a", 2, every, first=100))
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        live(engine, clock, made, 30 * every)
        assert not logged(caplog, "condition")
        last_heard = clock.monotonic() - (every - 0.1)
        while not logged(caplog, "condition"):
            live(engine, clock, made, 0.1)
        assert 3 * every < clock.monotonic() - last_heard < 3 * every + 0.4
        assert made.fleet.counters.conditions[0].tolist() == [0, 1, 0, 0]
        live(engine, clock, made, 10.0)
    started, resolved = (alarm for alarm in alarms_in(kept) if alarm.cause == "silent")
    assert [started.phase, resolved.phase] == ["started", "resolved"]
    assert started.since == resolved.since
    assert (started.time - started.since) / 1e9 == pytest.approx(3 * every, abs=0.4)
    assert started.expected == pytest.approx(every, rel=0.01)
    assert [r.fields["phase"] for r in logged(caplog, "condition")] == ["started", "resolved"]
    assert made.fleet.counters.conditions[0].tolist() == [0, 0, 0, 0]


def test_a_sender_of_blocks_is_not_silent_between_them(engine, batch, clock, caplog):
    t, x = wave(600)
    blocks = [[batch("a", 0.01 * t[i : i + 20], x[i : i + 20])] for i in range(0, 600, 20)]
    made = engine(*[item for block in blocks for item in (block, *[[]] * 19)], *[[]] * 100)
    live(engine, clock, made, 60.0)
    assert not logged(caplog, "condition")
    live(engine, clock, made, 10.0)
    assert [r.fields["cause"] for r in logged(caplog, "condition")] == ["silent"]


def test_work_that_takes_long_makes_no_stream_silent(engine, batch, clock, caplog):
    """While the engine is at work nothing can be heard."""

    class Long:
        def __init__(self, channels, recipe):
            self.inner = Detector(channels=channels, recipe=recipe)

        def run(self, time, values):
            if time[0] == 30 * 10**9:
                clock.advance(30.0)
            return self.inner.run(time, values)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    made = engine(*beat(batch, "a", 60, 1.0), build=Long)
    live(engine, clock, made, 60.0)
    assert not logged(caplog, "condition")


# ---------------------------------------------------------------- maintenance


def window(**keys):
    return msgspec.convert(keys, Maintenance)


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def test_rows_of_a_window_are_muted_exactly(engine, batch, kept, caplog):
    t, x = wave(900)
    x[500:520] += 50.0
    windows = [
        window(streams=["a"], mute="learning", **{"from": utc(450)}, until=utc(600)),
        window(streams=["[ab]"], mute="alarms", **{"from": utc(490)}, until=utc(700)),
        window(streams=["b"], **{"from": utc(0)}, until=utc(10_000)),
    ]
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        made = run(engine([batch("a", t, x)], [batch("c", t, x)], windows=windows))
    model = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "a")))
    for start, stop, alarms, learning in (
        (0, 450, False, False), (450, 490, False, True), (490, 600, True, True), (600, 700, True, False),
        (700, 900, False, False),
    ):  # fmt: skip
        model.mute(alarms=alarms, learning=learning)
        model.run(t[start:stop] * 10**9, x[start:stop, None])
    np.testing.assert_array_equal(made.fleet["a"].model.arena.block, model.arena.block)
    plain = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "c")))
    plain.run(t * 10**9, x[:, None])
    np.testing.assert_array_equal(made.fleet["c"].model.arena.block, plain.arena.block)
    assert not [alarm for alarm in alarms_in(kept) if alarm.stream == "a" and alarm.phase == "started"]
    assert [alarm.phase for alarm in alarms_in(kept) if alarm.stream == "c"] == ["started", "resolved"]
    changes = [(r.fields["alarms"], r.fields["learning"]) for r in logged(caplog, "maintenance")]
    assert changes == [(False, True), (True, True), (True, False), (False, False)]
    assert made.fleet.counters.muted[0] == 0


def test_conditions_are_muted_and_told_where_they_outlast_the_window(engine, batch, kept):
    t, x = wave(600)
    x = np.stack([x, x[::-1]], axis=1)
    x[300:320, 0] = x[300, 0]
    x[300:450, 1] = x[300, 1]
    run(engine([batch("a", t, x)], windows=[window(mute="alarms", **{"from": utc(290)}, until=utc(400))]))
    flat = [alarm for alarm in alarms_in(kept) if alarm.cause == "flat"]
    assert [(a.phase, a.channel, a.time // 10**9, a.since // 10**9) for a in flat] == [
        ("started", "c1", 400, 300), ("resolved", "c1", 450, 300)
    ]  # fmt: skip


def test_silence_is_muted_by_the_clock(engine, batch, clock, caplog):
    """The clock stands at 1000 s when this begins."""
    windows = [window(streams=["a"], mute="alarms", **{"from": utc(1030)}, until=utc(1060))]
    made = engine(*beat(batch, "a", 30, 1.0), *[[]] * 600, windows=windows)
    live(engine, clock, made, 55.0)
    assert not logged(caplog, "condition")
    live(engine, clock, made, 10.0)
    assert [r.fields["phase"] for r in logged(caplog, "condition")] == ["started"]
    assert logged(caplog, "condition")[0].fields["time"] >= 1060 * 10**9


# ---------------------------------------------------------------- orders


def ordered(made, wish):
    """Ask as another thread does, while this one turns."""
    answers = []

    def ask():
        try:
            answer = made.call(wish, 5.0)
            answers.append(answer.result(30.0) if isinstance(answer, Future) else answer)
        except Exception as problem:
            answers.append(problem)

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        made.turn(0.0)
        thread.join(0.005)
    return answers[0]


def test_what_goes_on_is_accepted(engine, batch, caplog):
    t, x = wave(1500)
    x[500:] += 5.0
    made = engine([batch("a", t[:600], x[:600])], recipe=Recipe(alarms_per_week=1000.0))
    made.turn(0.0)
    model = made.fleet["a"].model
    assert (model.alarm, model.refusing) == (True, True)
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        assert ordered(made, lambda: made.accept("a")) is True
    model.run(t[600:700] * 10**9, x[600:700, None])
    assert (model.alarm, model.refusing) == (False, False)
    assert [r.fields for r in logged(caplog, "accepted")] == [{"stream": "a"}]
    assert ordered(made, lambda: made.accept("a")) is False
    assert isinstance(ordered(made, lambda: made.accept("b")), KeyError)


def test_a_window_is_forgotten_and_its_event_told_to_be_resolved(engine, batch, kept, caplog):
    t, x = wave(600, start=1)
    x[549:] += 50.0
    made = engine([batch("a", t, x)])
    made.turn(0.0)
    assert made.fleet.counters.active[0] == 1
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        assert ordered(made, lambda: made.forget("a", 550 * 10**9, 700 * 10**9)) == 51
    model = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "a")))
    y = x.copy()
    y[549:] = np.nan
    model.run(t * 10**9, y[:, None])
    np.testing.assert_array_equal(made.fleet["a"].model.arena.block, model.arena.block)
    assert told(kept) == [("started", "odd"), ("resolved", "odd")]
    assert alarms_in(kept)[1].since == 550 * 10**9
    assert made.fleet.counters.active[0] == 0
    assert [r.fields["rows"] for r in logged(caplog, "forgot")] == [51]
    assert isinstance(ordered(made, lambda: made.forget("a", -5, 700 * 10**9)), InputError)
    assert isinstance(ordered(made, lambda: made.forget("a", 10, 5)), InputError)


def test_while_a_window_is_forgotten_other_streams_go_on_and_the_rows_of_the_stream_wait(
    engine, batch, kept, monkeypatch
):
    monkeypatch.setattr(loop, "SLICE_SECONDS", -1.0)  # one slice a turn
    t, x = wave(1000, start=1)
    made = engine(
        [batch("a", t[:900], x[:900], 0)],
        [batch("a", t[900:930], x[900:930], 900), batch("b", [1], [1.0])],
        [batch("a", t[930:960], x[930:960], 930), batch("b", [2], [1.0])],
        [batch("b", [i], [1.0]) for i in range(3, 30)],
        [batch("a", t[960:], x[960:], 960)],
    )
    made.turn(0.0)
    done = made.forget("a", 880 * 10**9, 890 * 10**9)
    with pytest.raises(InputError, match="is being forgotten"):
        made.accept("a")
    with pytest.raises(InputError, match="is being forgotten"):
        made.forget("a", 1, 2)
    made.turn(0.0)
    made.turn(0.0)
    assert not done.done()
    assert made.fleet.counters.samples[:2].tolist() == [900, 2]
    run(made)
    assert done.result(0.0) == 11
    assert made.fleet.counters.samples[:2].tolist() == [1000, 29]
    assert made.tally.rejected.sum() == 0
    assert made.fleet.counters.restarts[0] == made.fleet.counters.gaps[0] == 0
    y = x.copy()
    y[879:890] = np.nan
    model = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "a")))
    model.run(t * 10**9, y[:, None])
    np.testing.assert_array_equal(made.fleet["a"].model.arena.block, model.arena.block)


def test_an_order_between_two_slices_of_a_batch_has_the_rest_of_it_wait(engine, batch, monkeypatch):
    monkeypatch.setattr(loop, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(loop, "SLICE_BYTES", 0)  # after the first 256 rows one by one
    t, x = wave(330, start=1)
    done = []

    class Ordering(Detector):
        def run(self, time, values):
            if time[0] == 300 * 10**9 and not done:
                done.append(None)
                made._wishes.put_nowait(lambda: done.append(made.forget("a", 250 * 10**9, 259 * 10**9)))
            return super().run(time, values)

    made = engine([batch("a", t, x, 0)], build=lambda channels, recipe: Ordering(channels=channels, recipe=recipe))
    run(made)
    assert done[1].result(0.0) == 10
    y = x.copy()
    y[249:259] = np.nan
    model = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "a")))
    model.run(t * 10**9, y[:, None])
    np.testing.assert_array_equal(made.fleet["a"].model.arena.block, model.arena.block)
    assert made.fleet.counters.samples[0] == 330
    assert made.tally.rejected.sum() == 0


def test_a_window_that_is_being_forgotten_when_the_source_ends_is_forgotten(engine, batch, monkeypatch):
    monkeypatch.setattr(loop, "SLICE_SECONDS", -1.0)
    t, x = wave(600, start=1)
    made = engine([batch("a", t, x)])
    made.turn(0.0)
    done = made.forget("a", 550 * 10**9, 560 * 10**9)
    run(made)
    assert done.result(0.0) == 11


def test_an_order_is_answered_where_the_loop_ends_before_it_is_done(engine, batch):
    t, x = wave(600, start=1)
    made = engine([batch("a", t, x)], InputError("broken row"))
    made.turn(0.0)
    done = made.forget("a", 550 * 10**9, 560 * 10**9)
    with pytest.raises(InputError, match="broken row"):
        run(made)
    with pytest.raises(InputError, match="the loop has ended"):
        done.result(0.0)


def test_orders_that_nobody_fulfils_are_given_up_and_their_number_is_bounded(engine):
    made = engine()
    done = []
    for _ in range(loop.WISHES):
        with pytest.raises(TimeoutError):
            made.call(lambda: done.append(1), 0.0)
    with pytest.raises(queue.Full):
        made.call(lambda: None, 0.0)
    made.turn(0.0)
    assert not done  # who asked has been told that it was not done
    assert ordered(made, lambda: 7) == 7


# ---------------------------------------------------------------- bad input


def storm(batch):
    """Input that holds every reason that the engine itself finds, and one that it is told of."""
    return {
        Reason.WRONG_CHANNELS: batch("good", [10_000], [[1.0, 2.0]]),
        Reason.LATE: batch("good", [3.5], [1.0]),
        Reason.DUPLICATE: batch("good", [199], [1.0]),
        Reason.UNKNOWN_STREAM: batch("stranger", [1], [1.0]),
        Reason.TOO_MANY_STREAMS: batch("g-third", [1], [1.0]),
        Reason.NOT_FINITE: batch("bad", [5000, 5001], [np.inf, 1e300]),
        Reason.MALFORMED: batch("good", [10_001], [1.0], sequence=-5),
        **{
            r: Reject(r, "bad", "told by the source")
            for r in (Reason.TRUNCATED, Reason.OVERSIZE, Reason.BAD_TIME, Reason.NOT_A_NUMBER)
        },
    }


def test_bad_input_is_counted_by_reason_and_changes_no_other_stream_by_a_bit(engine, batch):
    t, x = wave(200)
    admission = Admission(admit=("g*", "bad"), limit=2)
    start = [batch("good", t, x), batch("bad", t, x)]
    clean = run(engine(start, admission=admission))
    bad = storm(batch)
    assert set(bad) == set(Reason)
    stormy = run(engine(start, *([item] for item in bad.values()), admission=admission))
    expected = dict.fromkeys(Reason, 1) | {Reason.NOT_FINITE: 2}
    assert stormy.rejected() == expected
    assert clean.rejected() == dict.fromkeys(Reason, 0)
    assert stormy.fleet["good"].model.to_bytes() == clean.fleet["good"].model.to_bytes()
    assert stormy.fleet["bad"].model.to_bytes() != clean.fleet["bad"].model.to_bytes()  # the comparison can fail


def test_a_flood_of_rejects_gives_few_lines_which_hold_the_count(engine, caplog, clock):
    e = engine(*[[Reject(Reason.MALFORMED, f"s{i % 2}", "nonsense", count=5)] for i in range(200)])
    with caplog.at_level(logging.WARNING, "streamrnn.engine"):
        run(e)
    fields = [r.fields for r in caplog.records]
    assert len(fields) == 4  # two at once, two with the rest at the end
    assert sum(f["count"] for f in fields) == 1000
    assert {f["stream"] for f in fields} == {"s0", "s1"}


def test_what_was_held_back_is_logged_after_the_period(engine, caplog, clock):
    e = engine(*[[Reject(Reason.MALFORMED, "s", "nonsense")] for _ in range(3)], [], [])
    with caplog.at_level(logging.WARNING, "streamrnn.engine"):
        for _ in range(3):
            e.turn(0.0)
        clock.advance(PERIOD)
        e.turn(0.0)
    assert [r.getMessage() for r in caplog.records] == [
        "s: malformed: nonsense",
        "s: malformed: nonsense (2 of this kind)",
    ]


def test_names_of_strangers_cannot_fill_memory_or_log(engine, caplog):
    e = engine(*[[Reject(Reason.MALFORMED, f"stranger {i}", "nonsense")] for i in range(3000)])
    with caplog.at_level(logging.WARNING, "streamrnn.engine"):
        run(e)
    assert len(caplog.records) < 600
    assert sum(r.fields["count"] for r in caplog.records) == 3000


def test_gaps_and_restarts_are_counted(engine, batch):
    e = run(engine([batch("a", [1, 2], [1, 1], 0)], [batch("a", [5], [1], 7)], [batch("a", [6], [1], 0)]))
    assert e.fleet.counters.gaps[0] == 5
    assert e.fleet.counters.restarts[0] == 1
    assert e.fleet.counters.samples[0] == 4


def test_empty_batch_does_nothing(engine, kept):
    e = run(engine([Batch("a", np.zeros(0, np.int64), np.zeros((0, 1)), ("c",))]))
    assert (len(e.fleet), kept.results) == (0, [])


# ---------------------------------------------------------------- sinks, sources, stopping


class Broken:
    Options = None
    dropped = 3

    def write(self, results):
        raise RuntimeError("no room")

    def flush(self):
        raise RuntimeError("no room")


def test_a_broken_sink_does_not_stop_the_others(batch, given, kept, clock, caplog):
    e = Engine(
        given([batch("a", [1], [1.0])], [batch("a", [2], [1.0])]),
        {"broken": Broken(), "kept": kept},
        Recipe(),
        clock=clock,
    )
    run(e)
    assert len(kept.results) == 2
    assert kept.flushed == 1
    assert e.sink_errors == {"broken": 3, "kept": 0}
    assert "sink broken failed" in caplog.text


def test_a_source_error_is_raised_after_flushing(engine, batch, kept):
    e = engine([batch("a", [1], [1.0])], InputError("broken row", where="file.csv:7"))
    with pytest.raises(InputError, match=r"file\.csv:7"):
        run(e)
    assert (len(kept.results), kept.flushed) == (1, 1)


def test_any_other_error_of_a_source_names_the_source(engine):
    with pytest.raises(ConnectorError, match="Given: the source failed"):
        run(engine(OSError("pulled the plug")))


def test_what_has_arrived_is_used_after_a_stop(engine, batch, kept):
    stop = threading.Event()
    stop.set()
    engine([batch("a", [1], [1.0])], [batch("a", [2], [1.0])], [], [batch("a", [3], [1.0])]).run(stop)
    assert len(kept.results) == 2  # an empty answer ends the drain
    assert kept.flushed == 1


def test_silence_is_logged_once_and_its_end_too(engine, batch, clock, caplog):
    e = engine(
        [batch("a", [1], [1.0])],
        [],
        [],
        [batch("a", [2], [1.0])],
        [],
        admission=Admission(known=(Known(name="b", channels=("c0",)),)),
    )
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        for _ in range(5):
            e.turn(0.0)
            clock.advance(6.0)
    assert [r.getMessage() for r in caplog.records] == [
        "a: is silent for 6.0 s",
        "b: is silent for 6.0 s",
        "a: is heard again, after 18.0 s",
        "a: is silent for 6.0 s, expected every 1 s",  # by the samples' own times
    ]


def test_a_pause_of_the_source_is_waited_out(batch, kept):
    script = [batch("a", [1], [1.0]), Pause(0.3), batch("a", [2], [1.0]), EOF]
    run(Engine(ScriptedSource(script), {"kept": kept}, Recipe()))
    assert len(kept.results) == 2


def test_a_sample_from_the_future_does_not_silence_its_stream(engine, batch, caplog):
    """One stamped years ahead is refused; those that follow are learned as ever."""
    t, x = wave(20)
    made = engine([batch("a", t[:10], x[:10])], [batch("a", [9.2e9], [1.0])], [batch("a", t[10:], x[10:])])
    run(made)
    assert made.rejected()[Reason.BAD_TIME] == 1
    assert made.rejected()[Reason.LATE] == 0
    assert made.fleet.counters.samples[0] == 20
    assert "in the future" in caplog.text


def test_a_late_sample_is_logged_with_both_times(engine, batch, caplog):
    t, x = wave(10)
    run(engine([batch("a", t, x)], [batch("a", t[:1], x[:1])]))
    assert "newest 1970-" in caplog.text


def test_a_long_batch_comes_in_parts_with_the_same_bits(engine, batch, kept):
    t, x = wave(3000)
    made = run(engine([batch("a", t, x)]))
    assert len(kept.results) > 1
    np.testing.assert_array_equal(np.concatenate([r.time for r in kept.results]), t * 1_000_000_000)
    model = Detector(channels=("c0",), recipe=Recipe(seed=stream_seed(0, "a")))
    model.run(t * 1_000_000_000, x[:, None])
    np.testing.assert_array_equal(made.fleet["a"].model.arena.block, model.arena.block)


class Slow:
    """A model that takes 20 ms a row."""

    def __init__(self, channels, recipe):
        self.inner, self.clock = Detector(channels=channels, recipe=recipe), 0.0

    def run(self, time, values):
        wait = threading.Event()
        wait.wait(0.02 * len(time))
        return self.inner.run(time, values)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_a_stop_is_seen_within_a_long_batch(batch, monkeypatch):
    """Rows that would take 200 s: two seconds after the stop the rest is left, and said to be."""
    monkeypatch.setattr(loop, "DRAIN", 0.1)
    monkeypatch.setattr(loop, "FIRST_ROWS", 4)
    t, x = wave(10_000)
    stop = threading.Event()
    made = Engine(ScriptedSource([[batch("a", t, x)], EOF]), {}, Recipe(), build=Slow)
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()
    assert made.fleet.counters.samples[0] < 1000


def test_many_streams_that_fall_silent_at_once_are_counted_not_listed(engine, batch, clock, caplog):
    made = engine([batch(f"s{i:02}", [1], [1.0]) for i in range(40)], [], [])
    for _ in range(3):
        made.turn(0.0)
        clock.advance(6.0)
    lines = [r.getMessage() for r in logged(caplog, "condition")]
    assert len(lines) == 11
    assert lines[-1] == "… and 30 more: silent"
    assert made.fleet.counters.condition_starts.tolist() == [0, 40, 0, 0]
