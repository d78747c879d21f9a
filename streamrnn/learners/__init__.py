"""Learners: how credit flows back in time. Each is written once and serves every cell; `get` finds one by name."""

from __future__ import annotations

from collections.abc import Mapping

from streamrnn._registry import find
from streamrnn.learners._contract import Carry, Learner

OWN = {
    "rtrl": "streamrnn.learners.rtrl:RTRL",
    "snap1": "streamrnn.learners.snap1:SNAP1",
    "immediate": "streamrnn.learners.immediate:IMMEDIATE",
    "tbptt": "streamrnn.learners.tbptt:TBPTT",
    "crbp": "streamrnn.learners.crbp:CRBP",
}

__all__ = ["OWN", "Carry", "Learner", "get"]


def get(name: str, options: Mapping[str, float] | None = None) -> Learner:
    """The learner called `name`, ours or a plug-in's (entry-point group streamrnn.learners), with these options."""
    learner = find("learner", name, OWN, options)
    assert isinstance(learner, Learner)
    return learner
