"""Which pairs are compared, and the climb to the longest delay of each.

    python -m benchmarks.memory [--task copying|patterning] [--cells CELL …] [--learners LEARNER …] [--quick]
                                [--json FILE] [--draw]

Each pair of cell and learner gets the most units whose step stays within the budget. A rate is then chosen: with each,
a seed of its own climbs the delays until one is not solved; the rate that came furthest, then with the least error, is
taken. Three other seeds climb with it. Results are written as they come; what FILE has already is not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.memory import copying, patterning
from benchmarks.memory.picture import draw
from benchmarks.memory.table import table
from benchmarks.memory.training import UPDATE, Pair, largest, run

TASKS: dict[str, ModuleType] = {"copying": copying, "patterning": patterning}
BUDGET = 5.0  # µs a step
DELAYS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
STEPS, SEEDS, TUNING = 200_000, (0, 1, 2), 9
QUICK: dict[str, Any] = {"steps": 30_000, "delays": (2, 4), "rates": (3e-3, 1e-2), "seeds": (0,)}

DENSE = ("rtrl", "hybrid", "snap1", "uoro", "eprop", "rflo", "tbptt 16", "tbptt 32", "immediate", "frozen")
LOCAL = ("rtrl", "tbptt 32", "immediate", "frozen")
# Not repeated, as they are the same: snap of order 2 on cells that are all linked (rtrl), crbp on one layer (snap1),
# eprop on elman (immediate), snap1, eprop and crbp on diagonal cells (rtrl).
SUIT: dict[str, tuple[str, ...]] = {
    "elman": tuple("kf_rtrl" if name == "eprop" else name for name in DENSE),
    "elman_ring": ("rtrl", "snap", "immediate"),
    "elman_bank": ("rtrl", "tbptt 32", "immediate"),
    "leaky": ("rtrl", "snap1", "eprop", "rflo", "tbptt 32", "immediate", "frozen"),
    "gru": DENSE,
    "lstm": DENSE,
    **dict.fromkeys(("indrnn", "mingru", "elstm", "lru", "rtu"), LOCAL),
}
COURSES = {"copying": 16, "patterning": 8}  # the delay at which the course of the error is shown
SHOWN = ("elman rtrl", "elman immediate", "gru rtrl", "gru snap1", "gru immediate", "lstm snap1", "rtu rtrl",
         "rtu immediate", "rtu tbptt 32", "lru rtrl", "lru immediate")  # fmt: skip


def pairs() -> Iterator[Pair]:
    for cell, suited in SUIT.items():
        for name in suited:
            learner, _, window = name.partition(" ")
            yield Pair(cell, learner, int(window or 0))


def finite(value: float) -> float | None:
    """As JSON can say it, to four digits."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def climb(pair: Pair, n: int, task: ModuleType, seed: int, rate: float, how: dict[str, Any]) -> dict[int, float]:
    """Errors by delay, up to the first that is not solved."""
    errors: dict[int, float] = {}
    for delay in how["delays"]:
        errors[delay], _ = run(pair, n, task, delay, how["steps"], seed, rate)
        if not errors[delay] <= task.SOLVED:
            break
    return errors


def longest(errors: dict[int, float], task: ModuleType) -> int:
    return max((delay for delay, error in errors.items() if error <= task.SOLVED), default=0)


def compare(pair: Pair, n: int, task: ModuleType, how: dict[str, Any]) -> dict[str, Any]:
    """The entry of a pair in the results: the rate, and what each seed came to with it."""
    tried = {rate: climb(pair, n, task, TUNING, rate, how) for rate in how["rates"]}

    def worth(rate: float) -> tuple[int, float]:
        last = list(tried[rate].values())[-1]
        return longest(tried[rate], task), -last if math.isfinite(last) else -math.inf

    rate = max(how["rates"], key=worth)
    climbs = [climb(pair, n, task, seed, rate, how) for seed in how["seeds"]]
    reached = [longest(errors, task) for errors in climbs]
    return {
        "rate": rate,
        "tuning": {str(rate): longest(errors, task) for rate, errors in tried.items()},
        "reached": reached,
        "median": int(statistics.median_low(reached)),
        "errors": [{str(delay): finite(error) for delay, error in errors.items()} for errors in climbs],
    }


def course(pair: Pair, n: int, task: ModuleType, delay: int, rate: float, how: dict[str, Any]) -> list[float | None]:
    """The error over a pass, the median over seeds."""
    runs = [run(pair, n, task, delay, how["steps"], seed, rate)[1] for seed in how["seeds"]]
    return [finite(v) for v in np.median(runs, axis=0)]


def save(results: dict[str, Any], file: pathlib.Path) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    new.replace(file)


def main(arguments: list[str] | None = None) -> None:
    root = pathlib.Path(__file__).parents[2]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, action="append", help="one task alone; may be repeated")
    parser.add_argument("--cells", nargs="+", choices=SUIT)
    parser.add_argument("--learners", nargs="+", help="such as rtrl, immediate")
    parser.add_argument("--quick", action="store_true", help="30,000 steps, two delays, two rates, one seed")
    parser.add_argument("--json", type=pathlib.Path, help="where results are kept; default docs/memory.json")
    parser.add_argument("--draw", action="store_true", help="nothing but the plot and the table, of what FILE has")
    asked = parser.parse_args(arguments)
    file = asked.json or (None if asked.quick else root / "docs" / "memory.json")
    how: dict[str, Any] = {"steps": STEPS, "delays": DELAYS, "rates": RATES, "seeds": SEEDS}
    if asked.quick:
        how = QUICK
    conditions = {"budget": BUDGET, "update": UPDATE, "tuning seed": TUNING, **how,
                  "solved": {name: task.SOLVED for name, task in TASKS.items()}}  # fmt: skip
    results: dict[str, Any] = {"conditions": conditions, "sizes": {}, "courses": {}}
    if file is not None and file.exists():
        results = json.loads(file.read_text())
        if results["conditions"] != json.loads(json.dumps(conditions)):
            sys.exit(f"{file} was made under other conditions; choose another file, or remove it")
    if not asked.draw:
        measure(results, file, how, asked)
    print(table(results))
    if file is not None:
        file.with_suffix(".svg").write_text(draw(results, COURSES))


def measure(results: dict[str, Any], file: pathlib.Path | None, how: dict[str, Any], asked: argparse.Namespace) -> None:
    """Everything asked for that `results` lacks."""
    chosen = [pair for pair in pairs() if (not asked.cells or pair.cell in asked.cells)
              and (not asked.learners or pair.learner in asked.learners)]  # fmt: skip
    for pair in chosen:
        if pair.name not in results["sizes"]:
            n, taken = largest(pair, BUDGET)
            results["sizes"][pair.name] = {"units": n, "microseconds": round(taken, 2)}
            print(f"{pair.name:20}{n:4} units {taken:6.2f} µs", flush=True)
            if file is not None:
                save(results, file)
    for name in asked.task or TASKS:
        task, entries = TASKS[name], results.setdefault(name, {})
        for pair in chosen:
            if pair.name not in entries:
                began = time.monotonic()
                entries[pair.name] = compare(pair, results["sizes"][pair.name]["units"], task, how)
                say = f"longest {entries[pair.name]['reached']} rate {entries[pair.name]['rate']:g}"
                print(f"{name:12}{pair.name:20}{say}  {time.monotonic() - began:.0f} s", flush=True)
            if pair.name in SHOWN and pair.name not in results["courses"].setdefault(name, {}):
                n, rate = results["sizes"][pair.name]["units"], entries[pair.name]["rate"]
                results["courses"][name][pair.name] = course(pair, n, task, COURSES[name], rate, how)
            if file is not None:
                save(results, file)


if __name__ == "__main__":
    main()
