"""Times that units start with: two options shared by cells that count elapsed time, and draws between them."""

from __future__ import annotations

import numpy as np

from streamrnn._options import Option
from streamrnn._types import Array, Floats
from streamrnn.errors import ModelError

TIMES = (
    Option("shortest", 0.0, 0.0, 1e9, "shortest time constant at the start, seconds; 0 with longest 0: 1 interval"),
    Option("longest", 0.0, 0.0, 1e9, "longest time constant at the start, seconds; 0 with shortest 0: 64 intervals"),
)


def spread(owner: str, shortest: float, longest: float) -> tuple[float, float, bool]:
    """(shortest, longest, seconds): the range of time constants, and whether it is in seconds.

    Neither given (0, 0): 1 to 64 typical intervals. Raises ModelError where only one is given, or longest < shortest.
    """
    if shortest == longest == 0.0:
        return 1.0, 64.0, False
    for name, value in (("shortest", shortest), ("longest", longest)):
        if not value > 0.0:
            raise ModelError(f"option {name!r} of {owner} is not given, though the other time constant is", got=value,
                             expected="more than 0 to 1e+09 seconds", hint="Give both, or neither")  # fmt: skip
    if longest < shortest:
        raise ModelError(f"option 'longest' of {owner} is less than its shortest", got=longest,
                         expected=f"{shortest:g} to 1e+09 seconds")  # fmt: skip
    return float(shortest), float(longest), True


def log_uniform(shortest: float, longest: float, n: int) -> Floats:
    """n time constants from shortest to longest, in equal ratios."""
    return np.geomspace(shortest, longest, n)


def modes(ratio: float, n: int, generator: np.random.Generator) -> Array:
    """(n, 2): log decay rates and log angular frequencies of damped rotations, time in units of the shortest constant.

    Time constants go from 1 to `ratio`; a unit turns by one radian in its time constant at least, by a quarter
    turn in one unit of time at most.
    """
    tau = log_uniform(1.0, ratio, n)
    return np.stack([-np.log(tau), generator.uniform(-np.log(tau), np.log(0.5 * np.pi))], axis=1)
