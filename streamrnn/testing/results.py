"""Results made by hand, for tests of sinks."""

from __future__ import annotations

import math

import numpy as np

from streamrnn.engine.ports import Alarm, Phase, Result


def sample_results() -> list[Result]:
    """Results of every kind a sink may meet, the same at each call."""
    usual = make_result("pump-3", rows=4, horizons=3, channels=("pressure", "flow"))
    phases: tuple[Phase, Phase] = ("started", "resolved")
    usual.alarms.extend(
        Alarm("pump-3", int(usual.time[-1]), phase, 0.9, "flow", 3.0, 1.0, 0.5, 1.5, int(usual.time[0]))
        for phase in phases
    )
    missing = make_result("Förderband/7", rows=2, horizons=1, channels=("温度",))
    for name in ("values", "expected", "lower", "upper", "forecast", "forecast_lower", "forecast_upper"):
        getattr(missing, name)[:] = math.nan
    beyond = make_result("pump-4", rows=1, horizons=1, channels=("pressure",))
    beyond.values[:] = math.inf
    return [
        usual,
        missing,
        beyond,
        make_result("empty", rows=0, horizons=2, channels=("a",)),
        make_result("no horizon", rows=1, horizons=0, channels=("a",)),
        make_result("wide", rows=1, horizons=2, channels=tuple(f"ch{index}" for index in range(100))),
    ]


def make_result(stream: str, *, rows: int, horizons: int, channels: tuple[str, ...]) -> Result:
    """A result of the given size; its numbers are of no meaning, but all different."""
    width = len(channels)
    values = np.arange(rows * width, dtype=np.float64).reshape(rows, width) / 3.0
    forecast = np.arange(rows * horizons * width, dtype=np.float64).reshape(rows, horizons, width) / 7.0
    return Result(
        stream=stream,
        channels=channels,
        time=1_690_000_000_000_000_000 + np.arange(rows, dtype=np.int64) * 250_000_000,
        values=values,
        expected=values + 0.25,
        lower=values - 1.0,
        upper=values + 1.5,
        score=np.linspace(0.0, 0.99, rows),
        share=np.full((rows, width), 1.0 / width),
        forecast=forecast,
        forecast_lower=forecast - 1.0,
        forecast_upper=forecast + 1.0,
        level=0.9,
        interval=0.25,
        warming=np.zeros(rows, np.bool_),
    )
