"""The clock of a running system."""

from __future__ import annotations

import time


class SystemClock:
    """Time as the operating system tells it; see `Clock` for the meaning of the verbs."""

    def now(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()
