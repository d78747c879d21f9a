"""Persistent evolution strategies: learn within an episode, from segments of it, without the bias of cutting it short.

A particle keeps its own inner state (of a net, of its world) from segment to segment; each segment has new parameters.

    ξ_i ← ξ_i + ε_i             all that has shaped particle i's state since its episode began
    g = 1/(2 N σ) Σ_i ξ_i R_i   over the 2 N particles, R_i = reward of this segment

Summed over an episode, E g = ∇ E(total reward), perturbed anew in each segment, for a theta that stands still; with
ε_i in place of ξ_i a reward would credit the parameters of its own segment alone. Its variance grows with the number of
segments. Source: Vicol, Metz & Sohl-Dickstein, Unbiased Gradient Estimation in Unrolled Computation Graphs with
Persistent Evolution Strategies (ICML 2021), algorithm 2; there ε includes σ.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamrnn._types import Bools, Floats
from streamrnn.errors import InputError
from streamrnn.search._population import Population
from streamrnn.state import Field


class PersistentES(Population):
    """Searches for the parameters of the most reward in long episodes, moving theta after each segment of them.

    theta0, sigma, pairs, rate, update, options, seed: as in AntitheticES. Run particle i for one segment with row i of
    `ask()`, going on from where it was, then `tell` what each has earned in it, and whose episode has ended. The two
    particles of a pair should start from the same state; the noise of the estimate is least if they also end together.

    >>> es = PersistentES([0.0], sigma=0.1, pairs=8, rate=0.05)
    >>> for episode in range(60):
    ...     position = np.zeros(16)
    ...     for segment in range(3):
    ...         position += es.ask()[:, 0]
    ...         es.tell(-((position - segment - 1.0) ** 2), finished=segment == 2)
    >>> round(float(es.theta[0]), 1)
    1.0
    """

    @property
    def xi(self) -> Floats:
        """ξ: (2 pairs, *theta's shape), a live view: the sum of a particle's perturbations in its episode, in σ."""
        return self.arena["search.xi"].reshape(2 * self.pairs, *self.shape)

    def tell(self, reward: npt.ArrayLike, finished: bool | npt.ArrayLike = False) -> None:
        """Learn what each particle has earned in this segment, (2 pairs,), and move theta.

        finished   of each particle, (2 pairs,), or of all: its episode has ended, and the next segment begins another
        Raises InputError where a reward is missing or not finite, or the mask does not fit; then nothing was learned.
        """
        told, ended = self._told(reward), self._mask(finished)
        xi, noise = self.arena["search.xi"], self._noise()
        xi[: self.pairs] += noise
        xi[self.pairs :] -= noise
        self._climb(told, xi)
        xi[ended] = 0.0

    def reset(self, which: int | bool | npt.ArrayLike = True) -> None:
        """Begin a new episode with the next segment, for particle `which`, those of a mask (2 pairs,), or all.

        Raises InputError where there is no such particle.
        """
        if isinstance(which, int | np.integer) and not isinstance(which, bool):
            if not 0 <= which < 2 * self.pairs:
                raise InputError("no such particle", got=which, expected=f"0 to {2 * self.pairs - 1}")
            self.arena["search.xi"][which] = 0.0
        else:
            self.arena["search.xi"][self._mask(which)] = 0.0

    @classmethod
    def _own_fields(cls, pairs: int, size: int) -> tuple[Field, ...]:
        return (Field("search.xi", "real", (2 * pairs, size)),)

    def _mask(self, which: bool | npt.ArrayLike) -> Bools:
        mask = np.asarray(which)
        if mask.dtype != np.bool_ or mask.shape not in ((), (2 * self.pairs,)):
            raise InputError("who has finished is a bool, or one bool a particle", got=f"{mask.dtype} {mask.shape}",
                             expected=f"bool () or ({2 * self.pairs},)")  # fmt: skip
        return np.broadcast_to(mask, (2 * self.pairs,))
