"""Order: which rows of a batch are new, and what the sender's numbers say of those that are not there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamrnn.engine.ports import Batch
from streamrnn.errors import Reason, WireError

NEVER = int(np.iinfo(np.int64).min)
"""Earlier than any time."""
LAST_NUMBER = 2**62
"""Highest sequence number: those of a batch that begins with it still fit 64 bits."""


@dataclass(slots=True, frozen=True)
class Sifted:
    """What is left of a batch."""

    batch: Batch
    """The rows to learn from: times strictly increasing and later than all before."""
    late: int
    duplicate: int
    gap: int
    """Numbers that the sender has skipped."""
    restarted: bool
    """The sender counts anew: numbers that were seen come with times that are new."""
    sequence: int
    """Highest number seen, -1 before the first."""


def check_shape(batch: Batch) -> None:
    """Raise WireError where the parts of a batch contradict each other or its numbers cannot be counted with."""
    expected = (len(batch.time), len(batch.channels))
    if batch.values.shape != expected:
        raise WireError(
            Reason.WRONG_CHANNELS,
            "values do not fit times and channels",
            stream=batch.stream,
            got=batch.values.shape,
            expected=expected,
        )
    if batch.sequence is not None and not 0 <= batch.sequence <= LAST_NUMBER:
        raise WireError(
            Reason.MALFORMED,
            "sequence number out of range",
            stream=batch.stream,
            got=batch.sequence,
            expected=f"0 to {LAST_NUMBER}",
        )


def check_clock(batch: Batch, now: int, most_ahead: float) -> None:
    """Raise WireError where a time of the batch is more than `most_ahead` seconds (0: no limit) after `now`.

    now     nanoseconds since 1970
    """
    ahead = (int(batch.time.max()) - now) / 1e9
    if 0.0 < most_ahead < ahead:
        raise WireError(
            Reason.BAD_TIME,
            "the time is in the future",
            stream=batch.stream,
            got=f"{ahead:.0f} s ahead",
            expected=f"at most streams.most_ahead = {most_ahead:g} s",
        )


def sift(batch: Batch, time: int, sequence: int) -> Sifted:
    """Keep the rows of `batch` that are later than all before them.

    time        nanoseconds since 1970 of the stream's newest sample, NEVER before the first
    sequence    highest number seen of it, -1 before the first

    Time alone decides whether a row is used. The numbers tell why one is not (its number was seen: a duplicate), what
    was lost on the way (a jump), and that a sender has restarted (old numbers, new times): its samples are used, for
    else a restarted sensor would stay unheard until it has counted past its old mark.
    """
    count = len(batch.time)
    before = np.empty(count, np.int64)
    before[:1] = time
    np.maximum.accumulate(np.maximum(batch.time[:-1], time), out=before[1:])
    new = batch.time > before
    accepted = int(np.count_nonzero(new))
    first = batch.sequence
    if first is None:
        duplicate = int(np.count_nonzero(batch.time == before))
        last, gap, restarted = sequence, 0, False
    else:
        seen = np.arange(count) <= sequence - first
        restarted = bool(np.any(new & seen))
        duplicate = int(np.count_nonzero(~new & (seen | (batch.time == before))))
        last = first + count - 1 if restarted else max(sequence, first + count - 1)
        gap = max(first - sequence - 1, 0) if sequence >= 0 else 0
    kept = batch if accepted == count else _rows(batch, new)
    return Sifted(kept, count - accepted - duplicate, duplicate, gap, restarted, last)


def _rows(batch: Batch, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Batch:
    return Batch(batch.stream, batch.time[keep], batch.values[keep], batch.channels)
