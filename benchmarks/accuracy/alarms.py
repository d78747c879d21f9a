"""Table `alarms`: scores of the Numenta benchmark, VUS-PR, windows found by alarms and false events a week."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy import data, nab_rules, vus
from benchmarks.accuracy.table import Options, Table, number, percent
from streamrnn import Detector, Recipe
from streamrnn._types import Bools, Floats

WEEK = 7.0 * data.DAY
SEED = 1


@dataclass(frozen=True, slots=True)
class Said:
    """What a detector says of one file, one entry a row of the file."""

    score: Floats
    """Higher is odder; 0 for rows that were refused."""
    raised: Bools | None
    """True where an alarm began; None: scores only."""
    microseconds: float
    expected: Floats
    """(N,) one-step forecasts of the rows that were not refused; empty for those that make none."""


def by_streamrnn(series: data.Series, recipe: Recipe | None = None) -> Said:
    """A Detector that has never seen anything, row after row."""
    began = time.process_time()
    rows = Detector(len(series.channels), recipe).run(series.time, series.values)
    taken = 1e6 * (time.process_time() - began) / len(series.time)
    score, raised = np.zeros(len(series.stamps)), np.zeros(len(series.stamps), np.bool_)
    score[series.kept], raised[series.kept] = rows.score, rows.event == 1
    return Said(score, raised, taken, rows.expected[:, 0])


def by_change(series: data.Series) -> Said:
    """How far the value went in one row, relative to the mean of the last 500 such changes."""
    y = series.values[:, 0]
    change = np.abs(np.diff(y, prepend=y[0]))
    total = np.append(0.0, np.cumsum(change))
    rows = np.arange(len(y))
    first = np.maximum(rows - 500, 0)
    mean = (total[rows] - total[first]) / np.maximum(rows - first, 1)
    score = np.zeros(len(series.stamps))
    score[series.kept] = np.divide(change, mean, out=np.zeros(len(y)), where=mean > 0.0)
    return Said(score, None, np.nan, np.empty(0))


def by_chance(series: data.Series) -> Said:
    """Uniform numbers."""
    generator = np.random.default_rng([SEED, len(series.stamps)])
    return Said(generator.random(len(series.stamps)), None, np.nan, np.empty(0))


@dataclass(frozen=True, slots=True)
class Events:
    """Alarms of all files after probation."""

    windows: int
    found: int
    """Windows in which an alarm began."""
    false: int
    """Alarms that began outside of windows."""
    weeks: float
    """Outside of windows."""


def events(files: list[data.Series], said: list[Said], labels: dict[str, list[tuple[int, int]]]) -> Events:
    """Count them."""
    windows = found = false = 0
    weeks = 0.0
    for series, answer in zip(files, said, strict=True):
        assert answer.raised is not None
        rows = len(series.stamps)
        first, pairs = data.probation(rows), labels[key(series)]
        outside = ~data.inside(rows, pairs)
        outside[:first] = False
        late = [(max(start, first), end) for start, end in pairs if end >= first]
        windows += len(late)
        found += sum(bool(answer.raised[start : end + 1].any()) for start, end in late)
        false += int((answer.raised & outside).sum())
        weeks += int(outside.sum()) * series.interval * 1e9 / WEEK
    return Events(windows, found, false, weeks)


def key(series: data.Series) -> str:
    """The file's name in windows.json."""
    return f"{series.category}/{series.name}.csv"


def numenta(files: list[data.Series], said: list[Said], labels: dict[str, list[tuple[int, int]]]) -> dict[str, float]:
    """The three profiles over all files, then the standard score of each category that has windows."""
    judged = [
        nab_rules.judged(series.category, answer.score, labels[key(series)], data.probation(len(series.stamps)))
        for series, answer in zip(files, said, strict=True)
    ]
    found = {profile: nab_rules.best(judged, profile) for profile in nab_rules.PROFILES}
    for category in sorted({series.category for series in files if labels[key(series)]}):
        found[category] = nab_rules.best([file for file in judged if file.category == category])
    return found


def volume(files: list[data.Series], said: list[Said], labels: dict[str, list[tuple[int, int]]]) -> float:
    """Mean VUS-PR of the files that have windows; every row counts."""
    found = [
        vus.vus_pr(data.inside(len(series.stamps), labels[key(series)]), answer.score, vus.period(series.values[:, 0]))
        for series, answer in zip(files, said, strict=True)
        if labels[key(series)]
    ]
    return float(np.mean(found))


def build(options: Options) -> Iterator[Table]:
    """streamrnn beside chance and a detector of one line."""
    labels = data.windows(options.data)
    files = [series for series in data.nab(options.data) if key(series) in labels]
    if not files:
        return
    title = f"Alarms: {len(files)} series of the Numenta Anomaly Benchmark"
    note = "Windows found and false events a week are of the alarms raised with the default recipe, after probation."
    categories = sorted({series.category for series in files if labels[key(series)]})
    head = ["detector", *nab_rules.PROFILES, *categories, "VUS-PR", "windows found", "false events/week", "µs/row"]
    table = Table(title, note, head)
    by_streamrnn(files[0].head(8))  # compiles
    for name, detector in (("random scores", by_chance), ("change", by_change), ("streamrnn", by_streamrnn)):
        options.say(f"{title}: {name}")
        said = [detector(series) for series in files]
        scores = numenta(files, said, labels)
        figures: dict[str, float] = scores | {"VUS-PR": volume(files, said, labels)}
        cells = [number(value, 1) for value in scores.values()] + [number(figures["VUS-PR"])]
        if said[0].raised is None:
            table.add(name, *cells, "–", "–", "–")
        else:
            counted = events(files, said, labels)
            cost = float(np.median([answer.microseconds for answer in said]))
            rate = counted.false / counted.weeks
            share = f"{counted.found} of {counted.windows} ({percent(counted.found / counted.windows, 0)})"
            table.add(name, *cells, share, number(rate, 2), number(cost, 1))
            figures |= {"windows": counted.windows, "found": counted.found, "false": counted.false,
                        "weeks": counted.weeks, "µs": cost}  # fmt: skip
        table.figures[name] = figures
    yield table
