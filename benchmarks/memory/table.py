"""The results as tables in Markdown: the longest delay of each cell and learner."""

from __future__ import annotations

from typing import Any

COLUMNS = ("rtrl", "hybrid", "snap1", "snap", "uoro", "kf_rtrl", "eprop", "rflo", "tbptt 16", "tbptt 32", "immediate",
           "frozen")  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """A table for each task: the longest L that the median seed solved, and the units; 0: not even the shortest."""
    rows = [f"units by the budget of {results['conditions']['budget']:g} µs, and what they take:"]
    rows += [f"  {name:20}{size['units']:4}{size['microseconds']:7.2f} µs" for name, size in results["sizes"].items()]
    for task in ("copying", "patterning"):
        entries = results.get(task)
        if entries:
            rows += ["", f"longest L solved, {task} (units):", "", "| cell | " + " | ".join(COLUMNS) + " |"]
            rows.append("|---" * (len(COLUMNS) + 1) + "|")
            for cell in dict.fromkeys(name.partition(" ")[0] for name in results["sizes"]):
                said = [_said(results, task, f"{cell} {learner}") for learner in COLUMNS]
                rows.append(f"| {cell} | " + " | ".join(said) + " |")
    return "\n".join(rows)


def _said(results: dict[str, Any], task: str, name: str) -> str:
    entry = results[task].get(name)
    return f"{entry['median']} ({results['sizes'][name]['units']})" if entry else ""
