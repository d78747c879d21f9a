"""The series under DATA: ett/*.csv, nab/CATEGORY/*.csv and the labels nab/windows.json."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from streamrnn._types import Bools, Floats, Ints

DAY = 86_400_000_000_000
ARTIFICIAL = "artificial"
"""What the names of NAB's made-up categories begin with."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file. Rows that come late or twice (clocks set back for winter) are left out, as the engine refuses them."""

    name: str
    category: str
    channels: tuple[str, ...]
    time: Ints
    """(N,) nanoseconds since 1970, strictly increasing."""
    values: Floats
    """(N, C)."""
    kept: Ints
    """(N,) each row's place in the file."""
    stamps: tuple[str, ...]
    """The time of all rows of the file, as it stands there."""

    @property
    def interval(self) -> float:
        """Typical seconds between rows."""
        return float(np.median(np.diff(self.time))) / 1e9

    @property
    def season(self) -> int:
        """Rows in a day, at least 2."""
        return max(round(DAY / float(np.median(np.diff(self.time)))), 2)

    @property
    def real(self) -> bool:
        """Measured somewhere, not made up."""
        return not self.category.startswith(ARTIFICIAL)

    def head(self, rows: int) -> Series:
        """The first `rows` rows."""
        return Series(self.name, self.category, self.channels, self.time[:rows], self.values[:rows], self.kept[:rows],
                      self.stamps)  # fmt: skip


def read(path: Path) -> Series:
    """A CSV file with a header: the time, then numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    stamps = tuple(row[0] for row in rows)
    time = np.array([when(stamp) for stamp in stamps], np.int64)
    values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    latest = np.maximum.accumulate(time)
    new = np.ones(len(time), np.bool_)
    new[1:] = time[1:] > latest[:-1]
    kept = np.flatnonzero(new)
    return Series(path.stem, path.parent.name, tuple(header[1:]), time[kept], values[kept], kept, stamps)


def when(stamp: str) -> int:
    """Nanoseconds since 1970 of a time without a zone, taken as UTC; parts of a second are dropped."""
    return int(datetime.fromisoformat(stamp.partition(".")[0]).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def ett(data: Path) -> list[Series]:
    """ETTh2, ETTm1 and whichever of their kind there are."""
    return [read(path) for path in sorted(data.glob("ett/ETT[hm]*.csv"))]


def nab(data: Path) -> list[Series]:
    """All series of the Numenta benchmark, by category and name."""
    return [read(path) for path in sorted(data.glob("nab/*/*.csv"))]


def windows(data: Path) -> dict[str, list[tuple[int, int]]]:
    """CATEGORY/FILE.csv → (first, last) row in the file of each labelled window; only for files that are there."""
    path = data / "nab" / "windows.json"
    if not path.exists():
        return {}
    labels: dict[str, list[tuple[str, str]]] = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for name, pairs in labels.items():
        file = data / "nab" / name
        if file.exists():
            with file.open(newline="", encoding="utf-8") as opened:
                stamps = [when(row[0]) for row in list(csv.reader(opened))[1:]]
            found[name] = [(stamps.index(when(first)), stamps.index(when(last))) for first, last in pairs]
    return found


def probation(rows: int) -> int:
    """Rows at the start of a file that the Numenta benchmark does not score."""
    return min(int(0.15 * rows), 750)


def inside(rows: int, pairs: list[tuple[int, int]]) -> Bools:
    """(N,) True in a labelled window."""
    mask = np.zeros(rows, np.bool_)
    for first, last in pairs:
        mask[first : last + 1] = True
    return mask
