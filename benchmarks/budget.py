"""python -m benchmarks.budget [--seeds N]: how well "alarms a week" is kept, by default Detectors on five-minute rows.

Thirty weeks of each of four kinds of noise; then eight weeks after each of three changes for good, which come after
eight weeks: a level ten standard deviations higher, a standard deviation twice as large, and a sine of ten hours
instead of a day (added to the noise at three standard deviations). The first event that begins within a day of a change
is the change's own and does not count. Figures are realised alarms over those that were due, and in brackets the
standard error by the counts' own spread over seeds.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np

from benchmarks.fleet import DAY, EVERY, noise
from streamrnn import Detector
from streamrnn._types import Floats

WEEK = 7 * DAY
WEEKS, AFTER = 30, 8
KINDS = ("white", "autoregressive", "sine", "lognormal")
CHANGES = ("level", "variance", "season")
BUDGETS = (1.0, 5.0)


def events(series: Floats, budget: float, seed: int) -> np.ndarray:
    """(N,) rows in which events of a series start."""
    time = (1 + np.arange(len(series))) * EVERY
    rows = Detector(alarms_per_week=budget, seed=seed, undo=False).run(time, series[:, None])
    return np.flatnonzero(rows.event == 1)


def changed(kind: str, change: str, generator: np.random.Generator) -> Floats:
    """Noise of 2 AFTER weeks that changes in the middle."""
    at, rows = AFTER * WEEK, 2 * AFTER * WEEK
    x = noise(kind, rows, generator)
    spread, centre = float(x.std()), float(x.mean())
    if change == "level":
        x[at:] += 10.0 * spread
    elif change == "variance":
        x[at:] = centre + 2.0 * (x[at:] - centre)
    else:
        length = np.where(np.arange(rows) < at, float(DAY), 120.0)
        x += 3.0 * spread * np.sin(2.0 * math.pi * np.arange(rows) / length)
    return x


def ratio(counts: list[int], due: float) -> str:
    """Mean of the counts over those due, with its standard error."""
    values = np.array(counts) / due
    return f"{values.mean():.2f} ({values.std(ddof=1) / math.sqrt(len(values)):.2f})"


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    seeds = range(500, 500 + parser.parse_args(arguments).seeds)
    print("| noise | budget | 30 weeks | of these the first 4 | " + " | ".join(f"after: {c}" for c in CHANGES) + " |")
    print("|---|---:|---:|---:|" + "---:|" * len(CHANGES))
    for kind in KINDS:
        for budget in BUDGETS:
            whole, young = list[int](), list[int]()
            for seed in seeds:
                begun = events(noise(kind, WEEKS * WEEK, np.random.default_rng(seed)), budget, seed)
                whole.append(len(begun))
                young.append(int((begun < 4 * WEEK).sum()))
            cells = [ratio(whole, WEEKS * budget), ratio(young, 4 * budget)]
            for change in CHANGES:
                late = list[int]()
                for seed in seeds:
                    begun = events(changed(kind, change, np.random.default_rng(seed)), budget, seed) - AFTER * WEEK
                    begun = begun[begun >= 0]
                    late.append(len(begun) - int(len(begun) > 0 and begun[0] < DAY))
                cells.append(ratio(late, AFTER * budget))
            print(f"| {kind} | {budget:g} | " + " | ".join(cells) + " |", flush=True)
            print(f"{kind}, {budget:g}", file=sys.stderr)


if __name__ == "__main__":
    main()
