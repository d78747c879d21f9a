"""Antithetic evolution strategies: climb the reward of perturbed parameters, each perturbation tried both ways.

    g = 1/(2 N σ) Σ_i (R(theta + σ ε_i) - R(theta - σ ε_i)) ε_i

E g = ∇ E R(theta + σ ε), the gradient of the smoothed reward; R need not be differentiable.
Source: Salimans, Ho, Chen, Sidor & Sutskever, Evolution Strategies as a Scalable Alternative to Reinforcement Learning
(2017, arXiv 1703.03864), §2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt

from streamrnn._types import Floats
from streamrnn.search._population import Owner, Population


def centred_ranks(reward: Floats) -> Floats:
    """Places in the order of rewards, from -0.5 for the least to 0.5 for the most; equal rewards share their places."""
    _values, place, count = np.unique(reward, return_inverse=True, return_counts=True)
    last = np.cumsum(count) - 1.0
    middle = last - 0.5 * (count - 1.0)
    ranks: Floats = middle[place] / (len(reward) - 1.0) - 0.5
    return ranks


class AntitheticES(Population):
    """Searches for the parameters of the most reward. Try each of `ask()`, then `tell` what each has earned.

    theta0    where to start: an array of any shape
    sigma     standard deviation of the perturbations
    pairs     perturbations in a generation, each tried with both signs
    rate      step of the update
    update    name of one that follows a gradient; options: its own
    seed      of the perturbations
    rank      climb the centred ranks of the rewards: a few enormous rewards, or a change of their scale, do not matter

    >>> es = AntitheticES([0.0, 0.0], sigma=0.1, pairs=4, rate=0.1)
    >>> for _ in range(200):
    ...     es.tell([-((a - 3) ** 2) - (b + 1) ** 2 for a, b in es.ask()])
    >>> [round(float(v), 1) for v in es.theta]
    [3.0, -1.0]
    """

    def __init__(self, theta0: npt.ArrayLike, sigma: float, pairs: int, rate: float, update: str = "adam",
                 options: Mapping[str, float] | None = None, seed: int = 0, rank: bool = False) -> None:  # fmt: skip
        super().__init__(theta0, sigma, pairs, rate, update, options, seed)
        self.rank = rank

    def tell(self, reward: npt.ArrayLike) -> None:
        """Learn what each candidate of `ask` has earned, (2 pairs,), and move theta.

        Raises InputError where a reward is missing or not finite; then nothing was learned.
        """
        told = self._told(reward)
        if self.rank:
            told = centred_ranks(told)
        self._climb(told[: self.pairs] - told[self.pairs :], self._noise())

    def _described(self) -> Owner:
        owner = super()._described()
        owner.rank = self.rank
        return owner

    @classmethod
    def _built(cls, owner: Owner) -> Self:
        search = super()._built(owner)
        search.rank = owner.rank
        return search
