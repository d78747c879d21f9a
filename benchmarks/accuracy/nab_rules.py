"""The rules of the Numenta Anomaly Benchmark v1.1 (Lavin & Ahmad 2015, §II; the NAB white paper).

A row whose score reaches the threshold is a detection. Of those inside a labelled window only the best counts, more the
earlier it comes; each outside costs, more the further behind a window it is; a window that is missed costs. One
threshold serves all files: the one with the best sum. 0 is what never alarming gets, 100 what is perfect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamrnn._types import Floats, Ints

PROFILES = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}
"""Cost of a false detection and of a missed window; a window found at its left edge is worth 1."""
STEEP = 5.0
FAR = 3.0
"""Window lengths behind a window from which on a false detection costs its whole price."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One file's rows after probation."""

    category: str
    score: Floats
    """(N,) higher is odder."""
    worth: Floats
    """(N,) of a detection at that row: up to 1 inside a window, down to -1 outside."""
    window: Ints
    """(N,) which of the file's windows the row is in, -1 for none."""


def sigmoid(position: Floats) -> Floats:
    """2 / (1 + exp(5 x)) − 1, and −1 beyond x = 3."""
    return np.where(position > FAR, -1.0, 2.0 / (1.0 + np.exp(STEEP * np.minimum(position, FAR))) - 1.0)


def judged(category: str, score: Floats, windows: Sequence[tuple[int, int]], probation: int) -> Judged:
    """What detections in a file are worth. windows: (first, last) row of each, in order."""
    rows = np.arange(len(score))
    worth, window = np.full(len(score), -1.0), np.full(len(score), -1)
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        behind = rows > last
        worth[behind] = sigmoid((rows[behind] - last) / (width - 1.0))
        inside = (rows >= first) & (rows <= last)
        worth[inside] = sigmoid((rows[inside] - last - 1.0) / width) / sigmoid(np.array([-1.0]))
        window[inside] = number
    return Judged(category, score[probation:], worth[probation:], window[probation:])


def best(files: Sequence[Judged], profile: str = "standard") -> float:
    """The score in percent at the threshold that suits best; NaN where there is no window."""
    false, missed = PROFILES[profile]
    score = np.concatenate([file.score for file in files])
    worth = np.concatenate([file.worth for file in files])
    window, before = np.full(len(score), -1), 0
    for file, place in zip(files, np.cumsum([len(file.window) for file in files]).tolist(), strict=True):
        here = window[place - len(file.window) : place]
        here[:] = np.where(file.window < 0, -1, file.window + before)
        before += int(file.window.max(initial=-1)) + 1
    numbers = np.unique(window[window >= 0])  # a window that lies in the probation does not count
    if not len(numbers):
        return float("nan")
    order = np.argsort(-score, kind="stable")
    worth, window = worth[order], window[order]
    gain = np.where(window < 0, false * worth, 0.0)
    for number in numbers:
        hits = np.flatnonzero(window == number)
        gain[hits] = np.diff(np.maximum.accumulate(np.maximum(worth[hits], -missed)), prepend=-missed)
    total = np.concatenate([[0.0], np.cumsum(gain)])
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf) != 0) + 1  # rows of the same score come together
    reached = max(float(total[ends].max()), 0.0)
    return 100.0 * reached / (len(numbers) * (1.0 + missed))
