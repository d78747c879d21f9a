"""Table `forecasts`: mean squared errors 1, 24 and 48 rows ahead on the ETT files, without leaks.

The protocol of the papers on online forecasting: values standardised by the first 2880 hours; scored is every row
whose targets all lie in hours 3600 to 14400; the error is the mean over rows, steps 1 … H and channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.accuracy import data
from benchmarks.accuracy.table import Options, Table, number
from benchmarks.peers import Peer, Task
from streamrnn._types import Floats

STEPS = (1, 24, 48)
ROWS_AN_HOUR = {"ETTh": 1, "ETTm": 4}
TRAIN, FIRST, LAST = 2880, 3600, 14400
"""Hours that standardise, and the first scored hour and the one after the last."""
LAST_OF_PART = 4320
"""The same for slow peers: thirty days are scored."""
AT_ONCE = 2048
"""Rows that are compared at once: bounds memory."""


def errors(truth: Floats, forecast: Floats, first: int) -> dict[int, float]:
    """Mean squared error over steps 1 … H, for each H of STEPS that the forecast covers.

    truth     (N, C) standardised
    forecast  (N − first, H, C) standardised, issued after rows first … N − 1; the first is `first`
    Each H is scored over every row that has all of its targets in the series.
    """
    found = {}
    for steps in STEPS:
        if steps > forecast.shape[1]:
            continue
        issued = np.arange(first, len(truth) - steps)
        total = 0.0
        for start in range(0, len(issued), AT_ONCE):
            rows = issued[start : start + AT_ONCE]
            target = truth[rows[:, None] + np.arange(1, steps + 1)]
            with np.errstate(over="ignore", invalid="ignore"):
                squared = (forecast[rows - first, :steps] - target) ** 2
                total += float(squared.mean((1, 2)).sum())
        found[steps] = total / len(issued) if np.isfinite(total) else np.inf
    return found


def measure(series: data.Series, peer: Peer, last: int) -> dict[str, float]:
    """A peer's errors on one file with scored hours up to `last`, and what a row takes it."""
    hour = ROWS_AN_HOUR[series.name[:4]]
    part = series.head(last * hour)
    # the forecast for the first scored row was made after the row before it
    task = Task(part.time, part.values, part.season, max(STEPS), FIRST * hour - 1)
    answer = peer.forecast(task)
    mean, deviation = part.values[: TRAIN * hour].mean(0), part.values[: TRAIN * hour].std(0)
    with np.errstate(over="ignore", invalid="ignore"):
        found = errors((part.values - mean) / deviation, (answer.forecast - mean) / deviation, task.first)
    return {f"H={steps}": mse for steps, mse in found.items()} | {"µs": answer.microseconds}


def build(options: Options) -> Iterator[Table]:
    """The whole files for all that are fast enough, and the part for all."""
    files = data.ett(options.data)
    if not files:
        return
    for last in (LAST_OF_PART,) if options.fast else (LAST, LAST_OF_PART):
        whole = last == LAST
        title = f"Forecasts: MSE, hours {FIRST} to {last} of ETT"
        days = (last - FIRST) // 24
        note = "Slow peers are in the next table." if whole else f"The {days} days that slow peers are asked for."
        head = ["model", *(f"{f.name} H={h}" if h == 1 else f"H={h}" for f in files for h in STEPS),
                *(f"{f.name} µs/row" for f in files)]  # fmt: skip
        table = Table(title, note, head)
        for peer in options.peers:
            if whole and peer.slow:
                continue
            if why := options.why_not(peer):
                table.add(peer.name, why)
                continue
            found = {}
            for series in files:
                options.say(f"{title}: {peer.name}, {series.name}")
                found[series.name] = measure(series, peer, last)
            errors_ = [number(found[f.name][f"H={h}"]) for f in files for h in STEPS]
            table.add(peer.name, *errors_, *(number(found[f.name]["µs"], 1) for f in files))
            table.figures[peer.name] = found
        yield table
