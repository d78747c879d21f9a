import numpy as np
import pytest

from streamrnn.engine.order import LAST_NUMBER, NEVER, check_clock, check_shape, sift
from streamrnn.engine.ports import Batch
from streamrnn.errors import Reason, WireError


def rows(times, sequence=None):
    times = np.asarray(times, np.int64)
    return Batch("s", times, times[:, None].astype(float), ("c",), sequence)


def counts(times, sequence=None, *, time=NEVER, seen=-1):
    s = sift(rows(times, sequence), time, seen)
    return s.batch.time.tolist(), s.late, s.duplicate, s.gap, s.restarted, s.sequence


def test_rows_in_order_pass_untouched():
    batch = rows([0, 1, 5])
    assert sift(batch, NEVER, -1).batch is batch


@pytest.mark.parametrize(
    ("times", "time", "kept", "late", "duplicate"),
    [
        ([5], 5, [], 0, 1),
        ([4], 5, [], 1, 0),
        ([3, 5, 6, 6, 4, 7], 5, [6, 7], 2, 2),
        ([9, 1, 10], 5, [9, 10], 1, 0),
        ([0, 0], NEVER, [0], 0, 1),
    ],
)
def test_time_decides_what_is_new(times, time, kept, late, duplicate):
    assert counts(times, time=time)[:3] == (kept, late, duplicate)


def test_values_follow_their_times():
    kept = sift(rows([6, 2, 7]), 5, -1).batch
    assert kept.values[:, 0].tolist() == [6.0, 7.0]


def test_numbers_tell_what_was_lost():
    assert counts([10, 11], 8, time=9, seen=4) == ([10, 11], 0, 0, 3, False, 9)


def test_the_first_number_of_all_is_no_gap():
    assert counts([10], 700) == ([10], 0, 0, 0, False, 700)


def test_a_tail_sent_again_is_a_duplicate_and_its_new_rows_are_used():
    assert counts([7, 8, 9, 10], 7, time=9, seen=9) == ([10], 0, 3, 0, False, 10)


def test_an_early_row_whose_number_is_new_is_late():
    assert counts([4], 10, time=9, seen=9) == ([], 1, 0, 0, False, 10)


def test_old_numbers_with_new_times_are_a_restarted_sender():
    assert counts([10, 11], 0, time=9, seen=9) == ([10, 11], 0, 0, 0, True, 1)


def test_a_batch_without_numbers_keeps_the_mark():
    assert counts([10], None, time=9, seen=9)[-1] == 9


def test_highest_number_of_all_does_not_overflow():
    assert counts([1, 2], LAST_NUMBER, seen=0)[3:] == (LAST_NUMBER - 1, False, LAST_NUMBER + 1)


@pytest.mark.parametrize("number", [-1, LAST_NUMBER + 1, 2**64 - 1])
def test_a_number_out_of_range_is_malformed(number):
    with pytest.raises(WireError) as caught:
        check_shape(rows([1], number))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("shape", [(2, 2), (3, 1), (2,)])
def test_values_that_do_not_fit_are_refused(shape):
    with pytest.raises(WireError) as caught:
        check_shape(Batch("s", np.array([1, 2]), np.zeros(shape), ("c",)))
    assert caught.value.reason is Reason.WRONG_CHANNELS


def test_a_clock_that_is_ahead_is_refused_within_its_limit():
    batch = rows([5 * 10**9])
    check_clock(batch, 2 * 10**9, 3.0)
    check_clock(batch, 0, 0.0)
    with pytest.raises(WireError, match=r"3 s ahead, expected at most streams\.most_ahead = 2 s") as caught:
        check_clock(batch, 2 * 10**9, 2.0)
    assert caught.value.reason is Reason.BAD_TIME
