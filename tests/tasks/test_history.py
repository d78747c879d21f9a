"""Forgetting a window afterwards: to the same bits as a model that never saw it; and what it takes to be able to."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn import Detector
from streamrnn.errors import InputError
from streamrnn.tasks import history
from streamrnn.tasks.history import History

SECOND, HOUR = 10**9, 3600 * 10**9


def times(n, every=60.0, start=1):
    return (start + np.arange(n)) * round(every * SECOND)


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 1))


def run(model, t, x, block):
    for i in range(0, len(t), block):
        model.run(t[i : i + block], x[i : i + block])


def same(a, b):
    np.testing.assert_array_equal(a.arena.block, b.arena.block)


@pytest.mark.parametrize("block", [1, 30, 1000])
@pytest.mark.parametrize("governor", ["freeze", "shadow"])
def test_what_is_forgotten_was_never_seen(block, governor):
    x, t = noise(1000), times(1000)
    x[930:960] += 40
    model, other = (Detector(governor=governor, highest=20.0) for _ in range(2))
    run(model, t, x, block)
    assert model.forget(int(t[930]), int(t[959])) == 30
    clean = x.copy()
    clean[930:960] = np.nan
    other.run(t, clean)
    same(model, other)
    more, later = noise(100, seed=1), times(100, start=1001)
    np.testing.assert_array_equal(model.run(later, more).score, other.run(later, more).score)


def test_a_window_is_forgotten_to_its_last_nanosecond_and_not_more():
    t = times(400)
    for since, until, gone in ((t[390], t[392], 3), (t[390] + 1, t[392] - 1, 1), (t[391] + 1, t[392] - 1, 0)):
        model = Detector()
        model.run(t, noise(400))
        assert model.forget(int(since), int(until)) == gone
        assert model.statistics["missing"][0] == gone
        assert model.last_time == t[-1]


def test_two_windows_can_be_forgotten_one_after_the_other():
    x, t = noise(1000), times(1000)
    model, other = Detector(), Detector()
    model.run(t, x)
    model.forget(int(t[950]), int(t[960]))
    model.forget(int(t[980]), int(t[990]))
    x[950:961] = x[980:991] = np.nan
    other.run(t, x)
    same(model, other)


def test_the_first_row_can_be_forgotten_and_a_stream_may_begin_at_0():
    x, t = noise(90), times(90, start=0)
    model, other = Detector(), Detector()
    model.run(t, x)
    assert model.forget(int(t[40]), int(t[45])) == 6
    x[40:46] = np.nan
    other.run(t, x)
    same(model, other)
    assert model.forget(0, 0) == 1
    x[0] = np.nan
    again = Detector()
    again.run(t, x)
    same(model, again)


def test_what_is_too_long_ago_cannot_be_forgotten_and_a_refusal_changes_nothing():
    model = Detector()
    run(model, times(1000), noise(1000), 10)
    before = model.snapshot()
    with pytest.raises(InputError, match="not kept any more"):
        model.forget(int(times(1)[0]), int(times(10)[-1]))
    np.testing.assert_array_equal(model.snapshot(), before)
    assert model.forget(int(times(1000)[-5]), int(times(1000)[-1])) == 5, "what is kept is kept"


def test_without_undo_nothing_is_kept():
    model = Detector(undo=False)
    model.run(times(200), noise(200))
    assert not model._history._snapshots
    with pytest.raises(InputError, match="undo"):
        model.forget(int(times(200)[-1]), int(times(200)[-1]))


def test_rows_that_were_stepped_or_restored_cannot_be_forgotten():
    t = times(300)
    model = Detector()
    model.run(t, noise(300))
    kept = model.snapshot()
    model.step(np.array([0.5]), model.new_output(), float(t[-1] + HOUR) / 1e9)
    with pytest.raises(InputError, match="learned by run"):
        model.forget(int(t[290]), int(t[291]))
    model.restore(kept)
    with pytest.raises(InputError, match="learned by run"):
        model.forget(int(t[290]), int(t[291]))


@pytest.mark.parametrize("block", [1, 1000])
def test_a_block_in_which_an_event_comes_and_goes_is_not_clean(block):
    """Ten minutes of it, and twelve hours later what was before it can still be gone back to."""
    x, t = noise(2600), times(2600)
    x[1500:1510] += 40
    model, other = Detector(), Detector()
    run(model, t[:1450], x[:1450], block)
    run(model, t[1450:1700], x[1450:1700], max(block, 250) if block > 1 else 1)
    run(model, t[1700:2220], x[1700:2220], 20)
    assert model.alarms >= 1
    assert model.forget(int(t[1500]), int(t[1509])) == 10
    x[1500:1510] = np.nan
    other.run(t[:2220], x[:2220])
    same(model, other)


def test_what_was_muted_and_accepted_then_is_so_again():
    x, t = noise(1500), times(1500)
    x[700:] += 30
    model, other = Detector(highest=20.0), Detector(highest=20.0)
    y = x.copy()
    y[720:730] = np.nan
    for one, values in ((model, x), (other, y)):
        one.run(t[:600], values[:600])
        one.mute(alarms=True)
        one.run(t[600:650], values[600:650])
        one.mute(learning=True)
        one.run(t[650:690], values[650:690])
        one.mute()
        one.run(t[690:740], values[690:740])
        assert one.refusing
        one.accept()
        one.run(t[740:860], values[740:860])
        assert not one.refusing
        one.mute(alarms=True, learning=True)
    assert model.forget(int(t[720]), int(t[729])) == 10
    same(model, other)


def test_maintenance_outlives_a_forgotten_window():
    model = Detector()
    model.run(times(300), noise(300))
    model.mute(learning=True, alarms=True)
    model.run(times(10, start=301), noise(10, seed=1))
    model.forget(int(times(300)[-5]), int(times(300)[-1]))
    rows = model.run(times(5, start=311), noise(5, seed=2))
    assert (rows.learning == 4).all()


# ---------------------------------------------------------------- what is kept


def filled(rows, every, values=1, block=10, event=lambda row: False):
    """A History after so many rows, in blocks."""
    kept, last = History(), -1
    for i in range(0, rows, block):
        t = (1 + i + np.arange(block)) * round(every * SECOND)
        kept.note(np.zeros(50, np.uint64), last, event(i), t, np.zeros((block, values)))
        last = int(t[-1])
    return kept, last


@pytest.mark.parametrize("every", [0.1, 1.0, 60.0, 3600.0])
def test_an_hour_and_a_hundred_rows_can_be_gone_back_and_not_much_more_is_kept(every):
    kept, last = filled(6000, every)
    times_of = [then for then, _ in kept._snapshots]
    assert len(times_of) <= 2
    known = last - times_of[0]
    span = max(HOUR, 100 * every * SECOND)
    if 6000 * every * SECOND > 2 * span:
        assert span <= known <= 2 * span + 20 * every * SECOND
    rows = sum(kept.time.size for kept in kept._rows)
    assert rows * every * SECOND <= known + 20 * every * SECOND, "rows from before the older snapshot are let go"
    assert kept._numbers == sum(rows.time.size + rows.values.size for rows in kept._rows)


def test_memory_is_bounded_whatever_lasts():
    """Even an event that never ends, and a stream that sends a thousand rows a second."""
    for every, event in ((1.0, lambda row: row > 1000), (0.001, lambda row: False)):
        most = 0
        kept, last = History(), -1
        for i in range(400):
            t = round(every * SECOND) * (1 + 1000 * i + np.arange(1000))
            kept.note(np.zeros(50, np.uint64), last, event(1000 * i), t, np.zeros((1000, 8)))
            last, most = int(t[-1]), max(most, sum(rows.time.size + rows.values.size for rows in kept._rows))
        assert most <= history.MOST + 9000
        assert len(kept._snapshots) <= 2


def test_what_was_before_an_event_is_kept_for_a_day_after_it():
    """An event of an hour, a row a minute."""
    kept, _ = filled(600 + 60 + 1400, 60.0, event=lambda row: 600 <= row < 660)
    onset = 601 * 60 * SECOND
    _, rows = kept.before(onset)
    assert 0 < rows[0].time[0] < onset
    kept, _ = filled(600 + 60 + 1700, 60.0, event=lambda row: 600 <= row < 660)
    with pytest.raises(InputError, match="not kept any more"):
        kept.before(onset)


@pytest.mark.parametrize(
    ("since", "taken", "left"),
    [(11 * HOUR, 5, [12 * HOUR]), (10 * HOUR, 4, [10 * HOUR, 12 * HOUR]), (8 * HOUR + 1, 4, [10 * HOUR, 12 * HOUR])],
)
def test_the_newest_snapshot_from_before_the_window_is_taken(since, taken, left):
    """A row that a snapshot has in it already is no longer to be taken out of it."""
    kept = History()
    for i in range(6):
        t = np.array([(1 + i) * 2 * HOUR])
        kept._fresh = history.LEAST_ROWS
        kept.note(np.full(3, i, np.uint64), 2 * i * HOUR if i else -1, False, t, np.zeros((1, 1)))
    assert [then for then, _ in kept._snapshots] == [8 * HOUR, 10 * HOUR]
    block, rows = kept.before(since)
    assert block[0] == taken
    assert [int(kept.time[0]) for kept in rows] == left
    assert not kept._snapshots, "what is kept ends there"
