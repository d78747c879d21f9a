"""Recurrent networks that learn while they run: forecasts and alarms for live time series, one sample at a time.

The names below are the whole public surface for library use. They are loaded on first use, so that importing the
package costs neither Numba nor NumPy.

    Forecaster, Detector      learn a stream row by row; forecast it, score it
    Recipe                    every choice that makes a model
    Model, Network            a cell and a learner put together, to be stepped by hand
    Forecast, Rows            what they return
    errors                    everything raised on purpose
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamrnn import errors

if TYPE_CHECKING:
    from streamrnn.model import Model, Network
    from streamrnn.tasks._rows import Rows
    from streamrnn.tasks.detect import Detector
    from streamrnn.tasks.forecast import Forecast, Forecaster
    from streamrnn.tasks.recipe import Recipe

__version__ = "0.1.0"
__all__ = ["Detector", "Forecast", "Forecaster", "Model", "Network", "Recipe", "Rows", "errors"]

_HOME = {
    "Detector": "streamrnn.tasks.detect",
    "Forecast": "streamrnn.tasks.forecast",
    "Forecaster": "streamrnn.tasks.forecast",
    "Model": "streamrnn.model",
    "Network": "streamrnn.model",
    "Recipe": "streamrnn.tasks.recipe",
    "Rows": "streamrnn.tasks._rows",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
