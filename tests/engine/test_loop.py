import logging
import threading

import numpy as np
import pytest

from streamrnn.engine import loop
from streamrnn.engine.bounded_log import PERIOD
from streamrnn.engine.fleet import Admission, Known, stream_seed
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch, Reject
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


def test_an_event_gives_one_alarm_and_one_clearing(engine, batch, kept, caplog):
    t, x = wave(600)
    x[500:520] += 50.0
    with caplog.at_level(logging.INFO, "streamrnn.engine"):
        e = run(engine([batch("a", t, x)]))
    raised, cleared = (alarm for result in kept.results for alarm in result.alarms)
    assert (raised.raised, cleared.raised) == (True, False)
    assert raised.time == 500_000_000_000
    assert raised.since == cleared.since == raised.time
    assert (raised.channel, raised.value) == ("c0", x[500])
    assert raised.lower < raised.expected < raised.upper < raised.value
    assert cleared.score >= raised.score >= 0.5
    assert e.fleet.counters.alarms[0] == 1
    assert e.fleet.counters.active[0] == 0
    lines = [r.getMessage() for r in caplog.records if getattr(r, "event", "") in ("alarm", "cleared")]
    assert [line.split()[0] for line in lines] == ["ALARM", "cleared"]
    assert "expected" in lines[0]
    assert [r.levelname for r in caplog.records if getattr(r, "event", "") == "alarm"] == ["WARNING"]


def test_an_alarm_is_cleared_under_the_name_it_was_raised_under(engine, batch, kept):
    t = np.arange(600)
    x = np.stack([np.sin(t / 7), np.cos(t / 5)], axis=1) + 0.1 * np.random.default_rng(2).standard_normal((600, 2))
    x[500:520, 1] += 50.0
    e = run(engine([batch("a", t[:510], x[:510])], [batch("a", t[510:], x[510:])]))
    alarms = [alarm for result in kept.results for alarm in result.alarms]
    assert [(alarm.raised, alarm.channel) for alarm in alarms] == [(True, "c1"), (False, "c1")]
    assert alarms[1].value == x[int(alarms[1].time // 1e9), 1]
    assert e.fleet.counters.culprit[0] == 1


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
    assert [r.getMessage() for r in caplog.records] == ["a is silent", "b is silent", "a is heard again"]


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
    lines = [r.getMessage() for r in caplog.records if getattr(r, "event", "") == "silent"]
    assert len(lines) == 11
    assert lines[-1] == "… and 30 more: is silent"
