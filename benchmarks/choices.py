"""What each cell, learner, update and readout does to the one-step error on real series, and what it costs.

    python -m benchmarks.choices [DATA] [--only WORD] [--json OUT]

DATA holds `ett/*.csv` and `nab/CATEGORY/*.csv` (default: ../shared/data). Every choice differs from the default recipe
in what its line names alone. Each channel is learned by a model of its own, in one pass; the first 15 % of its rows are
not judged. Printed are geometric means over the channels of the error relative to persistence, absolute (NMAE) and
squared (NMSE), on the real NAB series and on those of ETT, and the time of a row. docs/accuracy.md has the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamrnn import Forecaster
from streamrnn._types import Floats
from streamrnn.daemon.scorecard import geometric_mean

DATA = Path("../shared/data")
UNJUDGED = 0.15
MOST_ROWS = 20_000

CHOICES: list[dict[str, Any]] = [
    {},
    *({"learner": name} for name in ("immediate", "snap1", "eprop", "uoro", "kf_rtrl", "frozen", "hybrid")),
    {"learner": "tbptt", "learner_options": {"window": 16}},
    *(
        {"update": name}
        for name in ("sgd", "momentum", "adagrad", "adam", "obgd", "intentional", "dekf")
    ),
    {"update": "dekf", "learner": "immediate"},
    {"update": "dekf", "lags": 32},
    {"lags": 32},
    {"readout": "autostep"},
    {"readout": "idbd"},
    {"units": 16},
    {"units": 32, "learner": "immediate"},
    {"cell": "elman_bank", "units": 16},
    {"cell": "elman_bank", "units": 32},
    *(
        {"cell": name}
        for name in ("elman_relu", "leaky", "jordan", "second_order", "mgu", "gru", "lstm", "lstm_peephole")
    ),
    {"cell": "reservoir", "units": 32, "learner": "frozen"},
    *({"cell": name, "units": 16} for name in ("indrnn", "elstm", "mingru", "lru", "rtu", "iir")),
    {"cell": "elman", "layers": 2},
    {"cell": "elstm", "layers": 2, "learner": "crbp", "units": 16},
]  # fmt: skip


def columns(path: Path) -> list[Floats]:
    """The value columns of a CSV file whose first column is the time."""
    table = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, _width(path)), ndmin=2)
    return list(np.asarray(table, np.float64)[:MOST_ROWS].T)


def _width(path: Path) -> int:
    with path.open() as file:
        return file.readline().count(",") + 1


def judged(series: Floats, choice: dict[str, Any]) -> tuple[float, float, float]:
    """NMAE, NMSE and microseconds a row of a model of its own on one series."""
    model = Forecaster(**choice)
    steps = np.arange(1, len(series) + 1, dtype=np.int64) * 1_000_000_000
    began = time.perf_counter()
    expected = model.run(steps, series[:, None]).expected[:, 0]
    taken = (time.perf_counter() - began) / len(series)
    first = max(int(UNJUDGED * len(series)), 1)
    error, change = series[first:] - expected[first:], np.diff(series)[first - 1 :]
    return float(abs(error).sum() / abs(change).sum()), float((error**2).sum() / (change**2).sum()), 1e6 * taken


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. The exit code: 0 also where there is no data."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORD", help="only choices that name this")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    arguments = parser.parse_args(argv)
    groups = {
        "nab": [p for p in sorted(arguments.data.glob("nab/*/*.csv")) if "artificial" not in p.parent.name],
        "ett": sorted(arguments.data.glob("ett/*.csv")),
    }
    if not any(groups.values()):
        print(f"no series in {arguments.data}: nothing to measure", file=sys.stderr)
        return 0
    series = {name: [x for path in paths for x in columns(path) if np.ptp(x) > 0] for name, paths in groups.items()}
    print(f"{'choice':58}" + "".join(f"{name + ' NMAE':>10}{'NMSE':>7}" for name in series) + f"{'µs':>8}")
    found = []
    for choice in CHOICES:
        if arguments.only and arguments.only not in json.dumps(choice):
            continue
        name = " ".join(f"{key}={json.dumps(value)}" for key, value in choice.items()).replace('"', "") or "default"
        judged(series["nab"][0][:50], choice)  # compiles
        line: dict[str, Any] = {"choice": choice}
        for group, members in series.items():
            nmae, nmse, taken = zip(*(judged(x, choice) for x in members), strict=True)
            line[group] = {"nmae": geometric_mean(nmae), "nmse": geometric_mean(nmse), "us": float(np.median(taken))}
        found.append(line)
        text = "".join(f"{line[group]['nmae']:10.3f}{line[group]['nmse']:7.3f}" for group in series)
        print(f"{name:58}{text}{line['nab']['us']:8.1f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
