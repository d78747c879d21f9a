"""The command: see benchmarks.accuracy."""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.accuracy import __doc__ as about
from benchmarks.accuracy import alarms, bands, forecasts, one_step, robustness
from benchmarks.accuracy.table import Options, Table

DATA = Path("../shared/data")
TABLES: dict[str, Callable[[Options], Iterable[Table]]] = {
    "forecasts": forecasts.build,
    "steps": one_step.build,
    "alarms": alarms.build,
    "bands": bands.build,
    "robustness": robustness.build,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write. The exit code: 0 also where there is no data."""
    known = peers.peers()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=(about or "").partition("\n")[0])
    parser.add_argument(
        "data", nargs="?", type=Path, default=DATA, help="folder with ett/ and nab/ (default: %(default)s)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE", help=", ".join(TABLES)
    )
    parser.add_argument("--peers", nargs="+", choices=[p.name for p in known], metavar="NAME",
                        help="these alone: " + ", ".join(repr(p.name) for p in known))  # fmt: skip
    parser.add_argument("--fast", action="store_true", help="the short part of the series, and no slow peers")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    arguments = parser.parse_args(argv)
    if not any(arguments.data.glob("ett/*.csv")) and not any(arguments.data.glob("nab/*/*.csv")):
        print(f"skipped: no ett/*.csv and no nab/*/*.csv under {arguments.data}", file=sys.stderr)
        return 0
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:7.0f} s  {what}", file=sys.stderr, flush=True)

    chosen = [p for p in known if arguments.peers is None or p.name in arguments.peers]
    options = Options(arguments.data, chosen, arguments.fast, say)
    document: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "fast": options.fast,
        "peers": {p.name: p.about for p in chosen},
        "tables": {},
    }
    for name in arguments.only:
        for table in TABLES[name](options):
            print(table.markdown(), end="\n\n", flush=True)
            document["tables"].setdefault(name, []).append({"title": table.title, "figures": _finite(table.figures)})
            if arguments.json is not None:  # each time: the whole takes long
                text = json.dumps(document, indent=1, ensure_ascii=False)
                arguments.json.write_text(text + "\n", encoding="utf-8")
    say("done")
    return 0


def _finite(figures: Any) -> Any:
    """The same with null for what JSON has no number for."""
    if isinstance(figures, dict):
        return {name: _finite(value) for name, value in figures.items()}
    return figures if not isinstance(figures, float) or math.isfinite(figures) else None


if __name__ == "__main__":
    sys.exit(main())
