"""Coverage of the bands in every window of 500 rows, and what it costs in width.

    python -m benchmarks.bands [DATA] [--rows N] [--json OUT]

DATA holds `ett/*.csv` and `nab/CATEGORY/*.csv` (default: ../shared/data); without it only the synthetic streams are
measured. One default model a file forecasts 1 … 48 rows ahead. Bands of 90 % are put around its forecasts in four ways:

    engine       as the engine issues them
    kernels      by streamrnn.kernels.conformal around the engine's forecasts
    tracking     the same forecasts, a quantile of |error| / mean |error| tracked with a step of 0.05 and nothing else
    persistence  by streamrnn.kernels.conformal around "the value stays what it is"

Per way, series and horizon: lowest and highest coverage of any window of 500 rows of any channel, after the first 500;
share of the windows with 87 to 93 %; coverage of all rows; mean width and interval score (Gneiting & Raftery 2007,
§6.2), both divided by the mean absolute change over so many rows. Of several channels the means, of the last two
geometric ones. The constants of the kernels were chosen on the group "chosen on"; the rest judges.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from streamrnn import Forecaster
from streamrnn._bind import kernel
from streamrnn._types import Array, Floats
from streamrnn.kernels.conformal import (
    LOG_QUANTILE,
    SLOPES,
    SPREAD,
    band_learn,
    band_unrest,
    bands_issue,
    quantile_track,
)
from streamrnn.kernels.normalise import BOUND, change_observe

DATA = Path("../shared/data")
STEPS = (1, 24, 48)
WINDOW, UNJUDGED = 500, 500
LOW, HIGH = 0.87, 0.93
MISS_RATE = 0.1
MEMORY = 1.0 - 2.0 ** (-2.0 / 1386.0)
BRISK = 1.0 - 2.0 ** (-1.0 / 27.5)
TRACKING_STEP = 0.05
GAUSSIAN = 1.6448536269514722 / 0.7978845608028654  # 90 % of a Gaussian, in mean absolute deviations
CHOSEN_ON, JUDGED_ON = "chosen on", "judged on"
FILES = {
    CHOSEN_ON: ("ett/ETTh2",),
    JUDGED_ON: (
        "ett/ETTm1", "nab/realKnownCause/ambient_temperature_system_failure",
        "nab/realKnownCause/cpu_utilization_asg_misconfiguration",
        "nab/realKnownCause/machine_temperature_system_failure", "nab/realKnownCause/nyc_taxi",
        "nab/realTweets/Twitter_volume_AMZN", "nab/realTweets/Twitter_volume_GOOG",
    ),
}  # fmt: skip
ROWS, CHANGE, SEEDS = 8000, 4000, 3
"""Of a synthetic stream: its rows, the row from which it is another one, channels that differ in the seed."""


@dataclass(frozen=True, slots=True)
class Line:
    """Bands of one way around the forecasts of one series, so many rows ahead."""

    group: str
    series: str
    way: str
    ahead: int
    lowest: float
    highest: float
    within: float
    coverage: float
    width: float
    score: float


# ---------------------------------------------------------------- streams


def synthetic(seed: int) -> dict[str, dict[str, Floats]]:
    """Group → name → (ROWS,) stream; each has one change in the middle, but for plain noise."""
    generator = np.random.default_rng(seed)
    t = np.arange(ROWS)
    late = t >= CHANGE

    def noise() -> Floats:
        return generator.normal(size=ROWS)

    def smooth(share: float, news: Floats) -> Floats:
        y = np.zeros(ROWS)
        for i in range(1, ROWS):
            y[i] = share * y[i - 1] + news[i]
        return y

    turn = np.cumsum(2.0 * np.pi / np.where(late, 40, 24))
    chosen = {
        "noise": noise(),
        "level +20, season of 24 rows": 3.0 * np.sin(2.0 * np.pi * t / 24) + smooth(0.5, noise()) + 20.0 * late,
        "variance x 4": smooth(0.8, noise() * np.where(late, 2.0, 1.0)),
        "season of 24 rows, then of 40": 5.0 * np.sin(turn) + 2.0 * np.sin(2.0 * turn) + smooth(0.5, noise()),
        "random walk, variance x 4": np.cumsum(noise() * np.where(late, 2.0, 1.0)),
        "Student's t, variance x 4": smooth(0.7, generator.standard_t(3, size=ROWS) * np.where(late, 2.0, 1.0)),
    }
    judged = {
        "noise, level +10": noise() + 10.0 * late,
        "autoregressive 0.9, level +15": smooth(0.9, noise()) + 15.0 * late,
        "Laplace, level +30": smooth(0.6, generator.laplace(size=ROWS)) + 30.0 * late,
        "variance x 4 on a sine": 3.0 * np.sin(2.0 * np.pi * t / 50) + noise() * np.where(late, 2.0, 1.0),
        "variance / 4": smooth(0.8, noise() * np.where(late, 0.5, 1.0)),
        "season leaps and grows": np.where(late, 8.0, 3.0) * np.sin(2.0 * np.pi * t / 48 + 2.0 * late) + noise(),
    }
    return {CHOSEN_ON: chosen, JUDGED_ON: judged}


def streams(data: Path, most: int) -> Iterator[tuple[str, str, Floats]]:
    """Group, name and values (T, C) of all there is to measure."""
    for group, names in FILES.items():
        for name in names:
            path = (data / name).with_suffix(".csv")
            if path.exists():
                with path.open(encoding="utf-8") as file:
                    width = file.readline().count(",") + 1
                table = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, width), max_rows=most)
                yield group, name, np.asarray(table, np.float64).reshape(len(table), -1)
    seeds = [synthetic(seed) for seed in range(SEEDS)]
    for group, members in seeds[0].items():
        for name in members:
            yield group, name, np.stack([made[group][name] for made in seeds], 1)


# ---------------------------------------------------------------- bands


@kernel
def follow(
    x: Array, forecast: Array, miss_rate: float, tracking: bool, phase: Array, scale: Array, valid: Array, ring: Array,
    width: Array, band: Array, half: Array,
) -> None:  # fmt: skip
    """Half-widths (T, H) around the forecasts (T, H) of x (T,); a row judges what was said before it, then issues."""
    size, horizon, _ = ring.shape
    square = brisk = 0.0
    for t in range(x.shape[0]):
        for k in range(min(horizon, t)):
            o = (t - 1 - k) % size
            if valid[o, 0] == 0:
                continue
            error = abs(ring[o, k, 0] - x[t])
            missed = error > width[o, k, 0]
            error = min(error / scale[o], BOUND * math.sqrt(k + 1.0))
            judged = t - k
            w = max(MEMORY, 1.0 / judged)
            if k == 0:
                brisk += max(BRISK, 1.0 / judged) * (error - brisk)
            if tracking:
                q = band[k, 0, LOG_QUANTILE]
                band[k, 0, LOG_QUANTILE] = quantile_track(q, missed or q < 0.0, miss_rate, TRACKING_STEP)
                band[k, 0, SPREAD] += w * (error - band[k, 0, SPREAD])
            else:
                band_learn(k + 1, error, missed, miss_rate, w, phase[0], band[k, 0])
        if t > 0:
            square = change_observe(x[t] - x[t - 1], max(MEMORY, 1.0 / t), t < 8, square)
        r = t % size
        scale[r] = math.sqrt(square)
        valid[r, 0] = 1 if square > 0.0 else 0
        for k in range(horizon):
            ring[r, k, 0] = forecast[t, k]
        if tracking:
            for k in range(horizon):
                width[r, k, 0] = max(band[k, 0, LOG_QUANTILE], 0.0) * band[k, 0, SPREAD] * scale[r]
        else:
            unrest = band_unrest(brisk, band[0, 0, SPREAD])
            bands_issue(t, 0, miss_rate, scale[r], unrest, phase, valid, ring, band, width)
        for k in range(horizon):
            half[t, k] = width[r, k, 0]


def half_widths(x: Floats, forecast: Floats, tracking: bool = False) -> Floats:
    """(T, H) of one channel, by the kernels or by tracking alone."""
    rows, horizon = forecast.shape
    size = horizon + 1
    band, half = np.zeros((horizon, 1, SLOPES)), np.zeros((rows, horizon))
    band[:, 0, LOG_QUANTILE] = GAUSSIAN if tracking else np.log(GAUSSIAN)
    follow(
        np.ascontiguousarray(x), np.ascontiguousarray(forecast), MISS_RATE, tracking, np.zeros((horizon, 0)),
        np.zeros(size), np.zeros((size, 1), np.int64), np.zeros((size, horizon, 1)), np.zeros((size, horizon, 1)),
        band, half,
    )  # fmt: skip
    return half


# ---------------------------------------------------------------- figures


def figures(x: Floats, lower: Floats, upper: Floats, ahead: int) -> Floats:
    """Lowest, highest coverage of a window, share of windows within, coverage, width, interval score of one channel.

    lower, upper  (T,) row t: of the band for row t + ahead
    """
    truth, low, high = x[UNJUDGED + ahead :], lower[UNJUDGED:-ahead], upper[UNJUDGED:-ahead]
    inside = (truth >= low) & (truth <= high)
    total = np.concatenate([[0], np.cumsum(inside)])
    coverage = (total[WINDOW:] - total[:-WINDOW]) / WINDOW
    within = (coverage >= LOW - 1e-9) & (coverage <= HIGH + 1e-9)
    width = high - low
    score = width + 2.0 / MISS_RATE * (np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0))
    unit = abs(x[ahead:] - x[:-ahead]).mean()
    return np.array(
        [coverage.min(), coverage.max(), within.mean(), inside.mean(), width.mean() / unit, score.mean() / unit]
    )


def measured(group: str, name: str, values: Floats) -> Iterator[Line]:
    """All ways and horizons of one series."""
    model = Forecaster(values.shape[1], horizon=max(STEPS))
    rows = model.run((1 + np.arange(len(values))) * 1_000_000_000, values)
    found: dict[tuple[str, int], list[Floats]] = {}
    for c, x in enumerate(values.T):
        forecast = np.ascontiguousarray(rows.forecast[:, :, c])
        stays = np.repeat(x[:, None], max(STEPS), 1)
        ways = {
            "engine": (rows.forecast_lower[:, :, c], rows.forecast_upper[:, :, c]),
            "kernels": _around(forecast, half_widths(x, forecast)),
            "tracking": _around(forecast, half_widths(x, forecast, tracking=True)),
            "persistence": _around(stays, half_widths(x, stays)),
        }
        for way, (lower, upper) in ways.items():
            for ahead in STEPS:
                figure = figures(x, lower[:, ahead - 1], upper[:, ahead - 1], ahead)
                found.setdefault((way, ahead), []).append(figure)
    for (way, ahead), channels in found.items():
        all_ = np.array(channels)
        within, coverage = all_[:, 2:4].mean(0)
        width, score = np.exp(np.log(all_[:, 4:]).mean(0))
        yield Line(group, name, way, ahead, all_[:, 0].min(), all_[:, 1].max(), within, coverage, width, score)


def _around(centre: Floats, half: Floats) -> tuple[Floats, Floats]:
    return centre - half, centre + half


def summarise(lines: Sequence[Line]) -> list[Line]:
    """Per group, way and horizon: extremes, means, and geometric means of width and score."""
    found = []
    keys = dict.fromkeys((line.group, line.way, line.ahead) for line in lines)
    for group, way, ahead in keys:
        of = [line for line in lines if (line.group, line.way, line.ahead) == (group, way, ahead)]
        found.append(
            Line(
                group, f"all {len(of)} {group}", way, ahead,
                min(line.lowest for line in of), max(line.highest for line in of),
                float(np.mean([line.within for line in of])), float(np.mean([line.coverage for line in of])),
                float(np.exp(np.mean([np.log(line.width) for line in of]))),
                float(np.exp(np.mean([np.log(line.score) for line in of]))),
            )
        )  # fmt: skip
    return sorted(found, key=lambda line: (line.group, line.ahead, line.way))


def show(lines: Sequence[Line]) -> None:
    """A line a way and horizon."""
    for line in lines:
        print(
            f"{line.series[-44:]:44} {line.ahead:5} {line.way:12}{line.lowest:7.1%}{line.highest:8.1%}"
            f"{line.within:8.1%}{line.coverage:9.1%}{line.width:8.3f}{line.score:8.3f}",
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. The exit code: 0 also where there is no data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bands", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of a file, at the most (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    arguments = parser.parse_args(argv)
    if not arguments.data.is_dir():
        print(f"no folder {arguments.data}: synthetic streams only", file=sys.stderr)
    print(
        f"{'series':44} {'ahead':>5} {'bands':12}{'lowest':>7}{'highest':>8}{'87-93':>8}{'coverage':>9}{'width':>8}"
        f"{'score':>8}"
    )
    lines: list[Line] = []
    for group, name, values in streams(arguments.data, arguments.rows):
        found = list(measured(group, name, values))
        show(found)
        lines += found
    summary = summarise(lines)
    show(summary)
    if arguments.json is not None:
        document = {"series": [asdict(line) for line in lines], "summary": [asdict(line) for line in summary]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
