"""Asks objects that learn one value at a time, a channel each, and takes their time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from benchmarks.peers import Answer, Task


class Online(Protocol):
    """A forecaster of one channel."""

    def learn(self, y: float) -> None:
        """Learn from the next value."""

    def forecast(self, horizon: int) -> Sequence[float] | None:
        """Values 1 … horizon rows ahead; None while nothing can be said: the last value is taken then."""


def ask(task: Task, make: Callable[[Task], Online]) -> Answer:
    """Run a model of its own over each channel. What is too large for a float counts as infinite."""
    rows, channels = task.values.shape
    out = np.empty((rows - task.first, task.horizon, channels))
    learning = forecasting = 0.0
    for c in range(channels):
        model = make(task)
        for t, y in enumerate(task.values[:, c].tolist()):
            began = time.process_time()
            model.learn(y)
            learned = time.process_time()
            learning += learned - began
            if t >= task.first:
                try:
                    said = model.forecast(task.horizon)
                except OverflowError:
                    said = [math.inf] * task.horizon
                forecasting += time.process_time() - learned
                out[t - task.first, :, c] = y if said is None else said
    return Answer(out, 1e6 * (learning / rows + forecasting / max(len(out), 1)))


class Standard:
    """Running mean and deviation of one channel (Welford 1962): gradient methods need values near 1."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def take(self, y: float) -> float:
        """Count a value in; that value, standardised."""
        self.count += 1
        before = y - self.mean
        self.mean += before / self.count
        self._squares += before * (y - self.mean)
        return (y - self.mean) / self.deviation

    def back(self, z: float) -> float:
        """A standardised value in the channel's unit."""
        return self.mean + z * self.deviation

    @property
    def deviation(self) -> float:
        """Standard deviation so far; 1 where there is none."""
        return math.sqrt(self._squares / self.count) if self._squares > 0.0 else 1.0
