"""Report: one self-contained HTML page of a run, with its plots, events and skill. It asks nothing of any network.

All text that comes from the input is escaped; the page's own policy lets only its own scripts run.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

import msgspec

from streamrnn.daemon.picture import Picture
from streamrnn.daemon.scorecard import ChannelFigures, Scorecard
from streamrnn.daemon.story import coverage, story, verdict
from streamrnn.daemon.summary import Outcome
from streamrnn.daemon.tables import conditions_table, events_table, forecasts_table
from streamrnn.daemon.words import against, count, hours, moment, share


@dataclass(slots=True, frozen=True)
class Report:
    """What a page is made of."""

    title: str
    outcome: Outcome
    picture: Picture
    model: str
    """The model, in words."""
    alarms_per_week: float
    """The budget for false alarms."""


def page(report: Report) -> str:
    """The whole page, UTF-8 text without any outside reference."""
    outcome, card = report.outcome, report.outcome.scorecard
    figures = card.figures()
    data = msgspec.json.encode(report.picture.data(card)).decode()
    scripts = [_asset("vendor/uplot/uPlot.iife.min.js"), _asset("report.js")]
    return Template(_asset("report.html")).substitute(
        policy=escape(_policy(scripts)),
        title=escape(report.title),
        period=f"{moment(card.first)} to {moment(card.last)} UTC" if card.rows else "no rows",
        verdict=escape(verdict(outcome)),
        cards=_cards(outcome, figures),
        story=_story(report),
        legend=_legend(card),
        thinned=_thinned(report.picture, len(card.channels)),
        plots=_plots(report, figures),
        events=events_table(card.events, card.last, len(card.channels)),
        conditions=conditions_table(card.conditions, card.last),
        forecasts=forecasts_table(figures, outcome.findings, card.level),
        footer=_footer(report),
        uplot_css=_asset("vendor/uplot/uPlot.min.css"),
        css=_asset("report.css"),
        data=data,
        uplot_js=scripts[0],
        js=scripts[1],
    )


def _asset(name: str) -> str:
    return files("streamrnn.daemon").joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; form-action 'none'"


def _cards(outcome: Outcome, figures: Sequence[ChannelFigures]) -> str:
    card, found = outcome.scorecard, outcome.findings
    on = sum(event.cleared is None for event in card.events)
    overall = found.overall if found else math.nan
    seasons = ", ".join(map(hours, found.seasons)) if found and found.seasons else "none"
    entries = [
        ("Events", f"{len(card.events):,}", f"{on} ongoing" if on else "none ongoing", ' class="odd"' if on else ""),
        ("Skill of the forecasts", "–" if math.isnan(overall) else f"{overall:+.1%}",
         "error saved against the best simple forecast", ""),
        ("Values inside the band", share(coverage(figures)), f"aim {card.level:.0%}", ""),
        ("Seasons", seasons, "in force at the end", ""),
        ("Data", f"{card.rows:,}", f"rows; {_gaps(card)}", ""),
    ]  # fmt: skip
    return "\n".join(
        f'<dl class="card"><dt>{name}</dt><dd{mark}>{value}</dd><dd class="about">{note}</dd></dl>'
        for name, value, note, mark in entries
    )


def _gaps(card: Scorecard) -> str:
    missing = f"{count(card.missing, 'value')} missing"
    return f"{missing}, {count(len(card.conditions), 'condition')}" if card.conditions else missing


def _story(report: Report) -> str:
    parts = story(report.outcome, report.alarms_per_week)
    entries = "\n".join(f"<dt>{escape(subject)}</dt><dd>{escape(text)}</dd>" for subject, text in parts)
    return f'<dl class="story">\n{entries}\n</dl>' if parts else ""


def _legend(card: Scorecard) -> str:
    entries = [("line value", "measured"), ("line expected", "expected")]
    entries += [("box band", f"band that aims to hold {card.level:.0%} of values")]
    if card.events:
        entries += [("box event", "event, from its start"), ("box ongoing", "ongoing for over an hour")]
        entries += [("line resolved", "resolved")]
    entries += [("box condition", "condition of the data")] if card.conditions else []
    entries += [("box warming", "warming")] if card.warming else []
    return "".join(f'<li><i class="{kind}"></i>{text}</li>' for kind, text in entries)


def _thinned(picture: Picture, channels: int) -> str:
    text = ""
    if picture.rows_per_bucket > 1:
        text = f"Drawn are the smallest and the largest value of each {picture.rows_per_bucket} rows"
        text += ", and every row around the start of an event."
    if channels > len(picture.channels):
        text += f" Plotted are the first {len(picture.channels)} of {channels} channels."
    return text


def _plots(report: Report, figures: Sequence[ChannelFigures]) -> str:
    frame = (
        '<div class="plot" tabindex="0" role="group" aria-label="Plot of {name}. {about}">'
        '<div class="caption"><h3>{name}</h3><p class="about">{about}</p></div>'
        '<p class="readout" aria-hidden="true"></p><div class="canvas{kind}" id="{id}"></div></div>'
    )
    found, events = report.outcome.findings, report.outcome.scorecard.events
    plots = []
    for place, (name, f) in enumerate(zip(report.picture.channels, figures, strict=False)):
        own = sum(event.raised.channel == name for event in events)
        about = [count(own, "event"), f"{share(f.coverage)} inside the band"]
        if found and found.rivals[place] and not math.isnan(found.skill[place]):
            about.append(f"errors {against(found.skill[place])} those of {found.rivals[place]}")
        plots.append(frame.format(name=escape(name), about=escape(", ".join(about)), kind="", id=f"plot-{place}"))
    odd = "How odd each row was, over all channels; above 0.5 an event may begin"
    return "\n".join([*plots, frame.format(name="Anomaly score", about=odd, kind=" low", id="plot-score")])


def _footer(report: Report) -> str:
    outcome = report.outcome
    rows, seconds = outcome.scorecard.rows, outcome.seconds
    speed = f"{rows:,} rows in {seconds:.1f} s ({rows / max(seconds, 1e-9):,.0f} rows/s)"
    variant = outcome.findings.variant if outcome.findings else "as configured"
    chosen = "" if variant == "as configured" else f" Chosen for its budget of time: {escape(variant)}."
    return f"Model: {escape(report.model)}.{chosen} {speed}. All times are UTC. The file loads nothing from elsewhere."
