"""Findings: what a stream's model says of itself at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamrnn.daemon.scorecard import geometric_mean
from streamrnn.tasks.detect import Detector

RIVALS = {
    "absolute_change": "the last value",
    "absolute_ar_error": "an autoregression",
    "absolute_seasonal_error": "the value a season ago",
}
"""Simple forecasts that run beside the model, by the running sum of their errors (`Forecaster.statistics`)."""


@dataclass(slots=True, frozen=True)
class Findings:
    """Skill and seasons. C channels."""

    skill: tuple[float, ...]
    """(C,) 1 - mean absolute error over that of the best simple forecast; NaN where nothing was judged."""
    rivals: tuple[str, ...]
    """(C,) which simple forecast that was; empty where nothing was judged."""
    seasons: tuple[float, ...] | None
    """Lengths in seconds of the seasons in force, ascending; None where none is looked for."""
    variant: str
    """What of its recipe the model has, where a time budget was given."""

    @property
    def overall(self) -> float:
        """Skill over all channels: 1 - the geometric mean of the ratios; NaN where nothing was judged."""
        return 1.0 - geometric_mean([1.0 - skill for skill in self.skill])


def findings_of(model: Detector) -> Findings:
    """What the model says now."""
    sums = np.array([model.statistics[name] for name in RIVALS])
    names = tuple(RIVALS.values())
    rivals = tuple(
        names[best] if judged else ""
        for best, judged in zip(sums.argmin(axis=0), model.statistics["judged"], strict=True)
    )
    seasons = tuple(season * model.interval for season in model.seasons)
    return Findings(
        skill=tuple(model.skill.tolist()),
        rivals=rivals,
        seasons=seasons if model.recipe.tier == "full" else None,
        variant=model.variant,
    )
