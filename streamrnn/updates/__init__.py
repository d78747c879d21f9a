"""Updates: how what a learner says moves the weights. One file each; `get` finds one by name."""

from __future__ import annotations

from collections.abc import Mapping

from streamrnn._registry import find
from streamrnn.updates._contract import Update

OWN = {
    "sgd": "streamrnn.updates.sgd:SGD",
    "rmsprop": "streamrnn.updates.rmsprop:RMSPROP",
    "adam": "streamrnn.updates.adam:ADAM",
    "momentum": "streamrnn.updates.momentum:MOMENTUM",
    "adagrad": "streamrnn.updates.adagrad:ADAGRAD",
    "obgd": "streamrnn.updates.obgd:OBGD",
    "intentional": "streamrnn.updates.intentional:INTENTIONAL",
    "dekf": "streamrnn.updates.dekf:DEKF",
}

__all__ = ["OWN", "Update", "get"]


def get(name: str, options: Mapping[str, float] | None = None) -> Update:
    """The update called `name`, ours or a plug-in's (entry-point group streamrnn.updates), with these options."""
    update = find("update", name, OWN, options)
    assert isinstance(update, Update)
    return update
