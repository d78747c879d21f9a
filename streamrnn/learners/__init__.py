"""Learners: how credit flows back in time. Each is written once and serves every cell; `get` finds one by name."""

from __future__ import annotations

from collections.abc import Mapping

from streamrnn._registry import find
from streamrnn.learners._contract import Carry, Learner

OWN = {
    "rtrl": "streamrnn.learners.rtrl:RTRL",
    "hybrid": "streamrnn.learners.hybrid:HYBRID",
    "snap1": "streamrnn.learners.snap1:SNAP1",
    "snap": "streamrnn.learners.snap:SNAP",
    "uoro": "streamrnn.learners.uoro:UORO",
    "kf_rtrl": "streamrnn.learners.kf:KF_RTRL",
    "eprop": "streamrnn.learners.eprop:EPROP",
    "rflo": "streamrnn.learners.eprop:RFLO",
    "immediate": "streamrnn.learners.immediate:IMMEDIATE",
    "tbptt": "streamrnn.learners.tbptt:TBPTT",
    "crbp": "streamrnn.learners.crbp:CRBP",
    "frozen": "streamrnn.learners.frozen:FROZEN",
}

__all__ = ["OWN", "Carry", "Learner", "get"]


def get(name: str, options: Mapping[str, float] | None = None) -> Learner:
    """The learner called `name`, ours or a plug-in's (entry-point group streamrnn.learners), with these options."""
    learner = find("learner", name, OWN, options)
    assert isinstance(learner, Learner)
    return learner
