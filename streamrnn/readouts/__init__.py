"""Readouts: what is said of the state. One file each; `get` finds one by name."""

from __future__ import annotations

from collections.abc import Mapping

from streamrnn._registry import find
from streamrnn.readouts._contract import Readout

OWN = {
    "rls": "streamrnn.readouts.rls:RLS",
    "idbd": "streamrnn.readouts.idbd:IDBD",
    "autostep": "streamrnn.readouts.autostep:AUTOSTEP",
}

__all__ = ["OWN", "Readout", "get"]


def get(name: str, options: Mapping[str, float] | None = None) -> Readout:
    """The readout called `name`, ours or a plug-in's (entry-point group streamrnn.readouts), with these options."""
    readout = find("readout", name, OWN, options)
    assert isinstance(readout, Readout)
    return readout
