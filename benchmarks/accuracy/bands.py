"""Table `bands`: how often a value lies in its band, overall and in the worst 500 rows on end, and how wide it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass

import numpy as np

from benchmarks.accuracy import data
from benchmarks.accuracy.forecasts import STEPS
from benchmarks.accuracy.one_step import LEARNED, PART, geometric
from benchmarks.accuracy.table import Options, Table, number, percent
from benchmarks.peers.own import CHUNK
from streamrnn import Forecaster, Recipe
from streamrnn._types import Floats

ROLLING = 500
"""Rows on end that are looked at, and errors that persistence's band is made of."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one horizon of one channel, or over channels: mean, worst, and geometric mean of the width."""

    coverage: float
    least: float
    """Coverage of the ROLLING rows on end that are covered least."""
    most: float
    width: float
    """Mean width of the bands over that of persistence's bands on the same rows; NaN where those have none."""
    persistence_coverage: float
    persistence_least: float


def rolling(covered: Floats) -> tuple[float, float]:
    """Lowest and highest mean of ROLLING values on end; of all where there are fewer."""
    size = min(ROLLING, len(covered))
    total = np.concatenate([[0.0], np.cumsum(covered)])
    mean = (total[size:] - total[:-size]) / size
    return float(mean.min()), float(mean.max())


def persistence(y: Floats, ahead: int, level: float) -> Floats:
    """(N,) half the width of a band round the last value: the `level` quantile of the last 500 known |y_t − y_{t−h}|.

    NaN until there are 20. Entry t belongs to the forecast that is made after row t.
    """
    half = np.full(len(y), np.nan)
    error = np.abs(y[ahead:] - y[:-ahead])  # the i-th is known once row i + ahead is
    if len(error) >= ROLLING:
        wide = np.lib.stride_tricks.sliding_window_view(error, ROLLING)
        for start in range(0, len(wide), CHUNK):
            rows = wide[start : start + CHUNK]
            at = start + ROLLING - 1 + ahead
            half[at : at + len(rows)] = np.quantile(rows, level, axis=1)
    for known in range(20, min(ROLLING, len(error) + 1)):
        half[known - 1 + ahead] = np.quantile(error[:known], level)
    return half


def measure(series: data.Series, horizon: int, steps: tuple[int, ...]) -> dict[int, Figures]:
    """Replay a file and judge its bands, after its first 15 %."""
    recipe = Recipe(horizon=horizon)
    model = Forecaster(len(series.channels), recipe)
    at = np.array(steps) - 1
    lower, upper = (np.empty((len(series.time), len(steps), len(series.channels))) for _ in range(2))
    for start in range(0, len(series.time), CHUNK):
        rows = slice(start, start + CHUNK)
        said = model.run(series.time[rows], series.values[rows])
        lower[rows], upper[rows] = said.forecast_lower[:, at], said.forecast_upper[:, at]
    found = {}
    for k, ahead in enumerate(steps):
        first = max(int(LEARNED * len(series.time)), ahead)
        issued = np.arange(first - ahead, len(series.time) - ahead)
        channels = []
        for c in range(len(series.channels)):
            y = series.values[:, c]
            half = persistence(y, ahead, recipe.level)[issued]
            band = lower[issued, k, c], upper[issued, k, c]
            channels.append(judge(y[issued + ahead], y[issued], *band, half))
        found[ahead] = over(channels)
    return found


def judge(target: Floats, last: Floats, lower: Floats, upper: Floats, half: Floats) -> Figures:
    """One channel, (N,) each, where both bands are known."""
    known = np.isfinite(lower) & np.isfinite(half)
    target, last, lower, upper, half = (values[known] for values in (target, last, lower, upper, half))
    inside = ((target >= lower) & (target <= upper)).astype(np.float64)
    plain = (np.abs(target - last) <= half).astype(np.float64)
    wide = float(2.0 * half.mean())
    width = float((upper - lower).mean()) / wide if wide > 0.0 else np.nan
    return Figures(float(inside.mean()), *rolling(inside), width, float(plain.mean()), rolling(plain)[0])


def over(figures: Sequence[Figures]) -> Figures:
    """Of several channels or files."""
    coverage, least, most, width, plain, plain_least = np.array([astuple(f) for f in figures]).T
    width = width[np.isfinite(width)]
    mean = geometric(width) if len(width) else np.nan
    return Figures(
        float(coverage.mean()),
        float(least.min()),
        float(most.max()),
        mean,
        float(plain.mean()),
        float(plain_least.min()),
    )


def build(options: Options) -> Iterator[Table]:
    """Each ETT file at three horizons and each real NAB file at one."""
    level = Recipe().level
    title = f"Bands that aim at {percent(level, 0)}"
    chance = percent((level * (1 - level) / ROLLING) ** 0.5)
    note = (
        f"After the first {percent(LEARNED, 0)} of each file. Least and most: of {ROLLING} rows on end, over all "
        f"channels; in {ROLLING} independent rows chance alone makes a standard deviation of {chance}. Width: relative "
        f"to bands round the last value, made of the {percent(level, 0)} quantile of its last {ROLLING} errors."
    )
    head = ["series", "H", "coverage", "least", "most", "width / persistence's", "persistence: coverage", "least"]
    table = Table(title, note, head)
    jobs: list[tuple[data.Series, int, tuple[int, ...]]] = []
    jobs += [(s, max(STEPS), STEPS) for s in data.ett(options.data)]
    jobs += [(s, 1, (1,)) for s in data.nab(options.data) if s.real]
    nearest = []
    for series, horizon, steps in jobs:
        options.say(f"{title}: {series.name}")
        part = series.head(PART) if options.fast else series
        for ahead, figures in measure(part, horizon, steps).items():
            name = f"{series.category}/{series.name}"
            table.add(name, str(ahead), *_cells(figures))
            table.figures[f"{name} H={ahead}"] = asdict(figures)
            nearest += [figures] if ahead == 1 else []
    if nearest:
        table.add("all, one row ahead", "1", *_cells(over(nearest)))
    yield table


def _cells(f: Figures) -> list[str]:
    theirs = [percent(f.persistence_coverage), percent(f.persistence_least)]
    return [percent(f.coverage), percent(f.least), percent(f.most), number(f.width, 2), *theirs]
