"""python -m benchmarks.fleet [--streams N] [--weeks N] [--seed N]: what a fleet tells, and how much of it is false.

N streams of noise of eight kinds, five-minute rows, and 20 more of the same in which one fault begins at a random time
after two weeks: half a day of a level six standard deviations higher, or of ten reached within four hours, or of three
times the standard deviation. Each has a default Detector; its events go through `engine.discoveries` as in the engine,
in steps of an hour of all streams. What is told in the first two weeks is not counted. A told event is true where it
begins within a fault, or an hour after its end.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from streamrnn import Detector
from streamrnn._types import Array, Floats
from streamrnn.engine.discoveries import EVERYTHING, Discoveries, Discovery

EVERY, DAY = 300 * 10**9, 288
FAULTS, LASTS, WARM_WEEKS = 20, DAY // 2, 2
KINDS = ("white", "autoregressive", "sine", "lognormal", "Student's t", "Poisson", "random walk", "bursts")
CHOICES = {
    "every event is told": EVERYTHING,
    "default": Discovery(),
    "default, but nothing borne in any case": Discovery(per_week=1e-9),
}


def noise(kind: str, rows: int, generator: np.random.Generator) -> Floats:
    """So many rows in which nothing happens."""
    normal = generator.normal(size=rows)
    if kind == "autoregressive":
        for i in range(1, rows):
            normal[i] = 0.9 * normal[i - 1] + np.sqrt(0.19) * normal[i]
    if kind == "sine":
        return 3.0 * np.sin(2.0 * np.pi * np.arange(rows) / DAY) + normal
    if kind == "lognormal":
        return np.exp(normal)
    if kind == "Student's t":
        return generator.standard_t(3, size=rows)
    if kind == "Poisson":
        return generator.poisson(2, rows).astype(np.float64)
    if kind == "random walk":
        return np.cumsum(normal)
    if kind == "bursts":
        bursts = np.where(generator.random(rows) < 0.02, generator.exponential(20, rows), 0.0)
        return bursts + np.round(generator.exponential(1, rows))
    return normal


def faulty(kind: str, x: Floats, start: int, form: int) -> Floats:
    """x with a fault of one of three forms."""
    spread = float((np.diff(x) if kind == "random walk" else x).std())
    part = slice(start, start + LASTS)
    x = x.copy()
    if form == 0:
        x[part] += 6.0 * spread
    elif form == 1:
        x[part] += 10.0 * spread * np.minimum(np.arange(LASTS) / 48.0, 1.0)
    else:
        centre = x[start - 1] if kind == "random walk" else float(x.mean())
        x[part] = centre + 3.0 * (x[part] - centre)
    return x


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500, help="streams of noise")
    parser.add_argument("--weeks", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1000)
    asked = parser.parse_args(arguments)
    rows, count = 7 * DAY * asked.weeks, asked.streams + FAULTS
    time = (1 + np.arange(rows)) * EVERY
    onset = np.full(count, -1)
    said: list[tuple[Array, Floats, Array]] = []
    for i in range(count):
        generator = np.random.default_rng(asked.seed + i)
        kind = KINDS[i % len(KINDS)]
        x = noise(kind, rows, generator)
        if i >= asked.streams:
            onset[i] = generator.integers(WARM_WEEKS * 7 * DAY, rows - 2 * LASTS)
            x = faulty(kind, x, int(onset[i]), i % 3)
        result = Detector(seed=i, undo=False).run(time, x[:, None])
        said.append((result.event.astype(np.int8), result.event_excess, result.event_cause.astype(np.int8)))
        if i % 20 == 0:
            print(f"{i} of {count} streams", file=sys.stderr)
    weeks = asked.weeks - WARM_WEEKS
    print(f"| of {asked.streams} streams of noise and {FAULTS} with a fault | false events a week | "
          "faults told | share of false ones | faults whose event began at all | median hours to tell |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|")
    for name, choice in CHOICES.items():
        false, found, began, waits = 0, set[int](), set[int](), list[float]()
        fleet = Discoveries(choice, 1.0, count)
        start = np.zeros(count, np.int64)
        for first in range(0, rows, 12):
            part = slice(first, first + 12)
            for i, (event, excess, cause) in enumerate(said):
                gaps = np.full(12, EVERY)
                events = event[part].astype(np.int64)
                for begin in np.flatnonzero(events == 1):
                    start[i] = first + begin
                    if onset[i] >= 0 and onset[i] <= start[i] < onset[i] + LASTS + 12:
                        began.add(i)
                told = fleet.judge(i, gaps, events, excess[part], cause[part].astype(np.int64), count)
                for row, phase in told:
                    if phase != "started" or first + row < WARM_WEEKS * 7 * DAY:
                        continue
                    if onset[i] >= 0 and onset[i] <= start[i] < onset[i] + LASTS + 12:
                        if i not in found:
                            waits.append((first + row - onset[i]) / 12.0)
                        found.add(i)
                    else:
                        false += 1
        share = false / max(false + len(found), 1)
        wait = f"{np.median(waits):.1f}" if waits else "–"
        print(f"| {name} | {false / weeks:.1f} | {len(found)} of {FAULTS} | {share:.0%} | {len(began)} | {wait} |")


if __name__ == "__main__":
    main()
