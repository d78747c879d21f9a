"""Close-ups, held against a plain definition: the rows from 200 before to 300 after each start of an event."""

from __future__ import annotations

import numpy as np
import pytest

from streamrnn.daemon.closeup import AFTER, BEFORE, Closeups
from streamrnn.daemon.thinning import Envelope, Thinning

ROWS = 20_000
STARTS = (50, 3_000, 3_100, 9_000, 9_450, 12_345, ROWS - 10)
ENVELOPES: list[Envelope] = ["both", "highest"]


def series() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(ROWS) * 7, np.random.default_rng(0).normal(size=(ROWS, 2))


def wanted(room: int) -> np.ndarray:
    """Numbers of the rows that are to be kept."""
    near = [set(range(max(start - BEFORE, 0), min(start + AFTER, ROWS))) for start in STARTS]
    return np.array(sorted(set.union(*near))[:room])


@pytest.mark.parametrize("room", [100_000, 777])
@pytest.mark.parametrize("block", [1, 97, 4096, ROWS])
def test_rows_around_events_are_kept_whatever_the_blocks(block: int, room: int) -> None:
    time, rows = series()
    closeups = Closeups(2, room)
    for at in range(0, ROWS, block):
        part = slice(at, at + block)
        closeups.add(time[part], rows[part], [7 * start for start in STARTS if at <= start < at + block])
    want = wanted(room)
    size = 10
    points, values = (
        time.reshape(-1, size)[:, [0, -1]].reshape(-1),
        rows.reshape(-1, size, 2)[:, [0, -1]].reshape(-1, 2),
    )
    got_time, got = closeups.into(points, values, size)
    whole = np.isin(np.arange(ROWS), want).reshape(-1, size).all(axis=1)
    assert 0 < whole.sum() < len(whole)
    ends = np.zeros((len(whole), size), np.bool_)
    ends[:, [0, -1]] = True
    shown = np.where(whole[:, None], True, ends).reshape(-1)
    np.testing.assert_array_equal(got_time, time[shown])
    np.testing.assert_array_equal(got, rows[shown])


def test_thinned_points_and_close_ups_fit_together() -> None:
    time, rows = series()
    thinning, closeups = Thinning(ENVELOPES, 1000), Closeups(2, 10_000)
    for at in range(0, ROWS, 333):
        part = slice(at, at + 333)
        thinning.add(time[part], rows[part])
        closeups.add(time[part], rows[part], [7 * start for start in STARTS if at <= start < at + 333])
    got_time, got = closeups.into(*thinning.points(), thinning.rows_per_bucket)
    assert np.all(np.diff(got_time) > 0)
    assert got[:, 0].max() == rows[:, 0].max()
    assert got[:, 0].min() == rows[:, 0].min()
    for start in (3_000, 9_000, 12_345):
        near = np.isin(got_time, time[start - 100 : start + 200])
        np.testing.assert_array_equal(got[near], rows[start - 100 : start + 200])


def test_without_events_nothing_changes() -> None:
    time, rows = series()
    closeups = Closeups(2, 1000)
    closeups.add(time, rows, [])
    for got, want in zip(closeups.into(time[::10], rows[::10], 20), (time[::10], rows[::10]), strict=True):
        np.testing.assert_array_equal(got, want)
    empty = closeups.into(time[:0], rows[:0], 4)
    assert len(empty[0]) == 0
