"""streamrnn with its default recipe."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.peers import Answer, Peer, Task
from streamrnn import Forecaster, Recipe

CHUNK = 2048
"""Rows learned from at once: bounds memory, changes nothing else."""


def forecast(task: Task, recipe: Recipe | None = None) -> Answer:
    """One model for all channels of the series; of the default recipe unless another is given."""
    channels = task.values.shape[1]
    Forecaster(channels, recipe, horizon=task.horizon).run(task.time[:8], task.values[:8])  # compiles
    model = Forecaster(channels, recipe, horizon=task.horizon)
    out = np.empty((len(task.values) - task.first, task.horizon, channels))
    taken = 0.0
    for start in range(0, len(task.values), CHUNK):
        rows = slice(start, start + CHUNK)
        began = time.process_time()
        said = model.run(task.time[rows], task.values[rows]).forecast
        taken += time.process_time() - began
        skip = max(task.first - start, 0)
        if skip < len(said):
            at = start + skip - task.first
            out[at : at + len(said) - skip] = said[skip:]
    return Answer(out, 1e6 * taken / len(task.values))


PEERS = [Peer("streamrnn", "default recipe, all channels at once", forecast)]
