"""Tally: numbers of the engine as a whole. The loop writes them, the metrics read them at scrape time."""

from __future__ import annotations

import bisect

import numpy as np

from streamrnn._types import Ints
from streamrnn.errors import Reason

STEP_SECONDS = (2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 1.0)
"""Upper edges of the histogram of step times; a last bucket has none."""

REASONS = {reason: place for place, reason in enumerate(Reason)}


class Tally:
    """Counts since the start. One thread writes, any thread reads."""

    def __init__(self) -> None:
        self.rejected: Ints = np.zeros(len(REASONS), np.int64)
        """Samples or messages refused, in the order of `Reason`; values masked by the models are not in it."""
        self.steps: Ints = np.zeros(len(STEP_SECONDS) + 1, np.int64)
        """Samples by the time that each took."""
        self.step_seconds = 0.0
        """Sum of those times."""
        self.newest: int | None = None
        """Nanoseconds since 1970 of the newest sample of any stream."""

    def reject(self, reason: Reason, count: int) -> None:
        """Count refused input."""
        self.rejected[REASONS[reason]] += count

    def step(self, seconds: float, samples: int) -> None:
        """Count `samples` that took `seconds` together: each is put down at their mean."""
        self.steps[bisect.bisect_left(STEP_SECONDS, seconds / samples)] += samples
        self.step_seconds += seconds
