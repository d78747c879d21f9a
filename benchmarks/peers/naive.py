"""Persistence, and the same time yesterday: what any forecaster has to beat."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.peers import Answer, Peer, Task


def persistence(task: Task) -> Answer:
    """The last value, whatever the horizon."""
    began = time.process_time()
    forecast = np.repeat(task.values[task.first :, None], task.horizon, axis=1)
    return Answer(forecast, _each(began, task))


def seasonal(task: Task) -> Answer:
    """The last known value at the target's time of day; the last value while there is none."""
    began = time.process_time()
    rows = np.arange(task.first, len(task.values))
    forecast = np.empty((len(rows), task.horizon, task.values.shape[1]))
    for ahead in range(1, task.horizon + 1):
        days = -(-ahead // task.season)
        source = rows + ahead - days * task.season
        forecast[:, ahead - 1] = task.values[np.where(source < 0, rows, source)]
    return Answer(forecast, _each(began, task))


def _each(began: float, task: Task) -> float:
    return 1e6 * (time.process_time() - began) / max(len(task.values) - task.first, 1)


PEERS = [
    Peer("persistence", "the next values are the last one", persistence),
    Peer("seasonal naive", "the value at the same time a day before", seasonal),
]
