"""Table `steps`: absolute error one row ahead on the real NAB series, relative to persistence (NMAE)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.accuracy import data
from benchmarks.accuracy.table import Options, Table, number
from benchmarks.peers import Peer, Task
from streamrnn._types import Floats

LEARNED = 0.15
"""Share of a file's rows that the second figure leaves out."""
PART = 4000
"""First rows of each file, which slow peers are asked for."""


def nmae(y: Floats, forecast: Floats, first: int = 1) -> float:
    """Mean |y_t − forecast_{t−1}| over mean |y_t − y_{t−1}|, over rows t ≥ first; NaN where y stands still.

    y (N,), forecast (N,) of the next row, made after each row. Where it says nothing (NaN), the last value counts.
    """
    said = np.where(np.isnan(forecast), y, forecast)
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(np.abs(y[first:] - said[first - 1 : -1]).sum())
    change = float(np.abs(np.diff(y))[first - 1 :].sum())
    return error / change if change > 0.0 else np.nan


def measure(series: data.Series, peer: Peer) -> tuple[float, float, float]:
    """NMAE of the whole file, of what comes after its first 15 %, and µs a row."""
    answer = peer.forecast(Task(series.time, series.values, series.season, 1, 0))
    y, forecast = series.values[:, 0], answer.forecast[:, 0, 0]
    return nmae(y, forecast), nmae(y, forecast, max(int(LEARNED * len(y)), 1)), answer.microseconds


def geometric(values: Floats) -> float:
    """Geometric mean; infinite where one is."""
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(values).mean()))


def build(options: Options) -> Iterator[Table]:
    """Means over the files, then the files themselves; for all rows and for the part."""
    files = [series for series in data.nab(options.data) if series.real]
    if not files:
        return
    for part in (True,) if options.fast else (False, True):
        chosen = [series.head(PART) for series in files] if part else files
        rows = f"first {PART} rows of each" if part else "whole files"
        title = f"One step: NMAE on {len(chosen)} real NAB series, {rows}"
        head = ["model", "geometric mean", "arithmetic mean", "worst", "worst file", "geometric mean after 15 %",
                "arithmetic", "worst", "worst file", "µs/row"]  # fmt: skip
        table = Table(title, "Below 1 is better than persistence.", head)
        found: dict[str, Floats] = {}
        for peer in options.peers:
            if peer.slow and not part:
                continue
            if why := options.why_not(peer):
                table.add(peer.name, why)
                continue
            options.say(f"{title}: {peer.name}")
            figures = np.array([measure(series, peer) for series in chosen])
            found[peer.name] = figures
            table.add(peer.name, *_means(figures[:, 0], chosen), *_means(figures[:, 1], chosen),
                      number(float(np.median(figures[:, 2])), 1))  # fmt: skip
            table.figures[peer.name] = {
                series.name: {"nmae": line[0], "nmae_after": line[1], "µs": line[2]}
                for series, line in zip(chosen, figures.tolist(), strict=True)
            }
        yield table
        if not part or options.fast:
            yield _each(title, chosen, found)


def _means(values: Floats, files: list[data.Series]) -> list[str]:
    worst = int(np.argmax(values))
    name = Path(files[worst].name).stem
    return [number(geometric(values)), number(float(values.mean())), number(float(values[worst])), name]


def _each(title: str, files: list[data.Series], found: dict[str, Floats]) -> Table:
    table = Table(f"{title}, each after its first 15 %", "", ["series", *found])
    for i, series in enumerate(files):
        table.add(f"{series.category}/{series.name}", *(number(float(figures[i, 1])) for figures in found.values()))
    return table
