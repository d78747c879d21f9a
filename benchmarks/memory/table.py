"""The results as a table."""

from __future__ import annotations

from typing import Any

TITLES = {"copying": "copying", "patterning": "trace patterning"}


def table(results: dict[str, Any]) -> str:
    return "\n".join(f"{name} {len(results.get(name, {}))}" for name in TITLES)
