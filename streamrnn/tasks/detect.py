"""Detector: a forecaster that also says how odd each row was, and raises an alarm once per event."""

from __future__ import annotations

from streamrnn.tasks import _layout
from streamrnn.tasks._scoring import WARM
from streamrnn.tasks.forecast import Forecaster, Sample


class Detector(Forecaster):
    """Scores every row before learning from it.

    The score is surprise / (surprise + bar), in [0, 1): 0.5 is where an alarm is raised, and it never saturates, so
    that the odder of two odd rows can always be told. The bar is `threshold` and, for a while, a quarter more for each
    alarm before: a stream that keeps crying out has to cry louder. x → a x + b (a > 0) changes no score. For the first
    100 values of a channel (`warming`) nothing is called odd.

    >>> model = Detector(seed=1)
    >>> for i in range(600):
    ...     model.learn_one(20 + i % 5)
    >>> model.score_one(20.0) < 0.1, model.score_one(60.0) > 0.5     # 20 is next in the pattern
    (True, True)
    """

    scoring = True

    def score_one(self, x: Sample, t: float | None = None) -> float:
        """The score that this row would get now. Changes nothing: follow it with `learn_one` to learn from the row."""
        before = self.snapshot()
        score = float(self.run(self._time(t), self._row(x)).score[0])
        self.restore(before)
        return score

    @property
    def warming(self) -> bool:
        """True while some channel has been seen too little to be called odd."""
        return bool((self.arena["seen"] < WARM).any())

    @property
    def alarm(self) -> bool:
        """True while an event lasts."""
        return bool(self.arena["clock"][_layout.ALARM])

    @property
    def alarms(self) -> int:
        """Events begun so far."""
        return int(self.arena["clock"][_layout.ALARMS])
