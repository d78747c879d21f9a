"""The results as a picture (SVG): the longest delay of each pair, and the course of the error of some."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

COLOURS = {"copying": "#1f6fb4", "patterning": "#d1701a"}
LINES = ("#1f6fb4", "#d1701a", "#2e8b57", "#a23b8f", "#6b5b4b", "#c0392b", "#17889b", "#7f8c1f", "#555555", "#8a6fd1",
         "#b08900")  # fmt: skip
ROW, TOP, LEFT, WIDE = 15, 78, 168, 330
RIGHT, ACROSS, HIGH = LEFT + WIDE + 90, 380, 300
TITLES = {"copying": "copying", "patterning": "trace patterning"}
FLOOR = 1e-3  # least error drawn


def text(x: float, y: float, what: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{what}</text>'


def line(x0: float, y0: float, x1: float, y1: float, colour: str = "#ddd") -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"/>'


def reaches(results: dict[str, Any]) -> Iterator[str]:
    """A row for each pair, a dot for each task, a thin line from the worst seed to the best."""
    delays = results["conditions"]["delays"]
    names = list(results["sizes"])
    most = math.log2(delays[-1])
    bottom = TOP + ROW * len(names)

    def across(delay: int) -> float:
        return LEFT + WIDE * (math.log2(delay) if delay else 0.0) / most

    yield text(LEFT, 24, "Longest delay L solved", more='font-size="15" font-weight="bold"')
    for i, (task, colour) in enumerate(COLOURS.items()):
        yield f'<circle cx="{LEFT + 6 + 100 * i}" cy="40" r="4.5" fill="{colour}"/>'
        yield text(LEFT + 16 + 100 * i, 44, TITLES[task])
    yield text(LEFT + 240, 44, "line: worst to best seed", more='fill="#666"')
    for i, name in enumerate(names):
        if name.endswith("immediate"):
            yield f'<rect x="8" y="{TOP + ROW * i + 1}" width="{LEFT + WIDE + 22}" height="{ROW - 2}" fill="#f1ecd9"/>'
    for delay in (0, *delays):
        yield line(across(delay), TOP - 8, across(delay), bottom)
        yield text(across(delay), TOP - 14, str(delay) if delay else "none", "middle")
    cell = ""
    for i, name in enumerate(names):
        y = TOP + ROW * (i + 0.5)
        if name.partition(" ")[0] != cell:
            cell = name.partition(" ")[0]
            yield line(8, y - ROW / 2, LEFT + WIDE + 30, y - ROW / 2, "#999")
        yield text(LEFT - 14, y + 4, f"{name} ({results['sizes'][name]['units']})", "end")
        for shift, (task, colour) in zip((-2.5, 2.5), COLOURS.items(), strict=True):
            entry = results.get(task, {}).get(name)
            if entry:
                low, high = across(min(entry["reached"])), across(max(entry["reached"]))
                yield line(low, y + shift, high, y + shift, colour)
                yield f'<circle cx="{across(entry["median"]):.1f}" cy="{y + shift}" r="3.6" fill="{colour}"/>'


def courses(results: dict[str, Any], task: str, delay: int, top: float) -> Iterator[str]:
    """The error of some pairs over the steps of a pass."""
    steps, shown = results["conditions"]["steps"], results["courses"].get(task, {})
    solved, bottom = results["conditions"]["solved"][task], top + HIGH

    def up(error: float | None) -> float:
        bounded = 2.0 if error is None else min(max(error, FLOOR), 2.0)
        return bottom - HIGH * math.log(bounded / FLOOR) / math.log(2.0 / FLOOR)

    what = "share of wrong answers" if task == "copying" else "squared error, as a share of the mean's"
    yield text(RIGHT, top - 24, f"{TITLES[task].capitalize()}, L = {delay}", more='font-size="15" font-weight="bold"')
    yield text(RIGHT, top - 8, f"{what}; median of {len(results['conditions']['seeds'])} seeds", more='fill="#666"')
    for error in (1.0, 0.1, 0.01, 0.001):
        yield line(RIGHT, up(error), RIGHT + ACROSS, up(error))
        yield text(RIGHT - 6, up(error) + 4, f"{error:g}", "end")
    yield line(RIGHT, up(solved), RIGHT + ACROSS, up(solved), "#c33")
    yield text(RIGHT + 4, up(solved) - 4, "solved below", more='fill="#c33"')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield text(RIGHT + ACROSS * share, bottom + 16, f"{steps * share / 1000:g}", "middle")
    budget = f"thousand steps, of at most {results['conditions']['budget']:g} µs each"
    yield text(RIGHT + ACROSS / 2, bottom + 32, budget, "middle")
    order = sorted(enumerate(shown.items()), key=lambda item: up(item[1][1][-1]))
    places = [up(errors[-1]) for _, (_, errors) in order]
    for j in range(1, len(places)):
        places[j] = max(places[j], places[j - 1] + 14.0)
    for j in reversed(range(len(places))):
        places[j] = min(places[j], places[j + 1] - 14.0 if j + 1 < len(places) else bottom)
    for at, (i, (name, errors)) in zip(places, order, strict=True):
        colour, dash = LINES[i % len(LINES)], 'stroke-dasharray="5 3"' if name.endswith("immediate") else ""
        width = ACROSS / len(errors)
        points = " ".join(f"{RIGHT + width * (j + 0.5):.1f},{up(error):.1f}" for j, error in enumerate(errors))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" {dash}/>'
        yield line(RIGHT + ACROSS - width / 2, up(errors[-1]), RIGHT + ACROSS + 14, at, colour)
        yield text(RIGHT + ACROSS + 18, at + 4, name, more=f'fill="{colour}"')


def draw(results: dict[str, Any], delays: dict[str, int]) -> str:
    """The whole picture; delays: at which L the courses of each task were taken."""
    height = max(TOP + ROW * len(results["sizes"]) + 20, 2 * (HIGH + 120) + 20)
    width = RIGHT + ACROSS + 130
    body = [*reaches(results)]
    for i, (task, delay) in enumerate(delays.items()):
        body += courses(results, task, delay, 78 + i * (HIGH + 120))
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="11" fill="#222">')  # fmt: skip
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *body, "</svg>"]) + "\n"
