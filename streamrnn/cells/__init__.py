"""Recurrent cells: what is remembered. One small file each; `get` finds one by name."""

from __future__ import annotations

from collections.abc import Mapping

from streamrnn._registry import find
from streamrnn.cells._contract import DENSE, DIAGONAL, UNIFORM, ZERO, Cell

OWN = {
    "elman": "streamrnn.cells.elman:ELMAN",
    "elman_relu": "streamrnn.cells.elman:ELMAN_RELU",
    "elman_bank": "streamrnn.cells.elman:ELMAN_BANK",
    "elman_ring": "streamrnn.cells.elman:ELMAN_RING",
    "indrnn": "streamrnn.cells.indrnn:INDRNN",
    "leaky": "streamrnn.cells.leaky:LEAKY",
    "reservoir": "streamrnn.cells.reservoir:RESERVOIR",
    "jordan": "streamrnn.cells.jordan:JORDAN",
    "jordan_forced": "streamrnn.cells.jordan:JORDAN_FORCED",
    "second_order": "streamrnn.cells.second_order:SECOND_ORDER",
    "mgu": "streamrnn.cells.mgu:MGU",
    "gru": "streamrnn.cells.gru:GRU",
    "lstm": "streamrnn.cells.lstm:LSTM",
    "lstm_peephole": "streamrnn.cells.lstm:LSTM_PEEPHOLE",
    "elstm": "streamrnn.cells.elstm:ELSTM",
    "mingru": "streamrnn.cells.mingru:MINGRU",
    "lru": "streamrnn.cells.lru:LRU",
    "rtu": "streamrnn.cells.rtu:RTU",
    "iir": "streamrnn.cells.iir:IIR",
}

__all__ = ["DENSE", "DIAGONAL", "OWN", "UNIFORM", "ZERO", "Cell", "get"]


def get(name: str, options: Mapping[str, float] | None = None) -> Cell:
    """The cell called `name`, ours or a plug-in's (entry-point group streamrnn.cells), with these options."""
    cell = find("cell", name, OWN, options)
    assert isinstance(cell, Cell)
    return cell
