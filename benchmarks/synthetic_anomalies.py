"""python -m benchmarks.synthetic_anomalies FOLDER [SEED]: series with known anomalies of kinds not to be had otherwise.

Writes FOLDER/CATEGORY/NAME.csv (timestamp, value) and FOLDER/windows.json, laid out like the Numenta Anomaly Benchmark:
the windows of a file cover a tenth of its rows, shared evenly and centred on the first row of each anomaly. `series`
gives the same as arrays. The same seed gives the same series.

    daily      14 days of 5-minute rows with a plateau by day, and one day that differs; spikes that become denser
    server     14 days of 5-minute rows of a machine: load, memory, requests, disk, network; some idle, some quantised
    exchange   67 days of hourly rows of prices: heavy tailed, with daily and weekly cycles

Nothing in here was fitted to a real series. Ordinary life is in them too, so that an oddity alone is no anomaly: blips,
nightly batches, heavy tails, a spread that breathes, short departures that nobody labels. Anomalies begin in the last
four fifths of a file; the first 15 % of its rows are for warming up, as in that benchmark.
"""

from __future__ import annotations

import csv
import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamrnn._types import Floats, Ints

DAY = 288  # rows of 5 minutes
ROWS = 14 * DAY
HOURS = 67 * 24
START = datetime.datetime(2024, 4, 1)
WINDOWED = 0.1  # of the rows, over all windows of a file
Made = tuple[Floats, list[int]]
Maker = Callable[[np.random.Generator], Made]


class Labelled(NamedTuple):
    """One series with its anomalies."""

    category: str
    name: str
    step: int  # seconds between rows
    values: Floats  # (T,)
    begins: list[int]  # first row of each anomaly
    windows: list[tuple[int, int]]  # first and last row of each window, both within it


def windows_of(begins: list[int], rows: int) -> list[tuple[int, int]]:
    """Windows centred on the anomalies, a tenth of the rows in all; those that touch are joined."""
    half = int(WINDOWED * rows / max(len(begins), 1)) // 2
    found: list[tuple[int, int]] = []
    for row in sorted(begins):
        first, last = max(row - half, 0), min(row + half, rows - 1)
        if found and first <= found[-1][1]:
            first = found.pop()[0]
        found.append((first, last))
    return found


# ---------------------------------------------------------------- pieces


def phase(rows: int, period: float) -> Floats:
    """(rows,) time in periods since the last whole one, in [0, 1)."""
    part: Floats = (np.arange(rows, dtype=np.float64) % period) / period
    return part


def autoregressive(g: np.random.Generator, rows: int, keep: float) -> Floats:
    """(rows,) Gaussian noise of variance 1 that keeps `keep` of itself from row to row."""
    noise = g.normal(size=rows)
    out = np.empty(rows)
    out[0] = noise[0]
    fresh = np.sqrt(1.0 - keep * keep)
    for t in range(1, rows):
        out[t] = keep * out[t - 1] + fresh * noise[t]
    return out


def blips(g: np.random.Generator, rows: int, share: float, size: float) -> Floats:
    """(rows,) zeros, and in `share` of the rows a number of mean `size`: gamma distributed, so hardly ever tiny."""
    return np.where(g.random(rows) < share, g.gamma(4.0, size / 4.0, rows), 0.0)


def places(g: np.random.Generator, count: int, rows: int) -> list[int]:
    """First rows of anomalies, spread over a fifth to nine tenths of the series, at least a tenth apart."""
    while True:
        found = np.sort(g.uniform(0.2, 0.9, count) * rows).astype(int)
        if count < 2 or np.diff(found).min() >= 0.1 * rows:
            return [int(row) for row in found]


def quantised(x: Floats, step: float) -> Floats:
    """x in whole steps."""
    return np.round(x / step) * step


def working_hours(rows: int, day: int, sharp: float) -> Floats:
    """(rows,) 0 by night, 1 from 9 to 18 o'clock; `sharp` is the length of the slopes in days."""
    p = phase(rows, day)
    return np.clip((p - 0.375) / sharp, 0.0, 1.0) * np.clip((0.75 - p) / sharp, 0.0, 1.0)


# ---------------------------------------------------------------- a daily plateau, and one day that differs


def _plateau(g: np.random.Generator) -> tuple[Floats, Floats, int]:
    shape = working_hours(ROWS, DAY, float(g.uniform(0.01, 0.08)))
    low, high = g.uniform(15, 25), g.uniform(70, 90)
    noise = g.uniform(0, g.uniform(2, 10), ROWS)
    day = int(g.integers(9, 12))
    return low + (high - low) * shape + noise, shape, day


def _of_day(day: int, begin: float, end: float) -> slice:
    return slice(int((day + begin) * DAY), int((day + end) * DAY))


def jump_up(g: np.random.Generator) -> Made:
    """The plateau of one day is half as high again to twice as high."""
    x, shape, day = _plateau(g)
    part = _of_day(day, 0.375, 0.75)
    x[part] += shape[part] * g.uniform(30, 80)
    return x, [part.start]


def jump_down(g: np.random.Generator) -> Made:
    """For a few hours of one day it falls well below the night's level."""
    x, _shape, day = _plateau(g)
    begin = g.uniform(0.38, 0.6)
    part = _of_day(day, begin, begin + g.uniform(0.1, 0.3))
    x[part] = -g.uniform(0, 25) + g.uniform(0, 5, part.stop - part.start)
    return x, [part.start]


def flat_middle(g: np.random.Generator) -> Made:
    """The plateau of one day stands still, halfway up."""
    x, _shape, day = _plateau(g)
    part = _of_day(day, 0.4, 0.72)
    x[part] = g.uniform(35, 75)
    return x, [part.start]


def no_jump(g: np.random.Generator) -> Made:
    """One day has no plateau."""
    x, shape, day = _plateau(g)
    part = _of_day(day, 0.36, 0.76)
    x[part] -= shape[part] * (x[part].max() - x[_of_day(day, 0.1, 0.3)].mean())
    return x, [part.start]


def longer_day(g: np.random.Generator) -> Made:
    """The plateau of one day goes on until midnight and beyond."""
    x, shape, day = _plateau(g)
    part = _of_day(day, 0.7, 1.3)
    x[part] += (1.0 - shape[part]) * (x[_of_day(day, 0.5, 0.6)].mean() - x[_of_day(day, 0.1, 0.3)].mean())
    return x, [part.start + int(0.05 * DAY)]


def denser_spikes(g: np.random.Generator) -> Made:
    """Spikes of one height, now and then; later several times as often."""
    rate = g.uniform(0.004, 0.015)
    begin = places(g, 1, ROWS)[0]
    chance = np.full(ROWS, rate)
    chance[begin : begin + int(g.uniform(100, 300))] = rate * g.uniform(6, 12)
    return np.where(g.random(ROWS) < chance, g.uniform(15, 25), 0.0) + g.uniform(0, 1, ROWS), [begin]


def taller_spikes(g: np.random.Generator) -> Made:
    """Noise near zero with spikes; for some hours they are two to three times as high."""
    x = g.uniform(0, 0.1, ROWS) + blips(g, ROWS, 0.02, 0.6)
    begin = places(g, 1, ROWS)[0]
    for row in begin + np.sort(g.integers(0, 60, 6)):
        x[row] = g.uniform(2.0, 3.5)
    return x, [begin]


# ---------------------------------------------------------------- a server


def cpu_steps(g: np.random.Generator) -> Made:
    """A busy machine whose load steps to another level for good, once or twice; ordinary blips all along."""
    begins = places(g, int(g.integers(1, 3)), ROWS)
    spread = g.uniform(0.5, 3.0)
    x = g.uniform(30, 50) + spread * autoregressive(g, ROWS, g.uniform(0, 0.7)) + blips(g, ROWS, 0.004, 4 * spread)
    for row in begins:
        x[row:] += g.choice([-1, 1]) * g.uniform(4, 10) * spread
    return np.clip(x, 0, 100), begins


def idle_bursts(g: np.random.Generator) -> Made:
    """An idle machine, three values and a housekeeping blip every few hours; then bursts of work."""
    x: Floats = g.choice(np.array([0.132, 0.134, 0.136]), ROWS, p=[0.3, 0.6, 0.1]) + quantised(
        blips(g, ROWS, 0.008, 0.3), 0.002
    )
    begins = places(g, int(g.integers(1, 3)), ROWS)
    for row in begins:
        length = int(g.integers(1, 40))
        x[row : row + length] += quantised(g.uniform(0.7, 4.0) * g.uniform(0.5, 1.0, length), 0.002)
    return x, begins


def full_load(g: np.random.Generator) -> Made:
    """A machine near 100 %, with short dips; then it falls to another load, and comes back after hours or never."""
    x = 95 + 1.5 * autoregressive(g, ROWS, 0.5) - blips(g, ROWS, 0.006, 15)
    begins = places(g, int(g.integers(1, 3)), ROWS)
    for row in begins:
        length = int(g.choice([20, 150, ROWS]))
        x[row : row + length] -= g.uniform(15, 60)
    return np.clip(x, 0, 100), begins


def new_job(g: np.random.Generator) -> Made:
    """Next to nothing to do; then a job that takes the machine up and down between two loads."""
    x = 1.8 + 0.05 * g.normal(size=ROWS) + blips(g, ROWS, 0.01, 0.4)
    begin = places(g, 1, ROWS)[0]
    length = int(g.uniform(0.05, 0.2) * ROWS)
    on = np.repeat(g.random(length // 12 + 1) < 0.6, 12)[:length]
    x[begin : begin + length] += on[: ROWS - begin] * g.uniform(5, 90)
    return np.clip(x, 0, 100), [begin]


def memory_leak(g: np.random.Generator) -> Made:
    """A sawtooth of memory with a reset every few hours, as a collector makes it; then it climbs without one."""
    period, top = int(g.integers(40, 150)), g.uniform(10, 20)
    x = 30 + top * phase(ROWS, period) + g.uniform(0.1, 0.6) * g.normal(size=ROWS)
    begin = places(g, 1, ROWS)[0] // period * period
    length = int(g.uniform(2.5, 5.0) * period)
    part = slice(begin, min(begin + length, ROWS))
    x[part] = 30 + top / period * np.arange(part.stop - begin) + 0.3 * g.normal(size=part.stop - begin)
    return x, [begin + period]


def slow_leak(g: np.random.Generator) -> Made:
    """Steady use; then a slow climb over a day, and a restart."""
    x = 40 + autoregressive(g, ROWS, 0.9) + 2 * np.sin(2 * np.pi * phase(ROWS, DAY))
    begin = places(g, 1, ROWS)[0]
    length = int(g.integers(150, 500))
    part = slice(begin, min(begin + length, ROWS))
    x[part] += np.arange(part.stop - begin) / length * g.uniform(15, 50)
    return x, [begin + length // 4]


def requests(g: np.random.Generator) -> Made:
    """Requests by the day's rhythm, less at weekends; outages to nothing, and a rush."""
    rhythm = 1.0 + 0.8 * np.sin(2 * np.pi * (phase(ROWS, DAY) - 0.3))
    rhythm *= np.where(phase(ROWS, 7 * DAY) > 5 / 7, 0.7, 1.0)
    level = g.uniform(20, 200) * rhythm * np.exp(0.15 * autoregressive(g, ROWS, 0.8))
    begins = places(g, 2, ROWS)
    x = g.poisson(level).astype(np.float64) + np.round(blips(g, ROWS, 0.005, float(level.mean())))
    x[begins[0] : begins[0] + int(g.integers(4, 40))] = 0.0
    rush = slice(begins[1], begins[1] + int(g.integers(2, 30)))
    x[rush] = np.round((level[rush] + level.mean()) * g.uniform(2.5, 5.0))
    return x, begins


def disk_writes(g: np.random.Generator) -> Made:
    """Nothing, small writes now and then, a batch each night; then long high plateaus."""
    x = blips(g, ROWS, 0.05, 2e5)
    batch = phase(ROWS, DAY) < g.uniform(0.01, 0.04)
    x += np.where(batch, g.uniform(2e6, 6e6, ROWS), 0.0)
    begins = places(g, int(g.integers(1, 3)), ROWS)
    for row in begins:
        length = int(g.integers(5, 60))
        x[row : row + length] += g.uniform(8e6, 5e7) * g.uniform(0.8, 1.0, length)
    return np.round(x), begins


def network_in(g: np.random.Generator) -> Made:
    """Log-normal traffic with an hourly transfer; then spikes of several times its height."""
    x: Floats = np.exp(11 + g.uniform(0.2, 0.6) * autoregressive(g, ROWS, 0.6))
    hourly = np.arange(ROWS) % 12 == 0
    x += np.where(hourly, g.uniform(3e5, 6e5, ROWS), 0.0)
    begins = places(g, int(g.integers(1, 4)), ROWS)
    for row in begins:
        length = int(g.integers(1, 10))
        x[row : row + length] += g.uniform(1.2e6, 6e6) * g.uniform(0.7, 1.0, length)
    return np.round(x), begins


def scaled_group(g: np.random.Generator) -> Made:
    """Machines of a group that is scaled by the hour in whole steps; then it is all gone."""
    x = 20 + np.round(5 * np.sin(2 * np.pi * phase(ROWS, DAY)) + np.repeat(g.normal(size=ROWS // 12), 12))
    begins = places(g, int(g.integers(1, 3)), ROWS)
    for row in begins:
        x[row : row + int(g.integers(10, 200))] = g.choice([0.0, 2.0, 45.0])
    return x, begins


def stuck(g: np.random.Generator) -> Made:
    """A gauge that reads noise, and then the same number for hours."""
    x = 50 + 5 * autoregressive(g, ROWS, 0.8)
    begin = places(g, 1, ROWS)[0]
    x[begin : begin + int(g.integers(60, 300))] = x[begin]
    return x, [begin]


def restless(g: np.random.Generator) -> Made:
    """The mean stays; for half a day the spread is three to six times as wide."""
    noise = autoregressive(g, ROWS, g.uniform(0, 0.5))
    begin = places(g, 1, ROWS)[0]
    noise[begin : begin + 144] *= g.uniform(3, 6)
    return 100 + 4 * noise + blips(g, ROWS, 0.003, 20), [begin]


def latency(g: np.random.Generator) -> Made:
    """Heavy-tailed times of answering; then a slow hour or two."""
    x = 40 + 3 * autoregressive(g, ROWS, 0.5) + np.abs(g.standard_t(2.5, ROWS))
    begins = places(g, 2, ROWS)
    for row in begins:
        length = int(g.integers(8, 40))
        x[row : row + length] += g.uniform(8, 30) * g.uniform(0.6, 1.0, length)
    return x, begins


# ---------------------------------------------------------------- an exchange


def _price(g: np.random.Generator) -> Floats:
    daily = g.uniform(0.1, 0.5) * np.sin(2 * np.pi * (phase(HOURS, 24) - g.random()))
    weekly = g.uniform(0.0, 0.2) * np.sin(2 * np.pi * phase(HOURS, 168))
    noise = g.uniform(0.1, 0.3) * autoregressive(g, HOURS, g.uniform(0.2, 0.8))
    heavy = 0.04 * np.clip(g.standard_t(2.5, HOURS), -15, 15)
    out: Floats = g.uniform(0.1, 2.0) * np.exp(daily + weekly + noise + heavy)
    return out


def price_spikes(g: np.random.Generator) -> Made:
    """Prices with lone high values all along; then a few of several times their height."""
    x = _price(g) * (1.0 + blips(g, HOURS, 0.01, 0.6))
    begins = places(g, int(g.integers(1, 4)), HOURS)
    for row in begins:
        x[row : row + int(g.integers(1, 5))] *= g.uniform(3, 8)
    return x, begins


def price_levels(g: np.random.Generator) -> Made:
    """Prices that move to another level for some days."""
    x = _price(g)
    begins = places(g, int(g.integers(1, 3)), HOURS)
    for row in begins:
        x[row : row + int(g.integers(12, 120))] *= g.choice([0.4, 2.0, 2.5])
    return x, begins


def price_gone(g: np.random.Generator) -> Made:
    """Prices that drop to next to nothing for some hours."""
    x = _price(g)
    begins = places(g, int(g.integers(1, 3)), HOURS)
    for row in begins:
        x[row : row + int(g.integers(2, 24))] *= 0.05
    return x, begins


def price_of_little_traffic(g: np.random.Generator) -> Made:
    """Cost per click: noisier by night, when few click; then a day off its usual path."""
    x = _price(g)
    night = 0.5 + 0.5 * np.cos(2 * np.pi * phase(HOURS, 24))
    x *= np.exp(0.4 * night * g.normal(size=HOURS))
    begin = places(g, 1, HOURS)[0]
    x[begin : begin + 24] *= np.exp(0.9 * g.choice([-1, 1]))
    x[begin + int(g.integers(2, 12))] *= 2.5
    return x, [begin]


def reshaped_day(g: np.random.Generator) -> Made:
    """A daily cycle that for one day runs half a day late."""
    cycle = np.sin(2 * np.pi * phase(HOURS, 24))
    begin = places(g, 1, HOURS)[0] // 24 * 24
    cycle[begin : begin + 24] *= -1.0
    return np.exp(0.6 * cycle + 0.12 * autoregressive(g, HOURS, 0.5)), [begin]


# ---------------------------------------------------------------- ordinary life


def lively(g: np.random.Generator, x: Floats) -> Floats:
    """x with what happens to real series and nobody labels: its spread breathes slowly by a factor of up to about 2,
    and about three times it departs for a few rows, by 0.3 to 0.9 of the largest departure there is."""
    middle = float(np.median(x))
    away = x - middle
    largest = away[int(np.argmax(np.abs(away)))]
    slow = np.interp(np.arange(x.size), np.linspace(0, x.size, 15), 0.35 * g.normal(size=15))
    out = middle + away * np.exp(np.clip(slow, -0.7, 0.7))
    for _ in range(int(g.poisson(3))):
        row, length = int(g.uniform(0.05, 1.0) * x.size), 1 + int(g.exponential(4))
        part = out[row : row + length]
        part[:] = middle + largest * g.uniform(0.3, 0.9) * g.uniform(0.7, 1.0, part.size)
    return np.round(out) if bool((x == np.round(x)).all()) else out


MAKERS: dict[str, tuple[int, list[Maker]]] = {
    "daily": (300, [jump_up, jump_down, flat_middle, no_jump, longer_day, denser_spikes, taller_spikes]),
    "server": (
        300,
        [
            cpu_steps, idle_bursts, full_load, new_job, memory_leak, slow_leak, requests, disk_writes, network_in,
            scaled_group, stuck, restless, latency,
        ],
    ),
    "exchange": (3600, [price_spikes, price_levels, price_gone, price_of_little_traffic, reshaped_day]),
}  # fmt: skip


LIVELY = ("server", "exchange")


def series(seed: int = 0) -> list[Labelled]:
    """One series of each kind."""
    found = []
    for i, (category, (step, makers)) in enumerate(MAKERS.items()):
        for j, make in enumerate(makers):
            g = np.random.default_rng([seed, i, j])
            x, begins = make(g)
            if category in LIVELY:
                x = lively(g, x)
            windows = windows_of(begins, x.size)
            found.append(Labelled(category, make.__name__, step, x, begins, windows))
    return found


def times_of(one: Labelled) -> Ints:
    """(T,) seconds since the first row."""
    return np.arange(one.values.size) * one.step


def write(folder: Path, seed: int = 0) -> None:
    """All series as CSV files below `folder`, and the windows."""
    labels: dict[str, list[list[str]]] = {}
    for one in series(seed):
        stamps = [str(START + datetime.timedelta(seconds=int(s))) for s in times_of(one)]
        path = folder / one.category / f"{one.name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["timestamp", "value"])
            rows.writerows([stamp, repr(float(v))] for stamp, v in zip(stamps, one.values, strict=True))
        labels[f"{one.category}/{one.name}.csv"] = [[stamps[a], stamps[b]] for a, b in one.windows]
    (folder / "windows.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Write the files and say where the windows are."""
    if not 1 <= len(arguments) <= 2:
        sys.exit(__doc__)
    write(Path(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
