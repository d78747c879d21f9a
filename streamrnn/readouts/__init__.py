"""Readouts: what is said of the state."""

from __future__ import annotations

from streamrnn.readouts.rls import RLS, Readout

__all__ = ["RLS", "Readout"]
