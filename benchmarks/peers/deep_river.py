"""deep-river's LSTM forecaster (https://github.com/online-ml/deep-river, BSD-3-Clause), on PyTorch.

`deep_river.forecasting.LSTMForecaster` with its defaults: 16 units, Adam with rate 0.001, clipped gradients, one step
of full backpropagation through a window of past values for each value. Given are the window, a day but at most 24
values as time grows with it, and values standardised by their running mean and deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.peers import Answer, Peer, Task
from benchmarks.peers.online import Standard, ask

WINDOW = 24
SEED = 1


class Lstm:
    """One channel."""

    def __init__(self, task: Task) -> None:
        import_module("torch").manual_seed(SEED)  # its own seed is set after the weights are drawn
        forecasting = import_module("deep_river.forecasting")
        self.model: Any = forecasting.LSTMForecaster(window_size=min(WINDOW, task.season), seed=SEED)
        self.standard = Standard()

    def learn(self, y: float) -> None:
        self.model.learn_one(self.standard.take(y))

    def forecast(self, horizon: int) -> Sequence[float] | None:
        return [self.standard.back(float(z)) for z in self.model.forecast(horizon)]


def lstm(task: Task) -> Answer:
    """An LSTM for each channel; on one thread, which is faster for nets this small."""
    import_module("torch").set_num_threads(1)
    return ask(task, Lstm)


PEERS = [Peer("deep-river LSTM", "16 units, window 24, Adam 0.001", lstm, package="deep_river", slow=True)]
