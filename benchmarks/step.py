"""python -m benchmarks.step: microseconds that one row costs, everything included, for the default recipe and others.

Median of 9 runs of 4,032 rows in the compiled loop, in processor time, after a warm-up in which the season of 288 rows
is found; `called` is the same one row at a time from Python (`Detector.step`). Everything is included: judge, score,
learn, advance, issue the next forecast with its band.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from streamrnn import Detector

ROWS, RUNS, SEASON = 4032, 9, 288
CASES: list[tuple[int, dict[str, Any]]] = [
    (1, {}),
    (1, {"tier": "lean"}),
    (1, {"tier": "lean", "update": "rmsprop"}),
    (1, {"tier": "lean", "units": 0}),
    (1, {"dtype": "float32"}),
    (1, {"horizon": 48}),
    (4, {}),
    (7, {}),
    (7, {"horizon": 48}),
    (1, {"learner": "immediate"}),
    (1, {"learner": "snap1"}),
    (1, {"learner": "tbptt", "learner_options": {"window": 16}}),
    (1, {"units": 16}),
    (1, {"cell": "indrnn", "units": 16}),
    (1, {"cell": "gru"}),
    (1, {"cell": "lstm"}),
]


def microseconds(channels: int, choices: dict[str, Any]) -> tuple[float, float, int]:
    """Median time of a row in the loop and called from Python, and the bytes that the model takes."""
    model = Detector(channels=channels, **choices)
    phase = np.arange(ROWS)[:, None] * (2 * np.pi / SEASON) + np.arange(channels)
    x = np.sin(phase) + 0.2 * np.random.default_rng(0).normal(size=phase.shape)
    looped, called, start = [], [], 1
    out = model.new_output()
    for _ in range(RUNS + 1):
        t = (start + np.arange(ROWS)) * 1_000_000_000
        began = time.process_time()
        model.run(t, x)
        looped.append((time.process_time() - began) / ROWS)
        start += ROWS
        began = time.process_time()
        for i in range(ROWS // 7):
            model.step(x[i], out, float(start + i))
        called.append((time.process_time() - began) / (ROWS // 7))
        start += ROWS // 7
    return 1e6 * statistics.median(looped[1:]), 1e6 * statistics.median(called[1:]), model.arena.layout.nbytes


def main() -> None:
    """Print the table."""
    print(f"{'channels':>8}  {'recipe':40}{'µs a row':>9}{'called':>9}{'bytes':>11}")
    for channels, choices in CASES:
        loop, call, size = microseconds(channels, choices)
        name = ", ".join(f"{k} {v}" for k, v in choices.items()) or "default"
        print(f"{channels:8d}  {name:40}{loop:9.2f}{call:9.2f}{size:11,d}", flush=True)


if __name__ == "__main__":
    main()
