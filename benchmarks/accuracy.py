"""Accuracy of the default recipe on real series, one setting for all of them.

    python -m benchmarks.accuracy [DATA] [--horizons] [--json OUT]

DATA holds `ett/*.csv` and `nab/CATEGORY/*.csv` (default: ../shared/data). Each file is replayed by the engine that runs
live. Printed are, per file and channel, the one-step errors relative to persistence, coverage and width of the bands
and rows a second; then geometric means and who loses against persistence. docs/accuracy.md explains the protocol.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from streamrnn.daemon.replay import Outputs, replay
from streamrnn.daemon.scorecard import geometric_mean, ratio
from streamrnn.daemon.service import warm
from streamrnn.tasks.recipe import Recipe

DATA = Path("../shared/data")
STEPS = (1, 24, 48)
"""Horizons that are reported with --horizons."""
ROWS_AN_HOUR = {"ETTh": 1, "ETTm": 4}
"""Of the ETT files, whose protocol counts in hours."""
TRAIN, FIRST, LAST = 2880, 3600, 14400
"""Hours that standardise, and first and last hour that are scored."""
EVALUATED_AT_ONCE = 2048
"""Rows of forecasts that are compared at once: bounds memory."""


@dataclass(frozen=True, slots=True)
class Line:
    """One channel of one file. Ratios are None where persistence makes no error."""

    file: str
    channel: str
    judged: int
    nmae: float | None
    nmse: float | None
    coverage: float | None
    width: float | None
    """Mean width of the band, in mean absolute changes of the channel."""
    refused: int
    """Rows of the file that came late or twice."""
    rows_per_second: float


def one_step(root: Path, path: Path) -> Iterator[Line]:
    """Replay a file with the default recipe."""
    outcome = replay(str(path), Recipe())
    for figures in outcome.scorecard.figures():
        yield Line(
            file=str(path.relative_to(root).with_suffix("")),
            channel=figures.name,
            judged=figures.judged,
            nmae=_finite(figures.nmae),
            nmse=_finite(figures.nmse),
            coverage=_finite(figures.coverage),
            width=_finite(ratio(figures.width, figures.persistence_mae)),
            refused=outcome.refused,
            rows_per_second=outcome.rows / outcome.seconds,
        )


def many_steps(path: Path) -> dict[str, dict[str, float]]:
    """MSE of steps 1 … H, its mean over rows, steps and channels, for each H of STEPS: ours and persistence's.

    Values are standardised by the first hours; each row is scored whose targets all lie in the scored hours.
    """
    hour = ROWS_AN_HOUR[path.stem[:4]]
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder, "predictions.npz")
        replay(str(path), Recipe(horizon=max(STEPS)), outputs=Outputs(predictions=stored))
        with np.load(stored, allow_pickle=False) as file:
            predicted, names = file["prediction"], [str(name) for name in file["channel"]]
    truth = _columns(path, names)
    mean, deviation = truth[: TRAIN * hour].mean(0), truth[: TRAIN * hour].std(0)
    truth = (truth - mean) / deviation
    found = {}
    for steps in STEPS:
        issued = np.arange(FIRST * hour - 1, LAST * hour - steps)
        ours = persistence = 0.0
        for rows in np.array_split(issued, math.ceil(len(issued) / EVALUATED_AT_ONCE)):
            target = truth[rows[:, None] + np.arange(1, steps + 1)]
            ours += float((((predicted[rows, :steps] - mean) / deviation - target) ** 2).mean((1, 2)).sum())
            persistence += float(((truth[rows][:, None] - target) ** 2).mean((1, 2)).sum())
        found[f"H={steps}"] = {"mse": ours / len(issued), "persistence_mse": persistence / len(issued)}
    return found


def summarise(lines: Sequence[Line]) -> dict[str, dict[str, float | int]]:
    """Geometric means, and how many channels beat persistence, over all channels and over the real NAB series."""
    real = [line for line in lines if line.file.startswith("nab/") and "artificialNoAnomaly" not in line.file]
    summary: dict[str, dict[str, float | int]] = {}
    for name, group in (("all", lines), ("real NAB", real)):
        nmae = [line.nmae for line in group if line.nmae is not None]
        nmse = [line.nmse for line in group if line.nmse is not None]
        if nmae:
            summary[name] = {
                "channels": len(nmae),
                "nmae": geometric_mean(nmae),
                "nmse": geometric_mean(nmse),
                "better_mae": sum(value < 1.0 for value in nmae),
                "better_mse": sum(value < 1.0 for value in nmse),
            }
    return summary


def print_lines(lines: Sequence[Line]) -> None:
    """The table, those that lose against persistence first."""
    width = max(len(f"{line.file} {line.channel}") for line in lines)
    head = f"{'judged':>7} {'NMAE':>7} {'NMSE':>7} {'in band':>8} {'width':>7} {'refused':>8} {'rows/s':>9}"
    print(f"{'series':{width}} {head}")
    for line in sorted(lines, key=_worst, reverse=True):
        mark = "  loses" if _worst(line) >= 1.0 else ""
        coverage = "–" if line.coverage is None else f"{line.coverage:.1%}"
        print(
            f"{line.file + ' ' + line.channel:{width}} {line.judged:7} {_text(line.nmae):>7} {_text(line.nmse):>7} "
            f"{coverage:>8} {_text(line.width, 2):>7} {line.refused:8} {line.rows_per_second:9,.0f}{mark}"
        )


def print_summary(summary: dict[str, dict[str, float | int]]) -> None:
    """A line a group."""
    for name, group in summary.items():
        means = f"geometric mean NMAE {group['nmae']:.3f}, NMSE {group['nmse']:.3f}"
        better = (
            f"in MAE {group['better_mae']} of {group['channels']}, in MSE {group['better_mse']} of {group['channels']}"
        )
        print(f"{name}: {means}; better than persistence {better}")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. The exit code: 0 also where there is no data."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder (default: %(default)s)")
    parser.add_argument(
        "--horizons", action="store_true", help="also the errors of 1, 24 and 48 steps on the ETT files"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    arguments = parser.parse_args(argv)
    ett = sorted(arguments.data.glob("ett/*.csv"))
    files = [*ett, *sorted(arguments.data.glob("nab/*/*.csv"))]
    if not files:
        print(f"skipped: no ett/*.csv and no nab/*/*.csv under {arguments.data}", file=sys.stderr)
        return 0
    warm(Recipe())
    lines = [line for path in files for line in one_step(arguments.data, path)]
    print_lines(lines)
    summary = summarise(lines)
    print_summary(summary)
    horizons = {path.stem: many_steps(path) for path in ett} if arguments.horizons else {}
    for name, steps in horizons.items():
        cells = (f"{h} {figures['mse']:.3f} ({figures['persistence_mse']:.3f})" for h, figures in steps.items())
        print(f"{name}: MSE (persistence) {', '.join(cells)}")
    if arguments.json is not None:
        document = {"series": [asdict(line) for line in lines], "summary": summary, "horizons": horizons}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def _columns(path: Path, names: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    with path.open(newline="", encoding="utf-8") as file:
        return np.array([[float(row[name]) for name in names] for row in csv.DictReader(file)])


def _worst(line: Line) -> float:
    return max(line.nmae or 0.0, line.nmse or 0.0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
