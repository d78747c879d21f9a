"""Updates: how a gradient moves weights. One file each; `get` finds one by name."""

from __future__ import annotations

from streamrnn._registry import find
from streamrnn.updates._contract import Update

OWN = {
    "sgd": "streamrnn.updates.sgd:SGD",
    "rmsprop": "streamrnn.updates.rmsprop:RMSPROP",
    "adam": "streamrnn.updates.adam:ADAM",
}

__all__ = ["OWN", "Update", "get"]


def get(name: str) -> Update:
    """The update called `name`, ours or a plug-in's (entry-point group streamrnn.updates)."""
    update = find("update", name, OWN)
    assert isinstance(update, Update)
    return update
