import numpy as np
import pytest

from streamrnn.daemon.status import LINES, status_lines
from streamrnn.engine.fleet import Admission, Known
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch
from streamrnn.tasks.recipe import Recipe
from streamrnn.testing.scripted import ManualClock, ScriptedSource


@pytest.fixture
def clock():
    return ManualClock(monotonic=100.0)


RECIPE = Recipe(alarms_per_week=1000.0)  # a row a second: one a week would need more than these few rows can show


def watched(clock, *batches, **admission):
    engine = Engine(ScriptedSource([list(batches)]), {}, RECIPE, admission=Admission(**admission), clock=clock)
    engine.turn(0.0)
    return engine


def batch(name, n, jump=0.0):
    t = np.arange(n)
    x = np.stack([np.sin(t / 5), np.cos(t / 5)], axis=1) + 0.05 * np.random.default_rng(1).standard_normal((n, 2))
    x[-1, 1] += jump
    return Batch(name, t * 1_000_000_000, x, ("left", "right"))


def test_before_anything_is_heard(clock):
    assert [text for text, _ in status_lines(watched(clock))] == ["no stream has been heard yet"]


def test_one_aligned_line_a_stream_with_its_state(clock):
    engine = watched(
        clock,
        batch("calm", 300),
        batch("odd-one", 300, jump=50.0),
        batch("new", 20),
        known=(Known(name="lost", channels=("x",)),),
    )
    clock.advance(6.0)
    for name in ("calm", "odd-one", "new"):
        engine.fleet.counters.heard[engine.fleet[name].index] = clock.monotonic()
    lines = {fields["stream"]: (text, fields) for text, fields in status_lines(engine)}
    assert [fields["state"] for _, fields in lines.values()] == ["silent for 6 s", "ok", "ALARM", "warming up"]
    assert lines["odd-one"][0].startswith("odd-one right")
    assert lines["odd-one"][0].endswith("ALARM")
    assert lines["odd-one"][1]["value"] > 40.0
    assert len({text.index("expected") for text, _ in lines.values()}) == 1
    assert len({text.index("score") for text, _ in lines.values()}) == 1


def shown(engine, name):
    return next(fields["channel"] for _, fields in status_lines(engine) if fields["stream"] == name)


def test_the_channel_that_is_out_of_its_band_is_shown(clock):
    engine = watched(clock, batch("a", 90, jump=50.0), batch("b", 90))
    assert not engine.fleet.counters.active.any()
    assert (shown(engine, "a"), shown(engine, "b")) == ("right", "left")
    engine.fleet["a"].latest[0] = np.nan
    assert shown(engine, "a") == "left"


def test_while_an_alarm_is_on_its_channel_is_shown(clock):
    engine = watched(clock, batch("a", 300, jump=50.0))
    engine.fleet["a"].latest[0] = engine.fleet["a"].latest[1]  # back to what was expected
    assert shown(engine, "a") == "right"


def test_a_long_table_is_cut_and_what_matters_stays(clock):
    many = [batch(f"s{i:02d}", 150, jump=80.0 if i == 29 else 0.0) for i in range(30)]
    texts = [text for text, _ in status_lines(watched(clock, *many))]
    assert len(texts) == LINES + 1
    assert texts[-1] == "and 10 streams more"
    assert texts[-2].startswith("s29")
