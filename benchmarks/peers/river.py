"""river's forecasters (https://riverml.xyz, BSD-3-Clause): SNARIMAX and HoltWinters.

Their settings have no defaults. They were chosen on the first 3600 hours of ETTh2 and ETTm1, which no table judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.peers import Answer, Peer, Task
from benchmarks.peers.online import Standard, ask

AR, SEASONAL, RATE = 4, 2, 0.003
LEVEL, TREND, SEASON = 0.3, 0.001, 0.3


class Snarimax:
    """Last values and those of the days before, on standardised values, by gradient descent."""

    def __init__(self, task: Task, p: int = AR, sp: int = SEASONAL, rate: float = RATE) -> None:
        series, linear = import_module("river.time_series"), import_module("river.linear_model")
        optim, scale = import_module("river.optim"), import_module("river.preprocessing")
        regressor = scale.StandardScaler() | linear.LinearRegression(optimizer=optim.SGD(rate))
        self.model: Any = series.SNARIMAX(p=p, d=0, q=0, m=task.season, sp=sp, regressor=regressor)
        self.standard, self.needed = Standard(), max(task.season * sp, p)

    def learn(self, y: float) -> None:
        self.model.learn_one(self.standard.take(y))

    def forecast(self, horizon: int) -> Sequence[float] | None:
        if self.standard.count <= self.needed:
            return None
        return [self.standard.back(float(z)) for z in self.model.forecast(horizon)]


class HoltWinters:
    """Level, trend and a value for each row of the day."""

    def __init__(self, task: Task, level: float = LEVEL, trend: float = TREND, season: float = SEASON) -> None:
        series = import_module("river.time_series")
        self.model: Any = series.HoltWinters(alpha=level, beta=trend, gamma=season, seasonality=task.season)
        self.needed, self.count = max(2, task.season), 0

    def learn(self, y: float) -> None:
        self.count += 1
        self.model.learn_one(y)

    def forecast(self, horizon: int) -> Sequence[float] | None:
        return None if self.count < self.needed else [float(y) for y in self.model.forecast(horizon)]


def snarimax(task: Task) -> Answer:
    """SNARIMAX on each channel."""
    return ask(task, Snarimax)


def holt_winters(task: Task) -> Answer:
    """HoltWinters on each channel."""
    return ask(task, HoltWinters)


PEERS = [
    Peer("river SNARIMAX", f"p {AR}, sp {SEASONAL} of a day, SGD {RATE}", snarimax, package="river", slow=True),
    Peer("river HoltWinters", f"α {LEVEL}, β {TREND}, γ {SEASON}, season of a day", holt_winters, package="river"),
]
