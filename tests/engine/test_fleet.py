import numpy as np
import pytest

from streamrnn.engine.fleet import Admission, Fleet, Known, in_order, stream_seed
from streamrnn.engine.loop import detector
from streamrnn.engine.ports import Batch
from streamrnn.errors import Reason, WireError
from streamrnn.tasks.recipe import Recipe


def fleet(**admission):
    return Fleet(Recipe(), Admission(**admission), detector, now=0.0)


def refusal(streams, name, channels):
    with pytest.raises(WireError) as caught:
        streams.admit(name, channels, 0.0)
    return caught.value.reason


def test_a_stream_is_taken_in_once():
    streams = fleet()
    assert streams.admit("a", ("x",), 0.0) is streams.admit("a", ("x",), 1.0)
    assert [s.name for s in streams] == ["a"]


def test_a_stream_that_comes_back_with_other_channels_is_refused():
    streams = fleet()
    stream = streams.admit("a", ("x", "y"), 0.0)
    with pytest.raises(WireError, match=r"got x, z, expected x, y") as caught:
        streams.admit("a", ("x", "z"), 1.0)
    assert caught.value.reason is Reason.WRONG_CHANNELS
    assert streams.admit("a", ("y", "x"), 1.0) is stream, "the same ones in another order"
    assert streams.admit("a", ("ch0", "ch1"), 1.0) is stream, "none were named"
    nameless = streams.admit("b", ("value",), 0.0)
    assert streams.admit("b", ("x",), 1.0) is nameless


def test_values_are_put_in_the_order_of_the_stream_by_the_names_of_their_channels():
    values = np.array([[1.0, 2.0, 3.0]])
    given = Batch("a", np.array([7]), values, ("z", "x", "y"), 5)
    found = in_order(given, ("x", "y", "z"))
    assert (found.values.tolist(), found.channels, found.sequence) == ([[2.0, 3.0, 1.0]], ("x", "y", "z"), 5)
    assert in_order(given, ("z", "x", "y")) is given
    unnamed = Batch("a", np.array([7]), values, ("ch0", "ch1", "ch2"))
    assert in_order(unnamed, ("x", "y", "z")) is unnamed


def test_each_reason_to_refuse_a_stream():
    streams = fleet(admit=("a*",), limit=2, channel_limit=3)
    assert refusal(streams, "b", ("x",)) is Reason.UNKNOWN_STREAM
    assert refusal(streams, "a", ()) is Reason.WRONG_CHANNELS
    assert refusal(streams, "a", ("x", "y", "z", "w")) is Reason.WRONG_CHANNELS
    assert refusal(streams, "a", ("x", "x")) is Reason.WRONG_CHANNELS
    streams.admit("a1", ("x",), 0.0)
    assert refusal(streams, "a1", ("x", "y")) is Reason.WRONG_CHANNELS
    streams.admit("a2", ("x",), 0.0)
    assert refusal(streams, "a3", ("x",)) is Reason.TOO_MANY_STREAMS
    assert len(streams) == 2


def test_known_streams_are_there_and_need_no_pattern():
    streams = fleet(admit=(), known=(Known(name="pump", channels=("flow",)),))
    assert streams.admit("pump", ("flow",), 0.0).index == 0
    assert refusal(streams, "other", ("x",)) is Reason.UNKNOWN_STREAM


def test_seeds_differ_by_stream_and_repeat():
    seeds = {stream_seed(seed, name) for seed in (0, 1) for name in ("a", "b", "c")}
    assert len(seeds) == 6
    assert stream_seed(7, "pump") == stream_seed(7, "pump")
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_streams_have_weights_of_their_own():
    streams = fleet()
    a, b = (streams.admit(name, ("x",), 0.0) for name in "ab")
    assert a.model.to_bytes() != b.model.to_bytes()
    assert a.model.to_bytes() == fleet().admit("a", ("x",), 0.0).model.to_bytes()


@pytest.mark.parametrize(("silent_after", "interval", "arrivals", "quiet", "silent"), [
    (0.0, 0.0, 0, 4.9, False),
    (0.0, 0.0, 0, 5.1, True),
    (0.0, 0.1, 7, 4.9, False),
    (0.0, 0.1, 7, 5.1, True),
    (0.0, 0.1, 8, 0.9, False),
    (0.0, 0.1, 8, 1.1, True),
    (0.0, 3600.0, 8, 10_700.0, False),
    (0.0, 3600.0, 8, 10_900.0, True),
    (2.0, 3600.0, 8, 3.0, True),
    (2.0, 0.1, 8, 1.5, False),
])  # fmt: skip
def test_when_a_stream_is_silent(silent_after, interval, arrivals, quiet, silent):
    streams = fleet(silent_after=silent_after)
    stream = streams.admit("a", ("x",), 100.0)
    streams.counters.interval[stream.index] = interval
    streams.counters.arrivals[stream.index] = arrivals
    assert (streams.silent(100.0 + quiet) == [stream]) is silent


def test_while_the_loop_works_nothing_can_be_heard():
    streams = fleet(silent_after=2.0)
    stream = streams.admit("a", ("x",), 100.0)
    streams.worked(100.0, 130.0)
    streams.worked(130.0, 130.1)
    assert streams.silent(131.9) == []
    assert streams.silent(132.1) == [stream]
    streams.worked(161.0, 161.1)
    assert streams.silent(161.1) == [stream]


def test_irregular_arrivals_are_not_silence():
    """Exponential waits: one in a million is above 13.8 of them."""
    streams = fleet()
    stream, now, false = streams.admit("a", ("x",), 0.0), 0.0, 0
    waits = np.random.default_rng(0).exponential(10.0, 20_000)
    for wait in waits:
        false += streams.silent(now + wait - 1e-6) == [stream] and streams.counters.arrivals[0] > 100
        now += wait
        streams.hear(stream, now)
    assert waits.max() > 90.0
    assert false == 0
    assert 100.0 < streams.patience(stream) < 200.0
    assert streams.silent(now + 200.0) == [stream]


def test_a_stream_that_was_off_has_its_old_rhythm():
    streams = fleet()
    stream, now = streams.admit("a", ("x",), 0.0), 0.0
    for gap in [1.0] * 50 + [86400.0] + [1.0] * 3:
        now += gap
        streams.hear(stream, now)
    assert streams.patience(stream) < 5.0


def test_totals_are_over_streams_and_channels():
    streams = fleet()
    for name, channels in (("a", ("x",)), ("b", ("x", "y"))):
        streams.admit(name, channels, 0.0).model.run(np.array([0, 1]), np.full((2, len(channels)), np.nan))
    assert streams.total("missing") == 6.0
