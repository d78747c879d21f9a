"""Search: learning from reward alone, where there is no error to differentiate. See docs/reward.md."""

from __future__ import annotations

from streamrnn.search.antithetic import AntitheticES
from streamrnn.search.persistent import PersistentES

__all__ = ["AntitheticES", "PersistentES"]
