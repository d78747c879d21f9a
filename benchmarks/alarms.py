"""python -m benchmarks.alarms: false alarms on series without any event, and how often a jump is flagged in ten rows.

Default recipe; 200,000 rows and two seeds a kind, alarms given for 10,000 rows. A jump comes after 150, 300 or 1000
rows of noise and is given in standard deviations of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamrnn import Detector
from streamrnn._types import Floats, Ints

ROWS, SEEDS = 200_000, 2
STARTS, SIZES = (150, 300, 1000), (5, 10, 30, 100)
TIME: Ints = (1 + np.arange(ROWS)) * 200_000_000


def quiet_series(generator: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    """Kinds of series in which nothing happens, by name."""
    normal = generator.normal(size=ROWS)
    yield "Gaussian noise", normal
    yield "Student's t, 3 degrees", generator.standard_t(3, size=ROWS)
    smooth = np.zeros(ROWS)
    for i in range(1, ROWS):
        smooth[i] = 0.9 * smooth[i - 1] + normal[i]
    yield "autoregressive, 0.9", smooth
    yield "sine and noise", 3.0 * np.sin(np.arange(ROWS) / 20) + normal
    yield "Poisson counts, mean 2", generator.poisson(2, ROWS).astype(np.float64)
    yield "random walk", np.cumsum(normal)
    bursts = np.where(generator.random(ROWS) < 0.02, generator.exponential(20, ROWS), 0.0)
    yield "counts with bursts, 2 %", bursts + np.round(generator.exponential(1, ROWS))
    yield "zero with blips, 0.5 %", np.where(generator.random(ROWS) < 0.005, generator.exponential(5, ROWS), 0.0)
    start = np.where(generator.random(ROWS) < 0.1, generator.exponential(3, ROWS), 0.0)
    start[:25] = 100.0
    yield "idle after a busy start", start


def main() -> None:
    """Print both tables."""
    alarms: dict[str, list[int]] = {}
    for seed in range(SEEDS):
        for name, series in quiet_series(np.random.default_rng(seed)):
            model = Detector(seed=seed)
            model.run(TIME, series[:, None])
            alarms.setdefault(name, []).append(model.alarms)
    print(f"{'false alarms in 10,000 rows':32}{'mean':>6}")
    for name, counts in alarms.items():
        print(f"{name:32}{np.mean(counts) * 10_000 / ROWS:6.2f}")
    print(f"\n{'a jump is flagged in ten rows':32}" + "".join(f"{f'{size} sd':>8}" for size in SIZES))
    for start in STARTS:
        shares = []
        for size in SIZES:
            found = 0
            for seed in range(20):
                series = np.random.default_rng(100 + seed).normal(size=start + 10)
                series[start:] += size
                rows = Detector(seed=seed).run(TIME[: start + 10], series[:, None])
                found += bool((rows.event[start:] == 1).any())
            shares.append(found / 20)
        print(f"{f'after {start} rows':32}" + "".join(f"{share:8.0%}" for share in shares))


if __name__ == "__main__":
    main()
