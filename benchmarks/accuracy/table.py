"""A table: Markdown for people, numbers for programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.peers import MISSING, Peer

Say: TypeAlias = Callable[[str], None]
"""Takes a line about what is being done."""
LEFT_OUT = "left out by --fast"
Figures: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    data: Path
    peers: list[Peer]
    fast: bool
    say: Say

    def why_not(self, peer: Peer) -> str:
        """What stands in the row of a peer that cannot or need not be asked; empty where it is to be asked."""
        if not peer.installed:
            return MISSING
        return LEFT_OUT if peer.slow and self.fast else ""


@dataclass(slots=True)
class Table:
    """`figures` is what --json writes: the numbers as they are."""

    title: str
    note: str
    head: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    figures: Figures = field(default_factory=dict)

    def add(self, *cells: str) -> None:
        """A row; one that is too short says one thing for all columns that it lacks."""
        self.rows.append([*cells, *[""] * (len(self.head) - len(cells))])

    def markdown(self) -> str:
        """Title, note and table."""
        lines = [f"### {self.title}", *([self.note] if self.note else []), "", f"| {' | '.join(self.head)} |"]
        lines.append("|---" + "|---:" * (len(self.head) - 1) + "|")
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join(lines)


def number(value: float, digits: int = 3) -> str:
    """A number of fixed digits; – where there is none, `diverged` where it is too large to mean anything."""
    if math.isnan(value):
        return "–"
    return "diverged" if abs(value) > 1e6 else f"{value:.{digits}f}"


def percent(value: float, digits: int = 1) -> str:
    """A share in percent."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"
