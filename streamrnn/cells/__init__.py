"""Recurrent cells: what is remembered. One small file each; `get` finds one by name."""

from __future__ import annotations

from streamrnn._registry import find
from streamrnn.cells._contract import DENSE, DIAGONAL, ZERO, Cell

OWN = {
    "elman": "streamrnn.cells.elman:ELMAN",
    "elman_relu": "streamrnn.cells.elman:ELMAN_RELU",
    "indrnn": "streamrnn.cells.indrnn:INDRNN",
    "gru": "streamrnn.cells.gru:GRU",
    "lstm": "streamrnn.cells.lstm:LSTM",
}

__all__ = ["DENSE", "DIAGONAL", "OWN", "ZERO", "Cell", "get"]


def get(name: str) -> Cell:
    """The cell called `name`, ours or a plug-in's (entry-point group streamrnn.cells)."""
    cell = find("cell", name, OWN)
    assert isinstance(cell, Cell)
    return cell
